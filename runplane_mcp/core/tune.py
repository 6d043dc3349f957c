"""Moves the thresholds of a policy until people are asked no more often than they want, at the least worst case.

First what asked too often is loosened, as little as will do; then whatever can be tightened without asking more is. Only
thresholds that the history has something to say about are moved: where nothing ever happened, any number would look good.
And none goes below a quarter of what people wrote: a quiet year is no reason to ask about everything. Both are a bounded
search, one threshold after the other: it finds a good file, not provably the best one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from runplane_mcp.core.facts import REGISTRY, FactType
from runplane_mcp.core.policy.document import Entries, Items, Node, Scalar, read

_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")
_LOOSER: Final = (Fraction(5, 4), Fraction(3, 2), Fraction(2), Fraction(3), Fraction(5), Fraction(10))
_TIGHTER: Final = (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4))
_ROUNDS: Final = 2
#: So many files are looked at; the worst case of each takes a moment.
MOST_TRIALS: Final = 100


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number of the file that a rule or limit asks from: `owner` is the id, `name` says which. `line` and `column` are
    where it stands, from 1; `written` is its text there. `whole` is for counts."""

    owner: str
    name: str
    line: int
    column: int
    written: str
    whole: bool

    @property
    def value(self) -> Fraction:
        return Fraction(self.written)


@dataclass(frozen=True, slots=True)
class Trial:
    """One file that was looked at. `questions` is a week's; `worst` the most that a hijacked agent moves in a week with
    nobody asked, minor units of the policy's currency, None where nothing bounds it."""

    text: str
    questions: float
    worst: int | None

    def rank(self, wanted: float) -> tuple[bool, float, bool, int, float]:
        """The smaller the better: first no more questions than wanted, then the worst case, then the questions."""
        over = self.questions > wanted
        return over, self.questions if over else 0.0, self.worst is None, self.worst or 0, self.questions


@dataclass(frozen=True, slots=True)
class Change:
    """A threshold that is proposed to be another."""

    threshold: Threshold
    to: str


@dataclass(frozen=True, slots=True)
class Tuned:
    """`trials` are all that were looked at, in their order; the first is the file as it is, `best` the proposal. `complete`
    is False where the bound on trials ended the search."""

    trials: tuple[Trial, ...]
    best: Trial
    changes: tuple[Change, ...]
    complete: bool

    @property
    def now(self) -> Trial:
        return self.trials[0]


def thresholds(text: str) -> list[Threshold]:
    """The amounts over which rules ask, and the totals and counts of limits, as they stand in a file that loads."""
    root = read(text)
    found: list[Threshold] = []
    for rule in _items(_value(root, "rules")):
        owner = _scalar(_value(rule, "id"))
        when = _value(rule, "when")
        then = _scalar(_value(rule, "then"))
        for fact, test in when.entries if isinstance(when, Entries) else ():
            known = REGISTRY.get(fact.text)
            if (
                owner is None
                or then is None
                or then.text == "allow"
                or known is None
                or known.type is not FactType.MONEY
            ):
                continue
            for name in ("over", "at_least"):
                found += _found(owner.text, f"{fact.text} {name.replace('_', ' ')}", _value(test, name), whole=False)
    for limit in _items(_value(root, "limits")):
        owner, most = _scalar(_value(limit, "id")), _value(limit, "at_most")
        if owner is not None:
            found += _found(owner.text, "total", _value(most, "total"), whole=False)
            found += _found(owner.text, "count", _value(most, "count"), whole=True)
    return found


