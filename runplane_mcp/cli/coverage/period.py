"""Which period a report is of: a month, some days, or this month so far, in the policy's time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from runplane_mcp.errors import UsageError


@dataclass(frozen=True, slots=True)
class Period:
    """Seconds since 1970, from `since` until before `until`; `words` as people say it."""

    since: int
    until: int
    words: str


def period_of(month: str | None, first: str | None, last: str | None, *, zone: tzinfo, now: int) -> Period:
    """UsageError `usage.period` for what is no period, or has not begun. `now` is seconds; a period ends there at the
    latest."""
    if month is not None and (first is not None or last is not None):
        raise _wrong("Give a month, or --from and --to.")
    if first is None and last is not None:
        raise _wrong("--to needs --from.")
    today = datetime.fromtimestamp(now, zone)
    if first is not None:
        since = _moment(first, zone)
        # A day is meant whole: through 15 November is until the 16th begins.
        until = _moment(last, zone, after=True) if last is not None else now + 1
        days = _day(since, zone), _day(min(until, now + 1) - 1, zone)
        words = days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"
    else:
        begun = _month(month, zone) if month is not None else today.replace(day=1, hour=0, minute=0, second=0)
        following = (begun.replace(day=1) + timedelta(days=32)).replace(day=1)
        since, until = int(begun.timestamp()), int(following.timestamp())
        words = f"{begun:%B %Y}" + (", so far" if until > now else "")
    until = min(until, now + 1)
    if since >= until:
        raise _wrong("This period has not begun, or ends before it begins.")
    return Period(since, until, f"{words} ({zone})")


def _month(written: str, zone: tzinfo) -> datetime:
    try:
        return datetime.strptime(written.strip(), "%Y-%m").replace(tzinfo=zone)
    except ValueError:
        raise _wrong(f"{written[:40]!a} is no month.") from None


def _moment(written: str, zone: tzinfo, *, after: bool = False) -> int:
    """A day's beginning, with `after` its end; or a moment as it is written."""
    try:
        moment = datetime.fromisoformat(written.strip())
    except ValueError:
        raise _wrong(f"{written[:40]!a} is no day or moment.") from None
    if len(written.strip()) <= len("2026-11-15") and after:
        moment += timedelta(days=1)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    if not 2001 <= moment.year < 2100:
        raise _wrong(f"{written[:40]!a} is not of this century.")
    return int(moment.timestamp())


def _day(at: int, zone: tzinfo) -> str:
    day = datetime.fromtimestamp(at, zone)
    return f"{day.day} {day:%B %Y}"


def _wrong(message: str) -> UsageError:
    return UsageError(
        "usage.period", message, next_step="Write --month 2026-11, or --from 2026-11-01 and --to 2026-11-15."
    )
