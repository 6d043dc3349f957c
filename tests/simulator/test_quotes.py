"""Quotes: drafted, offered, accepted, and what acceptance makes."""

from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, NOW, Clock, World

PATH = "/v1/quotes"
BEANS = {"customer": "cus_ada", "line_items[0][price]": SEED.price_beans, "line_items[0][quantity]": 10}


def test_the_sdk_offers_a_subscription_and_it_begins(sdk: stripe.StripeClient, world: World, clock: Clock) -> None:
    draft = sdk.v1.quotes.create(
        {
            "customer": "cus_ada",
            "line_items": [{"price": SEED.price_seat, "quantity": 5}, {"price": SEED.price_beans}],
            "discounts": [{"coupon": SEED.coupon_amount}],
            "expand": ["line_items", "discounts"],
        }
    )
    assert (draft.status, draft.amount_subtotal, draft.amount_total) == ("draft", 6_300, 5_300)
    assert draft.computed.recurring is not None
    assert (draft.computed.recurring.amount_subtotal, draft.computed.recurring.interval) == (4_500, "month")
    assert world.get(f"/v1/coupons/{SEED.coupon_amount}")["times_redeemed"] == 0
    assert len(sdk.v1.quotes.computed_upfront_line_items.list(draft.id).data) == 2

    offered = sdk.v1.quotes.finalize_quote(draft.id)
    assert (offered.status, offered.number is not None) == ("open", True)
    accepted = sdk.v1.quotes.accept(draft.id, {"expand": ["subscription"]})
    assert accepted.status == "accepted"
    assert isinstance(accepted.subscription, stripe.Subscription)
    assert world.get(f"/v1/coupons/{SEED.coupon_amount}")["times_redeemed"] == 1
    invoice = world.get(f"/v1/invoices/{accepted.invoice}")
    assert (invoice["status"], invoice["total"]) == ("draft", 5_300)
    clock.now += 3_600
    assert world.get(f"/v1/invoices/{accepted.invoice}")["amount_paid"] == 5_300
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.quotes.cancel(draft.id)


def test_what_is_paid_once_becomes_an_invoice(world: World, clock: Clock) -> None:
    made = world.post(PATH, **BEANS, collection_method="send_invoice")["id"]
    world.post(f"{PATH}/{made}", **{"line_items[0][price]": SEED.price_beans, "line_items[0][quantity]": 2})
    assert [line["quantity"] for line in world.get(f"{PATH}/{made}/line_items")["data"]] == [2]
    world.post(f"{PATH}/{made}/finalize")
    accepted = world.post(f"{PATH}/{made}/accept", expand=["invoice"])

    assert (accepted["subscription"], accepted["invoice"]["total"]) == (None, 3_600)
    assert accepted["invoice"]["due_date"] == NOW + 30 * DAY
    clock.now += 3_600
    assert world.get(f"/v1/invoices/{accepted['invoice']['id']}")["status"] == "open"


def test_a_quote_expires(world: World, clock: Clock) -> None:
    made = world.post(PATH, **BEANS)["id"]
    world.post(f"{PATH}/{made}/finalize", expires_at=NOW + DAY)
    clock.now += DAY

    assert world.get(f"{PATH}/{made}")["status"] == "canceled"
    assert world.refused("POST", f"{PATH}/{made}/accept")[0] == 400


def test_each_step_needs_its_state(world: World) -> None:
    empty = world.post(PATH)["id"]
    assert world.refused("POST", f"{PATH}/{empty}/accept")[0] == 400
    assert world.refused("POST", f"{PATH}/{empty}/finalize")[0] == 400
    assert world.post(f"{PATH}/{empty}/cancel")["status"] == "canceled"
    made = world.post(PATH, **BEANS)["id"]
    world.post(f"{PATH}/{made}/finalize")
    assert world.refused("POST", f"{PATH}/{made}", description="x")[0] == 400
    assert world.post(f"{PATH}/{made}", **{"metadata[a]": "b"})["metadata"] == {"a": "b"}
    assert [each["id"] for each in world.get(PATH, status="open")["data"]] == [made]
    assert world.refused("GET", f"{PATH}/qt_nobody")[0] == 404


@pytest.mark.parametrize(
    "changed",
    [
        {"customer": "cus_nobody"},
        {"line_items[0][price]": "price_nobody"},
        {"line_items[1][price]": SEED.price_monthly_eur},
        {"discounts[0][coupon]": "NOBODY"},
        {"expires_at": NOW},
        {"transfer_data[destination]": "acct_nobody"},
        {"line_item": 5},
    ],
)
def test_a_quote_that_can_not_be_is_refused(world: World, changed: dict[str, object]) -> None:
    assert world.refused("POST", PATH, **{**BEANS, **changed})[0] == 400
    assert world.get(PATH)["data"] == []


def test_a_quote_says_who_gets_of_it_and_when_it_begins(world: World) -> None:
    made = world.post(
        PATH,
        customer="cus_ada",
        on_behalf_of=SEED.connected_account_paid,
        collection_method="send_invoice",
        **{
            "line_items[0][price_data][currency]": "usd",
            "line_items[0][price_data][product]": SEED.product_club,
            "line_items[0][price_data][unit_amount]": 1_000,
            "line_items[0][price_data][recurring][interval]": "month",
            "transfer_data[destination]": SEED.connected_account_paid,
            "transfer_data[amount_percent]": 50,
            "subscription_data[trial_period_days]": 5,
            "subscription_data[description]": "Club",
            "invoice_settings[days_until_due]": 9,
        },
    )["id"]
    assert world.get(f"{PATH}/{made}/computed_upfront_line_items")["data"] == []
    world.post(f"{PATH}/{made}/finalize")
    begun = world.post(f"{PATH}/{made}/accept", expand=["subscription"])["subscription"]

    assert (begun["status"], begun["description"], begun["days_until_due"]) == ("trialing", "Club", 9)
    assert begun["transfer_data"] == {"amount_percent": 50, "destination": SEED.connected_account_paid}
    assert begun["on_behalf_of"] == SEED.connected_account_paid
