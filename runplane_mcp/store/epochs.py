"""What the store keeps of a restore: the epoch that it began, and what it set aside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from runplane_mcp.store.backup import MARK
from runplane_mcp.store.conditions import SET_ASIDE
from runplane_mcp.store.rows import Row
from runplane_mcp.store.triggers import SET_ASIDE_TO

# ruff: noqa: S608 - words of our own; every value is bound.

#: The small value that says which event began the epoch; there is none in a store that was never restored.
BEGUN: Final = "epoch_seq"


class EpochReads(ABC):
    """Methods as `store/base.py` says."""

    @abstractmethod
    def _one(self, sql: str, *values: object) -> Row | None: ...

    @abstractmethod
    def _all(self, sql: str, *values: object) -> list[Row]: ...

    def epoch_seq(self) -> int | None:
        row = self._one("SELECT value FROM meta WHERE key = ?", BEGUN)
        return None if row is None or not str(row[0]).isdecimal() else int(row[0])

    def set_aside(self, most: int) -> list[str]:
        return [str(row[0]) for row in self._all(f"SELECT reference FROM request WHERE {SET_ASIDE} LIMIT ?", most)]


class EpochWrites(EpochReads):
    """The same for the transaction of a restore."""

    def begin_epoch(self, epoch: int, seq: int) -> None:
        upsert = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        newest = self._one("SELECT coalesce(max(number), 0) FROM request") or (0,)
        for key, value in (("epoch", epoch), (SET_ASIDE_TO, newest[0]), (BEGUN, seq)):
            self._all(upsert, key, str(value))
        self._all("DELETE FROM meta WHERE key = ?", MARK)
