"""Conditions: tests on facts in three values, compiled once into functions that decide without looking at text again.

Unknown is neither true nor false, and whoever uses a verdict says what it means: a restricting rule applies when its
condition is true or unknown, an `allow` rule and an `unless` only when it is true. An absent fact fails every test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Final, TypeAlias, TypeVar

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.facts import NONE, Fact, Facts, FactType
from runplane_mcp.core.money import LARGEST_AMOUNT, Money, Rates, exponent
from runplane_mcp.core.policy.document import Place


class Verdict(IntEnum):
    """Ordered so that *and* is the least of two and *not* is `2 - verdict`."""

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2


class Op(StrEnum):
    """The tests of a condition, as they are written."""

    IN = "in"
    NOT_IN = "not_in"
    STARTS_WITH = "starts_with"
    OVER = "over"
    AT_LEAST = "at_least"
    UNDER = "under"
    AT_MOST = "at_most"
    BETWEEN = "between"
    ANY_IN = "any_in"
    ALL_IN = "all_in"
    NONE_IN = "none_in"
    EXISTS = "exists"


Number: TypeAlias = int | Fraction
_T = TypeVar("_T")
_Ordered = TypeVar("_Ordered", str, Number)


@dataclass(frozen=True, slots=True)
class FactTest:
    """One test on one fact. What it compares with is in `texts` (text, sets, days), `numbers` (numbers as they are, money
    as minor units of the policy's currency) or `wanted` (yes/no, exists). `between` has its two ends, both included."""

    fact: Fact
    op: Op
    place: Place
    texts: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()
    wanted: bool = True

    def canonical(self, currency: str) -> Json:
        """The same for two tests that mean the same, whatever their order and spelling in the file."""
        keep = self.op is Op.BETWEEN
        texts = self.texts if keep else tuple(sorted(set(self.texts)))
        numbers = self.numbers if keep else tuple(sorted(set(self.numbers)))
        unit = currency if self.fact.type is FactType.MONEY else ""
        return [self.fact.name, self.op.value, *texts, *(f"{number}{unit}" for number in numbers), self.wanted]


#: All of the tests must hold.
Condition: TypeAlias = tuple[FactTest, ...]

#: Facts and today (the fact `date`, needed for the age of rates) to 0 false, 1 unknown, 2 true: plain numbers, since an
#: enum's members cost more than the comparison.
Check: TypeAlias = Callable[[Facts, date | None], int]


class Converter:
    """Amounts in minor units of the policy's currency, exact."""

    __slots__ = ("_base", "_places", "_rates")

    def __init__(self, rates: Rates) -> None:
        self._base = rates.base
        self._rates = rates
        self._places = 10 ** exponent(rates.base)

    @property
    def currency(self) -> str:
        return self._base

    def minor(self, money: Money, today: date | None) -> Number | None:
        """None where nobody can say: no rate, old rates, today unknown, or an amount that no request can have. None is
        unknown to whoever compares (THREATS 17)."""
        if not 0 <= money.amount <= LARGEST_AMOUNT:
            return None
        return self.sum_minor(money, today)

    def sum_minor(self, money: Money, today: date | None) -> Number | None:
        """The same for a sum of amounts, which may be any size."""
        if money.currency == self._base:
            return money.amount
        if today is None:
            return None
        major = self._rates.convert(money, today)
        return None if major is None else major * self._places


def today_of(facts: Facts) -> date | None:
    """The fact `date` as a day, None where it is missing or odd: then foreign amounts are unknown."""
    return _day(facts.get("date"))


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if type(value) is str else None
    except ValueError:
        return None


def all_of(checks: Sequence[Check]) -> Check:
    """True when all are, false when one is, else unknown. No file has an empty condition: the loader refuses it."""

    def check(facts: Facts, today: date | None) -> int:
        verdict = 2
        for each in checks:
            one = each(facts, today)
            if one == 0:
                return 0
            if one < verdict:
                verdict = one
        return verdict

    def both(facts: Facts, today: date | None) -> int:
        verdict = first(facts, today)
        if verdict == 0:
            return 0
        other = second(facts, today)
        return other if other < verdict else verdict

    if len(checks) == 2:
        first, second = checks
        return both
    return checks[0] if len(checks) == 1 else check


def _of_action(wanted: frozenset[str], rest: Check | None, otherwise: Check) -> Check:
    """What begins with a list of actions or groups, as nearly every condition does: most requests are none of these, and
    that is one look. `rest` is what stands beside the action, `otherwise` the whole where it is unknown."""

    def check(facts: Facts, today: date | None) -> int:
        action = facts.get("action")
        if type(action) is not frozenset:
            return otherwise(facts, today)
        if wanted.isdisjoint(action):
            return 0
        return 2 if rest is None else rest(facts, today)

    return check


def but_not(when: Check, unless: Check) -> Check:
    """`when` and not `unless`: an unknown exception does not soften a rule."""

    def check(facts: Facts, today: date | None) -> int:
        verdict = when(facts, today)
        return min(verdict, 2 - unless(facts, today)) if verdict else 0

    return check


#: What an agent says of itself. Without a token any child process of a home can say it.
CLAIMED: Final = frozenset({"agent", "agent_roles", "client"})


def compile_condition(condition: Condition, converter: Converter, *, trusting: bool) -> Check:
    """`trusting`: the condition loosens (an `allow` rule's, or an `unless`). There an unauthenticated agent's own label is
    unknown instead of believed."""
    ordered = sorted(condition, key=lambda test: test.fact.name != "action")  # most rules end at their action
    checks = [
        _authenticated(compile_test(test, converter))
        if trusting and test.fact.name in CLAIMED
        else compile_test(test, converter)
        for test in ordered
    ]
    whole, first = all_of(checks), ordered[0]
    if first.fact.name != "action" or first.op is not Op.ANY_IN:
        return whole
    return _of_action(frozenset(first.texts), all_of(checks[1:]) if len(checks) > 1 else None, whole)


def _authenticated(believed: Check) -> Check:
    def check(facts: Facts, today: date | None) -> int:
        principal = facts.get("principal")
        return 1 if principal == "stdio" or type(principal) is not str else believed(facts, today)

    return check


# An object that no fact can be: Python's own None would read as "absent", and absent fails every test.
_ABSENT: Final = object()


def compile_test(test: FactTest, converter: Converter) -> Check:
    """The function of one test. A value of an odd type is unknown, never false."""
    name = test.fact.name
    if test.op is Op.EXISTS:
        return _exists(name, _TYPES[test.fact.type], wanted=test.wanted)
    match test.fact.type:
        case FactType.TEXT:
            return _check(name, str, text_predicate(test))
        case FactType.SET:
            return _check(name, frozenset, set_predicate(test))
        case FactType.DATE:
            return _date_check(name, order_predicate(test.op, test.texts))
        case FactType.YES_NO:
            wanted = test.wanted
            return _check(name, bool, lambda value: value is wanted)
        case FactType.NUMBER:
            return _number_check(name, order_predicate(test.op, test.numbers))
        case FactType.MONEY:
            return _money_check(name, order_predicate(test.op, test.numbers), converter)


_TYPES: Final[dict[FactType, tuple[type, ...]]] = {
    FactType.TEXT: (str,),
    FactType.SET: (frozenset,),
    FactType.DATE: (str,),
    FactType.YES_NO: (bool,),
    FactType.NUMBER: (int, Fraction),
    FactType.MONEY: (Money,),
}


def _exists(name: str, types: tuple[type, ...], *, wanted: bool) -> Check:
    def check(facts: Facts, _today: date | None) -> int:
        value = facts.get(name, _ABSENT)
        if value is _ABSENT:
            return 0
        if value is NONE:
            return 0 if wanted else 2
        if type(value) not in types:
            return 1
        return 2 if wanted else 0

    return check


def _check(name: str, expected: type[_T], holds: Callable[[_T], bool]) -> Check:
    def check(facts: Facts, _today: date | None) -> int:
        value = facts.get(name, _ABSENT)
        if type(value) is expected:
            return 2 if holds(value) else 0
        return 0 if value is _ABSENT or value is NONE else 1

    return check


def _date_check(name: str, holds: Callable[[str], bool]) -> Check:
    def check(facts: Facts, _today: date | None) -> int:
        value = facts.get(name, _ABSENT)
        day = _day(value)
        if day is not None:
            return 2 if holds(day.isoformat()) else 0
        return 0 if value is _ABSENT or value is NONE else 1

    return check


def _number_check(name: str, holds: Callable[[Number], bool]) -> Check:
    def check(facts: Facts, _today: date | None) -> int:
        value = facts.get(name, _ABSENT)
        if type(value) is int or type(value) is Fraction:
            return 2 if holds(value) else 0
        return 0 if value is _ABSENT or value is NONE else 1

    return check


def _money_check(name: str, holds: Callable[[Number], bool], converter: Converter) -> Check:
    currency = converter.currency

    def check(facts: Facts, today: date | None) -> int:
        value = facts.get(name, _ABSENT)
        if type(value) is Money:
            if value.currency == currency and 0 <= value.amount <= LARGEST_AMOUNT:
                return 2 if holds(value.amount) else 0
            minor = converter.minor(value, today)
            if minor is None:
                return 1
            return 2 if holds(minor) else 0
        return 0 if value is _ABSENT or value is NONE else 1

    return check


def text_predicate(test: FactTest) -> Callable[[str], bool]:
    texts = frozenset(test.texts)
    match test.op:
        case Op.NOT_IN:
            return lambda value: value not in texts
        case Op.STARTS_WITH:
            return lambda value: value.startswith(test.texts)
        case _:
            return lambda value: value in texts


def set_predicate(test: FactTest) -> Callable[[frozenset[str]], bool]:
    texts = frozenset(test.texts)
    match test.op:
        case Op.ALL_IN:
            return lambda value: value <= texts
        case Op.NONE_IN:
            return lambda value: value.isdisjoint(texts)
        case _:
            return lambda value: not value.isdisjoint(texts)


def order_predicate(op: Op, bounds: Sequence[_Ordered]) -> Callable[[_Ordered], bool]:
    """The predicate of an ordering test. All comparisons are exact: whole numbers, fractions and ISO days."""
    first = bounds[0]
    match op:
        case Op.OVER:
            return lambda value: value > first
        case Op.AT_LEAST:
            return lambda value: value >= first
        case Op.UNDER:
            return lambda value: value < first
        case Op.AT_MOST:
            return lambda value: value <= first
        case Op.BETWEEN:
            last = bounds[1]
            return lambda value: first <= value <= last
        case Op.NOT_IN:
            return lambda value: value not in bounds
        case _:
            return lambda value: value in bounds
