"""Cells: the values of a fact, cut where the policy's tests and the table of risks cut them.

Within a cell every test says the same and the risk is the same, so one value stands for all of it. Unknown has no cell:
what is unknown is never looser than any value that there could be (a property of the tests holds that).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import combinations, pairwise
from math import ceil, floor
from typing import Final

from runplane_mcp.core.facts import NONE, Fact, FactType, FactValue
from runplane_mcp.core.hours import Calendar
from runplane_mcp.core.money import LARGEST_AMOUNT, Money, Rates, exponent
from runplane_mcp.core.policy.conditions import Converter, FactTest, Number, Op, compile_test

#: A text that no policy names, and stands for all that it does not name.
OTHER: Final = "\x00other"
CLOCK: Final = ("hour", "weekday", "date", "business_hours")
#: Whole numbers of things that have happened: there is nothing between two of them.
COUNTS: Final = frozenset({"requests_24h_agent", "refused_24h_agent", "requests_7d_customer", "denied_24h_object"})
#: The least dangerous value of each fact that the risk looks at, first.
_YES_FIRST: Final = frozenset({"reversible", "destination_paid_before", "business_hours", "livemode"})
#: Facts that can be looked up and not be there. Of all others there is always a value.
MAY_BE_NONE: Final = frozenset(
    """
    client amount currency platform_loss mrr_lost ends customer guest object destination destination_paid_before
    discount_percent
    """.split()
)
#: Sets are cut into all choices of what the policy names: of more than this many names, nobody writes rules.
MOST_IN_SET: Final = 6
_FINE: Final = 8


class TooManyCells(Exception):
    """A set of which more is named than can be looked through."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`value` stands for the whole cell. `texts` are all the texts in it where they can be counted."""

    value: FactValue
    texts: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the amounts, in minor units of the policy's currency. `value` stands for it, and is the largest in it or
    as good; nothing in it is above `top` or below `least`, and `smallest` is its least, or as
    good."""

    value: Money
    least: Number
    top: Number
    smallest: Money


@dataclass(frozen=True, slots=True)
class Scale:
    """How amounts are cut. `foreign`: the policy has rates, so that there are amounts between two minor units. For the
    values that stand for those there is a currency of which one minor unit is an eighth of one of the policy's."""

    currency: str
    fine: str
    foreign: bool

    @classmethod
    def of(cls, rates: Rates) -> Scale:
        fine = "eur" if rates.base != "eur" else "usd"
        return cls(rates.base, fine, bool(rates.per_unit))

    def rates(self) -> Rates:
        """The rates under which the values of spans are compared."""
        rate = Fraction(10 ** exponent(self.fine), _FINE * 10 ** exponent(self.currency))
        return Rates(self.currency, date.max, {self.fine: rate})

    def money(self, value: Number) -> Money:
        if value == int(value):
            return Money(int(value), self.currency)
        return Money(int(value * _FINE), self.fine)

    def spans(self, borders: Iterable[Number]) -> list[Span]:
        """All amounts from 0 up, cut at each of the borders: what is below, the border itself, what is above."""
        cuts = sorted({Fraction(0), Fraction(LARGEST_AMOUNT), *(Fraction(each) for each in borders)})
        found: list[Span] = []
        for low, high in pairwise(each for each in cuts if 0 <= each <= LARGEST_AMOUNT):
            if low.denominator == 1 or self.foreign:
                found.append(self._span(_coarse(low), _coarse(low), low, low))
            within = ceil(high) - 1
            if within > low:
                found.append(self._span(within, floor(low) + 1, low, high if self.foreign else within))
            elif self.foreign:
                found.append(self._span(_between(low, high), _between(low, high), low, high))
        found.append(self._span(LARGEST_AMOUNT, LARGEST_AMOUNT, LARGEST_AMOUNT, LARGEST_AMOUNT))
        return found

    def _span(self, value: Number, smallest: Number, least: Number, top: Number) -> Span:
        return Span(self.money(value), least, top, self.money(smallest))


def _between(low: Fraction, high: Fraction) -> Fraction:
    """An eighth inside of two borders, which are quarters at the closest."""
    return Fraction(floor(low * _FINE) + 1, _FINE) if high > low else low


def _coarse(value: Fraction) -> Fraction:
    return Fraction(floor(value * _FINE), _FINE)


