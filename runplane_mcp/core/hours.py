"""Business hours and the facts of the clock, in the policy's own zone, through daylight saving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo, available_timezones

from runplane_mcp.core.facts import UNKNOWN, FactValue

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: The day that a policy's tests take where neither the test nor `rates` names one: a Tuesday without holidays.
_QUIET_DAY: Final = date(2026, 3, 3)
_NOON: Final = 12 * 60


def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name such as America/New_York. ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of the database, such as `America`
        raise ValueError("write an IANA time zone such as America/New_York") from None


def zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """`days`: weekday numbers, Monday is 0. `opens`, `closes`: local minutes since midnight, the second not included."""

    days: frozenset[int]
    opens: int
    closes: int
    closed_on: frozenset[date] = frozenset()

    def open_on(self, day: date) -> bool:
        return day.weekday() in self.days and day not in self.closed_on

    def open_at(self, local: datetime) -> bool:
        return self.open_on(local.date()) and self.opens <= local.hour * 60 + local.minute < self.closes


@dataclass(frozen=True, slots=True)
class Calendar:
    """The policy's clock. Without `hours` there is no fact `business_hours`."""

    zone: ZoneInfo
    hours: BusinessHours | None = None

    def facts(self, policy_ms: int) -> dict[str, FactValue]:
        """`hour`, `weekday`, `date` and `business_hours` at a policy time (milliseconds since 1970, UTC). A time beyond
        the calendar makes all of them unknown, which works against the request."""
        try:
            local = datetime.fromtimestamp(policy_ms // 1000, UTC).astimezone(self.zone)
        except (OverflowError, OSError, ValueError):
            names = ("hour", "weekday", "date", *(("business_hours",) if self.hours is not None else ()))
            return dict.fromkeys(names, UNKNOWN)
        facts: dict[str, FactValue] = {
            "hour": local.hour,
            "weekday": WEEKDAYS[local.weekday()],
            "date": local.date().isoformat(),
        }
        if self.hours is not None:
            facts["business_hours"] = self.hours.open_at(local)
        return facts

    def instant(self, local: datetime) -> int:
        """Milliseconds since 1970 of a naive local time. ValueError for one that the clocks skip; of one that happens
        twice, the first."""
        there = local.replace(tzinfo=self.zone).astimezone(UTC)
        if there.astimezone(self.zone).replace(tzinfo=None) != local:
            raise ValueError("this time does not exist: the clocks skip it that day")
        return round(there.timestamp()) * 1000

    def neutral_instant(self, after: date | None) -> int:
        """Noon on the first business day from `after` on, or opening time where noon is not within business hours."""
        day = after or _QUIET_DAY
        minutes = _NOON
        if self.hours is not None:
            for _ in range(366):
                if self.hours.open_on(day):
                    break
                day += timedelta(days=1)
            if not self.hours.opens <= _NOON < self.hours.closes:
                minutes = self.hours.opens
        local = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)
        try:
            return self.instant(local)
        except ValueError:  # opens in the hour that the clocks skip
            return self.instant(local + timedelta(hours=1))


class HasCalendar(Protocol):
    """A policy, compiled or not."""

    @property
    def calendar(self) -> Calendar: ...


def clock_facts(policy: HasCalendar, policy_ms: int) -> Mapping[str, FactValue]:
    """The facts of the clock at `policy_ms`, milliseconds of policy time, in the zone and hours of `policy`."""
    return policy.calendar.facts(policy_ms)
