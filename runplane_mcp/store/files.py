"""The database file and the lock file beside it: made for their owner alone, opened the same way everywhere."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from runplane_mcp.errors import StoreError
from runplane_mcp.store import faults
from runplane_mcp.store.placed import Placed, left_open
from runplane_mcp.store.schema import APPLICATION_ID, VERSION, migrate

PRIVATE: Final = 0o600
#: The first with STRICT tables.
OLDEST_SQLITE: Final = (3, 37, 0)

_SETTINGS: Final = (
    # Durable when COMMIT returns, also where the system only flushes to the drive's own cache (macOS).
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA foreign_keys = ON",
    # Without it INSERT OR REPLACE removes rows behind the delete triggers' back.
    "PRAGMA recursive_triggers = ON",
    # What is removed is overwritten, not only unlinked. Erased payloads are not removed: `triggers.erasing_triggers`.
    "PRAGMA secure_delete = ON",
    # Functions in a schema that somebody changed must not run with our rights.
    "PRAGMA trusted_schema = OFF",
    # No temporary files with personal data outside the home.
    "PRAGMA temp_store = MEMORY",
)


_WRITING: Final = (
    # In pages. Some thirty are written in each decision, most of them again in the next: emptied into the database four
    # times less often than is usual, the write-ahead log is some 16 MB long, and one decision in a hundred waits for that.
    "PRAGMA wal_autocheckpoint = 4000",
    # In KiB. At a million requests, the inner pages of the indexes whose keys come in no order take this much.
    "PRAGMA cache_size = -16384",
)


#: Bytes of a database's header.
_HEADER: Final = 100
_NO_INDEX: Final = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


def lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def open_lock(path: Path) -> int:
    """The descriptor of the lock file beside the database at `path`. It is never removed: whoever held a removed one
    and whoever opened its successor would both believe to be alone."""
    return _open_lock(lock_path(path), path)


def _open_lock(lock: Path, path: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    except OSError as error:
        raise faults.from_os(error, path) from error


def looks_like_a_store(path: Path) -> bool:
    """Whether the file at `path` begins as a database of ours does. False for what cannot be read, or is no file."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            begins = file.read(_HEADER)
    except OSError:
        return False
    # Source: https://www.sqlite.org/fileformat.html, "The Database Header"
    return begins.startswith(b"SQLite format 3\0") and int.from_bytes(begins[68:72], "big") == APPLICATION_ID


def users_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.open")


def share(path: Path, busy_timeout_ms: int) -> int:
    """The descriptor of a lock that everybody who has the store at `path` open shares: as long as anybody holds it, no
    other database takes the place of this one. StoreError `store.restoring` where that is under way, `store.replaced`
    where somebody still has another file open that lay there: SQLite would mix the log of one into the other."""
    descriptor = _open_lock(users_path(path), path)
    end = time.monotonic() + busy_timeout_ms / 1000
    try:
        while True:
            try:
                if _shared(descriptor, path):
                    return descriptor
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise _in_the_way(descriptor, path) from None
                time.sleep(0.005)
            except OSError as error:
                raise faults.from_os(error, path) from error
    except BaseException:
        os.close(descriptor)
        raise


def _shared(descriptor: int, path: Path) -> bool:
    """Takes the lock together with all who have the same file open; False where that is to be tried again.
    BlockingIOError where somebody keeps it."""
    told, there = _told(descriptor), _named(path)
    if there and told != there:
        try:
            # Alone: nobody has another file open any more, and this one is what all who come will find.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, there, 0)
        except BlockingIOError:
            if told:
                raise
            # Whoever has it open has not said what: an earlier version, or the file was only just made.
    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return _told(descriptor) in {b"", _named(path)} or not there


def _in_the_way(descriptor: int, path: Path) -> StoreError:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return faults.restoring(path)  # who restores has it alone
    return left_open(path)


def _told(descriptor: int) -> bytes:
    """Which file they have open who share the lock, by their word; empty where nobody said."""
    return os.pread(descriptor, 32, 0)


def _named(path: Path) -> bytes:
    """Which file lies there: by its number alone, which is nobody else's as long as somebody has it open, while a disk may
    come back under another. Empty where there is none."""
    try:
        return str(path.stat().st_ino).encode()
    except FileNotFoundError:
        return b""


