"""Canceling payouts and reversing transfers: what brings money back is in no group of what sends it out, or stopping a
theft at night would be blocked."""

from __future__ import annotations

from fractions import Fraction

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Effect
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.facts import UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, classified, effect

PAYOUT = {
    "id": "po_1",
    "object": "payout",
    "amount": 1_500_000,
    "currency": "usd",
    "destination": "ba_1",
    "description": "weekly",
    "status": "pending",
}
TRANSFER = {
    "id": "tr_1",
    "object": "transfer",
    "amount": 50_000,
    "amount_reversed": 10_000,
    "currency": "usd",
    "destination": "acct_2",
}


def cancel(payout: object = PAYOUT) -> Effect:
    return effect("PostPayoutsPayoutCancel", {"payout": payout}, payout="po_1")  # type: ignore[dict-item]


def reverse(transfer: object = TRANSFER, **asked: object) -> Effect:
    return effect("PostTransfersIdReversals", {"transfer": transfer}, id="tr_1", **asked)  # type: ignore[dict-item]


def test_canceling_a_payout_moves_nothing_however_large_it_is() -> None:
    seen = cancel()

    assert classified("PostPayoutsPayoutCancel", payout="po_1").groups == frozenset()
    assert dict(seen.facts) == {"object": "po_1", "reversible": True}
    assert seen.sentence == "Cancel payout po_1 of $15,000.00 USD to ba_1: its money stays in the balance."
    assert [each.sentence() for each in seen.preconditions] == ["status = pending"]
    assert [each.name for each in broken(seen.preconditions, cancel({**PAYOUT, "status": "paid"}))] == ["status"]
    assert ("payout description", "weekly") in seen.quoted


@pytest.mark.parametrize("status", ["in_transit", "paid", "failed", "canceled"])
def test_a_payout_that_is_not_pending_can_not_be_canceled(status: str) -> None:
    refusal = cancel({**PAYOUT, "status": status}).refusal

    assert refusal is not None
    assert refusal.code == "stripe.payout_not_pending"


def test_a_payout_that_is_not_there_is_refused_and_one_that_can_not_be_seen_is_not() -> None:
    assert cancel(GONE).refusal is not None
    assert cancel(UNAVAILABLE).refusal is None
    assert cancel(UNAVAILABLE).facts["object"] is UNKNOWN
    assert effect("PostPayoutsPayoutCancel", {}, payout="po(1").refusal is not None
    assert reads(classified("PostPayoutsPayoutCancel", payout="po(1"), {}) == ()


def test_a_reversal_without_amount_takes_all_that_is_left_and_fills_that_in() -> None:
    seen = reverse()

    assert classified("PostTransfersIdReversals", id="tr_1").groups == frozenset()
    assert seen.facts["amount"] == Money(40_000, "usd")
    assert seen.facts["amount_on_object"] == Money(50_000, "usd")
    assert seen.facts["share"] == Fraction(80)
    assert seen.fill == {"amount": 40_000}
    assert seen.sentence == "Take back $400.00 USD of transfer tr_1 from account acct_2."
    assert {each.sentence() for each in seen.preconditions} == {"left >= 40000", "currency = usd"}


@pytest.mark.parametrize(
    ("transfer", "asked", "code"),
    [
        (TRANSFER, {"amount": 40_001}, "stripe.amount_too_large"),
        ({**TRANSFER, "amount_reversed": 50_000}, {}, "stripe.transfer_already_reversed"),
        (GONE, {}, "stripe.resource_missing"),
    ],
)
def test_stripes_certain_no_to_a_reversal(transfer: object, asked: dict[str, object], code: str) -> None:
    refusal = reverse(transfer, **asked).refusal

    assert refusal is not None
    assert refusal.code == code


@pytest.mark.parametrize("damage", [{"amount": None}, {"amount_reversed": 60_000}, {"currency": "doge"}])
def test_a_transfer_that_can_not_be_read_leaves_the_amount_unknown(damage: dict[str, object]) -> None:
    seen = reverse({**TRANSFER, **damage})

    assert seen.facts["amount"] is UNKNOWN
    assert seen.fill == {}


def test_giving_a_fee_back_with_it_is_a_refund_of_an_unknown_amount() -> None:
    """THREATS row 4: another way to send money to a connected account."""
    asked = {"amount": 5, "refund_application_fee": True}

    assert classified("PostTransfersIdReversals", id="tr_1", **asked).groups == {"refunds"}
    assert reverse(TRANSFER, **asked).facts["amount"] is UNKNOWN
    assert reverse(TRANSFER, amount=5, refund_application_fee=False).facts["amount"] == Money(5, "usd")
