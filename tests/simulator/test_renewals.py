"""What time does to subscriptions: renewals are billed, unpaid ones fall behind, pauses of collection void."""

from __future__ import annotations

from typing import Any

import pytest

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, Clock, World

ADA = f"/v1/subscriptions/{SEED.subscription_monthly}"


def renewed(world: World, clock: Clock, *, after: int = 3_600) -> Any:
    """Ada's subscription and its latest invoice, so long after its period has ended."""
    clock.now = world.get(ADA)["items"]["data"][0]["current_period_end"] + after
    return world.get(ADA, expand=["latest_invoice"])


def test_a_renewal_waits_an_hour_and_is_charged(world: World, clock: Clock) -> None:
    world.post("/v1/invoiceitems", customer="cus_ada", amount=500, currency="usd")
    invoice = renewed(world, clock, after=0)["latest_invoice"]
    assert (invoice["status"], invoice["billing_reason"], invoice["total"]) == ("draft", "subscription_cycle", 3_400)

    clock.now += 3_600
    found = world.get(ADA, expand=["latest_invoice"])
    assert (found["status"], found["latest_invoice"]["status"]) == ("active", "paid")
    assert found["latest_invoice"]["amount_paid"] == 3_400
    assert world.get("/v1/charges", customer="cus_ada", limit=1)["data"][0]["amount"] == 3_400


def test_a_renewal_that_can_not_be_charged_is_past_due_until_it_is_paid(world: World, clock: Clock) -> None:
    world.post(ADA, default_payment_method="pm_card_chargeDeclined")
    found = renewed(world, clock)
    assert (found["status"], found["latest_invoice"]["status"]) == ("past_due", "open")

    world.post(f"/v1/invoices/{found['latest_invoice']['id']}/pay", payment_method="pm_card_visa")
    assert world.get(ADA)["status"] == "active"


def test_giving_the_invoice_up_ends_being_past_due(world: World, clock: Clock) -> None:
    world.post(ADA, default_payment_method="pm_card_chargeDeclined")
    invoice = renewed(world, clock)["latest_invoice"]["id"]

    world.post(f"/v1/invoices/{invoice}/void")

    assert world.get(ADA)["status"] == "active"


@pytest.mark.parametrize(
    ("behavior", "status"), [("void", "void"), ("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")]
)
def test_a_pause_of_collection_says_what_becomes_of_a_renewal(
    world: World, clock: Clock, behavior: str, status: str
) -> None:
    world.post(ADA, **{"pause_collection[behavior]": behavior})
    found = renewed(world, clock)

    assert (found["status"], found["latest_invoice"]["status"]) == ("active", status)
    assert found["latest_invoice"]["amount_paid"] == 0


def test_a_pause_of_collection_ends_by_itself(world: World, clock: Clock) -> None:
    end = world.get(ADA)["items"]["data"][0]["current_period_end"]
    world.post(ADA, **{"pause_collection[behavior]": "void", "pause_collection[resumes_at]": end - DAY})
    found = renewed(world, clock)

    assert (found["pause_collection"], found["latest_invoice"]["status"]) == (None, "paid")


def test_a_year_of_time_bills_every_period_once(world: World, clock: Clock) -> None:
    clock.now += 365 * DAY
    world.get("/v1/balance")
    invoices = world.get("/v1/invoices", subscription=SEED.subscription_monthly, limit=100)["data"]

    assert [invoice["total"] for invoice in invoices] == [2_900] * 12
    assert len({invoice["period_start"] for invoice in invoices}) == 12


def test_a_customer_that_is_gone_stops_nothing_else(world: World, clock: Clock) -> None:
    world.post("/v1/invoiceitems", customer="cus_ben", amount=500, currency="usd")
    world.post("/v1/invoices", customer="cus_ben", auto_advance=True, pending_invoice_items_behavior="include")
    world.ask("DELETE", "/v1/customers/cus_ben")

    assert renewed(world, clock)["latest_invoice"]["status"] == "paid"


def test_the_draft_of_a_renewal_can_not_be_deleted(world: World, clock: Clock) -> None:
    invoice = renewed(world, clock, after=0)["latest_invoice"]["id"]

    assert world.refused("DELETE", f"/v1/invoices/{invoice}")[0] == 400
    assert world.get(f"/v1/invoices/{invoice}")["status"] == "draft"


def test_a_trial_that_ends_without_a_card_may_pause(world: World, clock: Clock) -> None:
    new = world.post("/v1/customers")["id"]
    made = world.post(
        "/v1/subscriptions",
        customer=new,
        trial_period_days=3,
        **{
            "items[0][price]": SEED.price_monthly,
            "trial_settings[end_behavior][missing_payment_method]": "pause",
        },
    )
    path = f"/v1/subscriptions/{made['id']}"
    clock.now += 3 * DAY
    assert world.get(path)["status"] == "paused"

    world.post(f"/v1/customers/{new}", **{"invoice_settings[default_payment_method]": "pm_card_visa"})
    found = world.post(f"{path}/resume", expand=["latest_invoice"])
    assert (found["status"], found["latest_invoice"]["amount_paid"]) == ("active", 2_900)
