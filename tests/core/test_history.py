"""Objects of Stripe's lists as the requests that would have made them."""

from __future__ import annotations

from typing import Any

from runplane_mcp.core.catalog import load
from runplane_mcp.core.history import Left, Source, happened
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.gate.backtesting import asked_for

IDENTITY = StripeIdentity("stripe", "acct_1", livemode=True)
CHARGE: dict[str, Any] = {
    "id": "ch_1",
    "amount": 10_000,
    "amount_refunded": 9_000,
    "currency": "usd",
    "customer": "cus_1",
    "disputed": False,
}


def facts_of(source: Source, *objects: dict[str, Any]) -> tuple[list[dict[str, Any]], Left]:
    left = Left()
    asked, unreadable = asked_for(happened({source: objects}, 0, left), load(), IDENTITY)
    left.unreadable += unreadable
    return [dict(each.facts) for each in asked], left


def test_each_refund_sees_its_charge_as_it_was_before_it() -> None:
    first = {"id": "re_1", "created": 100, "amount": 3_000, "status": "succeeded", "charge": CHARGE}
    second = {"id": "re_2", "created": 200, "amount": 4_000, "status": "succeeded", "charge": CHARGE}

    facts, _ = facts_of(Source.REFUNDS, second, first)

    # $20.00 had gone back before the history begins.
    assert [Money(5_000, "usd"), Money(9_000, "usd")] == [each["amount_on_object"] for each in facts]
    assert ["cus_1", "cus_1"] == [each["customer"] for each in facts]


def test_a_refund_that_failed_gave_nothing_back_before_the_next() -> None:
    failed = {"id": "re_1", "created": 100, "amount": 3_000, "status": "failed", "charge": CHARGE}
    second = {"id": "re_2", "created": 200, "amount": 4_000, "status": "succeeded", "charge": CHARGE}

    left = Left()
    found = happened({Source.REFUNDS: [second, failed]}, 0, left)

    assert [True, False] == [each.undone for each in found]
    assert [5_000, 5_000] == [each.looked["charge"]["amount_refunded"] for each in found]


def test_a_refund_that_a_credit_note_made_counts_once() -> None:
    note = {
        "id": "cn_1",
        "created": 100,
        "amount": 3_000,
        "customer_balance_transaction": None,
        "refunds": [{"amount_refunded": 3_000, "refund": {"id": "re_1"}}],
        "invoice": {"id": "in_1", "currency": "usd", "customer": "cus_1", "total": 9_000, "status": "paid"},
    }
    refund = {"id": "re_1", "created": 100, "amount": 3_000, "status": "succeeded", "charge": CHARGE}

    found = happened({Source.CREDIT_NOTES: [note], Source.REFUNDS: [refund]}, 0, Left())

    assert ["PostCreditNotes"] == [each.operation_id for each in found]
    assert {"invoice": "in_1", "amount": 3_000, "refund_amount": 3_000} == found[0].parameters


def test_automatic_payouts_are_nobodys_request_and_tell_who_was_paid_before() -> None:
    paid = {"id": "po_1", "created": 100, "amount": 500, "currency": "usd", "status": "paid", "destination": "ba_1"}
    asked = {**paid, "id": "po_2", "created": 200, "automatic": False}

    facts, left = facts_of(Source.PAYOUTS, asked, {**paid, "automatic": True})

    assert 1 == left.automatic_payouts
    assert [True] == [each["destination_paid_before"] for each in facts]


def test_what_charges_and_refunds_did_by_themselves_is_left_out() -> None:
    own = {
        "id": "tr_1",
        "created": 100,
        "amount": 500,
        "currency": "usd",
        "destination": "acct_2",
        "amount_reversed": 100,
    }
    own |= {"source_transaction": {**CHARGE, "transfer_data": {"destination": "acct_2"}}}
    own |= {"reversals": {"data": [{"id": "trr_1", "created": 150, "amount": 100, "source_refund": "re_9"}]}}

    facts, left = facts_of(Source.TRANSFERS, own)

    assert [] == facts
    assert (1, 1) == (left.transfers_of_charges, left.reversals_of_refunds)


def test_an_end_at_the_periods_end_and_one_by_stripe() -> None:
    base = {"customer": "cus_1", "status": "canceled", "items": {"data": [], "has_more": False}}
    later = {**base, "id": "sub_1", "canceled_at": 100, "ended_at": 9_000}
    unpaid = {**base, "id": "sub_2", "canceled_at": 100, "ended_at": 100}
    unpaid["cancellation_details"] = {"reason": "payment_failed"}

    facts, left = facts_of(Source.CANCELLATIONS, later, unpaid)

    assert ["period_end"] == [each["ends"] for each in facts]
    assert 1 == left.ended_by_stripe


def test_odd_objects_are_counted_and_stop_nothing() -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"id": 7},
        {"id": "re_1", "amount": "1"},
        {"id": "re_2", "amount": 3, "charge": None},
    ]

    facts, left = facts_of(Source.REFUNDS, *odd)

    assert [] == facts
    assert 4 == left.unreadable
