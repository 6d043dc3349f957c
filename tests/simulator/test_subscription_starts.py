"""How a subscription begins: its first invoice, trials, anchors, discounts, and what a failed payment leaves."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, NOW, Clock, World

CLUB = {"items[0][price]": SEED.price_monthly}


def began(world: World, customer: str = "cus_ada", **asked: object) -> tuple[Any, Any]:
    """A new subscription and its first invoice."""
    found = world.post("/v1/subscriptions", customer=customer, **{**CLUB, **asked})
    return found, world.get(f"/v1/invoices/{found['latest_invoice']}")


def without_card(world: World) -> str:
    return str(world.post("/v1/customers", name="New")["id"])


def test_the_sdk_begins_a_subscription_and_its_first_period_is_paid(sdk: stripe.StripeClient, world: World) -> None:
    made = sdk.v1.subscriptions.create(
        {
            "customer": "cus_ada",
            "items": [
                {"price": SEED.price_seat, "quantity": 3, "metadata": {"team": "a"}},
                {
                    "price_data": {
                        "currency": "usd",
                        "product": SEED.product_club,
                        "unit_amount": 700,
                        "recurring": {"interval": "month"},
                    }
                },
            ],
            "add_invoice_items": [{"price": SEED.price_beans, "quantity": 2}],
            "metadata": {"order": "7"},
            "expand": ["latest_invoice.payments"],
        }
    )

    assert made.status == "active"
    invoice = made.latest_invoice
    assert isinstance(invoice, stripe.Invoice)
    assert (invoice.status, invoice.billing_reason, invoice.amount_paid) == ("paid", "subscription_create", 7_000)
    assert sorted(line.amount for line in invoice.lines.data) == [700, 2_700, 3_600]
    assert world.get(f"/v1/invoices/{invoice.id}")["parent"]["subscription_details"]["subscription"] == made.id
    assert [item["quantity"] for item in made["items"]["data"]] == [3, 1]
    types = {event["type"] for event in world.get("/v1/events", limit=20)["data"]}
    assert {"customer.subscription.created", "invoice.created", "invoice.paid", "charge.succeeded"} <= types


def test_a_subscription_of_nobody_who_can_be_charged_is_refused_or_waits(world: World, clock: Clock) -> None:
    new = without_card(world)
    status, error = world.refused("POST", "/v1/subscriptions", customer=new, **CLUB)
    assert (status, error["code"]) == (400, "resource_missing")
    assert world.get("/v1/subscriptions", customer=new, status="all")["data"] == []

    waits, invoice = began(world, new, payment_behavior="default_incomplete")
    assert (waits["status"], invoice["status"], invoice["amount_remaining"]) == ("incomplete", "open", 2_900)
    world.post(f"/v1/invoices/{invoice['id']}/pay", payment_method="pm_card_visa")
    assert world.get(f"/v1/subscriptions/{waits['id']}")["status"] == "active"

    lost, invoice = began(world, new, payment_behavior="default_incomplete")
    clock.now += DAY
    assert world.get(f"/v1/subscriptions/{lost['id']}")["status"] == "incomplete_expired"
    assert world.get(f"/v1/invoices/{invoice['id']}")["status"] == "void"


def test_a_declined_card_leaves_it_incomplete_or_nothing_at_all(world: World) -> None:
    declined = {"default_payment_method": "pm_card_chargeDeclined"}
    left, invoice = began(world, **declined)
    assert (left["status"], invoice["status"], invoice["attempt_count"]) == ("incomplete", "open", 1)

    before = world.get("/v1/subscriptions", status="all")["data"]
    status, error = world.refused(
        "POST", "/v1/subscriptions", customer="cus_ben", **CLUB, **declined, payment_behavior="error_if_incomplete"
    )
    assert (status, error["code"]) == (402, "card_declined")
    assert world.get("/v1/subscriptions", status="all")["data"] == before


def test_an_invoice_that_is_sent_leaves_the_subscription_active(world: World, clock: Clock) -> None:
    new = without_card(world)
    found, invoice = began(world, new, collection_method="send_invoice", days_until_due=14)
    assert (found["status"], invoice["status"], invoice["due_date"]) == ("active", "draft", NOW + 14 * DAY)

    clock.now += 3_600
    assert world.get(f"/v1/invoices/{invoice['id']}")["status"] == "open"


def test_a_trial_is_free_and_then_charged_or_ends(world: World, clock: Clock) -> None:
    found, invoice = began(world, trial_period_days=7)
    assert (found["status"], invoice["status"], invoice["total"]) == ("trialing", "paid", 0)
    assert found["trial_end"] == NOW + 7 * DAY == found["items"]["data"][0]["current_period_end"]
    ends, _ = began(
        world,
        without_card(world),
        trial_end=NOW + 7 * DAY,
        **{"trial_settings[end_behavior][missing_payment_method]": "cancel"},
    )
    clock.now += 7 * DAY + 3_600

    after = world.get(f"/v1/subscriptions/{found['id']}", expand=["latest_invoice"])
    assert (after["status"], after["latest_invoice"]["amount_paid"]) == ("active", 2_900)
    assert world.get(f"/v1/subscriptions/{ends['id']}")["status"] == "canceled"


def test_discounts_come_off_the_first_invoice_and_a_single_one_only_off_it(world: World) -> None:
    once, invoice = began(
        world, **{"discounts[0][coupon]": SEED.coupon_once, "discounts[1][coupon]": SEED.coupon_amount}
    )

    assert (invoice["subtotal"], invoice["total"]) == (2_900, 2_900 - 290 - 1_000)
    assert once["discounts"] == []
    assert world.post("/v1/invoices/create_preview", subscription=once["id"])["total"] == 2_900


def test_a_subscription_for_nothing_is_active_at_once(world: World) -> None:
    world.post("/v1/coupons", id="FREE", percent_off=100, duration="forever")
    found, invoice = began(world, without_card(world), **{"discounts[0][coupon]": "FREE"})

    assert (found["status"], invoice["status"], invoice["total"], invoice["amount_paid"]) == ("active", "paid", 0, 0)


@pytest.mark.parametrize(("behavior", "amount"), [("create_prorations", 967), ("none", 0)])
def test_a_later_anchor_shortens_the_first_period(world: World, behavior: str, amount: int) -> None:
    found, invoice = began(world, billing_cycle_anchor=NOW + 10 * DAY, proration_behavior=behavior)

    assert found["items"]["data"][0]["current_period_end"] == NOW + 10 * DAY == found["billing_cycle_anchor"]
    # Ten of the thirty-one days between two such days of October and November, or of thirty.
    assert abs(invoice["total"] - amount) <= 32


def test_credit_of_the_customer_pays_first(world: World) -> None:
    world.post("/v1/customers/cus_ada/balance_transactions", amount=-2_000, currency="usd")
    _, invoice = began(world)

    assert (invoice["amount_due"], invoice["amount_paid"], invoice["status"]) == (900, 900, "paid")
    assert world.get("/v1/customers/cus_ada")["balance"] == 0


def test_tax_rates_are_added_to_or_contained_in_the_price(world: World) -> None:
    vat = {"display_name": "VAT", "percentage": 20}
    added = world.post("/v1/tax_rates", **vat, inclusive=False)["id"]
    contained = world.post("/v1/tax_rates", **vat, inclusive=True)["id"]

    _, on_top = began(world, **{"default_tax_rates[0]": added})
    _, inside = began(world, **{"default_tax_rates[0]": contained})

    assert (on_top["subtotal"], on_top["total"], on_top["total_taxes"][0]["amount"]) == (2_900, 3_480, 580)
    assert (inside["total"], inside["total_taxes"][0]["amount"], inside["total_excluding_tax"]) == (2_900, 483, 2_417)


@pytest.mark.parametrize(
    "asked",
    [
        {"customer": "cus_nobody"},
        {"items[0][price]": SEED.price_beans},
        {"items[0][price]": "price_nobody"},
        {"items[1][price]": SEED.price_monthly},
        {"items[1][price]": SEED.price_monthly_eur},
        {"items[0][quantity]": -1},
        {"items[0][id]": "si_1"},
        {"trial_end": NOW},
        {"trial_end": NOW + DAY, "trial_period_days": 3},
        {"cancel_at": NOW},
        {"collection_method": "send_invoice"},
        {"days_until_due": 3},
        {"default_payment_method": "pm_nobody"},
        {"discounts[0][coupon]": "NOBODY"},
        {"discounts[0][coupon]": SEED.coupon_once, "discounts[0][promotion_code]": "x"},
        {"billing_cycle_anchor": NOW + 40 * DAY},
        {"transfer_data[destination]": "acct_nobody"},
        {"payment_behavior": "pending_if_incomplete"},
        {"proratoin_behavior": "none"},
    ],
)
def test_what_can_not_be_is_refused_and_leaves_nothing(world: World, asked: dict[str, object]) -> None:
    assert world.refused("POST", "/v1/subscriptions", **{"customer": "cus_ada", **CLUB, **asked})[0] == 400
    assert len(world.get("/v1/subscriptions", customer="cus_ada", status="all")["data"]) == 1
    assert world.simulator.summary()["events"] == {}


def test_a_bill_says_who_else_gets_of_it(world: World) -> None:
    shared = {"transfer_data[destination]": SEED.connected_account_paid, "transfer_data[amount_percent]": "12.5"}
    _, invoice = began(world, **shared, application_fee_percent=10, on_behalf_of=SEED.connected_account_paid)
    (payment,) = world.get("/v1/invoice_payments", invoice=invoice["id"])["data"]
    intent = world.get(f"/v1/payment_intents/{payment['payment']['payment_intent']}")

    assert invoice["transfer_data"] == {"amount": 363, "destination": SEED.connected_account_paid}
    assert intent["transfer_data"] == invoice["transfer_data"]
    assert (intent["application_fee_amount"], intent["on_behalf_of"]) == (290, SEED.connected_account_paid)


def test_a_key_begins_one(world: World) -> None:
    first = world.post("/v1/subscriptions", customer="cus_ada", **CLUB, key="k1")

    assert world.post("/v1/subscriptions", customer="cus_ada", **CLUB, key="k1") == first
    assert len(world.get("/v1/subscriptions", customer="cus_ada")["data"]) == 2
