"""What invoices and their items would do."""

from __future__ import annotations

from typing import cast

import pytest

from runplane_mcp.core.effect import Effect, Looked, LookedUp
from runplane_mcp.core.effects import broken, effective, reads
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from runplane_mcp.errors import ParameterError
from tests.core.stripe_objects import GONE, classified, effect, invoice, listing

CUSTOMER = {"id": "cus_1", "object": "customer", "name": "Ada Moreno"}


def usd(amount: int) -> Money:
    return Money(amount, "usd")


def groups(operation_id: str, **parameters: object) -> set[str]:
    return set(classified(operation_id, **parameters).groups)


# ── invoices ─────────────────────────────────────────────────────────────────────────────────────────────────────────

FINALIZE, PAY, VOID = "PostInvoicesInvoiceFinalize", "PostInvoicesInvoicePay", "PostInvoicesInvoiceVoid"


def step(operation_id: str, found: object = None, **parameters: object) -> Effect:
    looked = {"invoice": invoice() if found is None else found}
    return effect(operation_id, cast("LookedUp", looked), invoice="in_1", **parameters)


def test_paying_charges_what_remains() -> None:
    seen = step(PAY, invoice(amount_paid=20_000, amount_remaining=30_000))

    assert (seen.facts["amount"], seen.facts["customer"], seen.facts["object"]) == (usd(30_000), "cus_1", "in_1")
    assert seen.facts["reversible"] is False
    assert seen.sentence == "Charge $300.00 USD for invoice in_1 of customer cus_1."
    assert [line.label for line in seen.money_lines] == ["Total", "Paid so far", "Due"]
    assert ("invoice description", "November") in seen.quoted


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, {"charges"}),
        ({"payment_method": "pm_1", "off_session": True}, {"charges"}),
        ({"forgive": False, "paid_out_of_band": False}, {"charges"}),
        ({"paid_out_of_band": True}, {"write_offs"}),
        ({"forgive": True}, {"charges", "write_offs"}),
        ({"paid_out_of_band": True, "payment_method": "pm_1"}, {"charges", "write_offs"}),
    ],
)
def test_paying_without_money_is_a_write_off(parameters: dict[str, object], found: set[str]) -> None:
    """THREATS row 4: `paid_out_of_band` and `forgive` give up money under the name of a payment."""
    assert groups(PAY, invoice="in_1", **parameters) == found


def test_a_write_off_says_so() -> None:
    assert "no longer collected" in step(PAY, paid_out_of_band=True).sentence
    assert "is forgiven" in step(PAY, forgive=True).sentence
    seen = step(VOID)
    assert (seen.facts["amount"], seen.facts["reversible"]) == (usd(50_000), False)
    assert seen.sentence == "Void invoice in_1 of customer cus_1: $500.00 USD is no longer owed."
    assert groups(VOID, invoice="in_1") == {"write_offs"}


def test_finalizing_makes_owed_what_is_due() -> None:
    seen = step(FINALIZE, invoice(status="draft"))

    assert (seen.facts["amount"], seen.facts["reversible"]) == (usd(50_000), True)
    assert seen.sentence.startswith("Finalize invoice in_1 of customer cus_1: $500.00 USD is due.")


@pytest.mark.parametrize(
    ("changes", "parameters", "reversible"),
    [
        ({"auto_advance": True}, {}, False),
        ({"auto_advance": True}, {"auto_advance": False}, True),
        ({"auto_advance": False}, {"auto_advance": True}, False),
        ({"auto_advance": True, "collection_method": "send_invoice"}, {}, True),
        ({"auto_advance": "yes"}, {}, UNKNOWN),
    ],
)
def test_what_stripe_charges_by_itself_can_not_be_undone(
    changes: dict[str, object], parameters: dict[str, object], reversible: object
) -> None:
    assert step(FINALIZE, invoice(status="draft", **changes), **parameters).facts["reversible"] is reversible


def test_a_draft_below_zero_becomes_credit() -> None:
    seen = step(FINALIZE, invoice(status="draft", total=-7_000, amount_due=0))

    assert seen.facts["amount"] == usd(7_000)
    assert "becomes credit" in seen.sentence


@pytest.mark.parametrize(
    ("operation_id", "statuses"),
    [(FINALIZE, {"draft"}), (PAY, {"draft", "open", "uncollectible"}), (VOID, {"open", "uncollectible"})],
)
def test_what_stripe_would_refuse_is_refused_before_anybody_is_asked(operation_id: str, statuses: set[str]) -> None:
    for status in ("draft", "open", "paid", "uncollectible", "void"):
        refusal = step(operation_id, invoice(status=status)).refusal
        assert (refusal is None) == (status in statuses)
        assert refusal is None or refusal.code == "stripe.invoice_not_editable"
    assert step(operation_id, invoice(status="a new one")).refusal is None
    assert step(operation_id, GONE).refusal is not None
    assert effect(operation_id, {}, invoice="in&1").refusal is not None
    assert reads(classified(operation_id, invoice="in&1"), {}) == ()


