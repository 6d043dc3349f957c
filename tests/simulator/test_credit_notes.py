"""Credit notes: what is left of an invoice never falls below zero, and every way to give back is booked."""

from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import World

PAID, OPEN = SEED.invoice_paid, SEED.invoice_open


def test_a_refund_and_credit_go_back_together(sdk: stripe.StripeClient, world: World) -> None:
    before = world.available()
    note = sdk.v1.credit_notes.create({"invoice": PAID, "refund_amount": 3_000, "credit_amount": 500})

    assert (note.amount, note.post_payment_amount, note.type, note.status) == (3_500, 3_500, "post_payment", "issued")
    assert world.available() == before - 3_000
    assert world.get("/v1/customers/cus_quentin")["balance"] == -4_500
    (refund,) = note.refunds
    assert world.get(f"/v1/refunds/{refund.refund}")["amount"] == 3_000
    assert world.get("/v1/charges/ch_quentin_240")["amount_refunded"] == 3_000
    assert world.get(f"/v1/invoices/{PAID}")["post_payment_credit_notes_amount"] == 7_500
    assert sdk.v1.credit_notes.retrieve(note.id).amount == 3_500
    assert [found.id for found in sdk.v1.credit_notes.list({"invoice": PAID}).data] == [note.id, SEED.credit_note]


def test_before_the_payment_less_is_owed(world: World) -> None:
    note = world.post("/v1/credit_notes", invoice=OPEN, amount=8_000)
    invoice = world.get(f"/v1/invoices/{OPEN}")

    assert (note["type"], note["pre_payment_amount"]) == ("pre_payment", 8_000)
    assert (invoice["amount_remaining"], invoice["total"], invoice["status"]) == (40_000, 48_000, "open")
    world.post("/v1/credit_notes", invoice=OPEN, amount=40_000)
    assert world.get(f"/v1/invoices/{OPEN}")["status"] == "paid"


def test_the_preview_makes_nothing(world: World) -> None:
    (line,) = world.get(f"/v1/invoices/{OPEN}")["lines"]["data"]
    asked = {"lines[0][type]": "invoice_line_item", "lines[0][invoice_line_item]": line["id"], "lines[0][amount]": 700}
    seen = world.get("/v1/credit_notes/preview", invoice=OPEN, **asked)

    assert (seen["amount"], seen["currency"], seen["object"]) == (700, "usd", "credit_note")
    assert world.get("/v1/credit_notes", invoice=OPEN)["data"] == []
    assert world.post("/v1/credit_notes", invoice=OPEN, **asked)["amount"] == 700


def test_a_refund_made_before_can_be_linked(world: World) -> None:
    refund = world.post("/v1/refunds", charge="ch_quentin_240", amount=2_000)["id"]
    before = world.available()
    note = world.post("/v1/credit_notes", invoice=PAID, **{"refunds[0][refund]": refund})

    assert (note["amount"], note["refunds"][0]["refund"]) == (2_000, refund)
    assert world.available() == before


@pytest.mark.parametrize(
    ("invoice", "parameters"),
    [
        (PAID, {"credit_amount": 20_001}),
        (PAID, {"refund_amount": 24_001}),
        (PAID, {"amount": 500}),
        (PAID, {"amount": 500, "refund_amount": 400}),
        (PAID, {}),
        (OPEN, {"amount": 48_001}),
        (OPEN, {"refund_amount": 500}),
        (OPEN, {"credit_amount": 500}),
        (OPEN, {"lines[0][type]": "invoice_line_item", "lines[0][invoice_line_item]": "il_nobody"}),
        (OPEN, {"lines[0][type]": "custom_line_item", "lines[0][unit_amount]": 500, "amount": 400}),
        (SEED.invoice_draft, {"amount": 500}),
        (SEED.invoice_uncollectible, {"amount": 500}),
    ],
)
def test_more_than_is_left_is_refused(world: World, invoice: str, parameters: dict[str, object]) -> None:
    found = world.ask("GET", f"/v1/invoices/{invoice}")

    assert world.refused("POST", "/v1/credit_notes", invoice=invoice, **parameters)[0] == 400
    assert world.ask("GET", f"/v1/invoices/{invoice}") == found


def test_an_invoice_that_is_not_there_is_missing(world: World) -> None:
    assert world.refused("POST", "/v1/credit_notes", invoice="in_nobody", amount=5)[1]["code"] == "resource_missing"


def test_nothing_is_refunded_twice(world: World) -> None:
    world.post("/v1/credit_notes", invoice=PAID, refund_amount=20_000)

    for parameters in ({"refund_amount": 1}, {"credit_amount": 1}, {"out_of_band_amount": 1}):
        assert world.refused("POST", "/v1/credit_notes", invoice=PAID, **parameters)[0] == 400


def test_a_charge_that_was_refunded_can_not_be_refunded_by_a_credit_note(world: World) -> None:
    world.post("/v1/refunds", charge="ch_quentin_240")

    assert world.refused("POST", "/v1/credit_notes", invoice=PAID, refund_amount=100)[1]["param"] == "refund_amount"
    assert world.post("/v1/credit_notes", invoice=PAID, out_of_band_amount=100)["amount"] == 100
