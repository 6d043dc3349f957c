"""What a refund would really do. THREATS row 1: an omitted amount is a full refund; row 17: currencies; row 21: ids that do
not exist or belong elsewhere."""

from __future__ import annotations

from fractions import Fraction

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Effect, Looked
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import Precondition
from tests.core.stripe_objects import GONE, charge, classified, effect, intent


def refund(looked: object = None, **parameters: object) -> Effect:
    found: dict[str, Looked] = {"charge": looked}  # type: ignore[dict-item]
    return effect("PostRefunds", found, **({"charge": "ch_1"} | parameters))


def usd(amount: int) -> Money:
    return Money(amount, "usd")


def test_without_an_amount_all_that_remains_is_refunded_and_filled_in() -> None:
    seen = refund(charge(amount_refunded=10_000))

    assert seen.facts["amount"] == usd(80_000)
    assert seen.fill == {"amount": 80_000}
    assert seen.facts["amount_on_object"] == usd(90_000)
    assert seen.facts["share"] == Fraction(800, 9)
    assert seen.sentence == "Refund $800.00 USD of charge ch_1 to customer cus_1: all that remains."


def test_an_amount_that_was_given_is_not_filled_in() -> None:
    seen = refund(charge(amount_refunded=10_000), amount=2_500)

    assert (seen.facts["amount"], seen.fill) == (usd(2_500), {})
    assert seen.facts["amount_on_object"] == usd(12_500)
    assert seen.sentence == "Refund $25.00 USD of charge ch_1 to customer cus_1, of $800.00 USD that remain."


def test_intent_and_charge_are_the_same_object() -> None:
    by_charge = refund(charge())
    expanded = effect("PostRefunds", {"payment_intent": intent(charge())}, payment_intent="pi_1")
    by_id = effect("PostRefunds", {"payment_intent": intent("ch_1"), "charge": charge()}, payment_intent="pi_1")
    alias = effect("PostChargesChargeRefund", {"charge": charge()}, charge="ch_1")

    assert by_charge.facts == expanded.facts == by_id.facts == alias.facts
    assert by_charge.facts["object"] == "ch_1"
    assert by_charge.preconditions == expanded.preconditions == alias.preconditions


def test_people_see_the_money_and_whose_words_are_quoted() -> None:
    seen = refund(charge(amount_refunded=10_000), amount=2_500)

    assert [(line.label, line.money.amount) for line in seen.money_lines] == [
        ("Charged", 90_000),
        ("Refunded before", 10_000),
        ("This refund", 2_500),
        ("Left after it", 77_500),
    ]
    assert ("customer name", "Ada Moreno") in seen.quoted
    assert ("charge description", "Order A-17") in seen.quoted
    assert "Ada" not in seen.sentence + str(seen.to_whom) + str(seen.facts)


def test_what_must_still_be_so_when_it_runs() -> None:
    seen = refund(charge(), amount=2_500)

    assert {each.sentence() for each in seen.preconditions} == {
        "remaining >= 2500",
        "currency = usd",
        "charge = ch_1",
        "disputed = no",
        "transfer_destination = none",
    }
    assert broken(seen.preconditions, seen) == ()
    assert broken(seen.preconditions, refund(charge(amount_refunded=80_000), amount=2_500)) == ()
    assert broken(seen.preconditions, refund(charge(amount_refunded=88_000), amount=2_500)) == (
        Precondition("remaining", "at_least", 2_500),
    )
    assert broken(seen.preconditions, refund(charge(disputed=True), amount=2_500)) == (
        Precondition("disputed", "equal", "no"),
    )
    assert broken(seen.preconditions, refund(UNAVAILABLE, amount=2_500)) == seen.preconditions


def test_a_newer_charge_of_the_intent_breaks_what_people_saw() -> None:
    before = effect("PostRefunds", {"payment_intent": intent(charge())}, payment_intent="pi_1", amount=5)
    after = effect("PostRefunds", {"payment_intent": intent(charge(id="ch_2"))}, payment_intent="pi_1", amount=5)

    assert broken(before.preconditions, after) == (Precondition("charge", "equal", "ch_1"),)


@pytest.mark.parametrize(
    ("found", "parameters", "code"),
    [
        (charge(amount_refunded=90_000, refunded=True), {}, "stripe.charge_already_refunded"),
        (charge(amount_refunded=90_000, refunded=True), {"amount": 1}, "stripe.charge_already_refunded"),
        (charge(amount_refunded=89_999), {"amount": 2}, "stripe.amount_too_large"),
        (charge(), {"amount": 90_001}, "stripe.amount_too_large"),
        (charge(status="failed"), {}, "stripe.charge_not_refundable"),
        (GONE, {}, "stripe.resource_missing"),
    ],
)
def test_stripes_certain_no_is_known_before_a_person_is_asked(
    found: object, parameters: dict[str, object], code: str
) -> None:
    """THREATS rows 8 and 21."""
    seen = refund(found, **parameters)

    assert seen.refusal is not None
    assert seen.refusal.code == code


