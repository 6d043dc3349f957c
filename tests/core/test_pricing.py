"""What so many of a price cost: per unit, in packages, by tiers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.effect import Looked
from runplane_mcp.core.effects import reads
from runplane_mcp.core.effects.pricing import cost
from runplane_mcp.core.facts import UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import classified, effect, item, listing, subscription

#: As in https://docs.stripe.com/products-prices/pricing-models: $7.00 each up to five, $6.50 up to ten, then $6.00.
TIERS = [
    {"up_to": 5, "unit_amount": 700, "flat_amount": None},
    {"up_to": 10, "unit_amount": 650, "flat_amount": None},
    {"up_to": None, "unit_amount": 600, "flat_amount": None},
]
FLAT = [{"up_to": 5, "unit_amount": 0, "flat_amount": 1_000}, {"up_to": None, "unit_amount_decimal": "0.5"}]


def tiered(mode: str, tiers: object) -> dict[str, object]:
    return {"id": "price_t", "billing_scheme": "tiered", "tiers_mode": mode, "tiers": tiers, "unit_amount": None}


@pytest.mark.parametrize(
    ("mode", "tiers", "quantity", "costs"),
    [
        ("graduated", TIERS, 1, 700),
        ("graduated", TIERS, 5, 3_500),
        ("graduated", TIERS, 6, 4_150),
        ("graduated", TIERS, 20, 5 * 700 + 5 * 650 + 10 * 600),
        ("volume", TIERS, 5, 3_500),
        ("volume", TIERS, 6, 3_900),
        ("volume", TIERS, 20, 12_000),
        ("graduated", FLAT, 3, 1_000),
        ("graduated", FLAT, 7, 1_001),
        ("volume", FLAT, 7, Fraction(7, 2)),
        ("graduated", TIERS, 0, 0),
        ("graduated", FLAT, 0, None),
        ("stepwise", TIERS, 1, None),
        ("volume", TIERS[:2], 11, None),
        ("graduated", [TIERS[1], TIERS[0]], 12, None),
        ("graduated", None, 7, None),
        ("graduated", ["all"], 7, None),
        ("graduated", [{"up_to": "inf", "unit_amount": 1}], 7, None),
        ("graduated", [{"up_to": None, "unit_amount": -1}], 7, None),
        ("volume", [{"up_to": None, "unit_amount_decimal": "1e3"}], 7, None),
    ],
)  # fmt: skip
def test_a_quantity_falls_into_its_tiers(mode: str, tiers: object, quantity: int, costs: object) -> None:
    assert cost(tiered(mode, tiers), quantity) == costs


@pytest.mark.parametrize(
    ("transform", "quantity", "costs"),
    [
        (None, 23, 2_300),
        ({"divide_by": 10, "round": "up"}, 23, 300),
        ({"divide_by": 10, "round": "down"}, 23, 200),
        ({"divide_by": 10, "round": "up"}, 20, 200),
        ({"divide_by": 10, "round": "up"}, 0, 0),
        ({"divide_by": 0, "round": "up"}, 5, None),
        ({"divide_by": 10}, 5, None),
        ("ten", 5, None),
    ],
)
def test_packages_are_paid_for_whole(transform: object, quantity: int, costs: int | None) -> None:
    price = {"billing_scheme": "per_unit", "unit_amount": 100, "transform_quantity": transform}

    assert cost(price, quantity) == costs


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_graduated_tiers_are_between_the_dearest_and_the_cheapest(quantity: int, more: int) -> None:
    """And a larger quantity never costs less, as it can with volume tiers."""
    found, larger = cost(tiered("graduated", TIERS), quantity), cost(tiered("graduated", TIERS), quantity + more)

    assert found is not None
    assert larger is not None
    assert 600 * quantity <= found <= 700 * quantity
    assert found <= larger


def test_where_the_payer_chooses_nobody_can_say() -> None:
    price = {"billing_scheme": "per_unit", "unit_amount": 5, "custom_unit_amount": {"minimum": 1}}

    assert cost(price, 1) is None


HIDDEN = item(quantity=20, id="price_t", billing_scheme="tiered", unit_amount=None, unit_amount_decimal=None)
SHOWN = {**tiered("graduated", TIERS), **{name: HIDDEN["price"][name] for name in ("currency", "recurring")}}  # type: ignore[index]


def test_tiers_that_a_subscription_hides_are_looked_up_and_count() -> None:
    ending = classified("DeleteSubscriptionsSubscriptionExposedId", subscription_exposed_id="sub_1")
    held = subscription(HIDDEN)

    assert [each.wire.url for each in reads(ending, {"subscription": held})] == ["/v1/prices/price_t?expand[0]=tiers"]
    assert reads(ending, {"subscription": held, "tiers:price_t": SHOWN}) == ()

    looked: dict[str, Looked] = {"subscription": held}
    assert effect(ending.operation.operation_id, looked, subscription_exposed_id="sub_1").facts["mrr_lost"] is UNKNOWN
    looked["tiers:price_t"] = SHOWN
    assert effect(ending.operation.operation_id, looked, subscription_exposed_id="sub_1").facts["mrr_lost"] == Money(
        12_750, "usd"
    )


def test_the_tiers_of_a_deleted_customers_subscriptions_count_too() -> None:
    deleting = classified("DeleteCustomersCustomer", customer="cus_1")
    looked: dict[str, Looked] = {
        "customer": {"id": "cus_1"},
        "subscriptions": listing(subscription(HIDDEN), subscription()),
    }

    assert [each.name for each in reads(deleting, looked)] == ["tiers:price_t"]
    seen = effect("DeleteCustomersCustomer", {**looked, "tiers:price_t": SHOWN}, customer="cus_1")
    assert seen.facts["mrr_lost"] == Money(15_650, "usd")


def test_a_tier_that_changed_meanwhile_is_seen_when_it_runs() -> None:
    cheaper = {**SHOWN, "tiers": [{"up_to": None, "unit_amount": 1}]}
    before, after = (
        effect(
            "DeleteSubscriptionsSubscriptionExposedId",
            {"subscription": subscription(HIDDEN), "tiers:price_t": shown},
            subscription_exposed_id="sub_1",
        )
        for shown in (SHOWN, cheaper)
    )

    assert before.observed["items"] != after.observed["items"]
