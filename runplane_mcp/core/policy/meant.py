"""What somebody meant who wrote a value in another way than a policy takes it: only ever said, never taken.

Each function gives the text to write instead, or None where nobody can tell. A guess that were taken could loosen a rule:
`1,500` is fifteen hundred to one reader and one and a half to another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from runplane_mcp.core.actions import is_verb
from runplane_mcp.core.hours import WEEKDAYS
from runplane_mcp.core.money import CURRENCIES, exponent

_MARKS: Final = re.compile(r"[$€£¥\s_'’]|[a-z]{3,4}", re.IGNORECASE)
_GROUPED: Final = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_POINTED: Final = re.compile(r"([0-9]+),([0-9]{1,2})")
_PLAIN: Final = re.compile(r"[0-9]{1,9}(?:\.([0-9]{1,3}))?")
_SHORT: Final = re.compile(r"([0-9]{1,6})(?:\.([0-9]))?(k|m|e3|e6)")

_TIME: Final = re.compile(r"([0-9]{1,2})(?:[:.h]([0-9]{2}))?(?::[0-9]{2})?\s*([ap])?\.?(?:m\.?|h)?")
_ISO: Final = re.compile(r"([0-9]{4})[-/.]?([0-9]{1,2})[-/.]?([0-9]{1,2})")
_POINTS: Final = re.compile(r"([0-9]{1,2})\.\s?([0-9]{1,2})\.\s?([0-9]{4})")

#: Longer than any duration of a policy; what is proposed must be one that can be written (seconds).
_LONGEST: Final = 366 * 86_400
_UNITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "wk", "week", "weeks"), "w"),
    **dict.fromkeys(("mo", "month", "months"), "month"),
}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "month": 30 * 86_400}
_PART: Final = re.compile(r"\s*([0-9]{1,6})(?:\.([0-9]))?\s*([a-z]+)\s*(?:and|,)?")

_YES: Final = frozenset({"on", "y", "1", "t", "always", "yes."})
_NO: Final = frozenset({"off", "n", "0", "f", "never"})
_DAYS: Final = {
    name: day
    for day, full in zip(
        WEEKDAYS, ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), strict=True
    )
    for name in (day, full, f"{full}s", full[:4], full[:5], full[:2])
}
_OUTCOMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ask", "review", "confirm", "approval", "needs_approval", "hold", "escalate"), "require_approval"),
    **dict.fromkeys(("deny", "denied", "reject", "refuse", "forbid", "stop", "never", "blocked", "no", "off"), "block"),
    **dict.fromkeys(("permit", "accept", "pass", "ok", "yes", "on", "allowed", "auto_approve"), "allow"),
}
_MONEYS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("$", "us$", "dollar", "dollars"), "usd"),
    **dict.fromkeys(("€", "euro", "euros"), "eur"),
    **dict.fromkeys(("£", "pound", "pounds", "sterling"), "gbp"),
    **dict.fromkeys(("¥", "yen"), "jpy"),
}
_ZONES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("EST", "EDT", "ET", "EST5EDT", "UTC-5"), "America/New_York"),
    **dict.fromkeys(("CST", "CDT", "CT", "CST6CDT", "UTC-6"), "America/Chicago"),
    **dict.fromkeys(("MST", "MDT", "MT", "MST7MDT", "UTC-7"), "America/Denver"),
    **dict.fromkeys(("PST", "PDT", "PT", "PST8PDT", "UTC-8"), "America/Los_Angeles"),
    **dict.fromkeys(("CET", "CEST", "MET", "UTC+1"), "Europe/Berlin"),
    **dict.fromkeys(("EET", "EEST", "UTC+2"), "Europe/Helsinki"),
    **dict.fromkeys(("BST", "WET", "WEST"), "Europe/London"),
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
    "HST": "Pacific/Honolulu",
}


def amount(text: str, currency: str) -> str | None:
    """`$1,500` → `1500`, `500,50` → `500.50`, `1.5k` → `1500`."""
    low = text.strip().lower()
    short = _SHORT.fullmatch(low)
    if short is not None:
        factor = 10**6 if short[3] in ("m", "e6") else 1000
        return str(int(short[1]) * factor + int(short[2] or 0) * factor // 10)
    bare = _MARKS.sub("", low.lstrip("<>=~+ ")).removesuffix(".")
    pointed = _POINTED.fullmatch(bare)
    if _GROUPED.fullmatch(bare):
        bare = bare.replace(",", "")
    elif pointed is not None:
        bare = f"{pointed[1]}.{pointed[2]:0<2}"
    found = _PLAIN.fullmatch(bare)
    return bare if found is not None and bare != text and len(found[1] or "") <= exponent(currency) else None


def comparison(text: str) -> str | None:
    """`>500` → `{over: 500}`, `100-500` → `{between: [100, 500]}`."""
    found = re.fullmatch(r"\s*(>=|<=|>|<|≥|≤)\s*([0-9.]+)\s*", text)
    if found is not None:
        name = {">": "over", "<": "under", ">=": "at_least", "≥": "at_least"}.get(found[1], "at_most")
        return f"{{{name}: {found[2]}}}"
    found = re.fullmatch(r"\s*([0-9.]+)\s*(?:-|–|to|\.\.)\s*([0-9.]+)\s*", text)
    return None if found is None else f"{{between: [{found[1]}, {found[2]}]}}"


def number(text: str) -> str | None:
    """`20%` → `20`, `17:00` → `17`, `12,5` → `12.5`."""
    found = re.fullmatch(r"([0-9]{1,9})(?:[.,]([0-9]{1,9}))?\s*(?:%|percent)?|([0-9]{1,2}):00", text.strip().lower())
    if found is None:
        return None
    return str(int(found[3])) if found[3] else f"{found[1]}.{found[2]}" if found[2] else found[1]


def yes_no(text: str) -> str | None:
    low = text.lower()
    return "true" if low in _YES else "false" if low in _NO else None


def time_of_day(text: str) -> str | None:
    """`9:00`, `09.00`, `9h`, `9am` → `09:00`, `5pm` → `17:00`."""
    found = _TIME.fullmatch(text.strip().lower())
    if found is not None:
        hour, minute, half = int(found[1]), int(found[2] or 0), found[3]
        if half is not None and not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0) if half else hour
        return f"{hour:02}:{minute:02}" if hour < 24 and minute < 60 else None
    # What plain YAML makes of 17:00: programs that write policies hand it on.
    minutes = int(text) if re.fullmatch(r"[0-9]{3,4}", text) else 0
    return f"{minutes // 60:02}:{minutes % 60:02}" if 100 <= minutes <= 24 * 60 else None


def duration(text: str) -> str | None:
    """`1 hour` → `1h`, `1w` → `7d`, `1.5h` → `1h30m`, `30m1h` → `1h30m`."""
    low = text.strip().lower()
    if low in _UNITS:
        low = f"1{low}"
    seconds = at = 0
    while at < len(low):
        part = _PART.match(low, at)
        if part is None or part[3] not in _UNITS:
            return None
        size = _SECONDS[_UNITS[part[3]]]
        seconds += int(part[1]) * size + int(part[2] or 0) * size // 10
        at = part.end()
    if seconds > _LONGEST:
        return None
    written = "".join(
        f"{count}{unit}"
        for unit, count in zip(
            "dhms",
            (seconds // 86_400, seconds % 86_400 // 3600, seconds % 3600 // 60, seconds % 60),
            strict=True,
        )
        if count
    )
    return {"1d": "24h"}.get(written, written) or None


def day(text: str) -> str | None:
    """`2026-3-1` → `2026-03-01`, `25.12.2026` → `2026-12-25`. Not `12/25/2026`: others read the day first."""
    found = _ISO.fullmatch(text)
    year, month, of_month = found.groups() if found is not None else ("", "", "")
    found = _POINTS.fullmatch(text)
    if found is not None:
        of_month, month, year = found.groups()
    try:
        written = date(int(year or 0), int(month or 0), int(of_month or 0)).isoformat()
    except ValueError:
        return None
    return written if written != text and "2000" <= written[:4] <= "2199" else None


def weekdays(text: str) -> str | None:
    """`Monday-Friday`, `mon to fri` → `mon-fri`; `mon, tue` → `[mon, tue]`."""
    low = text.strip().lower()
    if low in ("weekdays", "workdays", "business days"):
        return "mon-fri"
    if low in ("all", "daily", "every day", "always", "*", "7"):
        return "mon-sun"
    if low in ("weekend", "weekends"):
        return "[sat, sun]"
    words = re.findall(r"[a-z]+", low)
    named = [_DAYS[word] for word in words if word in _DAYS]
    if not named or any(word not in _DAYS and word not in ("to", "and", "through", "until") for word in words):
        return None
    if len(named) == 1:
        return named[0]
    ranged = len(named) == 2 and re.search(r"-|–|\b(?:to|through|until)\b", low)
    return "-".join(named) if ranged else f"[{', '.join(named)}]"


def days_between(text: str) -> str | None:
    """The days of `sat-sun` one by one, for a condition, which takes no range: `[sat, sun]`."""
    first, dash, last = text.lower().partition("-")
    if not dash or first not in _DAYS or last not in _DAYS:
        return _DAYS.get(text.lower())
    start, end = WEEKDAYS.index(_DAYS[first]), WEEKDAYS.index(_DAYS[last])
    return f"[{', '.join(WEEKDAYS[(start + step) % 7] for step in range((end - start) % 7 + 1))}]"


def outcome(text: str) -> str | None:
    low = text.lower().replace("-", "_").replace(" ", "_")
    return low if low in ("allow", "require_approval", "block") else _OUTCOMES.get(low)


def currency(text: str) -> str | None:
    low = text.lower()
    return low if low in CURRENCIES else _MONEYS.get(low)


def action(text: str) -> str | None:
    """What to write for a tool's name, an operation's id, several in one text, or everything. A whole sentence."""
    parts = re.split(r"\s*,\s*|\s+or\s+|\s+and\s+", text.strip())
    if len(parts) > 1 and all(parts):
        return f"For several write a list: [{', '.join(parts)}]."
    if text.lower() in ("*", "all", "any", "everything"):
        return "Leave `action` out, and test what is common, such as kind: write."
    if re.fullmatch(r"(?:Get|Post|Delete)[A-Z]\w*", text):
        return "An operation's id is the fact `operation`; an action is resource.verb, such as refund.create."
    verb, _, thing = text.partition("_")
    if thing and is_verb(verb):
        return f"An action is resource.verb, not a tool's name: did you mean {thing}.{verb}?"
    return None


def zone(text: str) -> str | None:
    """A place that keeps the time meant by letters such as EST, which know no summer."""
    return _ZONES.get(text.upper().replace("GMT", "UTC").replace(" ", "").replace("UTC-0", "UTC-"))


def identifier(text: str) -> str | None:
    """`Large Refunds` → `large-refunds`."""
    found = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")[:64]
    return found or None


def groups(text: str) -> str | None:
    """`finance and leads` → `{any_of: [finance, leads]}`, `Finance` → `finance`."""
    parts = [each for each in re.split(r"\s*(?:,|\bor\b|\band\b|/|\|)\s*", text.strip().lower()) if each]
    if not parts or not all(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", each) for each in parts):
        return None
    return parts[0] if len(parts) == 1 else f"{{any_of: [{', '.join(parts)}]}}"


def whole(text: str) -> str | None:
    words = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return str(words.index(text.lower()) + 1) if text.lower() in words else None


def probably(message: str, guess: str | None) -> str:
    """`message` with what was meant behind it, as far as anybody can tell."""
    return message if guess is None else f"{message}; probably {guess}"
