"""Payouts that nobody asks for: an account's schedule sends what is available to its default bank account.

Source: https://docs.stripe.com/payouts. Days are days of UTC. A payout day that a month has not is its last day.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final

from runplane_mcp.core.money import WHOLE_UNITS_IN_PAYOUTS, WHOLE_UNITS_ONLY, exponent
from runplane_mcp.simulator.clockwork import on_time
from runplane_mcp.simulator.objects import Obj
from runplane_mcp.simulator.resources.payouts import default_bank, send_payout
from runplane_mcp.simulator.transaction import Transaction

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday")
#: Where an account keeps what the object itself does not show.
SETTINGS: Final = "balance_settings"


def schedule_payouts(tx: Transaction, account: Obj) -> None:
    """Sets when the account's next automatic payout is. What was set before no longer holds."""
    tx.unschedule(account["id"], account=tx.platform)
    when = next_payout(tx.now, account["settings"]["payouts"]["schedule"])
    if when is not None:
        tx.schedule(when, account["id"], account=tx.platform)


def next_payout(now: int, schedule: Obj) -> int | None:
    """The first moment after `now` at which the schedule sends a payout. None for `manual`."""
    if schedule["interval"] == "manual":
        return None
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for _ in range(40):
        day += timedelta(days=1)
        if _pays_on(day, schedule):
            break
    return int(day.timestamp())


def _pays_on(day: datetime, schedule: Obj) -> bool:
    if schedule["interval"] == "daily":
        return True
    if schedule["interval"] == "weekly":
        return day.weekday() < len(WEEKDAYS) and WEEKDAYS[day.weekday()] in schedule["weekly_payout_days"]
    last = monthrange(day.year, day.month)[1]
    return day.day in {min(wanted, last) for wanted in schedule["monthly_payout_days"]}


def pay_out(tx: Transaction, account: Obj) -> list[Obj]:
    """Sends what is available in each currency, less the balance that stays, to the currency's default bank account."""
    there = tx.on(account["id"])
    if not account["payouts_enabled"]:
        return []
    kept = (there.find(SETTINGS) or {}).get("minimum_balance_by_currency", {})
    sent = []
    rows = tx.db.execute("SELECT currency, available FROM balance WHERE account = ? ORDER BY 1", (account["id"],))
    for code, available in rows.fetchall():
        bank = default_bank(there, code)
        amount = available - kept.get(code, 0)
        if code in WHOLE_UNITS_IN_PAYOUTS | WHOLE_UNITS_ONLY:
            amount -= amount % 100
        if bank is not None and amount >= 10 ** exponent(code):
            sent.append(send_payout(there, amount=amount, code=code, bank=bank, automatic=True))
    return sent


def _when_due(tx: Transaction, account: Obj) -> None:
    pay_out(tx, account)
    schedule_payouts(tx, account)


on_time("account", _when_due)
