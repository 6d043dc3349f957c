"""The texts of a policy file as values: amounts, durations, days, times. Each raises ValueError that says what to write.

Only ASCII digits count, and nothing is rounded: an amount that looks right must be the amount that is compared.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Final

from runplane_mcp.core.hours import WEEKDAYS
from runplane_mcp.core.money import LARGEST_AMOUNT, exponent
from runplane_mcp.core.policy import meant
from runplane_mcp.core.policy.meant import probably

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_DECIMAL = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,15}))?")
_WHOLE = re.compile(r"[0-9]{1,15}")
_DURATION = re.compile(r"(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LOCAL = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2})")
_YES = frozenset({"true", "yes"})
_NO = frozenset({"false", "no"})


def yes_no(text: str) -> bool:
    """`true`, `yes`, `false`, `no`, whatever the case."""
    low = text.lower()
    if low in _YES or low in _NO:
        return low in _YES
    raise ValueError(probably("write true or false", meant.yes_no(text)))


def whole(text: str, least: int, most: int) -> int:
    if _WHOLE.fullmatch(text) and least <= int(text) <= most:
        return int(text)
    raise ValueError(probably(f"write a whole number from {least} to {most}", meant.whole(text)))


def number(text: str) -> Fraction:
    """A decimal number, exact, never negative."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(probably("write a number such as 20 or 12.5", meant.comparison(text) or meant.number(text)))
    return Fraction(text)


def rate(text: str) -> Fraction:
    value = number(text)
    if value == 0:
        raise ValueError("a rate is more than 0")
    return value


def money(text: str, currency: str) -> int:
    """Minor units of `currency` from an amount in major units: `500` of usd is 50000."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        if "%" in text:
            raise ValueError("this is an amount of money; percent of the original are the fact `share`")
        how = f"write a plain number in {currency}, without sign, symbol or separators, such as 500 or 499.50"
        raise ValueError(probably(how, meant.comparison(text) or meant.amount(text, currency)))
    part, places = match.group(2) or "", exponent(currency)
    if len(part) > places:
        raise ValueError(f"{currency} has {places or 'no'} decimals: write at most that many")
    minor = int(match.group(1) + part.ljust(places, "0"))
    if minor > LARGEST_AMOUNT:
        raise ValueError("this is more than any amount Runplane handles")
    return minor


def duration(text: str, least: int = 1, most: int = 366 * DAY) -> int:
    """Seconds of `24h`, `7m30s`, `7d`."""
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(probably("write a duration such as 10m, 24h, 7d or 7m30s", meant.duration(text)))
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    value = days * DAY + hours * HOUR + minutes * MINUTE + seconds
    if not least <= value <= most:
        raise ValueError(f"write a duration from {duration_text(least)} to {duration_text(most)}")
    return value


def duration_text(seconds: int) -> str:
    """A duration in words: `24 hours`, `7 minutes 30 seconds`."""
    if seconds % DAY == 0 and seconds > DAY:
        return f"{seconds // DAY} days"
    parts = []
    for size, name in ((HOUR, "hour"), (MINUTE, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts) or "no time"


def day(text: str) -> date:
    try:
        if _DAY.fullmatch(text) and "2000" <= text[:4] <= "2199":
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(probably("write a day of the calendar as YYYY-MM-DD, from 2000 to 2199", meant.day(text)))


def time_of_day(text: str) -> int:
    """Minutes since midnight of `09:00`; `24:00` is the end of the day."""
    match = _TIME.fullmatch(text)
    if match is not None:
        minutes = int(match.group(1)) * 60 + int(match.group(2))
        if int(match.group(2)) < 60 and minutes <= 24 * 60:
            return minutes
    raise ValueError(probably("write a time as HH:MM, from 00:00 to 24:00", meant.time_of_day(text)))


def local_time(text: str) -> datetime:
    """A naive local time: its zone is the policy's, so one that brings its own is refused."""
    match = _LOCAL.fullmatch(text)
    if match is not None:
        minutes = time_of_day(match.group(2))
        if minutes < 24 * 60:
            start = day(match.group(1))
            return datetime(start.year, start.month, start.day) + timedelta(minutes=minutes)
    raise ValueError("write a local time as YYYY-MM-DD HH:MM, without a zone: the policy's own is used")


def weekdays(text: str) -> frozenset[int]:
    """Numbers of weekdays, Monday is 0: `mon`, `mon-fri`, `sat-mon`."""
    first, dash, last = text.partition("-")
    if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
        raise ValueError(probably("write days as mon-fri or [mon, tue, sat]", meant.weekdays(text)))
    start = WEEKDAYS.index(first)
    length = (WEEKDAYS.index(last) - start) % 7 if dash else 0
    return frozenset((start + step) % 7 for step in range(length + 1))
