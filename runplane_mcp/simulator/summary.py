"""Counts and sums of a world since it began, so that a test or a demo can say: requests = effects."""

from __future__ import annotations

import sqlite3
from enum import StrEnum
from typing import Any

#: What counts as money that moved, by the kind of its object. A failed or canceled one did not.
_MONEY = ("refund", "payout", "transfer", "transfer_reversal")


class Outcome(StrEnum):
    """What came of a POST or DELETE that arrived."""

    EFFECT = "effect"  # it did what it asks
    DECLINED = "declined"  # 402, with a failed object left behind
    REPLAYED = "replayed"  # its idempotency key remembered an answer
    REFUSED = "refused"  # an error answer, nothing happened
    DROPPED = "dropped"  # a fault kept it from Stripe


def summarize(db: sqlite3.Connection) -> dict[str, Any]:
    """`writes` by outcome with `received`, `effects` and `effects_by_key`, money by kind and currency (minor units,
    `count` and `total`), `events` by type, and the platform's `balance`. The seeded company's past is not counted."""
    meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
    outcomes = dict(db.execute("SELECT outcome, count(*) FROM write_log GROUP BY outcome").fetchall())
    keys = db.execute(
        "SELECT key, count(*) FROM write_log WHERE outcome = 'effect' AND key IS NOT NULL GROUP BY key"
    ).fetchall()
    money: dict[str, Any] = {kind: {"count": 0, "total": {}} for kind in _MONEY}
    for kind, currency, count, total in db.execute(
        "SELECT kind, json_extract(body, '$.currency'), count(*), sum(json_extract(body, '$.amount')) FROM object"
        " WHERE seq > ? AND coalesce(json_extract(body, '$.status'), '') NOT IN ('failed', 'canceled')"
        " AND kind IN ('refund', 'payout', 'transfer', 'transfer_reversal') GROUP BY 1, 2 ORDER BY 2",
        (meta["last_seed"],),
    ):
        money[kind]["count"] += count
        money[kind]["total"][currency] = total
    events = db.execute(
        "SELECT json_extract(body, '$.type'), count(*) FROM object WHERE seq > ? AND kind = 'event' GROUP BY 1 ORDER BY 1",
        (meta["last_seed"],),
    ).fetchall()
    balances = db.execute("SELECT account, currency, available, pending FROM balance ORDER BY account, currency")
    balance: dict[str, Any] = {}
    for account, currency, available, pending in balances:
        balance.setdefault(account, {})[currency] = {"available": available, "pending": pending}
    return {
        "world_id": meta["world_id"],
        "founded": meta["founded"],
        "writes": {"received": sum(outcomes.values()), **{each.value: outcomes.get(each.value, 0) for each in Outcome}},
        "effects": outcomes.get(Outcome.EFFECT.value, 0),
        "effects_by_key": dict(keys),
        **{f"{kind}s": sums for kind, sums in money.items()},
        "events": dict(events),
        "balance": balance,
    }
