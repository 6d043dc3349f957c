"""What an export needs of the store: the requests that ended in a period, some at a time, in the order of the store."""

from __future__ import annotations

from abc import ABC, abstractmethod

from runplane_mcp.core.request import ActionRequest, Kind
from runplane_mcp.store.conditions import UNFINISHED
from runplane_mcp.store.rows import Row

# ruff: noqa: S608 - words of our own; every value is bound.

_ENDED = f"""
SELECT number FROM request WHERE number > ? AND NOT {UNFINISHED} AND changed_at >= ? AND changed_at < ?
AND (?4 IS NULL OR kind = ?4) ORDER BY number LIMIT ?
"""


class ExportReads(ABC):
    """Methods as `store/base.py` says."""

    @abstractmethod
    def _all(self, sql: str, *values: object) -> list[Row]: ...

    @abstractmethod
    def _requests(self, where: str, *values: object) -> list[ActionRequest]: ...

    def ended(
        self, since: int, until: int, *, after: int, limit: int, kind: Kind | None = None
    ) -> list[tuple[int, ActionRequest]]:
        numbers = [row[0] for row in self._all(_ENDED, after, since, until, kind.value if kind else None, limit)]
        if not numbers:
            return []
        marks = ", ".join("?" * len(numbers))
        rows = self._requests(f"WHERE request.number IN ({marks}) ORDER BY request.number", *numbers)
        return list(zip(numbers, rows, strict=True))

    def count_unfinished(self, until: int) -> int:
        [(count,)] = self._all(f"SELECT count(*) FROM request WHERE {UNFINISHED} AND created_at < ?", until)
        return int(count)
