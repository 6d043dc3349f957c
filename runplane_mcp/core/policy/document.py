"""A policy file as plain text with places: YAML's structure, none of YAML's guesses.

Plain YAML turns `17:00` into 1020, `no` into false and `500.10` into a float. Here each scalar stays the text that was
written, and whoever knows the type of its key reads it. Anchors, aliases and tags are refused: a policy is read aloud.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml

MOST_CHARACTERS: Final = 262_144
MOST_DEPTH: Final = 12
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CLOSES: Final = {"{": "}", "[": "]"}
_COLON: Final = re.compile(r"\s*(?:- )?[a-z_]+:[^\s\"'{\[].*$")
_DASH: Final = re.compile(r"\s*-[a-z_]+:")
#: Where the mistake is where something began, not where YAML gave up on it.
_BEGUN: Final = ("while scanning a quoted scalar", "while scanning a simple key", "while parsing a flow")
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in the file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value, as the text that was written. `plain` is false for quoted text."""

    text: str
    place: Place
    plain: bool = True

    @property
    def empty(self) -> bool:
        return self.plain and self.text in _NULLS


@dataclass(frozen=True, slots=True)
class Items:
    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Entries:
    """Keys and values in the order of the file; a key may stand twice, which its reader refuses."""

    entries: tuple[tuple[Scalar, Node], ...]
    place: Place


Node: TypeAlias = Scalar | Items | Entries


class Unreadable(Exception):
    """The text is not one YAML document of ours. Never leaves the loader, which makes a PolicyError of it."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    place: Place
    mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: list[tuple[Scalar, Node]] = field(default_factory=list)
    key: Scalar | None = None

    def add(self, node: Node) -> None:
        if not self.mapping:
            self.items.append(node)
        elif self.key is not None:
            self.entries.append((self.key, node))
            self.key = None
        elif isinstance(node, Scalar):
            self.key = node
        else:
            raise Unreadable(node.place, "a key is plain text here, not a list or a mapping")

    def node(self) -> Node:
        return Entries(tuple(self.entries), self.place) if self.mapping else Items(tuple(self.items), self.place)


def read(text: str) -> Node:
    """The one document in `text`. Raises Unreadable with the place and what to write instead, and nothing else."""
    if len(text) > MOST_CHARACTERS:
        raise Unreadable(Place(1, 1), f"the file is longer than {MOST_CHARACTERS:,} characters")
    odd = _UNREADABLE.search(text)
    if odd is not None:
        before = text[: odd.start()]
        place = Place(before.count("\n") + 1, odd.start() - before.rfind("\n"))
        raise Unreadable(place, f"the character U+{ord(odd.group()):04X} cannot stand in a policy: remove it")
    try:
        return _compose(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if mark is not None and mark.index < len(text) and "nesting depth" in (error.problem or ""):
            # The scanner reads ahead and has a bound of its own, far beyond ours: what stands before it passes ours.
            return read(text[: mark.index])
        if error.context_mark is not None and (error.context or "").startswith(_BEGUN):
            mark = error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)
        raise Unreadable(place, _in_words(error, text, place)) from None
    except yaml.YAMLError:
        raise Unreadable(Place(1, 1), "this is not YAML") from None


def _compose(events: Iterable[yaml.Event]) -> Node:
    # From events and with a stack of our own: PyYAML's composer recurses, and `[[[[…` would end the process.
    opened: list[_Open] = []
    root: Node | None = None
    for event in events:
        done: Node
        if isinstance(event, yaml.ScalarEvent):
            place = _place(event)
            _refuse_indirection(event, place)
            done = Scalar(event.value, place, plain=not event.style)
        elif isinstance(event, yaml.CollectionStartEvent):
            place = _place(event)
            _refuse_indirection(event, place)
            if len(opened) == MOST_DEPTH:
                raise Unreadable(place, f"this is nested more than {MOST_DEPTH} deep")
            opened.append(_Open(place, mapping=isinstance(event, yaml.MappingStartEvent)))
            continue
        elif isinstance(event, yaml.CollectionEndEvent):
            done = opened.pop().node()
        elif isinstance(event, yaml.AliasEvent):
            raise Unreadable(_place(event), "aliases (*name) are not used in a policy: write the value out")
        elif isinstance(event, yaml.DocumentStartEvent) and root is not None:
            raise Unreadable(_place(event), "a second document starts here: a policy is one document, without ---")
        else:
            continue
        if opened:
            opened[-1].add(done)
        else:
            root = done
    if root is None:
        raise Unreadable(Place(1, 1), "the file is empty: start with `version: 1`")
    return root


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)


def _refuse_indirection(event: yaml.ScalarEvent | yaml.CollectionStartEvent, place: Place) -> None:
    if event.anchor is not None:
        raise Unreadable(place, "anchors (&name) are not used in a policy: write the value out")
    if event.tag is not None:
        raise Unreadable(place, "tags (!name) are not used in a policy: remove it")


def _in_words(error: yaml.MarkedYAMLError, text: str, place: Place) -> str:
    problem, context = error.problem or "", error.context or ""
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    here = line[place.column - 1 :]
    if here.startswith("\t"):
        return "a tab stands here: indent with spaces"
    before = lines[place.line - 2] if 1 < place.line <= len(lines) + 1 else ""
    if _COLON.match(before):
        return "the line before this has no blank behind its colon: write `key: value`"
    if "mapping values are not allowed" in problem:
        return "a second `: ` in one line: put the text between quotes, or check the indentation"
    if context.startswith("while scanning a quoted scalar"):
        return "this quote is never closed: put the same one at the end of the text"
    if context.startswith("while parsing a flow"):
        return (
            f"this {here[:1]} is never closed, or a comma is missing in it: look for its {_CLOSES.get(here[:1], 'end')}"
        )
    if _DASH.match(line):
        return "put a blank behind the dash: `- id: …`"
    if context.startswith("while scanning a simple key"):
        return "this is no `key: value`: put a colon and a blank behind the key"
    if context.startswith("while parsing a block"):
        return "this does not line up with what stands above it: check the indentation, and the quotes before it"
    return f"this is not YAML ({problem or 'nobody can read it'}): check brackets, quotes and indentation"