def tune(
    text: str,
    *,
    wanted: float,
    spoke: frozenset[str],
    concerned: frozenset[str],
    measure: Callable[[str, bool], Trial | None],
    most: int = MOST_TRIALS,
) -> Tuned:
    """Looks for the file with at most `wanted` questions a week and the least worst case. `spoke` are the ids of what
    asked, `concerned` of whatever had to do with anything that happened. `measure` says what a file means, with its worst
    case only where it is asked for; None where it does not load."""
    search = _Search(text, wanted, measure, most)
    movable = [each for each in thresholds(text) if each.owner in concerned]
    if search.best.questions > wanted:
        search.go([each for each in movable if each.owner in spoke], _LOOSER)
    if search.best.questions <= wanted:
        search.go(movable, _TIGHTER)
    else:
        # Its worst case was left out on the way to fewer questions; people are told it all the same.
        search.best = measure(search.best.text, True) or search.best
    changes = [
        Change(threshold, written) for threshold, written in sorted(search.moved.items(), key=lambda pair: pair[0].line)
    ]
    return Tuned(tuple(search.trials), search.best, tuple(changes), search.left > 0)


@dataclass(slots=True)
class _Search:
    text: str
    wanted: float
    measure: Callable[[str, bool], Trial | None]
    left: int
    moved: dict[Threshold, str] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    best: Trial = field(init=False)
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        found = self.measure(self.text, True)
        if found is None:
            raise ValueError("a policy that does not load cannot be tuned")
        self.best = found
        self.trials.append(found)

    def go(self, movable: Sequence[Threshold], factors: Sequence[Fraction]) -> None:
        """Moves one threshold after the other to where it is best, until no move helps any more."""
        for _ in range(_ROUNDS):
            before = self.best
            for threshold in movable:
                for written in _candidates(threshold.written, factors):
                    if self.left <= 0:
                        return
                    if self._try(threshold, written):
                        break  # what comes next moves it less far down, or further up: neither is better
            if self.best is before:
                return

    def _try(self, threshold: Threshold, written: str) -> bool:
        """Looks at the file with this one moved too; whether it asks no more than wanted."""
        moved = {**self.moved, threshold: written}
        text = moved_to(self.text, moved)
        if text in self.seen:
            return False
        self.seen.add(text)
        self.left -= 1
        # Its worst case takes much longer than its questions: it is asked for only where that could matter.
        found = self.measure(text, self.best.questions <= self.wanted)
        if found is not None and found.questions <= self.wanted < self.best.questions:
            found = self.measure(text, True) or found
        if found is None:
            return False
        self.trials.append(found)
        if found.rank(self.wanted) < self.best.rank(self.wanted):
            self.best, self.moved = found, moved
        return found.questions <= self.wanted


def moved_to(text: str, moved: dict[Threshold, str]) -> str:
    """The file with these thresholds written otherwise; nothing else in it changes."""
    lines = text.split("\n")
    for threshold, written in sorted(moved.items(), key=lambda pair: (pair[0].line, -pair[0].column)):
        line, start = lines[threshold.line - 1], threshold.column - 1
        lines[threshold.line - 1] = line[:start] + written + line[start + len(threshold.written) :]
    return "\n".join(lines)


def _candidates(written: str, factors: Sequence[Fraction]) -> Iterator[str]:
    value = Fraction(written)
    seen = {value}
    for factor in factors:
        # Rounded to two digits, as people write thresholds, and never to nothing.
        moved = value * factor
        unit = Fraction(10) ** max(len(str(int(moved))) - 2, 0)
        rounded = max(Fraction(round(moved / unit)) * unit, Fraction(1))
        if rounded not in seen:
            seen.add(rounded)
            yield str(int(rounded))


def _found(owner: str, name: str, node: Node | None, *, whole: bool) -> Iterator[Threshold]:
    scalar = _scalar(node)
    if scalar is not None and scalar.plain and _NUMBER.fullmatch(scalar.text) and Fraction(scalar.text) > 0:
        yield Threshold(owner, name, scalar.place.line, scalar.place.column, scalar.text, whole)


def _value(node: Node | None, name: str) -> Node | None:
    if not isinstance(node, Entries):
        return None
    return next((value for key, value in node.entries if key.text == name), None)


def _items(node: Node | None) -> Sequence[Node]:
    return node.items if isinstance(node, Items) else ()


def _scalar(node: Node | None) -> Scalar | None:
    return node if isinstance(node, Scalar) else None