@pytest.mark.parametrize("operation_id", [FINALIZE, PAY, VOID])
def test_an_invoice_that_changed_meanwhile_breaks_what_people_saw(operation_id: str) -> None:
    """THREATS row 8."""
    seen = step(operation_id)

    assert broken(seen.preconditions, step(operation_id)) == ()
    for changed in (
        invoice(status="paid"),
        invoice(amount_due=60_000, amount_remaining=60_000),
        invoice(currency="eur"),
        invoice(transfer_data={"destination": "acct_evil"}),
        invoice(on_behalf_of="acct_evil"),
    ):
        assert broken(seen.preconditions, step(operation_id, changed)) != ()


def test_another_invoice_than_was_named_is_unknown() -> None:
    assert step(PAY, invoice(id="in_2")).facts["object"] is UNKNOWN


def test_an_empty_draft_moves_nothing() -> None:
    asked = classified("PostInvoices", customer="cus_1")
    seen = effect("PostInvoices", {"customer": CUSTOMER}, customer="cus_1")

    assert (asked.groups, seen.facts["amount"], seen.facts["reversible"]) == (frozenset(), NONE, True)
    assert seen.sentence == "Create a draft invoice for customer cus_1; nothing is charged yet."
    assert effective(asked, seen, "rpr_1").body == (
        b"auto_advance=false&customer=cus_1&metadata[runplane_request]=rpr_1&pending_invoice_items_behavior=exclude"
    )


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"auto_advance": False, "description": "x"}, set()),
        ({"auto_advance": True}, {"charges"}),
        ({"subscription": "sub_1"}, {"charges", "discounts", "transfers", "write_offs"}),
        ({"discounts": [{"coupon": "free"}]}, {"charges", "discounts", "transfers", "write_offs"}),
        ({"transfer_data": {"destination": "acct_evil"}}, {"charges", "discounts", "transfers", "write_offs"}),
        ({"from_invoice": {"action": "revision"}}, {"charges", "discounts", "transfers", "write_offs"}),
    ],
)  # fmt: skip
def test_a_draft_is_only_that_where_its_parameters_prove_it(parameters: dict[str, object], found: set[str]) -> None:
    assert groups("PostInvoices", customer="cus_1", **parameters) == found


@pytest.mark.parametrize(
    ("pending", "amount"),
    [
        (listing({"amount": 700, "currency": "usd"}, {"amount": -200, "currency": "usd"}), usd(500)),
        (listing({"amount": -700, "currency": "usd"}), usd(700)),
        (listing(), NONE),
        (listing({"amount": 700, "currency": "usd"}, has_more=True), UNKNOWN),
        (listing({"amount": 700, "currency": "usd"}, {"amount": 700, "currency": "eur"}), UNKNOWN),
        (listing({"amount": 700.0, "currency": "usd"}), UNKNOWN),
        (listing({"amount": 700}), UNKNOWN),
        ({"data": 7}, UNKNOWN),
    ],
)  # fmt: skip
def test_what_is_pending_is_on_the_invoice(pending: dict[str, object], amount: object) -> None:
    looked: LookedUp = {"customer": CUSTOMER, "pending": pending}
    asked = {"customer": "cus_1", "pending_invoice_items_behavior": "include", "auto_advance": True}

    assert effect("PostInvoices", looked, **asked).facts["amount"] == amount


def test_only_pending_items_of_the_invoices_currency_count() -> None:
    pending = listing({"amount": 700, "currency": "usd"}, {"amount": 300, "currency": "eur"})
    seen = effect(
        "PostInvoices",
        {"customer": CUSTOMER, "pending": pending},
        customer="cus_1",
        pending_invoice_items_behavior="include",
        currency="eur",
    )

    assert seen.facts["amount"] == Money(300, "eur")


def test_an_invoice_for_another_account_redirects_money() -> None:
    """THREATS row 4."""
    asked: dict[str, object] = {"customer": "cus_1", "on_behalf_of": "acct_evil"}
    seen = effect("PostInvoices", {"customer": CUSTOMER}, **asked)

    assert (seen.facts["redirects_funds"], seen.facts["destination"]) == (True, UNKNOWN)
    assert "on_behalf_of" in seen.sentence


# ── invoice items ────────────────────────────────────────────────────────────────────────────────────────────────────

ITEM = "PostInvoiceitems"
PLAIN_PRICE = {
    "id": "price_1",
    "billing_scheme": "per_unit",
    "currency": "usd",
    "transform_quantity": None,
    "unit_amount": 2_900,
}


def put(looked: dict[str, Looked] | None = None, /, **parameters: object) -> Effect:
    found: dict[str, Looked] = {"customer": CUSTOMER, "price": PLAIN_PRICE, **(looked or {})}
    return effect(ITEM, found, customer="cus_1", **parameters)


