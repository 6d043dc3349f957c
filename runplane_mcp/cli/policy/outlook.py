"""What replay, backtest and tune have in common: amounts in words, days, sums, for people and for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.money import Money
from runplane_mcp.core.outlook import Answer, Day, Outlook, Sums

if TYPE_CHECKING:
    from runplane_mcp.core.compile import CompiledPolicy


def money_words(sums: Sums) -> str:
    """Each currency by itself, as `$1,200.00 USD + €30.00 EUR`, and how many amounts nobody knows."""
    parts = [str(Money(amount, currency)) for currency, amount in sorted(sums.money.items()) if amount]
    if sums.unknown:
        parts.append(f"{sums.unknown} unknown {'amount' if sums.unknown == 1 else 'amounts'}")
    return " + ".join(parts) or "–"


def converted(sums: Sums, policy: CompiledPolicy, on: str) -> tuple[int, tuple[str, ...]]:
    """The sum in minor units of the policy's currency, fractions up, and the currencies that have no rate on that day."""
    total, without = 0, []
    for currency, amount in sorted(sums.money.items()):
        minor = policy.converter.sum_minor(Money(amount, currency), date.fromisoformat(on))
        if minor is None:
            without.append(currency)
        else:
            total += -int(-minor // 1)
    return total, tuple(without)


def in_one_currency(sums: Sums, policy: CompiledPolicy, on: str) -> str:
    """The same in the policy's currency, as the policy converts it; what has no rate is said to be unknown."""
    total, without = converted(sums, policy, on)
    words = [str(Money(total, policy.policy.currency))]
    words += [f"{currency.upper()} without a rate" for currency in without]
    if sums.unknown:
        words.append(f"{sums.unknown} unknown")
    return " + ".join(words)


def days_between(days: Iterable[Day]) -> list[str]:
    """Every day from the first to the last, also those on which nothing happened."""
    dates = [date.fromisoformat(day.date) for day in days]
    if not dates:
        return []
    first, last = min(dates), max(dates)
    return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]


def sums_json(sums: Sums) -> dict[str, Json]:
    money: list[Json] = [{"amount": amount, "currency": currency} for currency, amount in sorted(sums.money.items())]
    return {"count": sums.count, "money": money, "unknown_amounts": sums.unknown}


def outlook_json(outlook: Outlook) -> dict[str, Json]:
    """Sums by answer, the questions of each day, and the largest day."""
    days: list[Json] = [
        {"date": day.date, "questions": day.questions, "answers": answers_json(day.by_answer)} for day in outlook.days()
    ]
    largest = outlook.largest
    return {
        "questions": outlook.questions,
        "answers": answers_json(outlook.sums()),
        "largest_day": None if largest is None else {"date": largest.date, "questions": largest.questions},
        "days": days,
    }


def answers_json(by_answer: Mapping[Answer, Sums]) -> dict[str, Json]:
    return {answer.value: sums_json(sums) for answer, sums in by_answer.items() if sums.count}


def largest_words(outlook: Outlook) -> str:
    day = outlook.largest
    if day is None:
        return "nobody was asked on any day"
    return f"{day.date}: {times(day.questions, 'question')}, {money_words(day.by_answer[Answer.ASK])}"


def times(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def weekly(questions: float) -> str:
    """Questions a week for people: rounded up, so that what is a little over a wish never reads as if it met it."""
    return f"{math.ceil(questions * 10 - 1e-9) / 10:.1f}"
