"""Capturing and canceling payments that a card holds ready. THREATS row 4: taking a little of much gives the rest away."""

from __future__ import annotations

from fractions import Fraction

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Effect
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, classified, effect

CAPTURE, CANCEL = "PostPaymentIntentsIntentCapture", "PostPaymentIntentsIntentCancel"
CUSTOMER = {"id": "cus_1", "object": "customer", "name": "Ada Moreno"}


def held(**changes: object) -> dict[str, object]:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 90_000,
        "amount_capturable": 90_000,
        "currency": "usd",
        "customer": CUSTOMER,
        "description": "Order A-17",
        "status": "requires_capture",
        "transfer_data": None,
        **changes,
    }


def seen(operation: str, intent: object = None, **asked: object) -> Effect:
    return effect(operation, {"payment_intent": held() if intent is None else intent}, intent="pi_1", **asked)  # type: ignore[dict-item]


def test_a_capture_without_amount_takes_all_and_fills_that_in() -> None:
    found = seen(CAPTURE)

    assert found.facts["amount"] == Money(90_000, "usd")
    assert found.facts["amount_on_object"] == Money(0, "usd")
    assert found.facts["share"] == Fraction(100)
    assert found.facts["reversible"] is True
    assert found.fill == {"amount_to_capture": 90_000}
    assert found.sentence == "Capture $900.00 USD of payment pi_1 of customer cus_1."
    assert ("payment description", "Order A-17") in found.quoted


def test_what_is_not_captured_is_given_back_for_good() -> None:
    found = seen(CAPTURE, amount_to_capture=100)

    assert (found.facts["amount"], found.facts["amount_on_object"]) == (Money(100, "usd"), Money(89_900, "usd"))
    assert found.facts["reversible"] is False
    assert found.fill == {}
    assert found.sentence.endswith("; $899.00 USD are released for good.")
    assert [(line.label, str(line.money)) for line in found.money_lines] == [
        ("Held ready", "$900.00 USD"),
        ("This capture", "$1.00 USD"),
        ("Released for good", "$899.00 USD"),
    ]


def test_a_capture_that_is_not_the_last_releases_nothing() -> None:
    found = seen(CAPTURE, amount_to_capture=100, final_capture=False)

    assert found.facts["amount_on_object"] == Money(0, "usd")
    assert found.facts["reversible"] is True
    assert classified(CAPTURE, intent="pi_1", amount_to_capture=100, final_capture=False).groups == {"charges"}
    assert classified(CAPTURE, intent="pi_1", amount_to_capture=100).groups == {"charges", "write_offs"}


@pytest.mark.parametrize(
    "asked",
    [
        {"transfer_data": {"amount": 5}},
        {"application_fee_amount": 5},
        {"final_capture": False, "application_fee_amount": 5},
        {"hooks": {"inputs": {"tax": {"calculation": "taxcalc_1"}}}},
    ],
)
def test_a_capture_that_may_change_who_gets_what_is_a_transfer_too(asked: dict[str, object]) -> None:
    found = classified(CAPTURE, intent="pi_1", **asked)

    assert found.groups == {"charges", "transfers", "write_offs"}
    assert seen(CAPTURE, **asked).facts["redirects_funds"] is ("hooks" not in asked)


def test_captured_money_that_is_passed_on_says_to_whom() -> None:
    found = seen(CAPTURE, held(transfer_data={"destination": "acct_2"}))

    assert found.facts["destination"] == "acct_2"
    assert "passing money on to account acct_2" in found.sentence
    assert "destination = acct_2" in {each.sentence() for each in found.preconditions}
    assert seen(CAPTURE).facts["destination"] is NONE
    assert seen(CAPTURE, held(transfer_data="?")).facts["destination"] is UNKNOWN


@pytest.mark.parametrize(
    ("operation", "status", "refused"),
    [
        (CAPTURE, "requires_capture", False),
        (CAPTURE, "succeeded", True),
        (CAPTURE, "canceled", True),
        (CAPTURE, "requires_payment_method", True),
        (CAPTURE, "something_new", False),
        (CANCEL, "requires_capture", False),
        (CANCEL, "requires_action", False),
        (CANCEL, "processing", False),
        (CANCEL, "succeeded", True),
        (CANCEL, "canceled", True),
    ],
)
def test_a_state_in_which_it_is_impossible_is_stripes_no(operation: str, status: str, refused: bool) -> None:
    found = seen(operation, held(status=status))

    assert (found.refusal is not None) == refused
    assert not refused or found.refusal.code == "stripe.payment_intent_unexpected_state"  # type: ignore[union-attr]


def test_more_than_is_held_can_not_be_captured() -> None:
    refusal = seen(CAPTURE, amount_to_capture=90_001).refusal

    assert refusal is not None
    assert refusal.code == "stripe.amount_too_large"


def test_a_payment_that_is_not_there_is_refused() -> None:
    for operation in (CAPTURE, CANCEL):
        assert seen(operation, GONE).refusal is not None
        assert effect(operation, {}, intent="pi(1").refusal is not None
        assert reads(classified(operation, intent="pi(1"), {}) == ()


def test_what_people_saw_must_still_hold() -> None:
    found = seen(CAPTURE, amount_to_capture=100)

    assert {each.name for each in found.preconditions} == {"capturable", "currency", "destination", "status"}
    now = seen(CAPTURE, held(amount_capturable=95_000), amount_to_capture=100)
    assert [each.name for each in broken(found.preconditions, now)] == ["capturable"]


def test_canceling_gives_up_what_is_held() -> None:
    found = seen(CANCEL, cancellation_reason="duplicate")

    assert found.facts["amount"] == Money(90_000, "usd")
    assert found.facts["reversible"] is False
    assert found.sentence == (
        "Cancel payment pi_1 over $900.00 USD of customer cus_1: $900.00 USD held ready are given up."
    )


@pytest.mark.parametrize(
    ("changes", "amount"),
    [
        ({"status": "requires_payment_method", "amount_capturable": 0}, Money(0, "usd")),
        ({"status": "processing", "amount_capturable": 0}, UNKNOWN),
        ({"status": None}, UNKNOWN),
        ({"currency": "doge"}, UNKNOWN),
        ({"amount_capturable": "90000"}, UNKNOWN),
    ],
)
def test_what_canceling_gives_up_is_unknown_unless_stripe_says_it(changes: dict[str, object], amount: object) -> None:
    assert seen(CANCEL, held(**changes)).facts["amount"] == amount


def test_a_guest_is_no_customer_and_no_answer_is_none() -> None:
    assert seen(CAPTURE, held(customer=None)).facts["customer"] is NONE
    assert seen(CAPTURE, UNAVAILABLE).facts["customer"] is UNKNOWN
    assert seen(CAPTURE, UNAVAILABLE).fill == {}
