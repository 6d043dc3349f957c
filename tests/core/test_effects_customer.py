"""Making and changing customers: a balance is money, and what is not told apart counts as all of it."""

from __future__ import annotations

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Effect
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, account, classified, effect


def customer(**changes: object) -> dict[str, object]:
    return {"id": "cus_1", "object": "customer", "balance": 0, "currency": "usd", "name": "Ada Moreno", **changes}


def update(held: object = None, **asked: object) -> Effect:
    looked = {"customer": held or customer(), "account": {**account(), "default_currency": "eur"}}
    return effect("PostCustomersCustomer", looked, customer="cus_1", **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "amount", "words"),
    [
        (0, -2_500, 2_500, "giving $25.00 USD of credit"),
        (-1_000, -2_500, 1_500, "giving $15.00 USD of credit"),
        (5_000, 1_000, 4_000, "giving $40.00 USD of credit"),
        (5_000, 0, 5_000, "giving $50.00 USD of credit"),
        (0, 700, 700, "who owes $7.00 USD more"),
        (-700, 0, 700, "who owes $7.00 USD more"),
        (-700, -700, 0, "the balance stays as it is"),
    ],
)
def test_a_balance_is_credit_or_debt_by_how_much_it_moves(before: int, after: int, amount: int, words: str) -> None:
    """THREATS row 4: a negative balance gives a customer money for later."""
    seen = update(customer(balance=before), balance=after)

    assert seen.facts["amount"] == Money(amount, "usd")
    assert (seen.facts["customer"], seen.facts["object"]) == ("cus_1", "cus_1")
    assert words in seen.sentence


def test_a_balance_is_in_the_accounts_currency_where_the_customer_has_none() -> None:
    asked = classified("PostCustomersCustomer", customer="cus_1", balance=-5)

    assert [read.wire.url for read in reads(asked, {})] == ["/v1/customers/cus_1"]
    assert [read.wire.url for read in reads(asked, {"customer": customer(currency=None)})] == ["/v1/account"]
    assert reads(asked, {"customer": customer()}) == ()
    assert update(customer(currency=None), balance=-5).facts["amount"] == Money(5, "eur")


@pytest.mark.parametrize(
    "held", [customer(balance=None), customer(balance="0"), customer(currency="doge"), {"id": "x"}]
)
def test_a_balance_that_can_not_be_read_is_unknown(held: object) -> None:
    seen = update(held, balance=-5)

    assert seen.facts["amount"] is UNKNOWN
    assert "could not be found out" in seen.sentence


def test_a_look_that_told_nothing_leaves_all_unknown() -> None:
    seen = update(UNAVAILABLE, balance=-5)

    assert (seen.facts["amount"], seen.facts["customer"]) == (UNKNOWN, UNKNOWN)
    assert seen.incomplete


def test_the_balance_that_people_saw_must_still_be_there() -> None:
    seen = update(customer(balance=-100), balance=-200)

    assert [each.sentence() for each in seen.preconditions] == ["balance = -100"]
    assert broken(seen.preconditions, update(customer(balance=-100), balance=-200)) == ()
    assert broken(seen.preconditions, update(customer(balance=-150), balance=-200)) == seen.preconditions


@pytest.mark.parametrize(
    "asked",
    [
        {"source": "tok_visa"},
        {"default_source": "card_1"},
        {"invoice_settings": {"default_payment_method": "pm_1"}},
        {"cash_balance": {"settings": {"reconciliation_mode": "manual"}}},
        {"tax_exempt": "exempt"},
        {"name": "x", "next_invoice_sequence": 7},
        {"balance": -5, "source": "tok_visa"},
        {"validate": False},
    ],
)
def test_what_is_not_told_apart_counts_as_money_of_any_amount(asked: dict[str, object]) -> None:
    seen = update(**asked)

    assert classified("PostCustomersCustomer", customer="cus_1", **asked).groups == {"charges", "credits"}
    assert seen.facts["amount"] is UNKNOWN
    assert seen.facts["redirects_funds"] is ("invoice_settings" in asked)


def test_contact_data_moves_no_money_and_is_shown_before_and_after() -> None:
    seen = update(email="new@example.com", metadata={"a": "b"})

    assert seen.sentence == "Change email, metadata of customer cus_1."
    assert "amount" not in seen.facts
    assert seen.facts["reversible"] is True
    assert ("customer name", "Ada Moreno") in seen.quoted
    assert ("new email", "new@example.com") in seen.quoted


@pytest.mark.parametrize(
    ("held", "id", "code"),
    [
        (GONE, "cus_1", "stripe.resource_missing"),
        ({"id": "cus_1", "object": "customer", "deleted": True}, "cus_1", "stripe.resource_missing"),
        (customer(), "cus 1", "parameter.id"),
    ],
)
def test_a_customer_that_is_not_there_is_stripes_no(held: object, id: str, code: str) -> None:
    asked = {"customer": id.replace(" ", "(")}
    seen = effect("PostCustomersCustomer", {"customer": held}, name="x", **asked)  # type: ignore[dict-item]

    assert seen.refusal is not None
    assert seen.refusal.code == code


def test_a_change_of_nothing_does_not_speak_of_the_balance() -> None:
    assert effect("PostCustomersCustomer", {}, customer="cus_1").sentence == "Change nothing of customer cus_1."


def test_a_new_customer_with_a_balance_begins_with_credit() -> None:
    looked = {"account": {**account(), "default_currency": "usd"}}
    seen = effect("PostCustomers", looked, name="Nia", balance=-15_000)

    assert seen.facts["amount"] == Money(15_000, "usd")
    assert seen.facts["customer"] is NONE
    assert seen.sentence == "Make a customer, giving $150.00 USD of credit."
    assert classified("PostCustomers", balance=-5).groups == {"charges", "credits"}
    assert classified("PostCustomers", name="Nia", email="n@example.com").groups == frozenset()
    assert classified("PostCustomers", payment_method="pm_1").groups == {"charges", "credits"}
    assert effect("PostCustomers", {}, name="Nia", payment_method="pm_1").sentence == (
        "Make a customer with payment_method."
    )
    assert effect("PostCustomers", {"account": UNAVAILABLE}, balance=-5).facts["amount"] is UNKNOWN
