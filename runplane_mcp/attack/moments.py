"""When an attack begins, and the moments at which something may pass again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from runplane_mcp.core.compile import CompiledPolicy

_HOUR: Final = 3_600_000
#: Windows that limits mostly have (milliseconds): tried whether or not the policy has them.
_USUAL: Final = (_HOUR, 24 * _HOUR)
_ANY_MONDAY: Final = date(2026, 3, 2)
_OPENING: Final = 9 * 60
#: How many weeks are looked through for one without holidays. Rates stay fresh for longer.
_WEEKS: Final = 8


def beginnings(policy: CompiledPolicy) -> tuple[int, ...]:
    """When attacks begin (policy time in milliseconds), each when limits of up to a week have emptied after the one before:
    as business hours open, in a week with as many open days as any; and an hour before they close, so that a week holds the
    end of its first day and the beginning of the same day of the next week."""
    calendar, rates = policy.calendar, policy.policy.rates
    day = rates.as_of or _ANY_MONDAY
    day += timedelta(days=-day.weekday() % 7)
    hours = calendar.hours
    if hours is None:
        return (_moment(policy, day, _OPENING),)
    weeks = [[day + timedelta(weeks=week, days=each) for each in range(7)] for week in range(_WEEKS)]
    opened = [[each for each in week if hours.open_on(each)] for week in weeks]
    first = max(opened, key=len)[0] if any(opened) else day
    late = max(hours.opens, hours.closes - 60)
    return _moment(policy, first, hours.opens), _moment(policy, first + timedelta(weeks=2), late)


def turns(policy: CompiledPolicy, start: int, until: int) -> Iterator[int]:
    """When facts of the clock change: midnight and business hours, in the policy's zone."""
    hours = policy.calendar.hours
    minutes = {0} | ({hours.opens, hours.closes % 1440} if hours is not None else set())
    day = day_of(policy, start)
    for offset in range((until - start) // (24 * _HOUR) + 2):
        for minute in minutes:
            yield _moment(policy, day + timedelta(days=offset), minute)


def windows(policy: CompiledPolicy) -> Iterator[int]:
    """After how long something leaves a limit (milliseconds)."""
    yield from _USUAL
    yield from (limit.limit.within * 1000 for limit in policy.limits)


def day_of(policy: CompiledPolicy, moment: int) -> date:
    """The day in the policy's zone."""
    return datetime.fromtimestamp(moment // 1000, UTC).astimezone(policy.calendar.zone).date()


def _moment(policy: CompiledPolicy, day: date, minutes: int) -> int:
    local = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=policy.calendar.zone)
    return round(local.timestamp()) * 1000
