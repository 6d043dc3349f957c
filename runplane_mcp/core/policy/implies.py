"""What can be proven about two conditions without any request: that one holds wherever another does, or never with it.

A condition is a conjunction of tests, each of one fact, and facts are taken to be independent. So all that there is to look
at is one fact at a time: *absent*, *none*, *unknown*, and of its values one of each kind that the tests tell apart. What
is said to hold does hold, whatever the facts; what is not said may hold all the same, for a reason that lies between two
facts. `actions` is the catalog's: it tells in which groups an action always is, and in which it can be.

Both conditions are of one policy's currency and rates: amounts are compared as they stand, in its minor units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

from runplane_mcp.core.facts import GROUPS, FactType
from runplane_mcp.core.policy.conditions import (
    CLAIMED,
    Condition,
    FactTest,
    Number,
    Op,
    Verdict,
    order_predicate,
    text_predicate,
)
from runplane_mcp.core.policy.model import Rule

if TYPE_CHECKING:
    from runplane_mcp.core.catalog import ActionInfo

Actions: TypeAlias = "Mapping[str, ActionInfo]"
_DAY: Final = timedelta(days=1)


def implies(a: Condition, b: Condition, actions: Actions, *, same_trust: bool = True) -> bool:
    """Whether `b` is at least as true as `a` on every request: true where `a` is true, and not false where `a` is unknown.

    `same_trust`: both are read alike, as a restricting rule's or as one that loosens. An agent's own word is unknown to the
    latter where nothing vouches for it, so that between the two no test of it proves anything.
    """
    return all(
        (same_trust or test.fact.name not in CLAIMED) and _implies_test(_about(a, test.fact.name), test, actions)
        for test in b
    )


def disjoint(a: Condition, b: Condition, actions: Actions) -> bool:
    """Whether the two are never true together. Where the fact that tells them apart is unknown, both are unknown."""
    return bool(telling_apart(a, b, actions))


def telling_apart(a: Condition, b: Condition, actions: Actions) -> frozenset[str]:
    """The facts by which the two are never true together. Where all of these are unknown, so may the two be."""
    names = {test.fact.name for test in (*a, *b)}
    return frozenset(name for name in names if not _satisfiable((*_about(a, name), *_about(b, name)), actions))


def contradictory(condition: Condition, actions: Actions) -> bool:
    """Whether it is never true. It may still be unknown, where a fact is."""
    return disjoint(condition, (), actions)


def part_of(a: Rule, b: Rule, actions: Actions) -> bool:
    """Whether the whole of `b`, its exception included, is at least as true as the whole of `a` on every request.

    So if both restrict, `b` applies wherever `a` does; and a restricting `b` applies wherever an `allow` rule `a` does.
    """
    if not implies(a.when, b.when, actions, same_trust=_trusts(a) == _trusts(b)):
        return False
    if not b.unless or (a.unless and implies(b.unless, a.unless, actions)):
        return True
    # An exception that cannot hold where `a` does takes nothing away. What an agent says of itself tells them apart only
    # where both doubt it.
    return any(
        (_trusts(a) or name not in CLAIMED) and _no_doubt(_about(a.when, name), _about(b.unless, name))
        for name in telling_apart(a.when, b.unless, actions)
    )


def _no_doubt(given: Condition, exception: Condition) -> bool:
    """Whether an exception is no truer than false where `given`, tests of the same fact, is true, and no truer than unknown
    where that is unknown. What contradicts itself is never true, but unknown all the same where its fact is."""
    if not given or not exception:
        return False
    return min(map(_of_what_cannot_be_compared, given)) + min(map(_of_what_cannot_be_compared, exception)) <= 2


def _trusts(rule: Rule) -> bool:
    return not rule.restricting


def _about(condition: Condition, name: str) -> Condition:
    return tuple(test for test in condition if test.fact.name == name)


def _implies_test(given: Condition, test: FactTest, actions: Actions) -> bool:
    """`given`: tests of the same fact. Unknown is unknown to all of them, and an absent fact fails them all."""
    if not given:
        return False  # without any test an absent fact passes, and nothing else passes then
    if all(_wants_none(each) for each in given):
        return _wants_none(test)
    if test.fact.type is FactType.SET:
        return not _set_satisfiable(given, actions) or _set_implies(given, test, actions)
    if min(map(_of_what_cannot_be_compared, given)) > _of_what_cannot_be_compared(test):
        return False
    holds, wanted = _predicates(given), _predicate(test)
    return not any(all(each(value) for each in holds) and not wanted(value) for value in _values((*given, test)))


def _satisfiable(tests: Condition, actions: Actions) -> bool:
    """Whether some value of the one fact, or *none*, makes all of them true."""
    if all(_wants_none(each) for each in tests):
        return True
    if tests[0].fact.type is FactType.SET:
        return _set_satisfiable(tests, actions)
    holds = _predicates(tests)
    return any(all(each(value) for each in holds) for value in _values(tests))


def _of_what_cannot_be_compared(test: FactTest) -> Verdict:
    """What it says of an amount without a rate, or of a day that is none: it is there, and that is all there is to tell."""
    if test.op is not Op.EXISTS or test.fact.type not in (FactType.MONEY, FactType.DATE):
        return Verdict.UNKNOWN
    return Verdict.TRUE if test.wanted else Verdict.FALSE


def _wants_none(test: FactTest) -> bool:
    return test.op is Op.EXISTS and not test.wanted


def _predicates(tests: Iterable[FactTest]) -> list[Callable[[object], bool]]:
    return [_predicate(test) for test in tests]


def _predicate(test: FactTest) -> Callable[[object], bool]:
    """Whether a value (text, whole or fractional minor units, a day, yes or no) passes. No value is *none*."""
    if test.op is Op.EXISTS:
        return lambda _value: test.wanted
    if test.fact.type is FactType.YES_NO:
        return lambda value: value is test.wanted
    if test.fact.type is FactType.TEXT:
        texts = text_predicate(test)
        return lambda value: isinstance(value, str) and texts(value)
    if test.fact.type is FactType.DATE:
        days = order_predicate(test.op, test.texts)
        return lambda value: isinstance(value, str) and days(value)
    numbers = order_predicate(test.op, test.numbers)
    return lambda value: isinstance(value, int | Fraction) and numbers(value)


def _values(tests: Sequence[FactTest]) -> Iterator[object]:
    """One value of each kind that the tests of one fact, no set, can tell apart."""
    fact = tests[0].fact
    texts = sorted({text for test in tests for text in test.texts})
    match fact.type:
        case FactType.YES_NO:
            yield from (True, False)
        case FactType.DATE:
            yield from _days(texts)
        case FactType.TEXT if fact.choices:
            yield from fact.choices
        case FactType.TEXT:
            # With a character that none of them has: beyond each prefix, and outside of all.
            used = {*"".join(texts)}
            other = next(each for each in map(chr, range(ord("a"), 0x110000)) if each not in used)
            yield other
            yield from texts
            yield from (text + other for text in texts)
        case _:
            ends = sorted({number for test in tests for number in test.numbers})
            # An amount below zero is unknown to every test.
            yield from (each for each in _numbers(ends) if fact.type is not FactType.MONEY or each >= 0)


def _numbers(ends: Sequence[Number]) -> Iterator[Number]:
    """Each end, and one number on either side of each. Converted amounts are fractions of a cent, so there is always one
    between two."""
    if not ends:
        yield 0
        return
    yield ends[0] - 1
    for end, following in zip(ends, [*ends[1:], ends[-1] + 2], strict=True):
        yield end
        yield Fraction(end + following) / 2


def _days(texts: Sequence[str]) -> Iterator[str]:
    """Each day, the one before and the one after it."""
    if not texts:
        yield date.min.isoformat()
    for text in texts:
        day = date.fromisoformat(text)
        yield text
        if day > date.min:
            yield (day - _DAY).isoformat()
        if day < date.max:
            yield (day + _DAY).isoformat()


# -- sets: the tests are few words about which elements may and must be there, so no subsets need be tried ------------


def _may_be_in(given: Condition, actions: Actions, *others: str) -> frozenset[str | None]:
    """The elements that a set may have that passes `given`, as far as it or `others` name them, or they are groups. None
    stands for all else."""
    groups = GROUPS if given[0].fact.name == "action" else ()
    allowed: set[str | None] = {None, *groups, *others, *(text for test in given for text in test.texts)}
    for test in given:
        if test.op is Op.ALL_IN:
            allowed &= {*test.texts}
        elif test.op is Op.NONE_IN:
            allowed -= {*test.texts}
        elif test.op is Op.ANY_IN and _are_actions(test, actions):
            # Whatever asks for a secret in its answer gives access too.
            allowed &= {"access", *test.texts, *(group for text in test.texts for group in actions[text].groups)}
    return frozenset(allowed)


def _are_actions(test: FactTest, actions: Actions) -> bool:
    return test.fact.name == "action" and all(text in actions for text in test.texts)


def _needed(given: Condition, actions: Actions) -> list[frozenset[str]]:
    """Of each of these a set that passes `given` has at least one. An action brings its groups."""
    allowed = _may_be_in(given, actions)
    return [
        frozenset(text for text in test.texts if {text, *_always(text, test, actions)} <= allowed)
        for test in given
        if test.op is Op.ANY_IN
    ]


def _always(text: str, test: FactTest, actions: Actions) -> frozenset[str]:
    """What else a set has that has this."""
    return actions[text].always if test.fact.name == "action" and text in actions else frozenset()


def _set_satisfiable(given: Condition, actions: Actions) -> bool:
    if any(_wants_none(test) for test in given):
        return False
    needed = _needed(given, actions)
    if given[0].fact.name == "action":
        # A request is of one action, in any number of groups.
        named = [each for each in needed if each.isdisjoint(GROUPS)]
        if named and not frozenset.intersection(*named):
            return False
    return all(needed)


def _set_implies(given: Condition, test: FactTest, actions: Actions) -> bool:
    """For a `given` that some set passes."""
    texts = frozenset(test.texts)
    match test.op:
        case Op.ANY_IN:
            needed = _needed(given, actions)
            return any(all(text in texts or _always(text, test, actions) & texts for text in each) for each in needed)
        case Op.ALL_IN:
            return _may_be_in(given, actions, *texts) <= texts
        case Op.NONE_IN:
            return _may_be_in(given, actions, *texts).isdisjoint(texts)
        case _:
            return test.wanted
