"""When an account pays out by itself: in the account's own settings, and in the newer balance settings. One truth for
both, which is the account's."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from runplane_mcp.core.money import CURRENCIES
from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.parameters import Raw, Reader, array, boolean, mapping, one_of, text
from runplane_mcp.simulator.refusal import invalid
from runplane_mcp.simulator.resources.automatic_payouts import SETTINGS, WEEKDAYS, schedule_payouts
from runplane_mcp.simulator.resources.terms import natural
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_INTERVALS = ("daily", "manual", "monthly", "weekly")


def _day_of_month(value: Raw, name: str) -> int:
    given = natural(value, name)
    if not 1 <= given <= 31:
        raise invalid(f"'{name}' must be a day of the month.", name, "parameter_invalid_integer")
    return given


def _delay(value: Raw, name: str) -> int | str:
    """Days that funds are held for; the card's own two at least."""
    if value == "minimum":
        return "minimum"
    given = natural(value, name)
    if not 2 <= given <= 31:
        raise invalid(f"'{name}' must be between 2 and 31.", name, "parameter_invalid_integer")
    return given


_DAYS: Mapping[str, Reader] = {
    "monthly_payout_days": array(_day_of_month, most=31),
    "weekly_payout_days": array(one_of(*WEEKDAYS), most=5),
}
#: `settings[payouts]` of an account.
PAYOUTS = mapping(
    {
        "debit_negative_balances": boolean,
        "schedule": mapping(
            {
                **_DAYS,
                "delay_days": _delay,
                "interval": one_of(*_INTERVALS),
                "monthly_anchor": _day_of_month,
                "weekly_anchor": one_of(*WEEKDAYS),
            }
        ),
        "statement_descriptor": text,
    }
)


def change_payouts(account: Obj, given: Params) -> None:
    """Takes over `settings[payouts]`. 400 where a weekly or monthly schedule does not say on which days."""
    held = account["settings"]["payouts"]
    for name in ("debit_negative_balances", "statement_descriptor"):
        if name in given:
            held[name] = given[name]
    asked = dict(given.get("schedule", {}))
    if not asked:
        return
    for anchor, days in (("weekly_anchor", "weekly_payout_days"), ("monthly_anchor", "monthly_payout_days")):
        if anchor in asked:
            asked.setdefault(days, [asked[anchor]])
    schedule = {**held["schedule"], **asked}
    if schedule["delay_days"] == "minimum":
        schedule["delay_days"] = 2
    needed = {"weekly": "weekly_payout_days", "monthly": "monthly_payout_days"}.get(schedule["interval"])
    for interval, days in (("weekly", "weekly_payout_days"), ("monthly", "monthly_payout_days")):
        if schedule["interval"] != interval:
            schedule.pop(days, None)
            schedule.pop(f"{interval}_anchor", None)
    if needed is not None and not schedule.get(needed):
        raise invalid(f"A {schedule['interval']} schedule needs '{needed}'.", needed, "parameter_missing")
    if needed is not None:
        schedule[f"{schedule['interval']}_anchor"] = schedule[needed][0]
    held["schedule"] = schedule


def _minimum(value: Raw, name: str) -> dict[str, Any]:
    if isinstance(value, str):
        raise invalid(f"'{name}' must be a hash.", name)
    for code in value:
        if code not in CURRENCIES:
            raise invalid(f"'{code}' is not a currency.", f"{name}[{code}]")
    return {code: None if inner == "" else natural(inner, f"{name}[{code}]") for code, inner in value.items()}


def _settings(tx: Transaction) -> tuple[Obj, Obj]:
    """The account that asks, and what its balance settings hold beyond it."""
    account = tx.require("account", tx.account, "account", account=tx.platform)
    kept = tx.find(SETTINGS) or {"id": SETTINGS, "object": "balance_settings", "minimum_balance_by_currency": {}}
    return account, kept


def _shown(account: Obj, kept: Obj) -> Obj:
    payouts = account["settings"]["payouts"]
    schedule = payouts["schedule"]
    names = ("interval", "monthly_payout_days", "weekly_payout_days")
    return {
        "object": "balance_settings",
        "payments": {
            "debit_negative_balances": payouts["debit_negative_balances"],
            "payouts": {
                "minimum_balance_by_currency": kept["minimum_balance_by_currency"],
                "schedule": {name: schedule[name] for name in names if name in schedule},
                "statement_descriptor": payouts["statement_descriptor"],
                "status": "enabled" if account["payouts_enabled"] else "disabled",
            },
            "settlement_timing": {
                "delay_days": schedule["delay_days"],
                "delay_days_override": kept.get("delay_days_override"),
            },
        },
    }


def _retrieve(tx: Transaction, _params: Params) -> Obj:
    return _shown(*_settings(tx))


def _update(tx: Transaction, params: Params) -> Obj:
    account, kept = _settings(tx)
    before = _shown(deepcopy(account), deepcopy(kept))
    given = params.get("payments", {})
    payouts = given.get("payouts", {})
    asked = {name: payouts[name] for name in ("schedule", "statement_descriptor") if name in payouts}
    if "debit_negative_balances" in given:
        asked["debit_negative_balances"] = given["debit_negative_balances"]
    override = given.get("settlement_timing", {}).get("delay_days_override")
    if override is not None:
        asked["schedule"] = {**asked.get("schedule", {}), "delay_days": override}
        kept["delay_days_override"] = override
    change_payouts(account, asked)
    minimum = {**kept["minimum_balance_by_currency"], **payouts.get("minimum_balance_by_currency", {})}
    kept["minimum_balance_by_currency"] = {code: amount for code, amount in minimum.items() if amount is not None}
    tx.save(account, account=tx.platform)
    tx.put(kept)
    schedule_payouts(tx, account)
    shown = _shown(account, kept)
    tx.emit("balance_settings.updated", shown, before=before)
    return shown


ROUTES = (
    Route("GET", "/v1/balance_settings", _retrieve),
    Route(
        "POST",
        "/v1/balance_settings",
        _update,
        {
            "payments": mapping(
                {
                    "debit_negative_balances": boolean,
                    "payouts": mapping(
                        {
                            "minimum_balance_by_currency": _minimum,
                            "schedule": mapping({**_DAYS, "interval": one_of(*_INTERVALS)}),
                            "statement_descriptor": text,
                        }
                    ),
                    "settlement_timing": mapping({"delay_days_override": _delay}),
                }
            )
        },
    ),
)
