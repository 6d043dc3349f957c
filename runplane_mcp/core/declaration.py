"""An effect that a judgement declares in its own line: which reads tell of it, and where its facts stand.

Most operations need no code of their own for that. A *path* names a value: `amount.value` in the parameters,
`fee:amount_refunded` in the object that the look-up `fee` found. A *sum* adds and takes away paths
(`fee:amount - fee:amount_refunded`); `|amount|` is a number without its sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias, cast

_Row: TypeAlias = Mapping[str, object]

_KEYS: Final = frozenset(
    "sentence undo looks object customer destination amount currency before total most fill needs holds quotes".split()
)
_PATH: Final = re.compile(r"(?:([a-z_]+):)?([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)")
_TERM: Final = re.compile(r"([+-]?) ?(\|?)((?:[a-z_]+:)?[A-Za-z0-9_.]+)(\|?)")


@dataclass(frozen=True, slots=True)
class Path:
    """Where a value stands: in the parameters, or in what the look-up `look` found."""

    look: str
    steps: tuple[str, ...]

    @property
    def name(self) -> str:
        return "_".join(filter(None, (self.look, *self.steps)))


@dataclass(frozen=True, slots=True)
class Term:
    """A number at a path, added or taken away."""

    path: Path
    negative: bool
    unsigned: bool


Sum: TypeAlias = tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """A read of one object: its path template, and where each of that template's parameters stands."""

    name: str
    template: str
    parameters: tuple[tuple[str, Path], ...]


@dataclass(frozen=True, slots=True)
class Declaration:
    """`sentence` is what people read, `{name}` in it an id or word among the parameters and `{amount}` the money; what
    stands in brackets is left out where one of its names is not given, or is what stands there after a `|`. Of
    `amount`, `currency`, `object`, `customer` and `destination` the first that is there counts. `before` is what was
    given back of `total` already, `most` what the amount must not pass: now, and when an approved request runs. `fill`
    is the parameter that the amount is written into where it was left out. `needs` are the only values at a path with
    which Stripe does it at all. `holds` must still read the same when an approved request runs; `quotes` are free
    texts, shown fenced."""

    sentence: str
    undo: str
    looks: tuple[Look, ...] = ()
    object: tuple[Path, ...] = ()
    customer: tuple[Path, ...] = ()
    destination: tuple[Path, ...] = ()
    amount: tuple[Sum, ...] = ()
    currency: tuple[Path, ...] = ()
    before: Path | None = None
    total: Path | None = None
    most: Sum = ()
    fill: str = ""
    needs: tuple[tuple[Path, frozenset[str]], ...] = ()
    holds: tuple[Path, ...] = ()
    quotes: tuple[tuple[str, Path], ...] = ()


class Declared:
    """A declaration as it stands in the line, read when it is first asked for."""

    def __init__(self, row: _Row) -> None:
        self._row = row

    @cached_property
    def effect(self) -> Declaration:
        """ValueError or KeyError for what cannot be right: a test asks all of them."""
        return read_declaration(self._row)


def read_declaration(row: _Row) -> Declaration:
    """ValueError or KeyError for what cannot be right: an unknown key, a path of a look-up that there is not."""
    if not row.keys() <= _KEYS:
        raise ValueError(f"an effect declares {', '.join(sorted(row.keys() - _KEYS))}")
    looks = tuple(_look(name, text) for name, text in cast("Mapping[str, str]", row.get("looks", {})).items())
    found = Declaration(
        sentence=cast("str", row["sentence"]),
        undo=cast("str", row["undo"]),
        looks=looks,
        object=_paths(row, "object"),
        customer=_paths(row, "customer"),
        destination=_paths(row, "destination"),
        amount=tuple(_sum(each) for each in _texts(row, "amount")),
        currency=_paths(row, "currency"),
        before=next(iter(_paths(row, "before")), None),
        total=next(iter(_paths(row, "total")), None),
        most=_sum(cast("str", row["most"])) if "most" in row else (),
        fill=cast("str", row.get("fill", "")),
        needs=tuple(
            (_path(text), frozenset(texts))
            for text, texts in cast("Mapping[str, list[str]]", row.get("needs", {})).items()
        ),
        holds=_paths(row, "holds"),
        quotes=tuple((label, _path(text)) for label, text in cast("Mapping[str, str]", row.get("quotes", {})).items()),
    )
    names = {look.name for look in looks}
    if unknown := {path.look for path in _all_paths(found)} - names - {""}:
        raise ValueError(f"an effect reads of {', '.join(sorted(unknown))}, which nothing looks up")
    return found


def _all_paths(found: Declaration) -> list[Path]:
    sums = [term.path for each in (*found.amount, found.most) for term in each]
    single = [path for path in (found.before, found.total) if path is not None]
    looked = [path for look in found.looks for _, path in look.parameters]
    quoted = [path for _, path in found.quotes] + [path for path, _ in found.needs]
    several = (*found.object, *found.customer, *found.destination, *found.currency, *found.holds)
    return [*sums, *single, *looked, *quoted, *several]


def _look(name: str, text: str) -> Look:
    """`/v1/charges/{intent:latest_charge}`: in braces, where the id stands."""
    parameters = tuple((f"p{number}", _path(inner)) for number, inner in enumerate(re.findall(r"\{([^}]*)\}", text)))
    template = text
    for parameter, (inner, _) in zip(re.findall(r"\{([^}]*)\}", text), parameters, strict=True):
        template = template.replace("{" + parameter + "}", "{" + inner + "}", 1)
    return Look(name, template, parameters)


def _texts(row: _Row, name: str) -> list[str]:
    value = row.get(name, [])
    return [value] if isinstance(value, str) else cast("list[str]", value)


def _paths(row: _Row, name: str) -> tuple[Path, ...]:
    return tuple(_path(each) for each in _texts(row, name))


def _path(text: str) -> Path:
    matched = _PATH.fullmatch(text)
    if matched is None:
        raise ValueError(f"{text!r} is no path")
    return Path(matched[1] or "", tuple(matched[2].split(".")))


def _sum(text: str) -> Sum:
    terms: list[Term] = []
    rest = text
    while rest:
        matched = _TERM.match(rest)
        if matched is None or bool(matched[2]) != bool(matched[4]) or (terms and not matched[1]):
            raise ValueError(f"{text!r} is no sum")
        terms.append(Term(_path(matched[3]), matched[1] == "-", bool(matched[2])))
        rest = rest[matched.end() :].lstrip()
    return tuple(terms)
