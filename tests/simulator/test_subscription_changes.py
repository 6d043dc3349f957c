"""Changing a subscription: items, prorations, discounts, trials, pauses and ends."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, Clock, World

OFFICE, ADA = f"/v1/subscriptions/{SEED.subscription_office}", f"/v1/subscriptions/{SEED.subscription_monthly}"
SEATS = {"items[0][id]": "si_cleo_office_2"}


def pending(world: World, customer: str) -> list[int]:
    return [item["amount"] for item in world.get("/v1/invoiceitems", customer=customer, pending=True)["data"]]


def items(found: Any) -> list[tuple[str, int]]:
    return [(item["price"]["id"], item["quantity"]) for item in found["items"]["data"]]


def test_the_sdk_swaps_a_price_and_credits_the_rest(sdk: stripe.StripeClient, world: World) -> None:
    """Twenty of thirty days are over: a third of the price is left."""
    sdk.v1.subscriptions.update(
        SEED.subscription_office, {"items": [{"id": "si_cleo_office_2", "quantity": 6}], "metadata": {"a": "b"}}
    )

    assert items(world.get(OFFICE)) == [(SEED.price_monthly, 1), (SEED.price_seat, 6)]
    assert pending(world, "cus_cleo") == [1_800, -3_600]


def test_without_prorations_nothing_is_billed(world: World) -> None:
    world.post(OFFICE, **SEATS, **{"items[0][quantity]": 6}, proration_behavior="none")

    assert pending(world, "cus_cleo") == []
    assert world.get("/v1/invoices", customer="cus_cleo")["data"] == []


def test_prorations_are_invoiced_at_once_when_asked_for(world: World) -> None:
    found = world.post(OFFICE, **SEATS, **{"items[0][quantity]": 24}, proration_behavior="always_invoice")
    invoice = world.get(f"/v1/invoices/{found['latest_invoice']}")

    assert (invoice["status"], invoice["total"], invoice["billing_reason"]) == ("paid", 3_600, "subscription_update")
    assert pending(world, "cus_cleo") == []
    assert [each["id"] for each in world.get("/v1/invoices", subscription=SEED.subscription_office)["data"]] == [
        invoice["id"]
    ]


def test_another_price_without_a_quantity_is_one_of_it(world: World) -> None:
    found = world.post(OFFICE, **SEATS, **{"items[0][price]": SEED.price_weekly}, proration_behavior="none")

    assert items(found) == [(SEED.price_monthly, 1), (SEED.price_weekly, 1)]


def test_another_interval_begins_a_new_period_and_is_charged(world: World) -> None:
    item = world.get(ADA)["items"]["data"][0]
    found = world.post(ADA, **{"items[0][id]": item["id"], "items[0][price]": SEED.price_yearly})
    invoice = world.get(f"/v1/invoices/{found['latest_invoice']}")

    assert found["items"]["data"][0]["current_period_start"] > item["current_period_start"]
    assert sorted(line["amount"] for line in invoice["lines"]["data"]) == [-1_740, 29_000]
    assert (invoice["status"], invoice["amount_paid"]) == ("paid", 27_260)


def test_items_come_and_go(world: World) -> None:
    found = world.post(OFFICE, **SEATS, **{"items[0][deleted]": True, "items[1][price]": SEED.price_yearly})

    assert items(found) == [(SEED.price_monthly, 1), (SEED.price_yearly, 1)]


@pytest.mark.parametrize(
    "parameters",
    [
        {"items[0][id]": "si_nobody", "items[0][quantity]": 1},
        {**SEATS, "items[0][price]": "price_nobody"},
        {**SEATS, "items[0][price]": SEED.price_monthly_eur},
        {**SEATS, "items[0][price]": SEED.price_beans},
        {**SEATS, "items[0][price]": SEED.price_monthly},
        {**SEATS, "items[0][quantity]": -1},
        {"items[0][quantity]": 1},
        {"items[0][deleted]": True},
        {**SEATS, "items[0][deleted]": True, "items[1][id]": "si_cleo_office_1", "items[1][deleted]": True},
        {"discounts[0][coupon]": "NOBODY"},
        {"trial_end": 5},
        {"cancel_at": 5},
        {"pause_collection[behavior]": "whenever"},
    ],
)
def test_what_can_not_be_is_refused_and_changes_nothing(world: World, parameters: dict[str, object]) -> None:
    before = world.get(OFFICE)

    assert world.refused("POST", OFFICE, **parameters)[0] == 400
    assert world.get(OFFICE) == before
    assert pending(world, "cus_cleo") == []


def test_discounts_are_given_and_taken_away(world: World) -> None:
    given = world.post(OFFICE, **{"discounts[0][coupon]": SEED.coupon_forever}, expand=["discounts"])

    assert given["discounts"][0]["source"]["coupon"] == SEED.coupon_forever
    assert world.post(OFFICE, discounts="")["discounts"] == []


def test_a_trial_defers_what_is_paid(world: World, clock: Clock) -> None:
    far = clock.now + 90 * DAY
    found = world.post(ADA, trial_end=far)
    assert (found["status"], found["items"]["data"][0]["current_period_end"]) == ("trialing", far)

    clock.now += 60 * DAY
    assert world.get(ADA)["status"] == "trialing"
    clock.now = far
    assert world.get(ADA)["status"] == "active"


def test_a_trial_that_ends_now_is_charged(world: World) -> None:
    found = world.post(f"/v1/subscriptions/{SEED.subscription_trial}", trial_end="now")

    assert found["status"] == "active"
    assert world.get(f"/v1/invoices/{found['latest_invoice']}")["amount_paid"] == 1_500


def test_collection_is_paused_and_resumed(world: World) -> None:
    paused = world.post(ADA, **{"pause_collection[behavior]": "void"})

    assert paused["pause_collection"] == {"behavior": "void", "resumes_at": None}
    assert world.post(ADA, pause_collection="")["pause_collection"] is None


def test_an_end_that_was_set_comes(world: World, clock: Clock) -> None:
    world.post(ADA, cancel_at=clock.now + 5 * DAY)
    assert world.post(ADA, cancel_at="")["cancel_at"] is None
    world.post(ADA, cancel_at=clock.now + 5 * DAY)
    clock.now += 5 * DAY

    assert world.get(ADA)["status"] == "canceled"
    assert world.refused("POST", ADA, trial_end="now")[0] == 400


def test_a_period_that_was_moved_does_not_end_at_its_old_time(world: World, clock: Clock) -> None:
    item = world.get(ADA)["items"]["data"][0]
    old_end = item["current_period_end"]
    moved = world.post(ADA, **{"items[0][id]": item["id"], "items[0][price]": SEED.price_yearly})
    clock.now = old_end

    assert world.get(ADA)["items"] == moved["items"]


def test_ending_at_once_may_credit_and_bill(world: World) -> None:
    world.ask("DELETE", OFFICE, prorate=True)
    assert sorted(pending(world, "cus_cleo")) == [-3_600, -967]

    world.post("/v1/invoiceitems", customer="cus_ada", amount=5_000, currency="usd")
    _, ended = world.ask("DELETE", ADA, invoice_now=True)
    assert world.get(f"/v1/invoices/{ended['latest_invoice']}")["amount_paid"] == 5_000
