"""What a receipt needs of the store beside what everybody reads: rows in the form that events hashed, payloads with their
salts, and hashes of the log's tree."""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator

from runplane_mcp.core.proofs import AT_ONCE, Node, gather
from runplane_mcp.errors import StoreError
from runplane_mcp.store.records import Event, Salted
from runplane_mcp.store.rows import DECISION_COLUMNS, REQUEST_COLUMNS, VOTE_COLUMNS, Row, listed, row_form

# ruff: noqa: S608 - column names of our own; every value is bound.

_FORMS = (
    (REQUEST_COLUMNS, f"SELECT {listed(REQUEST_COLUMNS)} FROM request WHERE id = ?"),
    (DECISION_COLUMNS, f"SELECT {listed(DECISION_COLUMNS)} FROM decision WHERE request_id = ? ORDER BY n"),
    (VOTE_COLUMNS, f"SELECT {listed(VOTE_COLUMNS)} FROM vote WHERE request_id = ? ORDER BY round, at, person"),
)
_LEAVES = "SELECT request.id, leaf FROM read JOIN request USING (number) WHERE n BETWEEN ? AND ? ORDER BY n"


class ReceiptReads(ABC):
    """Methods as `store/base.py` says."""

    _connection: sqlite3.Connection

    @abstractmethod
    def _one(self, sql: str, *values: object) -> Row | None: ...

    @abstractmethod
    def _all(self, sql: str, *values: object) -> list[Row]: ...

    @abstractmethod
    def _broken(self, error: sqlite3.Error) -> StoreError: ...

    def row_forms(self, request_id: str) -> list[str]:
        return [row_form(columns, row) for columns, select in _FORMS for row in self._all(select, request_id)]

    def salted(self, commitment: str) -> Salted | None:
        row = self._one("SELECT salt, body FROM payload WHERE commitment = ?", commitment)
        return None if row is None else Salted(row[0], row[1])

    def leaves_of(self, batch: Event) -> dict[str, bytes]:
        said = json.loads(batch.body)
        return dict(self._all(_LEAVES, said["first"], said["last"]))

    def tree_hashes(self, wanted: Collection[Node], size: int) -> dict[Node, bytes]:
        try:
            return gather(self._leaves(size), wanted)
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def _leaves(self, size: int) -> Iterator[list[bytes]]:
        """The first `size` leaves in lists of AT_ONCE: never all of them at once."""
        rows = self._connection.execute("SELECT leaf FROM event WHERE seq <= ? ORDER BY seq", (size,))
        while some := rows.fetchmany(AT_ONCE):
            yield [row[0] for row in some]
