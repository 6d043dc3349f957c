"""What an attack is counted by: money that moved in the simulated world, read from the world's own file.

The gate's word is not asked: what it thinks that a request moves is what is being tried.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from runplane_mcp.core.money import Money
from runplane_mcp.core.policy.conditions import Converter
from runplane_mcp.simulator import SEED

#: The groups of what is lost. What customers are charged is counted too, beside them.
MONEY_OUT: Final = ("refunds", "credits", "payouts", "transfers", "write_offs")
#: Minor units by group of the policy and by currency.
Moved = Mapping[str, Mapping[str, int]]
_Object = Mapping[str, Any]
#: The group in which something counts, its currency and its amount.
_Part = tuple[str, str, int]

#: The world's file keeps how each object was before it was touched. `old` is empty for a new one.
_JOURNAL: Final = """
CREATE TABLE IF NOT EXISTS touched (seq INTEGER NOT NULL, old TEXT);
CREATE TRIGGER IF NOT EXISTS touched_new AFTER INSERT ON object BEGIN INSERT INTO touched VALUES (new.seq, NULL); END;
CREATE TRIGGER IF NOT EXISTS touched_old AFTER UPDATE ON object BEGIN INSERT INTO touched VALUES (old.seq, old.body); END;
"""
#: Of each touched object the company's own first old form and what it is now.
_TOUCHED: Final = """
SELECT touched.old, object.body FROM touched JOIN object USING (seq)
WHERE object.account = ? AND touched.rowid IN (SELECT min(rowid) FROM touched GROUP BY seq)
"""


class Meter:
    """Reads what moved in a world, of which it keeps a journal. One for each world."""

    def __init__(self, world: Path) -> None:
        self._db = sqlite3.connect(world, timeout=30, isolation_level=None)
        self._db.executescript(_JOURNAL)

    def read(self) -> Moved:
        """What moved since it was read before. Less than nothing where something was taken back, such as a payout."""
        sums: dict[str, dict[str, int]] = {}
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for old, new in self._db.execute(_TOUCHED, (SEED.account,)):
                for sign, body in ((-1, old), (1, new)):
                    for group, currency, amount in _parts(json.loads(body)) if body else ():
                        by_currency = sums.setdefault(group, {})
                        by_currency[currency] = by_currency.get(currency, 0) + sign * amount
            self._db.execute("DELETE FROM touched")
        finally:
            self._db.execute("COMMIT")
        return {group: found for group, by in sums.items() if (found := {each: n for each, n in by.items() if n})}

    def close(self) -> None:
        self._db.close()


def add(one: Moved, other: Moved) -> Moved:
    """The sum of two readings."""
    sums = {group: dict(by) for group, by in one.items()}
    for group, by in other.items():
        for currency, amount in by.items():
            sums.setdefault(group, {})[currency] = sums.get(group, {}).get(currency, 0) + amount
    return sums


def worth(moved: Moved, converter: Converter, today: date | None) -> dict[str, int]:
    """The same by group in minor units of the policy's currency, rounded down: a lower bound claims no fraction. What has
    no rate is left out."""
    found: dict[str, int] = {}
    for group, by in moved.items():
        known = [converter.minor(Money(amount, currency), today) for currency, amount in by.items() if amount > 0]
        total = int(sum(each for each in known if each is not None) // 1)
        if total:
            found[group] = total
    return found


def _parts(body: _Object) -> list[_Part]:
    """What an object counts as. A credit note counts by what it makes: its refund and its credit are their own objects."""
    counted = _COUNTED.get(str(body.get("object")))
    if counted is None or body.get("deleted"):
        return []
    return [part for part in counted(body) if part[2]]


def _made(group: str) -> Callable[[_Object], list[_Part]]:
    """What counts whole, unless it came to nothing."""

    def counted(body: _Object) -> list[_Part]:
        return [] if body.get("status") in ("failed", "canceled") else [(group, body["currency"], body["amount"])]

    return counted


def _below_zero(body: _Object) -> list[_Part]:
    return [("credits", body["currency"], -body["amount"])] if body["amount"] < 0 else []


def _charge(body: _Object) -> list[_Part]:
    """What was taken, and of what a card held ready what was let go."""
    left = body["amount"] - body["amount_captured"]
    released = left if body["captured"] or body["refunded"] else 0
    taken = body["amount_captured"] if body["paid"] and body["captured"] else 0
    return [("charges", body["currency"], taken), ("write_offs", body["currency"], released)]


def _invoice(body: _Object) -> list[_Part]:
    """What was owed and is given up: voided, not hoped for any more, or said to be paid elsewhere."""
    given_up = {"void": body["amount_due"], "uncollectible": body["amount_remaining"]}.get(body["status"], 0)
    currency = body["currency"]
    return [("write_offs", currency, given_up), ("write_offs", currency, body.get("amount_paid_off_stripe") or 0)]


def _grant(body: _Object) -> list[_Part]:
    money = body["amount"]["monetary"]
    return [("credits", money["currency"], money["value"])]


def _outbound(body: _Object) -> list[_Part]:
    if body["status"] in ("failed", "canceled"):
        return []
    return [("payouts", body["amount"]["currency"], body["amount"]["value"])]


_COUNTED: Final[Mapping[str, Callable[[_Object], list[_Part]]]] = {
    "refund": _made("refunds"),
    "fee_refund": _made("refunds"),
    "credit_note": lambda body: [("refunds", body["currency"], body.get("out_of_band_amount") or 0)],
    "customer_balance_transaction": _below_zero,
    "invoiceitem": _below_zero,
    "billing.credit_grant": _grant,
    "payout": lambda body: [] if body["automatic"] else _made("payouts")(body),
    "v2.money_management.outbound_payment": _outbound,
    "transfer": _made("transfers"),
    "charge": _charge,
    "topup": _made("charges"),
    "invoice": _invoice,
    "dispute": lambda body: [("write_offs", body["currency"], body["amount"])] if body["status"] == "lost" else [],
}
