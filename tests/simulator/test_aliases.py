"""Other paths to the same money. What Stripe publishes as an alias is one here, wherever its target is."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest
import stripe

from runplane_mcp.simulator import SEED
from runplane_mcp.simulator.resources import TABLE
from tests.simulator.world import World, error_of

OPERATIONS = json.loads(files("runplane_mcp.core").joinpath("data/operations.json").read_text())["operations"]
ALIASES = [(found["method"], found["path"], found["alias_of"]) for found in OPERATIONS if found["alias_of"]]


def answered(method: str, path: str) -> bool:
    """Whether a route is made for just this path."""
    found = TABLE.find(method, re.sub(r"\{\w+\}", "x", path))
    return found is not None and re.sub(r"\{\w+\}", "{}", found[0].path) == re.sub(r"\{\w+\}", "{}", path)


def test_every_published_alias_is_answered_where_its_target_is() -> None:
    unanswered = [
        f"{method} {path}"
        for method, path, target in ALIASES
        if answered(*target.split(" ", 1)) and not answered(method, path)
    ]

    assert len(ALIASES) == 41
    assert unanswered == []


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        (f"/v1/charges/{SEED.charge_900}/refund", {}),
        (f"/v1/charges/{SEED.charge_900}/refunds", {}),
        ("/v1/terminal/refunds", {"charge": SEED.charge_900}),
    ],
)
def test_a_refund_by_another_path_is_the_same_money(
    sdk: stripe.StripeClient, world: World, path: str, parameters: dict[str, str]
) -> None:
    before = world.available()

    sdk.raw_request("post", path, amount=2_500, **parameters)

    assert world.get(f"/v1/charges/{SEED.charge_900}")["amount_refunded"] == 2_500
    assert world.available() == before - 2_500
    (refund,) = world.get(f"/v1/charges/{SEED.charge_900}/refunds")["data"]
    assert world.get(f"/v1/charges/{SEED.charge_900}/refunds/{refund['id']}") == refund


def test_the_oldest_alias_answers_with_the_charge(world: World) -> None:
    charge = world.post(f"/v1/charges/{SEED.charge_900}/refund", amount=100)

    assert (charge["object"], charge["id"], charge["amount_refunded"]) == ("charge", SEED.charge_900, 100)


def test_what_an_alias_names_in_its_path_is_no_parameter_of_it(world: World) -> None:
    status, error = world.refused("POST", f"/v1/charges/{SEED.charge_900}/refunds", charge=SEED.charge_40)

    assert (status, error["code"], error["param"]) == (400, "parameter_unknown", "charge")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/v1/charges/{SEED.charge_40}/refunds/{SEED.refund_full}"),
        ("POST", "/v1/charges/ch_nobody/refunds"),
        ("GET", "/v1/charges/ch_nobody/refunds"),
        ("DELETE", f"/v1/customers/{SEED.customer_ben}/subscriptions/{SEED.subscription_monthly}"),
        ("GET", f"/v1/charges/{SEED.charge_40}/dispute"),
    ],
)
def test_an_alias_names_only_what_is_the_owners(world: World, method: str, path: str) -> None:
    status, error = world.refused(method, path)

    assert (status, error["code"]) == (404, "resource_missing")


def test_a_subscription_ends_by_way_of_its_customer(sdk: stripe.StripeClient, world: World) -> None:
    path = f"/v1/customers/{SEED.customer_ada}/subscriptions"
    listed = world.get(path)
    sdk.raw_request("delete", f"{path}/{SEED.subscription_monthly}")

    assert (listed["url"], [found["id"] for found in listed["data"]]) == (path, [SEED.subscription_monthly])
    assert world.get(f"/v1/subscriptions/{SEED.subscription_monthly}")["status"] == "canceled"


def test_an_alias_sends_the_sdk_the_same_error(sdk: stripe.StripeClient) -> None:
    sdk.raw_request("post", f"/v1/charges/{SEED.charge_40}/refund")

    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.raw_request("post", f"/v1/charges/{SEED.charge_40}/refund")

    assert error_of(refused.value)["code"] == "charge_already_refunded"


def test_the_dispute_of_a_charge_is_found_by_the_charge(world: World) -> None:
    found = world.get(f"/v1/charges/{SEED.charge_disputed}/dispute")

    assert found["id"] == SEED.dispute
