"""What the balance is judged to be asked for: money that leaves by itself, comes back, or is only labelled (THREATS 4)."""

from __future__ import annotations

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.effect import UNAVAILABLE, Looked
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, classified, effect

SETTINGS = "PostBalanceSettings"
PAID = {"id": "po_1", "amount": 90_000, "currency": "usd", "destination": "ba_1", "reversed_by": None, "status": "paid"}


@pytest.mark.parametrize(
    ("operation", "asked", "looked", "groups", "facts"),
    [
        (
            SETTINGS,
            {"payments": {"payouts": {"schedule": {"interval": "daily"}}}},
            {},
            {"bank_details"},
            {"redirects_funds": True},
        ),
        (
            SETTINGS,
            {"payments": {"payouts": {"automatic_transfer_rules_by_currency": {"usd": [{"payout_method": "fa_9"}]}}}},
            {},
            {"bank_details"},
            {"destination": UNKNOWN, "redirects_funds": True},
        ),
        (SETTINGS, {"payments": {"debit_negative_balances": False}}, {}, {"bank_details"}, {"redirects_funds": True}),
        (
            "PostPayoutsPayoutReverse",
            {"payout": "po_1"},
            {"payout": PAID},
            {"charges"},
            {"amount": Money(90_000, "usd"), "destination": "ba_1", "object": "po_1"},
        ),
        ("PostPayoutsPayoutReverse", {"payout": "po_1"}, {"payout": UNAVAILABLE}, {"charges"}, {"amount": UNKNOWN}),
        (
            "PostClimateOrders",
            {"product": "climsku_1", "amount": 50_000, "currency": "usd"},
            {},
            {"payouts"},
            {"amount": Money(50_000, "usd"), "object": "climsku_1"},
        ),
        ("PostClimateOrders", {"product": "climsku_1", "amount": 50_000}, {}, {"payouts"}, {"amount": UNKNOWN}),
        (
            "PostClimateOrders",
            {"product": "climsku_1", "metric_tons": "1000", "currency": "usd"},
            {},
            {"payouts"},
            {"amount": UNKNOWN},
        ),
        (
            "PostClimateOrdersOrderCancel",
            {"order": "climorder_1"},
            {"order": {"amount_total": 5_000, "currency": "usd", "status": "open"}},
            set(),
            {"amount": Money(5_000, "usd")},
        ),
        (
            "PostTransfersTransferCancel",
            {"transfer": "tr_1"},
            {"transfer": {"amount": 5_000, "currency": "usd", "destination": "acct_1", "amount_reversed": 0}},
            {"transfers"},
            {"amount": Money(5_000, "usd"), "destination": "acct_1"},
        ),
        ("PostTransfersTransfer", {"transfer": "tr_1", "description": ""}, {}, set(), {"object": "tr_1"}),
        ("PostTransfersTransferReversalsId", {"transfer": "tr_1", "id": "trr_1"}, {}, set(), {"object": "trr_1"}),
        ("PostApplicationFeesFeeRefundsId", {"fee": "fee_1", "id": "fr_1"}, {}, set(), {"object": "fr_1"}),
    ],
)
def test_what_parameters_make_of_it(
    operation: str,
    asked: dict[str, object],
    looked: dict[str, Looked],
    groups: set[str],
    facts: dict[str, FactValue],
) -> None:
    found = effect(operation, looked, **asked)

    assert set(classified(operation, **asked).groups) == groups
    assert {name: found.facts.get(name) for name in facts} == facts


def test_who_changes_the_schedule_is_told_by_the_settings_that_people_saw() -> None:
    asked = {"payments": {"payouts": {"schedule": {"interval": "daily"}}}}
    before = {"payments": {"debit_negative_balances": True, "payouts": {"schedule": {"interval": "manual"}}}}
    after = {"payments": {"debit_negative_balances": True, "payouts": {"schedule": {"interval": "weekly"}}}}
    seen = effect(SETTINGS, {"settings": before}, **asked)

    assert [read.wire.url for read in reads(classified(SETTINGS, **asked), {})] == ["/v1/balance_settings"]
    assert seen.sentence == (
        "Change how and when the balance is paid out by itself: daily from now on."
        " `schedule` changes when payouts leave."
    )
    assert broken(seen.preconditions, seen) == ()
    assert len(broken(seen.preconditions, effect(SETTINGS, {"settings": after}, **asked))) == 1


@pytest.mark.parametrize(
    ("looked", "code"),
    [
        (PAID, None),
        ({**PAID, "status": "canceled"}, "stripe.unexpected_state"),
        ({**PAID, "status": "failed"}, "stripe.unexpected_state"),
        (GONE, "stripe.resource_missing"),
    ],
)
def test_only_a_payout_that_went_out_can_be_taken_back(looked: Looked, code: str | None) -> None:
    refusal = effect("PostPayoutsPayoutReverse", {"payout": looked}, payout="po_1").refusal

    assert (refusal.code if refusal else None) == code


def test_a_payout_that_was_taken_back_meanwhile_is_not_taken_back_again() -> None:
    """THREATS 8."""
    seen = effect("PostPayoutsPayoutReverse", {"payout": PAID}, payout="po_1")
    again = effect("PostPayoutsPayoutReverse", {"payout": {**PAID, "reversed_by": "po_2"}}, payout="po_1")

    assert [each.name for each in broken(seen.preconditions, again)] == ["payout_reversed_by"]


def test_what_brings_money_back_is_not_held_up_by_what_holds_up_sending_it_out() -> None:
    for name in ("climate_order.cancel", "payout.reverse", "refund.cancel"):
        assert not load().actions[name].groups & {"payouts", "refunds", "transfers"}
