"""The one writing thread of a process. Whole transaction functions wait in a queue; the thread takes all that wait into one
commit, a savepoint each, so that many tasks share the price of one disk flush.

Nobody is told before COMMIT has returned. A function that raises loses only its own savepoint; a COMMIT that fails fails
every function of its group. Between processes a lock file beside the database queues the writers fairly, where SQLite's own
busy handler would let them race; it also keeps two processes from resetting the write-ahead log at once, which SQLite
before 3.51.3 could get wrong.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from runplane_mcp.core.merkle import Frontier
from runplane_mcp.errors import StoreError
from runplane_mcp.store import faults
from runplane_mcp.store.checkpoints import Checkpoints
from runplane_mcp.store.jobs import Job, tell_all
from runplane_mcp.store.placed import Placed
from runplane_mcp.store.reader import SqliteReader
from runplane_mcp.store.transaction import SqliteTransaction

#: A bound on a group, so that the first of it does not wait for ever-new followers.
MOST_IN_A_GROUP: Final = 128


class Writer:
    """Owns the writing connection and the lock file. `submit` and `withdraw` may be called from any thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        lock: int,
        placed: Placed,
        probe: Callable[[str], None],
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self._checkpoints = checkpoints
        self._connection = connection
        self._lock = lock
        self._placed = placed
        self._path = placed.path
        self._probe = probe
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._patience = 0.0
        self._thread: threading.Thread | None = None
        # The log's end as this thread last read or left it, and the version of the data by which others' commits show.
        self._end: tuple[Frontier, int] | None = None
        self._version = 0

    def submit(self, job: Job) -> None:
        with self._changed:
            if self._closing:
                raise faults.closed()
            if self._thread is None:
                # A daemon, since it may be blocked in the kernel by another process's lock when this one wants to end.
                thread = threading.Thread(target=self._serve, name="runplane-store-writer", daemon=True)
                thread.start()
                self._thread = thread
            self._waiting.append(job)
            self._changed.notify()

    def withdraw(self, job: Job) -> bool:
        """Takes a job back that has not begun; False when it has: then it will be told how it ended."""
        with self._changed:
            try:
                self._waiting.remove(job)
            except ValueError:
                return False
            return True

    def close(self, patience: float) -> None:
        """Takes no more, finishes what waits, and closes the connection; waits `patience` seconds at most."""
        with self._changed:
            self._closing = True
            self._patience = patience
            thread = self._thread
            self._changed.notify()
        if thread is None:
            self._shut(patience)
        else:
            thread.join(patience)

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if not self._waiting:
                    break
            self._group()
        self._shut(self._patience)

    def _group(self) -> None:
        """One commit of all that waits, and everybody told."""
        jobs: list[Job] = []
        grown = False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._placed.check_writable()
            self._connection.execute("BEGIN IMMEDIATE")
            # Only now: until here each could still be withdrawn by whoever has no more patience.
            jobs = self._claim()
            if jobs:
                grown = self._run(jobs)
        except Exception as error:  # noqa: BLE001 - a dead writer would leave everybody waiting for ever
            fault = self._fault(error)
            if not jobs and fault.code != "store.locked":
                jobs = self._claim()
            for job in jobs:
                job.error = job.error or fault
        finally:
            self._unlock()
        tell_all(jobs)
        if grown and self._checkpoints is not None:
            self._checkpoints.committed()
        self._probe("store.told")

    def _claim(self) -> list[Job]:
        with self._changed:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_IN_A_GROUP))]

    def _run(self, jobs: list[Job]) -> bool:
        """One commit of these, or of those that went well; says whether the log grew by it."""
        execute = self._connection.execute
        self._probe("store.begun")
        before, newest_at = self._head()
        frontier = before
        # One alone has the whole transaction to itself.
        alone = len(jobs) == 1
        for job in jobs:
            if not alone:
                execute("SAVEPOINT job")
            transaction = SqliteTransaction(self._connection, self._path, frontier, newest_at)
            job.run(transaction)
            if not self._connection.in_transaction:
                # SQLite gave the whole transaction up (full disk, failing disk): the others' changes are gone too.
                raise transaction.fault or faults.unavailable(self._path, "the transaction was ended")
            if job.error is None:
                frontier, newest_at = transaction.frontier, transaction.newest_at
            elif alone:
                execute("ROLLBACK")
                return False
            else:
                execute("ROLLBACK TO job")
            if not alone:
                execute("RELEASE job")
        if frontier is not before:
            execute(
                "UPDATE head SET size = ?, frontier = ?, root = ?, newest_at = ?",
                (frontier.size, b"".join(frontier.hashes), frontier.root(), newest_at),
            )
        self._probe("store.before_commit")
        self._end = None  # whatever becomes of the commit
        execute("COMMIT")
        self._end = frontier, newest_at
        self._probe("store.after_commit")
        return frontier is not before

    def _head(self) -> tuple[Frontier, int]:
        """The log's end, read anew where another connection has committed since. A newer program's migration does too."""
        version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        if self._end is None or version != self._version:
            self._end = None
            self._end, self._version = self._read_head(), version
        return self._end

    def _read_head(self) -> tuple[Frontier, int]:
        reader = SqliteReader(self._connection, self._path)
        outgrown = reader.outgrown()
        if outgrown is not None:
            raise outgrown
        head, newest_at = reader.end()
        try:
            return Frontier(head.size, head.frontier), newest_at
        except ValueError as error:
            raise faults.corrupt(self._path, f"the audit log's head is broken, {error}") from error

    def _fault(self, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        if isinstance(error, sqlite3.Error):
            return faults.from_sqlite(error, self._path)
        if isinstance(error, OSError):
            return faults.from_os(error, self._path)
        return faults.unavailable(self._path, f"{type(error).__name__} in its writer")

    def _unlock(self) -> None:
        with contextlib.suppress(sqlite3.Error, OSError):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        with contextlib.suppress(OSError):
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _shut(self, patience: float) -> None:
        if self._checkpoints is not None:
            # Now: all is committed, and the connection that it reads by must not be the last one to close.
            self._checkpoints.close(patience)
        # The last connection to close empties the write-ahead log into the database: under the lock, as all writing. Where
        # the lock is not to be had, another process has the database open, and this connection is not the last.
        with contextlib.suppress(OSError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        os.close(self._lock)
