"""Invoices: their states, their arithmetic, the customer's balance, and what time does to them."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from runplane_mcp.simulator import SEED, Fault, FaultKind
from tests.simulator.world import Clock, World

BEANS = {"pricing[price]": SEED.price_beans}


def drafted(world: World, customer: str = "cus_ada", *amounts: int, **parameters: object) -> dict[str, Any]:
    """A draft with an item of each amount."""
    invoice = world.post("/v1/invoices", customer=customer, currency="usd", **parameters)
    for amount in amounts:
        world.post("/v1/invoiceitems", customer=customer, invoice=invoice["id"], amount=amount, currency="usd")
    found: dict[str, Any] = world.get(f"/v1/invoices/{invoice['id']}")
    return found


def balance_of(world: World, customer: str) -> int:
    return int(world.get(f"/v1/customers/{customer}")["balance"])


def test_the_sdk_makes_fills_finalizes_and_pays_an_invoice(sdk: stripe.StripeClient, world: World) -> None:
    available = world.get("/v1/balance")["pending"]
    invoice = sdk.v1.invoices.create({"customer": "cus_ada", "description": "November"})
    sdk.v1.invoice_items.create({"customer": "cus_ada", "invoice": invoice.id, "pricing": {"price": SEED.price_beans}})
    opened = sdk.v1.invoices.finalize_invoice(invoice.id)
    paid = sdk.v1.invoices.pay(invoice.id, {"expand": ["payments"]})

    assert (invoice.status, opened.status, paid.status) == ("draft", "open", "paid")
    assert (opened.amount_due, paid.amount_paid, paid.amount_remaining) == (1_800, 1_800, 0)
    assert paid.payments is not None
    (payment,) = paid.payments.data
    assert payment.amount_paid == 1_800
    assert world.get("/v1/balance")["pending"] != available
    assert [line.amount for line in paid.lines.data] == [1_800]


def test_what_was_paid_is_a_charge_of_the_customer(world: World) -> None:
    world.post(f"/v1/invoices/{SEED.invoice_open}/pay")
    (payment,) = world.get("/v1/invoice_payments", invoice=SEED.invoice_open)["data"]
    intent = world.get(f"/v1/payment_intents/{payment['payment']['payment_intent']}", expand=["latest_charge"])

    assert (intent["amount"], intent["customer"], intent["status"]) == (48_000, "cus_omar", "succeeded")
    assert intent["latest_charge"]["paid"]


def test_a_draft_is_worked_out_from_its_lines(world: World) -> None:
    invoice = drafted(world, "cus_ada", 5_000, -1_200)

    assert (invoice["subtotal"], invoice["total"], invoice["amount_due"]) == (3_800, 3_800, 3_800)
    assert world.get(f"/v1/invoices/{invoice['id']}/lines")["data"] == invoice["lines"]["data"]
    (credit, charge) = world.get("/v1/invoiceitems", invoice=invoice["id"])["data"]
    assert (credit["amount"], charge["amount"]) == (-1_200, 5_000)
    world.ask("DELETE", f"/v1/invoiceitems/{credit['id']}")
    assert world.get(f"/v1/invoices/{invoice['id']}")["total"] == 5_000


@pytest.mark.parametrize(
    ("coupon", "amounts", "off"),
    [
        (SEED.coupon_once, (5_000, 25), 503),
        (SEED.coupon_amount, (5_000,), 1_000),
        (SEED.coupon_amount, (500,), 500),
        (SEED.coupon_months, (5_000, -1_000), 2_500),
    ],
)
def test_a_discount_comes_off_the_total(world: World, coupon: str, amounts: tuple[int, ...], off: int) -> None:
    invoice = drafted(world, "cus_ada", *amounts, **{"discounts[0][coupon]": coupon})

    assert [each["amount"] for each in invoice["total_discount_amounts"]] == [off]
    assert invoice["total"] == invoice["subtotal"] - off == sum(amounts) - off


def test_pending_items_are_taken_in_only_when_asked_for(world: World) -> None:
    without = world.post("/v1/invoices", customer="cus_sofia")
    assert without["lines"]["data"] == []
    assert [item["id"] for item in world.get("/v1/invoiceitems", customer="cus_sofia", pending=True)["data"]] == [
        SEED.invoice_item_pending
    ]

    taken = world.post("/v1/invoices", customer="cus_sofia", pending_invoice_items_behavior="include")
    assert taken["amount_due"] == 3_600
    assert world.get("/v1/invoiceitems", customer="cus_sofia", pending=True)["data"] == []


def test_credit_of_the_customer_is_settled_when_it_is_finalized(world: World) -> None:
    """Quentin has $40.00 of credit."""
    small = drafted(world, "cus_quentin", 1_500)
    assert (small["total"], small["amount_due"]) == (1_500, 0)
    small = world.post(f"/v1/invoices/{small['id']}/finalize")
    assert (small["status"], small["ending_balance"], balance_of(world, "cus_quentin")) == ("paid", -2_500, -2_500)

    large = drafted(world, "cus_quentin", 9_000)
    large = world.post(f"/v1/invoices/{large['id']}/finalize")
    assert (large["status"], large["amount_due"], balance_of(world, "cus_quentin")) == ("open", 6_500, 0)
    kinds = [each["type"] for each in world.get("/v1/customers/cus_quentin/balance_transactions")["data"]]
    assert kinds == ["applied_to_invoice", "applied_to_invoice", "credit_note"]


def test_a_draft_below_zero_becomes_credit(world: World) -> None:
    invoice = drafted(world, "cus_ada", -7_000)
    done = world.post(f"/v1/invoices/{invoice['id']}/finalize")

    assert (done["status"], done["amount_due"], balance_of(world, "cus_ada")) == ("paid", 0, -7_000)


def test_voiding_gives_applied_credit_back(world: World) -> None:
    invoice = drafted(world, "cus_quentin", 9_000)
    world.post(f"/v1/invoices/{invoice['id']}/finalize")
    voided = world.post(f"/v1/invoices/{invoice['id']}/void")

    assert (voided["status"], voided["amount_remaining"], balance_of(world, "cus_quentin")) == ("void", 5_000, -4_000)
    assert voided["status_transitions"]["voided_at"] is not None


def test_paying_elsewhere_moves_no_money(world: World) -> None:
    before = world.get("/v1/balance")
    done = world.post(f"/v1/invoices/{SEED.invoice_open}/pay", paid_out_of_band=True)

    assert (done["status"], done["amount_paid"], done["amount_remaining"]) == ("paid", 48_000, 0)
    assert world.get("/v1/balance") == before
    assert world.get("/v1/invoice_payments", invoice=SEED.invoice_open)["data"] == []


def test_a_draft_that_is_paid_is_finalized_first(world: World) -> None:
    assert world.post(f"/v1/invoices/{SEED.invoice_draft}/pay")["status"] == "paid"
    types = [event["type"] for event in world.get("/v1/events", limit=9)["data"]]
    assert types[:2] == ["invoice.payment_succeeded", "invoice.paid"]
    assert "invoice.finalized" in types


@pytest.mark.parametrize("how", ["card", "fault"])
def test_a_declined_card_leaves_the_invoice_open(world: World, how: str) -> None:
    if how == "fault":
        world.simulator.add_fault(Fault(FaultKind.DECLINE_402, path_prefix="/v1/invoices"))
    method = {"payment_method": "pm_card_chargeDeclined"} if how == "card" else {}
    status, error = world.refused("POST", f"/v1/invoices/{SEED.invoice_open}/pay", **method)

    assert (status, error["code"]) == (402, "card_declined")
    assert world.get(f"/v1/payment_intents/{error['payment_intent']['id']}")["status"] == "requires_payment_method"
    found = world.get(f"/v1/invoices/{SEED.invoice_open}")
    assert (found["status"], found["attempt_count"], found["amount_remaining"]) == ("open", 1, 48_000)


def test_a_customer_without_a_card_can_not_be_charged(world: World) -> None:
    customer = world.post("/v1/customers", name="New")["id"]
    invoice = drafted(world, customer, 500)

    assert world.refused("POST", f"/v1/invoices/{invoice['id']}/pay")[1]["param"] == "payment_method"
    assert world.post(f"/v1/invoices/{invoice['id']}/pay", payment_method="pm_card_visa")["status"] == "paid"


@pytest.mark.parametrize(
    ("step", "possible"),
    [
        ("finalize", {SEED.invoice_draft}),
        ("pay", {SEED.invoice_draft, SEED.invoice_open, SEED.invoice_uncollectible}),
        ("void", {SEED.invoice_open, SEED.invoice_uncollectible}),
        ("mark_uncollectible", {SEED.invoice_open}),
    ],
)
def test_each_step_needs_its_state(world: World, step: str, possible: set[str]) -> None:
    for id in (SEED.invoice_draft, SEED.invoice_open, SEED.invoice_paid, SEED.invoice_uncollectible):
        before = world.get(f"/v1/invoices/{id}")
        status, _ = world.ask("POST", f"/v1/invoices/{id}/{step}")
        assert (status == 200) == (id in possible)
        assert (world.get(f"/v1/invoices/{id}") == before) == (status != 200)
    assert world.refused("POST", f"/v1/invoices/in_nobody/{step}")[0] == 404


def test_only_a_draft_can_be_changed_or_deleted(world: World) -> None:
    for method, path, parameters in (
        ("DELETE", f"/v1/invoices/{SEED.invoice_open}", {}),
        ("POST", f"/v1/invoices/{SEED.invoice_open}", {"description": "x"}),
        ("POST", "/v1/invoiceitems", {"invoice": SEED.invoice_open, "amount": 5, "currency": "usd"}),
    ):
        assert world.refused(method, path, **parameters)[1]["code"] == "invoice_not_editable"
    assert world.post(f"/v1/invoices/{SEED.invoice_open}", **{"metadata[a]": "b"})["metadata"] == {"a": "b"}
    assert world.ask("DELETE", f"/v1/invoices/{SEED.invoice_draft}")[1]["deleted"]
    assert world.get("/v1/invoiceitems", customer="cus_petra")["data"] == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"amount": 5},
        {"amount": 5, "currency": "usd", "quantity": 2},
        {"pricing[price]": SEED.price_monthly},
        {"pricing[price]": "price_nobody"},
        {**BEANS, "quantity": -1},
        {**BEANS, "currency": "eur"},
        {**BEANS, "amount": 5, "currency": "usd"},
        {"amount": 5, "currency": "usd", "invoice": SEED.invoice_draft},
        {},
    ],
)
def test_an_item_that_can_not_be_is_refused(world: World, parameters: dict[str, object]) -> None:
    assert world.refused("POST", "/v1/invoiceitems", customer="cus_ada", **parameters)[0] == 400


def test_an_invoice_that_advances_is_charged_in_an_hour(world: World, clock: Clock) -> None:
    invoice = drafted(world, "cus_ada", 5_000, auto_advance=True)
    clock.now += 3_599
    assert world.get(f"/v1/invoices/{invoice['id']}")["status"] == "draft"
    clock.now += 1
    assert world.get(f"/v1/invoices/{invoice['id']}")["status"] == "paid"


def test_an_invoice_that_does_not_advance_waits(world: World, clock: Clock) -> None:
    invoice = drafted(world, "cus_ada", 5_000)
    clock.now += 86_400

    assert world.get(f"/v1/invoices/{invoice['id']}")["status"] == "draft"


def test_an_open_invoice_that_advances_is_charged_too(world: World, clock: Clock) -> None:
    invoice = drafted(world, "cus_ada", 5_000)
    world.post(f"/v1/invoices/{invoice['id']}/finalize", auto_advance=True)
    clock.now += 3_600

    assert world.get(f"/v1/invoices/{invoice['id']}")["status"] == "paid"


def test_lists_are_filtered(world: World) -> None:
    def ids(**filters: object) -> list[str]:
        return [invoice["id"] for invoice in world.get("/v1/invoices", **filters)["data"]]

    assert ids(status="draft") == [SEED.invoice_draft]
    assert ids(customer="cus_omar") == [SEED.invoice_open]
    assert ids(status="paid", customer="cus_omar") == []
    assert ids(subscription=SEED.subscription_office) == []


def test_a_key_pays_once(world: World) -> None:
    first = world.post(f"/v1/invoices/{SEED.invoice_open}/pay", key="k1")
    again = world.post(f"/v1/invoices/{SEED.invoice_open}/pay", key="k1")

    assert first == again
    assert len(world.get("/v1/invoice_payments", invoice=SEED.invoice_open)["data"]) == 1
    keys = {event["request"]["idempotency_key"] for event in world.get("/v1/events", type="invoice.paid")["data"]}
    assert "k1" in keys
