"""A store that is only looked at, since nothing can be written beside it: on a read-only disk, in somebody else's home, in
the copy that an auditor was given."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from runplane_mcp.store import faults
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.files import connect_for_reading, snapshot
from runplane_mcp.store.placed import Placed
from runplane_mcp.store.readers import Readers
from runplane_mcp.store.schema import VERSION
from runplane_mcp.store.sqlite import READERS

T = TypeVar("T")


def open_for_looking(path: Path) -> LookingStore:
    """The store at `path`, which this process makes no file beside. StoreError where there is none, one that this program
    does not know, or one that it would have to bring up to its own version first."""
    with snapshot(path) as (_, version):
        if version < VERSION:
            raise faults.too_old(path)
    return LookingStore(path)


class LookingStore:
    """Methods as `store/base.py` says; whatever would write is StoreError `store.readonly`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._placed = Placed.at(path)
        self._readers = Readers(self._connect, self._placed, READERS)
        self._watch: sqlite3.Connection | None = None
        self._watch_guard = threading.Lock()

    async def write(self, work: Callable[[Transaction], T]) -> T:  # noqa: ARG002 - named as the protocol names it
        raise faults.read_only(self.path)

    async def read(self, work: Callable[[Reader], T]) -> T:
        return await self._readers.read(work)

    async def version(self) -> int:
        with self._watch_guard:
            try:
                if self._watch is None:
                    self._watch = self._connect()
                return int(self._watch.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                raise faults.from_sqlite(error, self.path) from error

    def check_room(self) -> None:
        raise faults.read_only(self.path)

    async def scrub(self) -> None:
        raise faults.read_only(self.path)

    async def close(self) -> None:
        with self._watch_guard:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
        await asyncio.to_thread(self._readers.close, 5.0)

    def _connect(self) -> sqlite3.Connection:
        return self._placed.opened(lambda: connect_for_reading(self.path))


@contextmanager
def copy_of(path: Path) -> Iterator[Path]:
    """A copy of the database at `path`, whoever's it is, in a folder that this user alone can enter and that is gone when
    this ends. StoreError."""
    with tempfile.TemporaryDirectory(prefix="runplane-") as folder:
        copy = Path(folder) / path.name
        try:
            with closing(connect_for_reading(path)) as original, closing(sqlite3.connect(copy)) as made:
                original.backup(made)
        except sqlite3.Error as error:
            raise faults.from_sqlite(error, path) from error
        yield copy
