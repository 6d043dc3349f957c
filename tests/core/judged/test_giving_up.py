"""What is given up for good: the rest of a charge that is captured in part, and a dispute that is accepted (THREATS 4)."""

from __future__ import annotations

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Looked
from runplane_mcp.core.effects import broken, effective, reads
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, charge, classified, effect

CAPTURES = frozenset({"charges", "write_offs"})
CAPTURE = "PostChargesChargeCapture"


def held_charge(**changes: object) -> dict[str, object]:
    return charge(amount_captured=0, captured=False, on_behalf_of=None, **changes)


@pytest.mark.parametrize(
    ("asked", "groups", "facts"),
    [
        ({}, CAPTURES, {"amount": Money(90_000, "usd"), "amount_on_object": Money(0, "usd"), "reversible": True}),
        (
            {"amount": 1_000},
            CAPTURES,
            {"amount": Money(1_000, "usd"), "amount_on_object": Money(89_000, "usd"), "reversible": False},
        ),
        ({"transfer_data": {"amount": 5}}, CAPTURES | {"transfers"}, {"redirects_funds": True}),
        ({"application_fee_amount": 5}, CAPTURES | {"transfers"}, {"redirects_funds": True}),
    ],
)
def test_what_a_capture_leaves_behind_is_given_up(
    asked: dict[str, object], groups: frozenset[str], facts: dict[str, FactValue]
) -> None:
    found = effect(CAPTURE, {"charge": held_charge()}, charge="ch_1", **asked)

    assert set(classified(CAPTURE, charge="ch_1", **asked).groups) == set(groups)
    assert {name: found.facts[name] for name in facts} == facts


def test_a_capture_of_all_runs_with_the_amount_that_people_saw() -> None:
    asked = classified(CAPTURE, charge="ch_1")
    found = effect(CAPTURE, {"charge": held_charge()}, charge="ch_1")

    assert b"amount=90000" in effective(asked, found, "rpr_1").body
    assert found.sentence == "Capture $900.00 USD of charge ch_1 of customer cus_1."
    assert [
        each.name
        for each in broken(found.preconditions, effect(CAPTURE, {"charge": held_charge(amount=5)}, charge="ch_1"))
    ] == ["capturable"]


@pytest.mark.parametrize(
    ("found", "asked", "code"),
    [
        (charge(captured=True), {}, "stripe.charge_already_captured"),
        (held_charge(refunded=True), {}, "stripe.charge_already_refunded"),
        (held_charge(), {"amount": 90_001}, "stripe.amount_too_large"),
        (GONE, {}, "stripe.resource_missing"),
    ],
)
def test_what_can_not_be_captured_is_stripes_no(found: Looked, asked: dict[str, object], code: str) -> None:
    refusal = effect(CAPTURE, {"charge": found}, charge="ch_1", **asked).refusal

    assert refusal is not None
    assert refusal.code == code


@pytest.mark.parametrize("found", [UNAVAILABLE, {}, {"id": "ch_9", "amount": "9"}])
def test_a_capture_that_nobody_could_look_up_is_unknown(found: Looked) -> None:
    facts = effect(CAPTURE, {"charge": found}, charge="ch_1").facts

    assert {name for name, value in facts.items() if value is UNKNOWN} >= {
        "amount", "amount_on_object", "currency", "customer", "destination", "object", "reversible", "share",
    }  # fmt: skip


def dispute(**changes: object) -> dict[str, object]:
    return {
        "id": "dp_1",
        "amount": 41_000,
        "charge": charge(),
        "currency": "usd",
        "evidence": {},
        "status": "needs_response",
        **changes,
    }


CLOSE, CLOSE_BY_CHARGE, ANSWER_BY_CHARGE = (
    "PostDisputesDisputeClose",
    "PostChargesChargeDisputeClose",
    "PostChargesChargeDispute",
)


def test_who_accepts_a_dispute_gives_its_money_up_for_good() -> None:
    found = effect(CLOSE, {"dispute": dispute()}, dispute="dp_1")

    assert set(classified(CLOSE, dispute="dp_1").groups) == {"disputes", "write_offs"}
    assert (found.facts["amount"], found.facts["reversible"]) == (Money(41_000, "usd"), False)
    assert found.sentence == ("Accept dispute dp_1 over $410.00 USD of customer cus_1: the money is lost for good.")
    assert broken(found.preconditions, effect(CLOSE, {"dispute": dispute(amount=1)}, dispute="dp_1"))
    assert effect(CLOSE, {"dispute": UNAVAILABLE}, dispute="dp_1").facts["amount"] is UNKNOWN


@pytest.mark.parametrize("operation", [CLOSE_BY_CHARGE, ANSWER_BY_CHARGE])
def test_an_old_path_names_the_charge_and_its_dispute_is_looked_up(operation: str) -> None:
    """THREATS 4: an alias that no SDK uses."""
    asked = classified(operation, charge="ch_1")
    listed = {"data": [dispute()], "has_more": False, "object": "list"}

    found = effect(operation, {"disputes": listed}, charge="ch_1")

    assert [read.wire.url for read in reads(asked, {})] == ["/v1/disputes?charge=ch_1&expand[0]=data.charge.customer"]
    assert "disputes" in asked.groups
    assert (found.facts["object"], found.facts["amount"]) == ("dp_1", Money(41_000, "usd"))
    assert "dispute of charge ch_1 over $410.00 USD" in found.sentence


@pytest.mark.parametrize(
    ("listed", "code"),
    [
        ({"data": [], "has_more": False}, "stripe.resource_missing"),
        ({"data": [dispute(status="lost")], "has_more": False}, "stripe.dispute_closed"),
        ({"data": [dispute(), dispute(id="dp_2")], "has_more": False}, None),
        ({"data": [dispute()], "has_more": True}, None),
        (UNAVAILABLE, None),
        (GONE, "stripe.resource_missing"),
    ],
)
def test_a_dispute_that_can_not_be_told_is_unknown_and_one_that_is_over_is_stripes_no(
    listed: Looked, code: str | None
) -> None:
    found = effect(CLOSE_BY_CHARGE, {"disputes": listed}, charge="ch_1")

    assert (found.refusal.code if found.refusal else None) == code
    assert code == "stripe.dispute_closed" or found.facts["amount"] is UNKNOWN
