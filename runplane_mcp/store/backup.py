"""A copy of the store in one file, taken while others write, and checked before anybody relies on it.

A backup is for looking things up, not for going on from: it does not know what ran after it was taken, and a request that
stood approved in it may have run since. So the copy carries a mark, and no gate executes from a store that has it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runplane_mcp.core.merkle import Frontier
from runplane_mcp.errors import StoreError
from runplane_mcp.store import faults
from runplane_mcp.store.conditions import UNFINISHED
from runplane_mcp.store.files import PRIVATE, connect_for_reading, version_of

# ruff: noqa: S608 - words of our own; every value is bound.

#: The small value that marks a copy: when it was taken, in milliseconds since 1970.
MARK: Final = "backup_taken_at"
#: Pages copied between two calls of `progress`: 16 MiB of the usual 4 KiB pages.
STRIDE: Final = 4_096


@dataclass(frozen=True, slots=True)
class Backup:
    """What was written. `root` (hex) is the audit log's over `events` events, `newest_at` the time of the newest,
    `taken_at` wall time, `unfinished` how many requests were not final."""

    path: Path
    size: int
    events: int
    root: str
    newest_at: int
    taken_at: int
    unfinished: int


def back_up(source: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> Backup:
    """Copies the store at `source` to the new file `target`, readable by its owner alone, and checks the copy: every page,
    every index against its table, and the audit log's root from all its leaves. `progress` hears how many pages of how
    many are copied.

    The copy is one snapshot, however long it takes and whoever writes meanwhile. StoreError `store.backup_exists` when
    there is a file at `target`, other `store.*` when there is no store, no room, or a copy that is not right; then no
    file is left behind.
    """
    if not source.is_file():
        raise faults.missing(source)
    try:
        with closing(connect_for_reading(source)) as original:
            original.execute("BEGIN")
            if version_of(original, source) == 0:
                raise faults.missing(source)
            head = _head(original, source)
            unfinished = original.execute(f"SELECT count(*) FROM request WHERE {UNFINISHED}").fetchone()[0]
            with _new_file(target), closing(_connect(target)) as copy:
                _copy(original, copy, progress)
                taken_at = _mark(copy)
                _check(copy, source, head)
                _flush(target)
    except sqlite3.Error as error:
        # The pages of the copy are those of the original: what is damaged there was damaged here.
        damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        raise faults.from_sqlite(error, source if damaged else target) from error
    size, root, newest_at = head
    return Backup(target, target.stat().st_size, size, root.hex(), newest_at, taken_at, unfinished)


@contextlib.contextmanager
def _new_file(target: Path) -> Iterator[None]:
    """Makes the file for its owner alone, before a byte is in it, and takes it away again when the work fails."""
    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE))
    except FileExistsError:
        raise StoreError(
            "store.backup_exists",
            f"There is something at {target} already, and a backup never overwrites.",
            next_step="Name a new file.",
        ) from None
    except OSError as error:
        raise faults.from_os(error, target) from error
    try:
        yield
    except BaseException:
        for leftover in (target, target.with_name(f"{target.name}-journal")):
            leftover.unlink(missing_ok=True)
        raise


def _connect(target: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{target.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)


def _copy(original: sqlite3.Connection, copy: sqlite3.Connection, progress: Callable[[int, int], None] | None) -> None:
    # The original stays in its read transaction, so that the steps see one snapshot: without it SQLite would begin the
    # copy anew whenever somebody commits, and on a busy store never come to an end.
    # Source: https://www.sqlite.org/c3ref/backup_finish.html
    def tell(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    original.backup(copy, pages=STRIDE, progress=tell)
    # One file that any program may read, without a write-ahead log beside it.
    copy.execute("PRAGMA journal_mode = DELETE")


def _mark(copy: sqlite3.Connection) -> int:
    taken_at = time.time_ns() // 1_000_000
    copy.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (MARK, str(taken_at)),
    )
    return taken_at


def _check(copy: sqlite3.Connection, source: Path, head: tuple[int, bytes, int]) -> None:
    # `quick_check` does not see an index that lacks a row: it would be copied as it is, and hide a request from whoever
    # looks for it in the backup.
    found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise faults.corrupt(source, str(found))
    frontier = Frontier()
    for (leaf,) in copy.execute("SELECT leaf FROM event ORDER BY seq"):
        frontier = frontier.append(leaf)
    if _head(copy, source) != head or (frontier.size, frontier.root()) != head[:2]:
        raise faults.corrupt(source, "the audit log's head is not that of its events: runplane audit verify")


def _head(connection: sqlite3.Connection, path: Path) -> tuple[int, bytes, int]:
    row = connection.execute("SELECT size, root, newest_at FROM head").fetchone()
    if row is None:
        raise faults.corrupt(path, "the audit log has lost its head")
    return int(row[0]), bytes(row[1]), int(row[2])


def _flush(target: Path) -> None:
    """Durable when this returns: the file, and where its file system can, the name of it in its folder."""
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise faults.from_os(error, target) from error
    finally:
        os.close(descriptor)
    with contextlib.suppress(OSError):
        folder = os.open(target.absolute().parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
