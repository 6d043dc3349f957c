"""Whether payloads are what their commitments say, each of them hashed once, and whose they stand as.

They are read in the order in which they were written, beside the events that name them: what an event names was mostly
written with it. What was written long before it is found by its name.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Final, TypeAlias

from runplane_mcp.store.payloads import commitment
from runplane_mcp.store.triggers import ERASED

_IN_ORDER: Final = (
    "SELECT commitment, request_id, salt, body FROM payload WHERE number >= ? AND number < ? ORDER BY number"
)
_NAMED: Final = """
SELECT commitment, request_id, salt, body FROM json_each(?) CROSS JOIN payload ON commitment = value
"""
_AT_ONCE: Final = 500
#: So far the reading runs ahead of the names that were asked for, where one of them is not met.
_AHEAD: Final = 10_000
#: So many are remembered, twice over.
_REMEMBERED: Final = 50_000
#: Of a payload: whether it is what it was, and the request that it stands as one of.
Kept: TypeAlias = tuple[bool, str | None]


class Commitments:
    """Of one snapshot. Those from number `first` on and before `end` are read in their order; all others are found by name,
    for few events of a long log each of them."""

    def __init__(self, connection: sqlite3.Connection, first: int = 0, end: int = 0) -> None:
        self._connection = connection
        self._rows = connection.execute(_IN_ORDER, (first, end))
        self._read = 0
        self._named = 0
        self._recent: dict[str, Kept] = {}
        self._older: dict[str, Kept] = {}
        self.changed: str | None = None

    def look_up(self, names: Iterable[object]) -> dict[str, Kept]:
        """Each of these that there is."""
        wanted = {name for name in names if isinstance(name, str)}
        found: dict[str, Kept] = {}
        for remembered in (self._recent, self._older):
            met = remembered.keys() & wanted
            found.update((name, remembered[name]) for name in met)
            wanted -= met
        self._named += len(wanted)
        while wanted and self._read < self._named + _AHEAD and (read := self._read_on()):
            met = wanted & read.keys()
            found.update((name, read[name]) for name in met)
            wanted -= met
        if wanted:
            rows = self._connection.execute(_NAMED, (json.dumps(sorted(wanted)),))
            found.update((name, (_kept(name, salt, body), of)) for name, of, salt, body in rows)
        return found

    def read_all(self) -> str | None:
        """Reads the rest. The commitment of the first that was changed of all, None where there is none."""
        while self._read_on():
            pass
        return self.changed

    def _read_on(self) -> dict[str, Kept]:
        rows = self._rows.fetchmany(_AT_ONCE)
        read = {name: (_kept(name, salt, body), of) for name, of, salt, body in rows}
        if self.changed is None:
            self.changed = next((name for name, (kept, _) in read.items() if not kept), None)
        if len(self._recent) >= _REMEMBERED:
            self._recent, self._older = {}, self._recent
        self._recent.update(read)
        self._read += len(rows)
        return read


def _kept(name: str, salt: bytes, body: bytes) -> bool:
    if name.startswith(ERASED):
        # Nothing but zeros stands where something was erased.
        return not any(salt) and not body.strip(b"\0")
    return commitment(salt, body) == name