def test_a_refund_of_exactly_what_remains_is_not_refused() -> None:
    assert refund(charge(amount_refunded=89_999), amount=1).refusal is None


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "parameter.missing"),
        ({"charge": "ch_1", "payment_intent": "pi_1"}, "parameter.conflict"),
        ({"charge": "../refunds"}, "parameter.id"),
        ({"payment_intent": "pi_1?a=b"}, "parameter.id"),
        ({"payment_intent": "pi_\u202e1"}, "parameter.id"),
    ],
)
def test_what_names_no_charge_is_refused_without_a_look_up(parameters: dict[str, object], code: str) -> None:
    asked = classified("PostRefunds", **parameters)
    seen = effect("PostRefunds", {}, **parameters)

    assert reads(asked, {}) == ()
    assert seen.refusal is not None
    assert seen.refusal.code == code
    assert "\u202e" not in seen.sentence


def test_an_intent_without_a_charge_has_nothing_to_refund() -> None:
    seen = effect("PostRefunds", {"payment_intent": intent(None)}, payment_intent="pi_1")

    assert seen.refusal is not None
    assert seen.refusal.code == "stripe.payment_intent_unexpected_state"


def test_one_read_tells_everything() -> None:
    asked = classified("PostRefunds", payment_intent="pi_1")
    (read,) = reads(asked, {})

    assert read.wire.url == "/v1/payment_intents/pi_1?expand[0]=latest_charge.customer"
    assert reads(asked, {"payment_intent": intent(charge())}) == ()
    assert reads(asked, {"payment_intent": UNAVAILABLE}) == ()


def test_a_charge_that_was_not_expanded_is_read_for_itself() -> None:
    asked = classified("PostRefunds", payment_intent="pi_1")
    (read,) = reads(asked, {"payment_intent": intent("ch_1")})

    assert read.wire.url == "/v1/charges/ch_1?expand[0]=customer"
    assert reads(asked, {"payment_intent": intent("ch_1"), "charge": charge()}) == ()


def test_a_look_up_that_failed_leaves_everything_unknown() -> None:
    seen = refund(UNAVAILABLE, amount=100)

    assert seen.incomplete
    assert seen.refusal is None
    assert {name for name, value in seen.facts.items() if value is not UNKNOWN} == {"reversible", "destination"}
    assert seen.preconditions == ()


@pytest.mark.parametrize(
    "odd",
    [
        {"amount": 90_000.0},
        {"amount": "90000"},
        {"amount": True},
        {"amount": None},
        {"amount": -5},
        {"amount": 2 * 10**12},
        {"amount_refunded": None},
        {"amount_refunded": 90_001},
        {"currency": "xyz"},
        {"currency": None},
        {"currency": 7},
    ],
)
def test_an_odd_charge_makes_the_amount_unknown(odd: dict[str, object]) -> None:
    seen = refund(charge(**odd))

    assert seen.facts["amount"] is UNKNOWN
    assert seen.facts["amount_on_object"] is UNKNOWN
    assert seen.fill == {}


def test_a_currency_that_is_not_the_charges_is_unknown() -> None:
    assert refund(charge(), amount=100, currency="jpy").facts["amount"] is UNKNOWN
    assert refund(charge(), amount=100, currency="USD").facts["amount"] == usd(100)


@pytest.mark.parametrize(
    ("currency", "shown"),
    [("jpy", "¥90,000 JPY"), ("kwd", "90.000 KWD"), ("isk", "900.00 ISK"), ("eur", "€900.00 EUR")],
)
def test_every_currency_keeps_its_decimals(currency: str, shown: str) -> None:
    """THREATS row 17."""
    seen = refund(charge(currency=currency))

    assert seen.facts["amount"] == Money(90_000, currency)
    assert shown in seen.sentence


@pytest.mark.parametrize(
    ("changes", "customer", "guest", "whom"),
    [
        ({"customer": "cus_2"}, "cus_2", NONE, "customer cus_2"),
        ({"customer": None}, NONE, "fp1", "a guest (fingerprint fp1)"),
        (
            {"customer": None, "payment_method_details": {"type": "sepa_debit", "sepa_debit": {"fingerprint": "fp2"}}},
            NONE,
            "fp2",
            "a guest (fingerprint fp2)",
        ),
        ({"customer": None, "payment_method_details": None}, NONE, NONE, "a guest"),
        ({"customer": 7}, UNKNOWN, UNKNOWN, None),
        ({"customer": "cus_\u202e"}, UNKNOWN, UNKNOWN, None),
        ({"customer": {"id": None}}, UNKNOWN, UNKNOWN, None),
    ],
)
def test_who_paid_is_a_customer_or_a_guest_told_apart_by_the_card(
    changes: dict[str, object], customer: object, guest: object, whom: str | None
) -> None:
    seen = refund(charge(**changes))

    assert (seen.facts["customer"], seen.facts["guest"], seen.to_whom) == (customer, guest, whom)


