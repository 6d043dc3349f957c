"""What the log says of the watch over the account, found however long the log is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from runplane_mcp.store.conditions import COVERAGE_EVENTS
from runplane_mcp.store.policies import SELECT_EVENT
from runplane_mcp.store.records import Event
from runplane_mcp.store.rows import Row


class AlarmReads(ABC):
    """Methods as `store/base.py` says."""

    @abstractmethod
    def _all(self, sql: str, *values: object) -> list[Row]: ...

    def coverage_events(self) -> list[Event]:
        rows = self._all(f"{SELECT_EVENT} INDEXED BY event_coverage WHERE {COVERAGE_EVENTS} ORDER BY seq")
        return [Event(*row) for row in rows]
