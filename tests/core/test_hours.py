"""Business hours and the clock's facts, in the policy's zone, through daylight saving (THREATS 16)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.facts import UNKNOWN
from runplane_mcp.core.hours import BusinessHours, Calendar, clock_facts, zone
from tests.core.policies import compiled

NEW_YORK = ZoneInfo("America/New_York")
OFFICE = BusinessHours(frozenset(range(5)), 9 * 60, 17 * 60, frozenset({date(2026, 12, 25)}))
CALENDAR = Calendar(NEW_YORK, OFFICE)


def ms(text: str) -> int:
    """Milliseconds of a UTC time."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("utc", "local_hour", "open_"),
    [
        ("2026-03-06 13:59:59", 8, False),  # Friday in winter time: opens at 14:00 UTC
        ("2026-03-06 14:00:00", 9, True),
        ("2026-03-06 21:59:59", 16, True),
        ("2026-03-06 22:00:00", 17, False),
        ("2026-03-09 12:59:59", 8, False),  # Monday after the clocks went forward: opens at 13:00 UTC
        ("2026-03-09 13:00:00", 9, True),
        ("2026-03-09 21:00:00", 17, False),
        ("2026-03-07 18:00:00", 13, False),  # Saturday
        ("2026-12-25 18:00:00", 13, False),  # closed that day, a Friday
        ("2026-03-07 03:00:00", 22, False),  # Saturday in UTC, still Friday night in New York
    ],
)
def test_business_hours_follow_the_local_clock(utc: str, local_hour: int, open_: bool) -> None:
    facts = CALENDAR.facts(ms(utc))

    assert local_hour == facts["hour"]
    assert open_ is facts["business_hours"]


def test_the_same_instant_is_another_day_in_another_zone() -> None:
    instant = ms("2026-03-03 23:30:00")
    tokyo = Calendar(ZoneInfo("Asia/Tokyo")).facts(instant)

    assert {"hour": 8, "weekday": "wed", "date": "2026-03-04"} == tokyo
    assert "tue" == CALENDAR.facts(instant)["weekday"]


def test_an_hour_that_happens_twice_is_read_off_both_times() -> None:
    first, second = CALENDAR.facts(ms("2026-11-01 05:30")), CALENDAR.facts(ms("2026-11-01 06:30"))

    assert 1 == first["hour"] == second["hour"]


def test_a_time_that_the_clocks_skip_is_refused() -> None:
    with pytest.raises(ValueError, match="does not exist"):
        CALENDAR.instant(datetime(2026, 3, 8, 2, 30))


def test_a_time_that_happens_twice_is_the_first_one() -> None:
    assert ms("2026-11-01 05:30") == CALENDAR.instant(datetime(2026, 11, 1, 1, 30))


@given(st.datetimes(datetime(2000, 1, 1), datetime(2199, 12, 31)))
def test_the_facts_of_a_local_time_are_that_local_time(local: datetime) -> None:
    local = local.replace(second=0, microsecond=0)
    try:
        facts = CALENDAR.facts(CALENDAR.instant(local))
    except ValueError:
        return
    assert local.hour == facts["hour"]
    assert local.date().isoformat() == facts["date"]


@pytest.mark.parametrize("beyond", [10**18, -(10**18), 2**80])
def test_a_clock_beyond_the_calendar_is_unknown(beyond: int) -> None:
    assert {UNKNOWN} == set(CALENDAR.facts(beyond).values())
    assert {"hour", "weekday", "date"} == Calendar(NEW_YORK).facts(beyond).keys()


def test_the_last_minute_of_a_day_that_closes_at_midnight_is_open() -> None:
    late = Calendar(NEW_YORK, BusinessHours(frozenset(range(7)), 0, 24 * 60))

    assert late.facts(ms("2026-03-04 04:59"))["business_hours"] is True


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (None, "2026-03-03 17:00"),
        (date(2026, 12, 25), "2026-12-28 17:00"),  # closed, then the weekend
        (date(2026, 7, 4), "2026-07-06 16:00"),  # daylight saving
    ],
)
def test_neutral_is_noon_on_a_business_day(after: date | None, expected: str) -> None:
    assert ms(expected) == CALENDAR.neutral_instant(after)


def test_neutral_is_opening_time_where_noon_is_not_within_hours() -> None:
    evening = Calendar(ZoneInfo("UTC"), BusinessHours(frozenset(range(7)), 18 * 60, 23 * 60))

    assert ms("2026-03-03 18:00") == evening.neutral_instant(None)


def test_neutral_exists_even_where_opening_time_is_skipped_that_day() -> None:
    night = Calendar(NEW_YORK, BusinessHours(frozenset({6}), 2 * 60 + 30, 6 * 60))

    assert ms("2026-03-08 07:30") == night.neutral_instant(date(2026, 3, 8))


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "America", "../etc/passwd", "/etc/localtime", "a\x00b"])
def test_a_zone_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        zone(name)


def test_the_facts_of_the_clock_come_from_the_compiled_policy() -> None:
    policy = compiled()
    facts = clock_facts(policy, ms("2026-03-03 07:00"))

    assert {"hour": 2, "weekday": "tue", "date": "2026-03-03", "business_hours": False} == facts
    assert facts == clock_facts(policy.policy, ms("2026-03-03 07:00"))