def test_a_field_that_is_missing_is_not_a_guest() -> None:
    without = charge()
    del without["customer"]

    assert refund(without).facts["customer"] is UNKNOWN


@pytest.mark.parametrize(
    ("changes", "parameters", "loss"),
    [
        ({}, {}, NONE),
        ({"transfer": "tr_1", "transfer_data": {"destination": "acct_2"}}, {}, usd(90_000)),
        ({"transfer": "tr_1"}, {"reverse_transfer": False, "amount": 500}, usd(500)),
        ({"transfer": "tr_1"}, {"reverse_transfer": True}, NONE),
        ({"destination": "acct_2"}, {}, usd(90_000)),
    ],
)
def test_the_platform_pays_where_a_transfer_is_not_taken_back(
    changes: dict[str, object], parameters: dict[str, object], loss: object
) -> None:
    assert refund(charge(**changes), **parameters).facts["platform_loss"] == loss


@pytest.mark.parametrize(("found", "fact"), [(True, True), (False, False), (None, UNKNOWN), ("no", UNKNOWN)])
def test_a_disputed_charge_says_so(found: object, fact: object) -> None:
    assert refund(charge(disputed=found)).facts["disputed"] is fact


def test_an_address_for_refund_instructions_decides_who_is_paid() -> None:
    seen = refund(charge(), instructions_email="evil@example.com")

    assert seen.facts["destination"] is UNKNOWN
    assert ("refund instructions go to", "evil@example.com") in seen.quoted
    assert refund(charge()).facts["destination"] is NONE


def test_a_refund_of_a_cash_balance_is_known_only_as_far_as_it_was_asked() -> None:
    asked = {"origin": "customer_balance", "customer": "cus_1", "amount": 500, "currency": "eur"}
    seen = effect("PostRefunds", {}, **asked)

    assert reads(classified("PostRefunds", **asked), {}) == ()
    assert seen.facts["amount"] == Money(500, "eur")
    assert seen.facts["customer"] == "cus_1"
    assert seen.facts["object"] is UNKNOWN
    assert effect("PostRefunds", {}, origin="customer_balance", customer="cus_1").facts["amount"] is UNKNOWN


@pytest.mark.parametrize(
    ("operation", "also"),
    [
        ("PostRefunds", {"charge": "ch_1"}),
        ("PostRefunds", {"payment_intent": "pi_1"}),
        ("PostTerminalRefunds", {"charge": "ch_1"}),
        ("PostChargesChargeRefund", {"charge": "ch_1"}),
        ("PostChargesChargeRefunds", {"charge": "ch_1"}),
    ],
)
def test_a_charge_is_not_refunded_under_the_name_of_somebodys_cash_balance(
    operation: str, also: dict[str, object]
) -> None:
    """The card would tell of one customer's cash, and the charge of another be refunded: disputed, or past a limit."""
    asked = {"origin": "customer_balance", "customer": "cus_9", "amount": 500, "currency": "usd", **also}
    seen = effect(operation, {}, **asked)

    assert seen.refusal is not None
    assert (seen.refusal.code, seen.refusal.param) == ("parameter.conflict", "origin")


@pytest.mark.parametrize("operation", ["PostRefunds", "PostChargesChargeRefund", "PostChargesChargeRefunds"])
def test_a_refund_of_a_payment_cannot_pass_for_one_of_a_balance(operation: str) -> None:
    """THREATS 4: `/v1/charges/{charge}/refund` names the charge in its path. With `origin` beside it the card would speak
    of another customer's balance, and of ¥50,000 where $500.00 are refunded."""
    said = {"origin": "customer_balance", "customer": "cus_2", "amount": 50_000, "currency": "jpy"}
    seen = effect(operation, {"charge": charge()}, charge="ch_1", **said)

    assert seen.refusal is not None
    assert (seen.refusal.code, seen.refusal.param) == ("parameter.conflict", "origin")
    assert seen.facts["customer"] != "cus_2"


def test_a_refund_can_not_be_undone() -> None:
    seen = refund(charge())

    assert seen.facts["reversible"] is False
    assert seen.undo.startswith("Cannot be undone")