def cells(fact: Fact, tests: Sequence[FactTest], converter: Converter) -> list[Cell]:
    """The cells of a fact that is no money and not of the clock. Of the values of a cell the least dangerous stands for
    all."""
    checks = [compile_test(test, converter) for test in tests]
    found: dict[tuple[object, ...], list[FactValue]] = {}
    for value in _values(fact, tests):
        verdicts = [check({fact.name: value}, None) for check in checks]
        # A fact that is not there counts as another thing than any text: limits keep a sum of its own for it.
        key = (*verdicts, value is NONE)
        found.setdefault(key, []).append(value)
    return [_cell(values) for values in found.values()]


def _cell(values: Sequence[FactValue]) -> Cell:
    countable = all(isinstance(value, str) and OTHER not in value for value in values)
    return Cell(values[0], frozenset(map(str, values)) if countable else None)


def _values(fact: Fact, tests: Sequence[FactTest]) -> Iterator[FactValue]:
    match fact.type:
        case FactType.YES_NO:
            yield from (True, False) if fact.name in _YES_FIRST else (False, True)
        case FactType.NUMBER:
            yield from _numbers(fact, tests)
        case FactType.SET:
            named = sorted({text for test in tests for text in test.texts})
            if len(named) > MOST_IN_SET:
                raise TooManyCells(fact.name)
            for size in range(len(named) + 2):
                yield from (frozenset(each) for each in combinations([OTHER, *named], size))
        case _:
            if fact.choices:
                yield from fact.choices
            else:
                yield OTHER
                for test in tests:
                    yield from test.texts
                    if test.op is Op.STARTS_WITH:
                        yield from (text + OTHER for text in test.texts)
    if fact.name in MAY_BE_NONE:
        yield NONE


def _numbers(fact: Fact, tests: Sequence[FactTest]) -> Iterator[FactValue]:
    named = (number for test in tests for number in test.numbers)
    borders = sorted({Fraction(each) for each in (0, *named)})
    whole = fact.name in COUNTS
    values = [each for low, high in pairwise([*borders, borders[-1] + 2]) for each in (low, (low + high) / 2)]
    if whole:
        values = [Fraction(each) for low in borders for each in (ceil(low), floor(low) + 1)]
    for value in sorted({each for each in values if each >= 0}):
        yield int(value) if value.denominator == 1 else value


def clock_cells(calendar: Calendar, tests: Sequence[FactTest], converter: Converter) -> list[int]:
    """The cells of the clock as instants (milliseconds of policy time): what `hour`, `weekday`, `date` and
    `business_hours` can be together."""
    checks = [compile_test(test, converter) for test in tests]
    found: dict[tuple[int, ...], int] = {}
    if not checks:
        return [calendar.neutral_instant(None)]
    for instant in _instants(calendar, tests):
        facts = calendar.facts(instant)
        quiet = facts.get("business_hours", True)
        key = tuple(check(facts, None) for check in checks)
        if key not in found or (quiet and not calendar.facts(found[key]).get("business_hours", True)):
            found[key] = instant
    return list(found.values())


def _instants(calendar: Calendar, tests: Sequence[FactTest]) -> Iterator[int]:
    """Every hour and every border of the business hours, on every kind of day there is."""
    hours = calendar.hours
    named = {date.fromisoformat(text) for test in tests if test.fact.type is FactType.DATE for text in test.texts}
    days = {date(2026, 3, 2) + timedelta(days=number) for number in range(7)}
    for day in named:
        days |= {day + timedelta(days=number) for number in range(-7, 8)}
    minutes = {60 * hour for hour in range(24)}
    if hours is not None:
        days |= hours.closed_on
        minutes |= {each for border in (hours.opens, hours.closes) for each in (border - 1, border)}
    for day in sorted(days):
        for minute in sorted(each for each in minutes if 0 <= each < 24 * 60):
            instant = _instant(calendar, day, minute)
            if instant is not None:
                yield instant


def _instant(calendar: Calendar, day: date, minute: int) -> int | None:
    """A local time as milliseconds since 1970, None where the clocks skip it."""
    try:
        return calendar.instant(datetime(day.year, day.month, day.day, minute // 60, minute % 60))
    except ValueError:
        return None