@contextlib.contextmanager
def in_use_by_nobody(path: Path) -> Iterator[None]:
    """Nobody has the store at `path` open, and nobody can open it while this lasts. StoreError `store.in_use`."""
    descriptor = _open_lock(users_path(path), path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StoreError(
            "store.in_use",
            f"Another process of Runplane has {path} open, or restores it.",
            next_step="End gates and commands that still run, then try again.",
        ) from None
    finally:
        os.close(descriptor)


def make_file(path: Path) -> bool:
    """Makes an empty private file where there is none; says whether it did. SQLite would make it readable for all, and
    its log beside it takes over the mode.

    An existing file is not opened here: closing a second descriptor would drop the locks that SQLite holds on the file
    for this whole process.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    except FileExistsError:
        return False
    except OSError as error:
        raise faults.from_os(error, path) from error
    os.close(descriptor)
    return True


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot change the database, and works on a read-only disk too."""
    connection = _connect_to_read(path, "mode=ro")
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in _NO_INDEX or path.with_name(f"{path.name}-shm").exists():
            raise
        # Reading needs an index file beside the database, unless nothing changes. Here none can be made, and whoever had
        # the database open would have made one.
        connection = _connect_without_index(path)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connect_without_index(path: Path) -> sqlite3.Connection:
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or not log.stat().st_size:
        # The file is all there is.
        return _connect_to_read(path, "mode=ro&immutable=1")
    # What somebody copied, or a killed process left, with its write-ahead log: `immutable` would not see what is in that.
    # Alone with the files, SQLite keeps the index in memory. Source: https://www.sqlite.org/wal.html#noshm
    connection = _connect_to_read(path, "mode=ro&vfs=unix-none")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def _connect_to_read(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


@contextlib.contextmanager
def snapshot(path: Path) -> Iterator[tuple[sqlite3.Connection, int]]:
    """A transaction that only reads, and the schema's version. StoreError where there is no store, none that this program
    knows, and for whatever SQLite complains about meanwhile."""
    if not path.is_file():
        raise faults.missing(path)
    try:
        with contextlib.closing(connect_for_reading(path)) as connection:
            connection.execute("BEGIN")
            version = version_of(connection, path)
            if version == 0:
                raise faults.missing(path)
            yield connection, version
    except sqlite3.Error as error:
        raise faults.from_sqlite(error, path) from error


def connect(path: Path, busy_timeout_ms: int, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with our settings, transactions in our own hands. sqlite3.Error as it comes."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,  # made by one thread, then used by another alone
        cached_statements=512,
    )
    try:
        connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_ms)}")
        for setting in _SETTINGS:
            connection.execute(setting)
        for setting in ("PRAGMA query_only = ON",) if read_only else _WRITING:
            connection.execute(setting)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(
    connection: sqlite3.Connection,
    lock: int,
    path: Path,
    *,
    create: bool,
    busy_timeout_ms: int,
    probe: Callable[[str], None],
) -> None:
    """Makes sure that the database is one of ours, in this program's version: makes or migrates it where needed.
    StoreError `store.schema` for a newer or foreign one."""
    if version_of(connection, path) < VERSION:
        acquire(lock, path, busy_timeout_ms)
        try:
            _bring_up(connection, path, create=create, probe=probe)
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise faults.unavailable(path, "its disk cannot hold a write-ahead log")


def _bring_up(connection: sqlite3.Connection, path: Path, *, create: bool, probe: Callable[[str], None]) -> None:
    found = version_of(connection, path)
    if found == 0 and not create:
        raise faults.missing(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster while this one waited for the lock.
        migrate(connection, version_of(connection, path))
        probe("store.before_tables")
        connection.execute("COMMIT")
        probe("store.after_tables")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def acquire(lock: int, path: Path, busy_timeout_ms: int) -> None:
    """Takes the lock, StoreError `store.locked` where another process has been holding it for all that time."""
    """Takes the lock between processes for this one. StoreError `store.locked` after so long."""
    end = time.monotonic() + busy_timeout_ms / 1000
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise faults.locked(path) from None
            time.sleep(0.005)
        except OSError as error:
            raise faults.from_os(error, path) from error
        else:
            return


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version, 0 for an empty database. StoreError `store.schema` for a newer or foreign one."""
    if connection.in_transaction:
        return _version(connection, path)
    # One snapshot: read one by one, a store that another process is just making would look like somebody else's database.
    connection.execute("BEGIN")
    try:
        return _version(connection, path)
    finally:
        connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if application == APPLICATION_ID:
        if version > VERSION:
            raise faults.too_new(path, version, VERSION)
        return version
    if version or application or connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None:
        raise faults.foreign(path)
    return 0


def open_files(
    path: Path, *, create: bool, busy_timeout_ms: int, probe: Callable[[str], None]
) -> tuple[sqlite3.Connection, int, Placed]:
    """The writing connection, the lock's descriptor and the file of the store at `path`, ready for use. StoreError
    otherwise."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise faults.too_old_sqlite(sqlite3.sqlite_version)
    if path.is_dir():
        raise faults.unavailable(path, "it is a folder")
    if not create and not path.exists():
        raise faults.missing(path)
    lock = open_lock(path)
    try:
        if create and make_file(path):
            probe("store.file_made")
        placed = Placed.at(path)
        connection = placed.opened(lambda: connect(path, busy_timeout_ms))
        try:
            prepare(connection, lock, path, create=create, busy_timeout_ms=busy_timeout_ms, probe=probe)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        os.close(lock)
        raise faults.from_sqlite(error, path) from error
    except StoreError:
        os.close(lock)
        raise
    return connection, lock, placed
