"""What a run of events vouches for, so far as it can only be told at the end of the log."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Final

from runplane_mcp.store.mismatch import Mismatch

#: So much of a digest is remembered, in hex digits: 60 bits, so that no two rows of any log are taken for one.
_TELLING: Final = 15
#: Whose rows events vouch for.
TABLES: Final = ("request", "decision", "vote", "person", "repeat", "freeze", "read", "read_batch")


@dataclass(slots=True)
class Vouched:
    """`seen` counts the rows of each table that an event vouches for: who knows how many there are, knows whether there are
    others. `lifted` counts freezes that ended, `erasures` are the events that say that something was erased. Each of the
    `moves` of requests counts its version up by one, so that there are as many as the `versions` that they ended with."""

    seen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    lifted: int = 0
    moves: int = 0
    versions: int = 0
    erasures: list[int] = field(default_factory=list)
    erased: set[object] = field(default_factory=set)
    _rows: array[int] = field(default_factory=lambda: array("Q"))
    _missing: dict[object, tuple[str, int | None]] = field(default_factory=dict)

    def row(self, digest: str) -> None:
        """A row with this digest (hex) was counted in `seen`."""
        self._rows.append(int(digest[:_TELLING], 16))

    def each_once(self) -> None:
        """Mismatch where a row was counted twice: a second event about one row would make room for a row that no event
        made. Whoever can append to the log needs nobody's key for that."""
        if len(set(self._rows)) != len(self._rows):
            raise Mismatch("Two events say that they wrote one and the same row.")

    def missing(self, name: object, problem: str, seq: int | None) -> None:
        """There is no payload of this name; `problem` is what that means unless it was erased."""
        self._missing.setdefault(name, (problem, seq))

    def only_erased_missing(self) -> None:
        """Mismatch for a payload that is missing and that no event named. What is missing was written before its erasure
        was: only at the end it is known what was erased."""
        for name, (problem, seq) in self._missing.items():
            if name not in self.erased:
                raise Mismatch(problem, seq)

    def add(self, later: Vouched) -> None:
        """What the events behind these vouch for."""
        for table, count in later.seen.items():
            self.seen[table] += count
        self._rows += later._rows
        self.lifted += later.lifted
        self.moves += later.moves
        self.versions += later.versions
        self.erasures += later.erasures
        self.erased |= later.erased
        for name, (problem, seq) in later._missing.items():
            self.missing(name, problem, seq)
