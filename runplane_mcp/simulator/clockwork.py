"""What time alone does in the simulated world: funds become available, payouts arrive, subscription periods end.

It runs at the start of each request, for everything due by the world's clock, each at the time it was due.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta

from runplane_mcp.simulator.objects import Obj
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.transaction import Transaction

#: A clock set years ahead must not make one request do all of it.
_MOST_AT_ONCE = 1000


def catch_up(tx: Transaction) -> None:
    """Does everything that is due. What it causes further on is done too."""
    for _ in range(_MOST_AT_ONCE):
        row = tx.db.execute(
            "SELECT seq, at, account, id FROM due WHERE at <= ? ORDER BY at LIMIT 1", (tx.now,)
        ).fetchone()
        if row is None:
            return
        seq, at, account, id = row
        tx.db.execute("DELETE FROM due WHERE seq = ?", (seq,))
        then = tx.at(at, account)
        found = then.find(id)
        if found is not None and not found.get("deleted"):
            _step(then, found)


def _step(tx: Transaction, found: Obj) -> None:
    """Where it turns out that something cannot be (its customer is gone), nothing of it happens: nobody asked."""
    tx.db.execute("SAVEPOINT step")
    try:
        _STEPS[found["object"]](tx, found)
    except Refusal:
        tx.db.execute("ROLLBACK TO step")
    finally:
        tx.db.execute("RELEASE step")


def on_time(kind: str, step: Callable[[Transaction, Obj], None]) -> None:
    """Says what time does to objects of a kind when the moment comes that was set for them."""
    _STEPS[kind] = step


def _settle(tx: Transaction, transaction: Obj) -> None:
    transaction["status"] = "available"
    tx.save(transaction)
    net = int(transaction["net"])
    tx.move(tx.account, transaction["currency"], available=net, pending=-net)


def _arrive(tx: Transaction, payout: Obj) -> None:
    if payout["status"] not in ("pending", "in_transit"):
        return
    before = dict(payout)
    payout["status"] = "paid"
    tx.save(payout)
    tx.emit("payout.paid", payout, before=before)


def _close(tx: Transaction, dispute: Obj) -> None:
    """Nobody has answered in time: the customer keeps the money, an inquiry comes to nothing."""
    if dispute["status"] not in ("needs_response", "warning_needs_response"):
        return
    before = deepcopy(dispute)
    dispute["status"] = "lost" if dispute["status"] == "needs_response" else "warning_closed"
    dispute["evidence_details"]["past_due"] = True
    tx.save(dispute)
    tx.emit("charge.dispute.closed", dispute, before=before)


def _expire(tx: Transaction, intent: Obj) -> None:
    if intent["status"] == "requires_capture":
        release(tx, intent, reason="automatic")


def _let_go(tx: Transaction, charge: Obj) -> None:
    """A charge that was made without a payment intent, and that nobody has captured in time."""
    if charge["captured"] or charge["refunded"]:
        return
    before = dict(charge)
    charge.update(amount_refunded=charge["amount"], refunded=True)
    tx.save(charge)
    tx.emit("charge.expired", charge, before=before)


def release(tx: Transaction, intent: Obj, *, reason: str | None) -> None:
    """The payment is canceled: what the card held ready is let go, and its charge says so."""
    before = dict(intent)
    if intent["status"] == "requires_capture":
        charge = tx.require("charge", intent["latest_charge"], "charge")
        charge_before = dict(charge)
        charge.update(amount_refunded=charge["amount"], refunded=True)
        tx.save(charge)
        tx.emit("charge.expired" if reason == "automatic" else "charge.refunded", charge, before=charge_before)
    intent.update(status="canceled", amount_capturable=0, canceled_at=tx.now, cancellation_reason=reason)
    tx.save(intent)
    tx.emit("payment_intent.canceled", intent, before=before)


def end_subscription(tx: Transaction, subscription: Obj, *, canceled_at: int) -> None:
    """The subscription is over now, and says so in an event. A schedule that it follows is over with it."""
    schedule = tx.find(subscription["schedule"]) if subscription["schedule"] else None
    if schedule is not None and schedule["status"] == "active":
        schedule.update(status="canceled", canceled_at=tx.now, current_phase=None)
        tx.save(schedule)
        tx.emit("subscription_schedule.canceled", schedule)
    subscription.update(status="canceled", canceled_at=canceled_at, ended_at=tx.now)
    tx.save(subscription)
    tx.emit("customer.subscription.deleted", subscription)


def period_end(subscription: Obj) -> int:
    """When the paid period ends: the earliest of its items."""
    return min(int(item["current_period_end"]) for item in subscription["items"]["data"])


def next_period(start: int, recurring: Obj) -> int:
    """`start` plus one interval. A month's end stays a month's end: 31 January is followed by 28 February."""
    count = int(recurring["interval_count"])
    begun = datetime.fromtimestamp(start, UTC)
    match recurring["interval"]:
        case "day":
            return int((begun + timedelta(days=count)).timestamp())
        case "week":
            return int((begun + timedelta(weeks=count)).timestamp())
        case "month":
            months = begun.year * 12 + begun.month - 1 + count
        case _:
            months = begun.year * 12 + begun.month - 1 + 12 * count
    year, month = divmod(months, 12)
    day = min(begun.day, monthrange(year, month + 1)[1])
    return int(begun.replace(year=year, month=month + 1, day=day).timestamp())


_STEPS: dict[str, Callable[[Transaction, Obj], None]] = {
    "balance_transaction": _settle,
    "charge": _let_go,
    "dispute": _close,
    "payment_intent": _expire,
    "payout": _arrive,
}
