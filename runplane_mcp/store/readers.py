"""The reading threads: each with its own connection, each function in one deferred transaction, in one hop."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from runplane_mcp.errors import StoreError
from runplane_mcp.store import faults
from runplane_mcp.store.jobs import Job, tell_all
from runplane_mcp.store.placed import Placed
from runplane_mcp.store.reader import SqliteReader

T = TypeVar("T")


class Readers:
    """Up to `size` threads, started as they are needed. `submit` may be called from any thread."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], placed: Placed, size: int) -> None:
        self._connect = connect
        self._placed = placed
        self._path = placed.path
        self._size = size
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._closing = False
        self._threads: list[threading.Thread] = []

    async def read(self, work: Callable[[SqliteReader], T]) -> T:
        """What `work` gives of one snapshot."""
        loop = asyncio.get_running_loop()
        job = Job(work, loop, loop.create_future())
        self.submit(job)
        result: T = await job.future
        return result

    def submit(self, job: Job) -> None:
        with self._changed:
            if self._closing:
                raise faults.closed()
            if len(self._waiting) >= self._idle and len(self._threads) < self._size:
                thread = threading.Thread(target=self._serve, name="runplane-store-reader", daemon=True)
                thread.start()
                self._threads.append(thread)
            self._waiting.append(job)
            self._changed.notify()

    def close(self, patience: float) -> None:
        """Takes no more, finishes what waits, and closes the connections; waits `patience` seconds for each at most."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(patience)

    def _serve(self) -> None:
        connection: sqlite3.Connection | None = None
        while (job := self._next()) is not None:
            try:
                if connection is None:
                    connection = self._connect()
                self._placed.check()
                self._read(connection, job)
            except StoreError as error:
                job.error = job.error or error
            except sqlite3.Error as error:
                job.error = job.error or faults.from_sqlite(error, self._path)
            tell_all([job])
        if connection is not None:
            connection.close()

    def _next(self) -> Job | None:
        with self._changed:
            self._idle += 1
            while not self._waiting and not self._closing:
                self._changed.wait()
            self._idle -= 1
            return self._waiting.popleft() if self._waiting else None

    def _read(self, connection: sqlite3.Connection, job: Job) -> None:
        connection.execute("BEGIN")
        try:
            job.run(SqliteReader(connection, self._path))
        finally:
            # Nothing was written: ending it either way only lets go of the snapshot.
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
