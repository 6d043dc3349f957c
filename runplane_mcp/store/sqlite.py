"""The SQLite store: one file, one writing thread per process, a few reading ones."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from runplane_mcp.store import faults
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.checkpoints import EVERY, Checkpoints, Kept
from runplane_mcp.store.erasing import scrub
from runplane_mcp.store.files import connect, open_files, share
from runplane_mcp.store.jobs import Job
from runplane_mcp.store.placed import Placed
from runplane_mcp.store.readers import Readers
from runplane_mcp.store.room import check_room
from runplane_mcp.store.writer import Writer

T = TypeVar("T")

BUSY_TIMEOUT_MS: Final = 5_000
READERS: Final = 2


def no_probe(point: str) -> None:
    """Hears every named point around a durable step and does nothing; crash tests pass one that kills."""


def open_store(
    path: Path,
    *,
    create: bool = True,
    busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    readers: int = READERS,
    probe: Callable[[str], None] = no_probe,
    kept: Kept | None = None,
    checkpoint_every: float = EVERY,
) -> SqliteStore:
    """Opens the store at `path`, and makes or migrates it first where needed. `busy_timeout_ms` is how long a write waits
    for other processes. `kept` says where checkpoints of its log are kept, `checkpoint_every` how many seconds after a
    commit.

    StoreError `store.unavailable` (not there, a folder), `store.unwritable` (the home), `store.locked`, `store.full`,
    `store.readonly`, `store.corrupt`, `store.schema` (newer than this program, or not ours), `store.restoring`.
    """
    if not create and not path.exists():
        raise faults.missing(path)
    # Before SQLite opens the file, and until all of it is closed again: what was opened here is what lies here.
    shared = share(path, busy_timeout_ms)
    try:
        connection, lock, placed = open_files(path, create=create, busy_timeout_ms=busy_timeout_ms, probe=probe)
    except BaseException:
        os.close(shared)
        raise
    checkpoints = None
    if kept is not None:
        checkpoints = Checkpoints(placed, kept, every=checkpoint_every, probe=probe)
    writer = Writer(connection, lock, placed, probe, checkpoints)
    return SqliteStore(placed, writer, busy_timeout_ms, readers, shared)


class SqliteStore:
    """Methods as `store/base.py` says. Made by `open_store`; its threads start with the first write and read."""

    def __init__(self, placed: Placed, writer: Writer, busy_timeout_ms: int, readers: int, shared: int) -> None:
        self.path = placed.path
        self._placed = placed
        self._shared: int | None = shared
        self._busy_timeout_ms = busy_timeout_ms
        self._writer = writer
        self._readers = Readers(self._connect, placed, readers)
        self._watch: sqlite3.Connection | None = None
        self._watch_guard = threading.Lock()
        self._seen = 0
        self._closed = False

    async def write(self, work: Callable[[Transaction], T]) -> T:
        loop = asyncio.get_running_loop()
        job = Job(work, loop, loop.create_future())
        self._writer.submit(job)
        patience = loop.call_later(self._busy_timeout_ms / 1000, self._give_up, job)
        try:
            result: T = await job.future
            return result
        except asyncio.CancelledError:
            # What has begun is finished without us; what has not is not begun for nobody.
            self._writer.withdraw(job)
            raise
        finally:
            patience.cancel()

    async def read(self, work: Callable[[Reader], T]) -> T:
        return await self._readers.read(work)

    async def version(self) -> int:
        with self._watch_guard:
            if self._closed:
                raise faults.closed()
            self._placed.check()
            try:
                if self._watch is None:
                    # It must never make the event loop wait: a database that is busy for a moment has not changed yet.
                    self._watch = self._placed.opened(lambda: connect(self.path, 0, read_only=True))
                self._seen = int(self._watch.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                fault = faults.from_sqlite(error, self.path)
                if fault.code != "store.locked":
                    raise fault from error
            return self._seen

    def check_room(self) -> None:
        check_room(self.path)

    async def scrub(self) -> None:
        await asyncio.to_thread(scrub, self.path, self._busy_timeout_ms)

    async def close(self) -> None:
        with self._watch_guard:
            self._closed = True
            if self._watch is not None:
                self._watch.close()
                self._watch = None
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        patience = self._busy_timeout_ms / 1000
        self._readers.close(patience)
        self._writer.close(patience)
        if self._shared is not None:
            os.close(self._shared)
            self._shared = None

    def _connect(self) -> sqlite3.Connection:
        return self._placed.opened(lambda: connect(self.path, self._busy_timeout_ms, read_only=True))

    def _give_up(self, job: Job) -> None:
        if self._writer.withdraw(job):
            job.error = faults.locked(self.path)
            job.tell()
