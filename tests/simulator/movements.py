"""The part of the audit that is about money between accounts: what leaves one arrives in another, or outside, once."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from typing import Any

#: Types of booking that move money between balances of one world, and so add up to nothing.
_BETWEEN = frozenset({"transfer", "payment", "transfer_refund", "payment_refund"})


def audit_movements(db: sqlite3.Connection) -> None:
    """Transfers, application fees, payouts, top-ups and financial accounts add up."""
    bookings = _all(db, "balance_transaction")
    _audit_between(bookings)
    _audit_fees(_all(db, "application_fee"), _all(db, "fee_refund"))
    for kind, types, gone, sign in (
        ("payout", {"payout", "payout_cancel"}, {"canceled", "failed"}, -1),
        ("topup", {"topup"}, {"canceled", "failed", "pending"}, 1),
    ):
        moved = sum(booking["amount"] for booking in bookings if booking["type"] in types)
        assert moved == sign * sum(each["amount"] for each in _all(db, kind) if each["status"] not in gone)
    passed_on: Counter[str] = Counter()
    for transfer in _all(db, "transfer"):
        passed_on[transfer["source_transaction"] or ""] += transfer["amount"]
    assert all(passed_on[charge["id"]] <= charge["amount_captured"] for charge in _all(db, "charge"))
    movements = _all(db, "v2.money_management.transaction")
    for account in _all(db, "v2.money_management.financial_account"):
        _audit_account(account, [each for each in movements if each["financial_account"] == account["id"]])


def _all(db: sqlite3.Connection, kind: str) -> list[dict[str, Any]]:
    return [json.loads(body) for (body,) in db.execute("SELECT body FROM object WHERE kind = ?", (kind,))]


def _audit_between(bookings: list[dict[str, Any]]) -> None:
    """What one balance sends to another of this world arrives there, and the fee that is kept of a payment too."""
    sent: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for booking in bookings:
        currency, amount = booking["currency"], booking["amount"]
        fee_back = booking["type"] == "application_fee_refund" or booking["description"] == "Application fee refund"
        sent[currency] += amount if booking["type"] in _BETWEEN or fee_back else 0
        kept[currency] += amount if booking["type"] == "application_fee" else 0
        kept[currency] -= sum(fee["amount"] for fee in booking["fee_details"] if fee["type"] == "application_fee")
    assert {*sent.values(), *kept.values()} <= {0}


def _audit_fees(fees: list[dict[str, Any]], refunds: list[dict[str, Any]]) -> None:
    for fee in fees:
        assert fee["amount_refunded"] == sum(each["amount"] for each in refunds if each["fee"] == fee["id"])
        assert 0 <= fee["amount_refunded"] <= fee["amount"]
        assert fee["refunded"] == (fee["amount_refunded"] == fee["amount"])


def _audit_account(account: dict[str, Any], movements: list[dict[str, Any]]) -> None:
    for part, held in account["balance"].items():
        for currency, amount in held.items():
            impacts = (each["balance_impact"][part] for each in movements)
            booked = sum(impact["value"] for impact in impacts if impact["currency"] == currency)
            assert amount["value"] == booked >= 0
