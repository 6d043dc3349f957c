"""From ways to the most that they move together within a span of time, under every limit at once.

In a span of W seconds a limit of T within w seconds lets at most ⌈W / w⌉ · T through: the span falls into so many
pieces no longer than w, and the sum that the limit looks at when it lets the last request of a piece pass holds all of
that piece. So the most is a linear program: one unknown for each kind of way, the money that goes by it; one row for
each sum that a limit keeps. What a limit counts takes `1 / most` of its count for each minor unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, prod
from typing import Final

from runplane_mcp.core.exposure.simplex import maximum
from runplane_mcp.core.exposure.ways import Counted, Way, What
from runplane_mcp.core.facts import FactValue
from runplane_mcp.core.policy.model import Limit

#: An hour, a day, a week, in seconds.
SPANS: Final = (3600, 86400, 604800)


@dataclass(frozen=True, slots=True)
class Step:
    """A part of how a bound is reached: `count` requests of at most `each` minor units of the policy's currency (None:
    of any amount; `count` is None where nothing ends it). `what` says which fact that is: the amount, what a capture gives
    up, revenue a month. `facts` are those that rules and limits look at, as they have
    to be. `stoppable`: people can stop it for a while."""

    operation_id: str
    action: str
    groups: frozenset[str]
    what: What
    facts: Mapping[str, FactValue]
    each: int | None
    count: int | None
    stoppable: bool


@dataclass(frozen=True, slots=True)
class Bound:
    """The most, in minor units of the policy's currency, rounded down; None where nothing ends it. Then `unbounded_by` are
    the ids of the operations that make it so, the most telling first."""

    amount: int | None
    unbounded_by: tuple[str, ...]
    sequence: tuple[Step, ...]

    def __add__(self, other: Bound) -> Bound:
        """The most of two things at once, where the same requests may do both."""
        amount = None if self.amount is None or other.amount is None else self.amount + other.amount
        named = tuple(dict.fromkeys((*self.unbounded_by, *other.unbounded_by)))
        ended = [each for each in (self, other) if (each.amount is None) == (amount is None)]
        return Bound(amount, named, tuple(step for each in ended for step in each.sequence))


@dataclass(frozen=True, slots=True)
class _Row:
    """One sum that a limit keeps, over the ways whose keys are within `keys`. `below`: only those that need it below so
    many percent, None for all."""

    limit: str
    keys: tuple[frozenset[str] | None, ...]
    below: int | None

    def holds(self, way: Way) -> bool:
        if self.below is not None and (way.below is None or way.below > self.below):
            return False
        return any(each.limit == self.limit and self._has(each) for each in way.counts)

    def _has(self, counted: Counted) -> bool:
        return all(
            mine is None or (its is not None and its <= mine) for mine, its in zip(self.keys, counted.keys, strict=True)
        )


def bound_of(ways: Sequence[Way], limits: Mapping[str, Limit], span: int, *, principals: int, foreign: bool) -> Bound:
    """The most that `ways` move together within any `span` seconds. `foreign`: there are amounts between two minor
    units."""
    endless = [way for way in ways if way.redirects]
    moving = [way for way in ways if way.what is not What.NOTHING and way.most != 0]
    if not moving and not endless:
        return Bound(0, (), ())
    rows = list(dict.fromkeys(_rows(moving, limits)))
    columns: dict[tuple[Fraction, ...], Way] = {}
    bounds = [each for row in rows for each in _most(row, limits[row.limit], span, principals, foreign=foreign)]
    for way in moving:
        column = tuple(each for row in rows for each in _taken(row, way, limits[row.limit]))
        if not any(column):
            endless.append(way)
        columns.setdefault(column, way)
    if endless:
        named = dict.fromkeys(way.candidate.operation_id for way in endless)
        return Bound(None, tuple(named), tuple(_step(way, None) for way in endless[:1]))
    best = _undominated(list(columns.items()))
    chosen = [way for _, way in best]
    gains = [Fraction(1)] * len(best)
    table = [([column[place] for column, _ in best], bounds[place]) for place in range(len(bounds))]
    solution = maximum(gains, [(line, most) for line, most in table if any(line)])
    assert solution is not None  # every column has a row
    steps = [_step(way, moved) for way, moved in zip(chosen, solution, strict=True) if moved]
    return Bound(floor(sum(solution, Fraction(0))), (), tuple(steps))


def _rows(ways: Iterable[Way], limits: Mapping[str, Limit]) -> Iterable[_Row]:
    for way in ways:
        for counted in way.counts:
            if _endless(counted, limits[counted.limit]):
                continue
            yield _Row(counted.limit, counted.keys, None)
            if way.below is not None:
                yield _Row(counted.limit, counted.keys, way.below)


def _endless(counted: Counted, limit: Limit) -> bool:
    """Whether the agent can take another customer, destination or object each time, and with it another sum."""
    return any(keys is None and name != "principal" for name, keys in zip(limit.per, counted.keys, strict=True))


def _most(row: _Row, limit: Limit, span: int, principals: int, *, foreign: bool) -> tuple[Fraction, Fraction]:
    """How much money, and how many requests, a row lets through. What the limit does not bound is bounded by nothing,
    and then no way takes of it."""
    times = -(-span // limit.within) * prod(principals if keys is None else len(keys) for keys in row.keys)
    total, count = Fraction(limit.total or 0), limit.count or 0
    if row.below is not None:
        total, count = total * row.below / 100, ceil(Fraction(count * row.below, 100)) - 1
        if not foreign:
            total = Fraction(ceil(total) - 1)
    return max(total, Fraction(0)) * times, Fraction(max(count, 0) * times)


def _taken(row: _Row, way: Way, limit: Limit) -> tuple[Fraction, Fraction]:
    """What one minor unit that goes by `way` takes of the money and of the count of a row."""
    if not row.holds(way):
        return Fraction(0), Fraction(0)
    money = Fraction(limit.total is not None and limit.of == way.what.value)
    count = 1 / Fraction(way.most) if limit.count is not None and way.most else Fraction(0)
    return money, count


def _undominated(
    columns: Sequence[tuple[tuple[Fraction, ...], Way]],
) -> list[tuple[tuple[Fraction, ...], Way]]:
    """Without the ways that take more of some row than another, and of no row less."""
    found: list[tuple[tuple[Fraction, ...], Way]] = []
    for column, way in sorted(columns, key=lambda each: sum(each[0])):
        if not any(all(a <= b for a, b in zip(other, column, strict=True)) for other, _ in found):
            found.append((column, way))
    return found


def _step(way: Way, moved: Fraction | None) -> Step:
    """`moved`: the money that goes by it, None where nothing ends it."""
    count = None if moved is None else max(1, ceil(moved / Fraction(way.most))) if way.most else 1
    each = way.most if moved is None or count is None else Fraction(moved) / count
    return Step(
        operation_id=way.candidate.operation_id,
        action=way.candidate.action,
        groups=way.groups,
        what=way.what,
        facts={name: way.facts[name] for name in way.tested if name in way.facts},
        each=None if each is None else floor(each),
        count=count,
        stoppable=way.stoppable,
    )