@pytest.mark.parametrize(
    ("parameters", "amount"),
    [
        ({"amount": 500, "currency": "usd"}, usd(500)),
        ({"amount": -500, "currency": "usd"}, usd(500)),
        ({"pricing": {"price": "price_1"}}, usd(2_900)),
        ({"pricing": {"price": "price_1"}, "quantity": 3}, usd(8_700)),
        ({"pricing": {"price": "price_2"}}, UNKNOWN),
        ({"pricing": {"price": "price_1"}, "currency": "eur"}, UNKNOWN),
        ({"pricing": {"price": "price_1"}, "amount": 5}, UNKNOWN),
        ({"price_data": {"currency": "usd", "product": "prod_1", "unit_amount": 700}, "quantity": 2}, usd(1_400)),
        ({"price_data": {"currency": "usd", "product": "prod_1", "unit_amount": -700}}, usd(700)),
        ({"price_data": {"currency": "usd", "product": "prod_1", "unit_amount_decimal": "0.5"}}, UNKNOWN),
        ({"unit_amount_decimal": "12", "currency": "usd", "quantity": 2}, usd(24)),
        ({"unit_amount_decimal": "1.2", "currency": "usd"}, UNKNOWN),
        ({"pricing": {"price": "price_1"}, "quantity_decimal": "0.5"}, UNKNOWN),
        ({"currency": "usd"}, UNKNOWN),
    ],
)  # fmt: skip
def test_an_item_is_as_large_as_its_amount_or_price(parameters: dict[str, object], amount: object) -> None:
    assert put(**parameters).facts["amount"] == amount


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"amount": 500, "currency": "usd"}, {"charges"}),
        ({"pricing": {"price": "price_1"}, "quantity": 2}, {"charges"}),
        ({"amount": -500, "currency": "usd"}, {"charges", "credits", "discounts"}),
        ({"amount": 0, "currency": "usd"}, {"charges", "credits", "discounts"}),
        ({"amount": 500, "currency": "usd", "discounts": [{"coupon": "free"}]}, {"charges", "credits", "discounts"}),
        ({"price_data": {"currency": "usd", "unit_amount": -5}}, {"charges", "credits", "discounts"}),
    ],
)  # fmt: skip
def test_an_item_below_zero_is_a_credit(parameters: dict[str, object], found: set[str]) -> None:
    """THREATS row 4: money given back under the name of a bill."""
    assert groups(ITEM, customer="cus_1", **parameters) == found


def test_a_credit_says_so() -> None:
    assert put(amount=-500, currency="usd").sentence == "Credit $5.00 USD on the next invoice of customer cus_1."
    seen = put({"invoice": invoice(status="draft")}, amount=500, currency="usd", invoice="in_1")
    assert seen.sentence == "Add $5.00 USD on invoice in_1 of customer cus_1."
    assert seen.facts["object"] == "in_1"


@pytest.mark.parametrize("amount", [10**12 + 1, -(10**12) - 1, 5.0, "5", True])
def test_an_amount_that_is_none_is_refused(amount: object) -> None:
    """THREATS row 1."""
    with pytest.raises(ParameterError):
        classified(ITEM, customer="cus_1", currency="usd", amount=amount)
    with pytest.raises(ParameterError):
        classified("PostRefunds", charge="ch_1", amount=-5)


def test_a_quantity_is_never_below_zero() -> None:
    with pytest.raises(ParameterError):
        classified(ITEM, customer="cus_1", pricing={"price": "price_1"}, quantity=-1)


def test_only_a_draft_of_the_same_customer_takes_items() -> None:
    asked: dict[str, object] = {"amount": 5, "currency": "usd", "invoice": "in_1"}

    assert put({"invoice": invoice(status="draft")}, **asked).refusal is None
    for found in (invoice(), invoice(status="paid"), invoice(status="draft", customer="cus_2"), GONE):
        assert put({"invoice": cast("Looked", found)}, **asked).refusal is not None
    for wrong in ({"customer": "cus&1"}, {"customer": "cus_1", "pricing": {"price": "we&ird"}}):
        assert effect(ITEM, {}, **wrong).refusal is not None
        assert reads(classified(ITEM, **wrong), {}) == ()


def test_a_price_that_recurs_is_no_item() -> None:
    assert put(pricing={"price": "price_1"}).refusal is None
    assert put({"price": {**PLAIN_PRICE, "type": "recurring"}}, pricing={"price": "price_1"}).refusal is not None


def test_an_item_on_a_draft_that_advances_by_itself_may_not_be_undone() -> None:
    found: dict[str, Looked] = {"invoice": invoice(status="draft", auto_advance=True)}

    assert put(found, amount=5, currency="usd", invoice="in_1").facts["reversible"] is UNKNOWN
    assert put(amount=5, currency="usd").facts["reversible"] is True


def test_a_price_that_changed_meanwhile_breaks_what_people_saw() -> None:
    """THREATS row 8."""
    seen = put(pricing={"price": "price_1"})

    assert broken(seen.preconditions, put({"price": {**PLAIN_PRICE, "unit_amount": 1}}, pricing={"price": "price_1"}))
