"""The files of a restore: a copy that is checked before anything is touched, and one moment at which it takes the place of
the database that is there.

Whenever it is cut, the old database stands or the new one, each whole. The new one is made in a folder of its own beside
it, complete with all that the restore writes into it; then the old one is closed to everybody and emptied of its
write-ahead log, kept under another name as well, and the new one renamed over it. A write-ahead log beside a database that
is not its own would be read as its own: so there is none at that moment.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runplane_mcp.errors import StoreError
from runplane_mcp.store import faults
from runplane_mcp.store.anchors import LogState, state_of
from runplane_mcp.store.backup import MARK
from runplane_mcp.store.files import (
    PRIVATE,
    connect_for_reading,
    in_use_by_nobody,
    make_file,
    version_of,
)
from runplane_mcp.store.log_key import flush_folder

#: Where the new database is made. What a restore left there when it was cut, the next one takes away.
FOLDER: Final = "restoring"
_TRIES: Final = 1_000
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True, slots=True)
class Source:
    """The file that is restored: its log's end, when its newest event was written and, of a backup, when it was taken (wall
    time, milliseconds)."""

    state: LogState
    newest_at: int
    taken_at: int | None
    version: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Under which names the old database and its checkpoint lie now."""

    database: Path | None
    checkpoint: Path | None


@contextlib.contextmanager
def alone(database: Path) -> Iterator[Path]:
    """One restore at a time, and while nobody has the store open; nobody can open it meanwhile. Gives the folder in which
    the new database is made, which is gone when this ends. StoreError `store.in_use`."""
    with in_use_by_nobody(database):
        folder = database.with_name(FOLDER)
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise faults.from_os(error, database) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def copy_of(file: Path, target: Path) -> Source:
    """Copies the store in `file` to the new file `target`, one snapshot with what its write-ahead log holds, and looks
    at every page of the copy. StoreError `store.unavailable` where there is none, `store.schema` for another program's
    database or a newer one's, `store.corrupt`."""
    if not file.is_file():
        raise StoreError(
            "store.unavailable", f"There is no file at {file}.", next_step="Name a backup: runplane restore FILE"
        )
    make_file(target)
    try:
        with (
            closing(connect_for_reading(file)) as original,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            original.execute("BEGIN")
            version = version_of(original, file)
            if version == 0:
                raise faults.foreign(file)
            original.backup(copy)
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise faults.corrupt(file, str(found))
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("BEGIN")
            state = state_of(copy, file)
            [newest_at] = copy.execute("SELECT newest_at FROM head").fetchone()
            mark = copy.execute("SELECT value FROM meta WHERE key = ?", (MARK,)).fetchone()
            return Source(state, newest_at, None if mark is None else int(mark[0]), version)
    except sqlite3.Error as error:
        damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
        raise faults.from_sqlite(error, file if damaged else target) from error


def one_file(copy: Path) -> None:
    """The closed store at `copy` as one durable file, with no write-ahead log beside it. StoreError."""
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        if mode != "delete":
            raise faults.unavailable(copy, "it could not be closed")
        _flush(copy)
    except sqlite3.Error as error:
        raise faults.from_sqlite(error, copy) from error
    except OSError as error:
        raise faults.from_os(error, copy) from error


def take_the_place(copy: Path, database: Path, checkpoint: Path, *, probe: Callable[[str], None]) -> Kept:
    """Puts `copy` in the place of `database`, and keeps what was there, with its checkpoint, under names that say when. To
    be called alone. StoreError `store.in_use` where another program has the database open."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        with _closed_to_everybody(database):
            probe("restore.closed")
            kept = Kept(_linked(database, stamp), _linked(checkpoint, stamp))
            flush_folder(database)
            probe("restore.kept")
            copy.replace(database)
            probe("restore.replaced")
            flush_folder(database)
        return kept
    except OSError as error:
        raise faults.from_os(error, database) from error


@contextlib.contextmanager
def _closed_to_everybody(database: Path) -> Iterator[None]:
    """While this lasts no program can read or write the old database, and all that was in its write-ahead log is in it."""
    if not _can_be_read(database):
        # No program can work with it either. SQLite would take its log away, which may be all that is left of something.
        _aside(database)
        yield
        return
    try:
        with closing(
            sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        ) as connection:
            # Takes the log over into the database and away, which SQLite does only where nobody else has it open.
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
            if mode != "delete":
                raise _in_use(database)
            connection.execute("BEGIN EXCLUSIVE")
            yield
    except sqlite3.Error as error:
        raise _in_use(database) if faults.is_busy(error) else faults.from_sqlite(error, database) from error


def _can_be_read(database: Path) -> bool:
    if not database.exists():
        return False
    try:
        with closing(connect_for_reading(database)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            return False
        raise faults.from_sqlite(error, database) from error
    return True


def _aside(database: Path) -> None:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for end in ("-wal", "-shm", "-journal"):
        beside = database.with_name(database.name + end)
        if beside.exists():
            beside.replace(_free(database, stamp, end))
    flush_folder(database)


def kept_of(database: Path) -> list[Path]:
    """The databases that restores have replaced, the oldest first."""
    found = database.parent.glob(f"{database.name}.replaced-*")
    return sorted(path for path in found if not path.name.endswith(("-wal", "-shm", "-journal")))


def _linked(file: Path, stamp: str) -> Path | None:
    """A second name for what lies there; the first one is still its own."""
    if not file.exists():
        return None
    name = _free(file, stamp)
    os.link(file, name)
    return name


def _free(file: Path, stamp: str, end: str = "") -> Path:
    for number in range(_TRIES):
        name = file.with_name(f"{file.name}.replaced-{stamp}{f'-{number}' if number else ''}{end}")
        if not os.path.lexists(name):
            return name
    raise FileExistsError(f"there are {_TRIES} of {name}")


def _flush(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, PRIVATE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _in_use(database: Path) -> StoreError:
    return StoreError(
        "store.in_use",
        f"Another program has {database} open.",
        next_step=f"End it, then try again; who it is: fuser {database}",
    )
