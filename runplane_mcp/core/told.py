"""What single parameters add to an operation: a `transfer_data` sends money on, whatever it stands in.

An operation whose judgement tells its parameters has the groups and facts of its own line, and those that each given
parameter adds. A parameter that nobody has told of makes it everything that it can be. So more parameters never make less.

The common meanings, by name and wherever they stand, are in `data/meanings.json`; what a name means for one operation
alone stands in its judgement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias, cast

from runplane_mcp.core.amounts import number_of
from runplane_mcp.core.facts import GROUPS
from runplane_mcp.core.wire import Text

_Row: TypeAlias = Mapping[str, object]

#: Names of which the parts are the customer's own words, and never parameters.
_OWN_WORDS: Final = frozenset({"metadata", "expand", "include"})
_KEYS: Final = frozenset({"groups", "facts", "money_in", "reason"})
#: Additions that a sentence names.
_MOST_SAID: Final = 3
#: Groups and facts of the additions that it names first, those of each row before those of the next.
_SAID_FIRST: Final = (
    frozenset({"bank_details", "destination", "payouts", "transfers"}),
    frozenset({"access", "gives_access"}),
    frozenset({"bulk", "redirects_funds"}),
    frozenset({"credits", "deletions", "discounts", "refunds", "write_offs"}),
)
#: `name`, `name=text`, `name<0` or `name>0`; a dot goes inside, and lists are seen through.
_WHEN: Final = re.compile(r"([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)(?:=(.*)|([<>])0)?")


@dataclass(frozen=True, slots=True)
class Addition:
    """What a parameter adds, and why, as the rest of a sentence that begins with its name. `money_in`: a customer's money
    is taken at once."""

    groups: frozenset[str]
    facts: frozenset[str]
    reason: str
    money_in: bool = False


@dataclass(frozen=True, slots=True)
class When:
    """A parameter, and which of its values. `path` goes through objects; lists on the way are looked into."""

    path: str
    equal: str | None = None
    sign: str = ""

    def __str__(self) -> str:
        return f"{self.path}={self.equal}" if self.equal is not None else f"{self.path}{self.sign and f'{self.sign}0'}"

    def holds(self, value: Text) -> bool:
        """Whether this value may be meant. One that cannot be read is."""
        if self.equal is not None:
            # Blanks and case are Stripe's to refuse: what it would forgive must not have passed for another value.
            return not isinstance(value, str) or value.strip().lower() == self.equal.lower()
        if not self.sign:
            return True
        number = number_of(value)
        return number is None or (number < 0 if self.sign == "<" else number > 0)


@dataclass(frozen=True, slots=True)
class Added:
    """An addition as it was found in a request."""

    path: str
    value: Text
    addition: Addition


@dataclass(frozen=True)
class Telling:
    """All that one operation's parameters mean. `plain` are paths that add nothing, `own` those that do in this operation,
    `common` the meanings of names in every operation, `names` its top-level parameters, `inside` the common names that can
    stand inside of them."""

    plain: frozenset[str]
    own: tuple[tuple[When, Addition], ...]
    common: Meanings
    names: frozenset[str]
    inside: frozenset[str] = frozenset()

    @cached_property
    def untold(self) -> frozenset[str]:
        """Top-level parameters that nobody has told of: none, or the operation counts as the widest with them."""
        told = {*self.plain, *self.common.plain, *self.common.adds, *(when.path for when, _ in self.own)}
        return self.names - told

    @cached_property
    def told(self) -> tuple[tuple[When, Addition], ...]:
        """Every addition that is told of this operation, with the parameter that brings it: its own first, then the common
        ones by name."""
        names = (self.names - self._settled) | self.inside
        common = ((When(name), self.common.adds[name]) for name in sorted(names) if name in self.common.adds)
        return (*self.own, *common)

    def added(self, given: Mapping[str, Text]) -> tuple[Added, ...]:
        """What these parameters add, in the order in which they stand."""
        found: list[Added] = []
        self._add("", given, found)
        return tuple(found)

    def _add(self, before: str, given: Mapping[str, Text], found: list[Added]) -> None:
        """Each named value is looked at, those of objects in lists too; but not the customer's own words."""
        settled, common = self._settled, self.common.adds
        for name, value in given.items():
            path = before + name
            if path in settled:
                for when, addition in self.own:
                    if when.path == path and when.holds(value):
                        found.append(Added(path, value, addition))
            elif name in common:
                found.append(Added(path, value, common[name]))
            if isinstance(value, str) or name in _OWN_WORDS:
                continue
            if isinstance(value, dict):
                self._add(f"{path}.", value, found)
            else:
                for inner in _objects(value):
                    self._add(f"{path}.", inner, found)

    @cached_property
    def _settled(self) -> frozenset[str]:
        return self.plain | {when.path for when, _ in self.own}


@dataclass(frozen=True, slots=True)
class Meanings:
    """What names mean in every operation: `plain` ones add nothing, where they stand as parameters of the operation
    itself; `adds` do, at whatever depth."""

    plain: Mapping[str, str]
    adds: Mapping[str, Addition]


def also_said(added: Iterable[Added]) -> str:
    """What parameters add, as sentences to follow the one that says what is done: the first few by name, those first that
    send money elsewhere or let somebody in, so that less harmful ones cannot hide them."""
    reasons: dict[str, str] = {}
    for each in sorted(added, key=_place_in_words):
        reasons.setdefault(each.addition.reason, each.path.rsplit(".", 1)[-1])
    named = [f" `{name}` {reason}" for reason, name in reasons.items()]
    more = f" And {len(named) - _MOST_SAID} more." if len(named) > _MOST_SAID else ""
    return "".join(named[:_MOST_SAID]) + more


def _place_in_words(added: Added) -> int:
    marks = added.addition.groups | added.addition.facts
    return next((place for place, first in enumerate(_SAID_FIRST) if first & marks), len(_SAID_FIRST))


def read_meanings(document: _Row) -> Meanings:
    """ValueError or KeyError for what cannot be right."""
    plain = cast("Mapping[str, str]", document["plain"])
    adds = {name: _addition(name, row) for name, row in cast("Mapping[str, _Row]", document["adds"]).items()}
    if both := plain.keys() & adds.keys():
        raise ValueError(f"{', '.join(sorted(both))} both add something and add nothing")
    return Meanings(plain, adds)


def read_telling(
    row: _Row, names: Iterable[str], common: Meanings, inside: frozenset[str] = frozenset()
) -> Telling | None:
    """What a judgement tells of its parameters; None where it tells nothing and is judged by its variants alone."""
    if "plain" not in row and "adds" not in row:
        return None
    own = tuple(
        (_when(key), _addition(key, added)) for key, added in cast("Mapping[str, _Row]", row.get("adds", {})).items()
    )
    return Telling(frozenset(cast("list[str]", row.get("plain", []))), own, common, frozenset(names), inside)


def _when(key: str) -> When:
    matched = _WHEN.fullmatch(key)
    if matched is None:
        raise ValueError(f"{key!r} is no parameter")
    return When(matched[1], matched[2], matched[3] or "")


def _addition(name: str, row: _Row) -> Addition:
    groups = frozenset(cast("list[str]", row.get("groups", [])))
    facts = frozenset(cast("list[str]", row.get("facts", [])))
    if not row.keys() <= _KEYS or not groups <= frozenset(GROUPS):
        raise ValueError(f"{name} adds what nothing can")
    return Addition(groups, facts, cast("str", row["reason"]), bool(row.get("money_in", False)))


def _objects(value: Text) -> Iterator[Mapping[str, Text]]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)
