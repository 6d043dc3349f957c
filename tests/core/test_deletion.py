"""What a DELETE takes away, told from what stands in its place later. THREATS row 18."""

from __future__ import annotations

from typing import Any

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.effects import deletion_of
from runplane_mcp.core.effects.deletion import Deletion, There
from runplane_mcp.core.wire import encode

CATALOG = load()
COUPON = {"id": "SUMMER", "object": "coupon", "created": 5}
RUNS = {"id": "sub_1", "object": "subscription", "created": 5, "status": "active"}
OFF = {"id": "sub_1", "object": "subscription", "discounts": [{"id": "di_1"}, "di_2"]}
FIRST = {"id": "cus_1", "object": "customer", "discount": {"id": "di_1"}}


def deletion(path: str) -> Deletion:
    found = deletion_of(CATALOG.classify(encode("DELETE", path, {})))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "before", "now", "there"),
    [
        ("/v1/coupons/SUMMER", COUPON, COUPON, There.SAME),
        ("/v1/coupons/SUMMER", COUPON, COUPON | {"name": "other words"}, There.SAME),
        ("/v1/coupons/SUMMER", COUPON, COUPON | {"created": 6}, There.OTHER),
        ("/v1/coupons/SUMMER", COUPON, COUPON | {"deleted": True}, There.GONE),
        ("/v1/coupons/SUMMER", {}, COUPON, There.OTHER),
        ("/v1/coupons/SUMMER", {}, {}, There.OTHER),
        ("/v1/subscriptions/sub_1", RUNS, RUNS | {"status": "past_due"}, There.SAME),
        ("/v1/subscriptions/sub_1", RUNS, RUNS | {"status": "canceled"}, There.GONE),
        ("/v1/subscriptions/sub_1", RUNS, RUNS | {"status": "incomplete_expired"}, There.OTHER),
        ("/v1/subscriptions/sub_1/discount", OFF, OFF | {"discounts": ["di_2", "di_1"]}, There.SAME),
        ("/v1/subscriptions/sub_1/discount", OFF, OFF | {"discounts": ["di_2"]}, There.OTHER),
        ("/v1/subscriptions/sub_1/discount", OFF, OFF | {"discounts": ["di_3"]}, There.OTHER),
        ("/v1/subscriptions/sub_1/discount", OFF, OFF | {"discounts": [{}]}, There.OTHER),
        ("/v1/subscriptions/sub_1/discount", OFF, OFF | {"discounts": []}, There.GONE),
        ("/v1/customers/cus_1/discount", FIRST, FIRST, There.SAME),
        ("/v1/customers/cus_1/discount", FIRST, FIRST | {"discount": {"id": "di_2"}}, There.OTHER),
        ("/v1/customers/cus_1/discount", FIRST, FIRST | {"discount": None}, There.GONE),
        ("/v1/customers/cus_1/discount", FIRST, {"id": "cus_1"}, There.OTHER),
    ],
)
def test_only_the_very_thing_of_before_is_there_still(
    path: str, before: dict[str, Any], now: dict[str, Any], there: There
) -> None:
    found = deletion(path)

    assert found.compare(now, found.snapshot({found.read.name: before})) is there


def test_every_deletion_that_somebody_judged_can_be_looked_at_but_for_these() -> None:
    """Stripe shows no ephemeral key, and these paths of old name no account."""
    unseen = set()
    for operation in CATALOG.operations:
        if operation.method == "DELETE" and operation.judged and not operation.path.startswith("/v2/"):
            ids = {name: f"{name}_1" for name in operation.path_parameters}
            wire = encode("DELETE", operation.path, {**ids, **({"account": "acct_1"} if "account" in ids else {})})
            if deletion_of(CATALOG.classify(wire)) is None:
                unseen.add(operation.path)

    assert unseen == {
        "/v1/account",
        "/v1/account/bank_accounts/{id}",
        "/v1/account/external_accounts/{id}",
        "/v1/account/persons/{person}",
        "/v1/ephemeral_keys/{key}",
    }


def test_a_deletion_whose_key_stripe_keeps_needs_no_look() -> None:
    wire = encode("DELETE", "/v2/core/event_destinations/ed_1", {})

    assert deletion_of(CATALOG.classify(wire)) is None
