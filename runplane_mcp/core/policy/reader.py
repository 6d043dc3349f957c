"""The sections of a policy file from its nodes, in the order in which they depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from difflib import get_close_matches
from fractions import Fraction
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from runplane_mcp.core.decision import Need, Outcome
from runplane_mcp.core.hours import BusinessHours, Calendar, zone, zone_names
from runplane_mcp.core.money import CURRENCIES, Rates
from runplane_mcp.core.policy import meant, values
from runplane_mcp.core.policy.document import Entries, Node, Scalar
from runplane_mcp.core.policy.meant import probably
from runplane_mcp.core.policy.model import Approval, Levels, Limit, Otherwise, Policy, Rule, Writes
from runplane_mcp.core.policy.nodes import NodeReader, choice
from runplane_mcp.core.policy.own_tests_reader import PolicyTestReader
from runplane_mcp.core.policy.problems import Problems, shown
from runplane_mcp.core.policy.rule_reader import STANDING, RuleReader

SECTIONS: Final = (
    "version",
    "currency",
    "rates",
    "timezone",
    "business_hours",
    "approval",
    "otherwise",
    "repeat_window",
    "risk_levels",
    "rules",
    "limits",
    "tests",
)
SECTIONS_NEEDED: Final = ("version", "currency", "approval")
HOURS_KEYS: Final = ("days", "open", "close", "closed_on")
HOURS_NEEDS: Final = ("days", "open", "close")
APPROVAL_KEYS: Final = ("from", "expires_in")
OTHERWISE_KEYS: Final = ("reads", "writes", "unjudged")
LEVEL_KEYS: Final = ("medium", "high", "critical")
MOST_RULES: Final = 500

_CLOCK: Final = frozenset({"hour", "weekday", "date", "business_hours"})
_FALLBACK: Final = Approval(Need(frozenset({"finance"})), 24 * values.HOUR)
_T = TypeVar("_T")


class PolicyReader(NodeReader):
    """Reads one file; `problems` says afterwards whether what came out may be used."""

    def __init__(self, problems: Problems) -> None:
        super().__init__(problems)
        self._currency = "usd"

    def read(self, root: Node, text: str) -> Policy:
        sections = self.entries(root, "the policy", SECTIONS, SECTIONS_NEEDED) or {}
        self._section(sections, "version", lambda node: self.one(node, "version", choice("1")), "1")
        self._currency = self._section(sections, "currency", self._read_currency, "usd")
        rates = self._section(sections, "rates", self._rates, Rates(self._currency))
        zone_node = sections.get("timezone")
        where = (self._zone(zone_node) if zone_node is not None else None) or ZoneInfo("UTC")
        hours = self._section(sections, "business_hours", self._business_hours, None)
        approval = self._section(sections, "approval", self._default_approval, _FALLBACK)
        otherwise = self._section(sections, "otherwise", self._otherwise, Otherwise())
        repeat_window = self._section(sections, "repeat_window", self._repeat_window, 10 * values.MINUTE)
        levels = self._section(sections, "risk_levels", self._levels, Levels())
        rules_reader = RuleReader(self.problems, self._currency, approval)
        rules = self._list(sections, "rules", rules_reader.rule)
        limits = self._list(sections, "limits", rules_reader.limit)
        self._check_clock(rules, limits, timezone=zone_node is not None, hours="business_hours" in sections)
        if "business_hours" in sections and zone_node is None:
            self.add(sections["business_hours"].place, "missing", "business_hours need a `timezone`: add it.")
        calendar = Calendar(where, hours)
        tests = PolicyTestReader(self.problems, self._currency, calendar, rules_reader.ids.keys() | STANDING)
        return Policy(
            text=text,
            file=self.problems.file,
            rates=rates,
            calendar=calendar,
            approval=approval,
            otherwise=otherwise,
            repeat_window=repeat_window,
            risk_levels=levels,
            rules=rules,
            limits=limits,
            tests=self._list(sections, "tests", tests.read),
        )

    def _section(self, sections: dict[str, Node], name: str, read: Callable[[Node], _T | None], default: _T) -> _T:
        node = sections.get(name)
        value = None if node is None else read(node)
        return default if value is None else value

    def _list(self, sections: dict[str, Node], name: str, read: Callable[[Node], _T | None]) -> tuple[_T, ...]:
        node = sections.get(name)
        found = [] if node is None else [read(each) for each in self.elements(node, f"`{name}`", MOST_RULES)]
        return tuple(each for each in found if each is not None)

    def _read_currency(self, node: Node) -> str | None:
        if not isinstance(node, Scalar) or node.empty:
            return self.one(node, "currency", str)
        return self.currency_of(node, "a currency of Stripe, such as usd")

    def _rates(self, node: Node) -> Rates | None:
        if not isinstance(node, Entries):
            self.add(node.place, "type", "rates is not a mapping. Write {as_of: 2026-11-01, eur: 1.09}.")
            return None
        as_of: date | None = None
        per_unit: dict[str, Fraction] = {}
        for key, value in node.entries:
            name = key.text.lower()
            if name in per_unit or (name == "as_of" and as_of is not None):
                self.add(key.place, "duplicate_key", f"{shown(key.text)} stands twice in rates: keep one.")
            elif name == "as_of":
                as_of = self.one(value, "as_of", values.day)
            elif name == self._currency:
                self.add(key.place, "value", f"{name} is the currency of this file, its rate is 1: remove it.")
            elif name not in CURRENCIES:
                self._unknown_currency(key)
            elif (rate := self.one(value, f"the rate of {name}", values.rate)) is not None:
                per_unit[name] = rate
        if not any(key.text == "as_of" for key, _ in node.entries):
            self.add(node.place, "missing", "rates have no `as_of`: add the day they are from.")
        return Rates(self._currency, as_of, per_unit)

    def _unknown_currency(self, key: Scalar) -> None:
        if key.text.isdigit():  # `{eur: 1,09}` is two keys to YAML
            hint = "A rate has a decimal point: write 1.09 for 1,09."
            self.add(key.place, "unknown_key", f"{shown(key.text)} is not a currency of Stripe. {hint}")
        else:
            self.currency_of(key, "a currency of Stripe")

    def _zone(self, node: Node) -> ZoneInfo | None:
        return self.one(node, "timezone", _zone_of)

    def _business_hours(self, node: Node) -> BusinessHours | None:
        found = self.entries(node, "business_hours", HOURS_KEYS, HOURS_NEEDS)
        if found is None or not set(HOURS_NEEDS) <= found.keys():
            return None
        days: set[int] = set()
        for each in self.several(found["days"], "days"):
            days |= self.one(each, "days", values.weekdays) or set()
        opens = self.one(found["open"], "open", values.time_of_day)
        closes = self.one(found["close"], "close", values.time_of_day)
        closed: set[date] = set()
        for each in self.several(found["closed_on"], "closed_on") if "closed_on" in found else ():
            if (day := self.one(each, "closed_on", values.day)) is not None:
                closed.add(day)
        if opens is None or closes is None or not days:
            return None
        if opens >= closes:
            self.add(found["close"].place, "value", "business hours close after they open, on the same day.")
            return None
        return BusinessHours(frozenset(days), opens, closes, frozenset(closed))

    def _default_approval(self, node: Node) -> Approval | None:
        found = self.entries(node, "approval", APPROVAL_KEYS, ("from",))
        return None if found is None else RuleReader(self.problems, self._currency, _FALLBACK).approval_of(found)

    def _otherwise(self, node: Node) -> Otherwise | None:
        found = self.entries(node, "otherwise", OTHERWISE_KEYS)
        if found is None:
            return None
        default = Otherwise()
        reads = self.option(found, "reads", *Outcome) or default.reads.value
        writes = self.option(found, "writes", *Writes) or default.writes.value
        unjudged = self.option(found, "unjudged", Outcome.REQUIRE_APPROVAL, Outcome.BLOCK) or default.unjudged.value
        return Otherwise(Outcome(reads), Writes(writes), Outcome(unjudged))

    def _repeat_window(self, node: Node) -> int | None:
        return self.one(node, "repeat_window", lambda text: values.duration(text, values.MINUTE, 7 * values.DAY))

    def _levels(self, node: Node) -> Levels | None:
        found = self.entries(node, "risk_levels", LEVEL_KEYS)
        if found is None:
            return None
        default = Levels()
        borders = [getattr(default, name) for name in ("medium", "high", "critical")]
        for number, name in enumerate(("medium", "high", "critical")):
            if name in found and (value := self.one(found[name], name, _border)) is not None:
                borders[number] = value
        if not borders[0] < borders[1] < borders[2]:
            self.add(node.place, "value", f"risk_levels rise from medium to critical, but these are {borders}.")
            return None
        return Levels(*borders)

    def _check_clock(self, rules: tuple[Rule, ...], limits: tuple[Limit, ...], *, timezone: bool, hours: bool) -> None:
        conditions = [*(rule.when + rule.unless for rule in rules), *(limit.when for limit in limits)]
        for test in (test for condition in conditions for test in condition if test.fact.name in _CLOCK):
            if test.fact.name == "business_hours" and not hours:
                self.add(test.place, "missing", "This tests business_hours, which the file does not set: add them.")
            elif not timezone:
                self.add(test.place, "missing", f"This tests {test.fact.name}, which needs a `timezone`: add it.")


def _border(text: str) -> int:
    return values.whole(text, 1, 100)


def _zone_of(text: str) -> ZoneInfo:
    guess = meant.zone(text)
    try:
        if guess is None or text in ("UTC", "GMT"):
            return zone(text)
    except ValueError:
        places = {name.rpartition("/")[2].lower(): name for name in sorted(zone_names())}
        close = get_close_matches(text, zone_names(), n=1)
        guess = places.get(text.lower().replace(" ", "_")) or (close[0] if close else None)
    raise ValueError(probably("write an IANA time zone such as America/New_York", guess))
