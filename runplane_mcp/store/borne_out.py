"""Whether the log's own events bear a request out as it stands: asked of one request before it may run."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from pathlib import Path

from runplane_mcp.errors import StoreError


class BorneOutReads(ABC):
    """Methods as `store/base.py` says."""

    _connection: sqlite3.Connection
    _path: Path

    @abstractmethod
    def _broken(self, error: sqlite3.Error) -> StoreError: ...

    def mismatch(self, request_id: str) -> str | None:
        from runplane_mcp.store.verify import check_request  # it brings what a check of the whole log needs

        try:
            return check_request(self._connection, self._path, request_id).problem
        except sqlite3.Error as error:
            raise self._broken(error) from error
