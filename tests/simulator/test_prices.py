"""Products, prices and plans: what is sold, and what a number of units of it costs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import stripe

from runplane_mcp.simulator import SEED
from runplane_mcp.simulator.resources.pricing import amount_of
from runplane_mcp.simulator.seed import SEED as SEEDED
from runplane_mcp.simulator.transaction import Transaction
from tests.simulator.world import NOW, World

OTHER = {"currency": "usd", "product": SEED.product_beans}
TIERS = {
    "billing_scheme": "tiered",
    "tiers[0][up_to]": 10,
    "tiers[0][unit_amount]": 500,
    "tiers[0][flat_amount]": 1_000,
    "tiers[1][up_to]": "inf",
    "tiers[1][unit_amount_decimal]": "99.5",
}


def cost(world: World, price: Mapping[str, object], quantity: int) -> int:
    """What so many units cost, as on an invoice."""
    tx = Transaction(world.simulator._db, now=NOW, platform=SEEDED.account, account=SEEDED.account)
    return amount_of(tx, dict(price), quantity)


@pytest.mark.parametrize(
    ("asked", "costs"),
    [
        ({"unit_amount": 250}, {0: 0, 3: 750}),
        ({"unit_amount_decimal": "0.5"}, {1: 1, 2: 1, 3: 2}),
        (
            {"unit_amount": 900, "transform_quantity[divide_by]": 5, "transform_quantity[round]": "up"},
            {5: 900, 6: 1_800},
        ),
        ({"unit_amount": 900, "transform_quantity[divide_by]": 5, "transform_quantity[round]": "down"}, {4: 0, 9: 900}),
        ({**TIERS, "tiers_mode": "graduated"}, {0: 0, 1: 1_500, 10: 6_000, 12: 6_199}),
        ({**TIERS, "tiers_mode": "volume"}, {10: 6_000, 12: 1_194}),
    ],
)
def test_units_cost_what_their_price_says(world: World, asked: dict[str, object], costs: dict[int, int]) -> None:
    price = world.post("/v1/prices", **OTHER, **asked, **{"recurring[interval]": "month"})

    assert {quantity: cost(world, price, quantity) for quantity in costs} == costs


def test_tiers_are_shown_only_when_asked_for(world: World) -> None:
    price = world.post("/v1/prices", **OTHER, **TIERS, tiers_mode="volume")
    assert ("tiers" in price, price["unit_amount"], price["unit_amount_decimal"]) == (False, None, None)

    tiers = world.get(f"/v1/prices/{price['id']}", expand=["tiers"])["tiers"]
    assert [(tier["up_to"], tier["unit_amount_decimal"]) for tier in tiers] == [(10, "500"), (None, "99.5")]


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({}, "unit_amount"),
        ({"unit_amount": 5, "unit_amount_decimal": "5"}, "unit_amount"),
        ({"unit_amount": 5, "billing_scheme": "tiered"}, "unit_amount"),
        ({**TIERS}, "tiers_mode"),
        ({**TIERS, "tiers_mode": "volume", "tiers[1][up_to]": 9}, "tiers"),
        ({"custom_unit_amount[enabled]": True, "recurring[interval]": "month"}, "custom_unit_amount"),
        ({"unit_amount": 5, "recurring[usage_type]": "metered", "recurring[interval]": "day"}, "recurring[usage_type]"),
        ({"unit_amount": 5, "curency_options": "x"}, "curency_options"),
    ],
)
def test_a_price_that_can_not_be_is_refused(world: World, asked: dict[str, object], param: str) -> None:
    status, error = world.refused("POST", "/v1/prices", **OTHER, **asked)

    assert (status, error["param"]) == (400, param)


def test_a_lookup_key_moves_only_when_told_to(sdk: stripe.StripeClient) -> None:
    sdk.v1.prices.update(SEED.price_monthly, {"lookup_key": "club"})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.prices.update(SEED.price_yearly, {"lookup_key": "club"})
    moved = sdk.v1.prices.update(SEED.price_yearly, {"lookup_key": "club", "transfer_lookup_key": True})

    assert refused.value.param == "lookup_key"
    assert moved.lookup_key == "club"
    assert sdk.v1.prices.retrieve(SEED.price_monthly).lookup_key is None


def test_an_archived_price_is_kept_but_not_sold(sdk: stripe.StripeClient, world: World) -> None:
    archived = sdk.v1.prices.update(SEED.price_monthly, {"active": False, "nickname": "Old", "metadata": {"a": "b"}})

    assert (archived.active, archived.nickname, archived.metadata["a"]) == (False, "Old", "b")
    asked = {"customer": "cus_ada", "items[0][price]": SEED.price_monthly}
    assert world.refused("POST", "/v1/subscriptions", **asked)[0] == 400
    assert world.get(f"/v1/subscriptions/{SEED.subscription_monthly}")["status"] == "active"
    assert world.refused("POST", f"/v1/prices/{SEED.price_monthly}", unit_amount=1)[1]["code"] == "parameter_unknown"


def test_a_product_is_changed_and_only_one_without_prices_deleted(sdk: stripe.StripeClient) -> None:
    made = sdk.v1.products.create({"name": "Kettle", "url": "https://example.com/kettle"})
    changed = sdk.v1.products.update(made.id, {"name": "Pot", "active": False, "url": ""})

    assert (changed.name, changed.active, changed.url) == ("Pot", False, None)
    assert sdk.v1.products.delete(made.id).deleted
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.products.delete(SEED.product_club)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.products.update(SEED.product_beans, {"default_price": SEED.price_monthly})
    assert refused.value.param == "default_price"
    held = sdk.v1.products.update(SEED.product_beans, {"default_price": SEED.price_beans})
    assert held.default_price == SEED.price_beans


def test_a_plan_is_a_price_seen_the_old_way(sdk: stripe.StripeClient, world: World) -> None:
    made = sdk.v1.plans.create(
        {"id": "gold", "amount": 4_500, "currency": "usd", "interval": "month", "product": SEED.product_club}
    )
    price = sdk.v1.prices.retrieve("gold")

    assert (made.amount, price.unit_amount, price.type) == (4_500, 4_500, "recurring")
    assert "gold" in {plan.id for plan in sdk.v1.plans.list({"product": SEED.product_club}).data}
    assert SEED.price_beans not in {plan.id for plan in sdk.v1.plans.list({"limit": 100}).data}
    assert sdk.v1.plans.update("gold", {"nickname": "Gold"}).nickname == "Gold"
    subscribed = world.post("/v1/subscriptions", customer="cus_ada", **{"items[0][plan]": "gold"})
    assert sdk.v1.plans.delete("gold").deleted
    assert world.get(f"/v1/subscriptions/{subscribed['id']}")["status"] == "active"
    assert world.refused("POST", "/v1/subscriptions", customer="cus_ada", **{"items[0][plan]": "gold"})[0] == 400
    assert world.refused("GET", f"/v1/plans/{SEED.price_beans}")[0] == 404


def test_a_plan_may_bring_its_product(world: World) -> None:
    asked = {
        "currency": "usd",
        "interval": "week",
        "interval_count": 2,
        "product[name]": "Tasting",
        "amount_decimal": "99.5",
    }
    made = world.post("/v1/plans", **asked)

    assert world.get(f"/v1/products/{made['product']}")["name"] == "Tasting"
    assert (made["amount"], made["amount_decimal"], made["interval_count"]) == (None, "99.5", 2)
    changed = world.post(f"/v1/plans/{made['id']}", active=False, trial_period_days=9, metadata={"a": "b"})
    assert (changed["active"], changed["trial_period_days"], changed["metadata"]) == (False, 9, {"a": "b"})
    for wrong in (
        {**asked, "product[nmae]": "x"},
        {**asked, "product": "prod_nobody"},
        {**asked, "usage_type": "metered"},
    ):
        wrong.pop("product[name]")
        assert world.refused("POST", "/v1/plans", **wrong)[0] == 400


def test_a_tax_behavior_is_said_once(world: World) -> None:
    path = f"/v1/prices/{SEED.price_beans}"

    assert world.post(path, tax_behavior="inclusive")["tax_behavior"] == "inclusive"
    assert world.refused("POST", path, tax_behavior="exclusive")[1]["param"] == "tax_behavior"
