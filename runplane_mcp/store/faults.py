"""What the database and the file system complain about, as StoreError with a stable code and a next step. No error of
`sqlite3` leaves the store."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from runplane_mcp.errors import StoreError

#: What the triggers of the schema say when a state may not follow, or a final one would change.
TRANSITION_REFUSED = "this state may not follow"
#: What they say when nothing decided stands behind a move, or a vote is about nothing that waits.
UNDECIDED = "nothing decided stands behind this"
#: What they say when a row that is kept for ever would change or go.
KEPT_FOR_EVER = "this row is kept as it is"

# Primary result codes, https://www.sqlite.org/rescode.html: the low byte of an extended one.
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT}
_NOT_OURS_TO_WRITE = {sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_CANTOPEN}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR}


def locked(path: Path) -> StoreError:
    return StoreError(
        "store.locked",
        f"Another process has been holding {path.name} for too long.",
        next_step=f"Try again. If it stays so, find who holds it: fuser {path}",
    )


def restoring(path: Path) -> StoreError:
    return StoreError(
        "store.restoring",
        f"A restore is putting another database in the place of {path}.",
        next_step="Try again when it has ended.",
    )


def closed() -> StoreError:
    return StoreError("store.unavailable", "The store is closed.", next_step="Start Runplane again.")


def full(path: Path) -> StoreError:
    return StoreError(
        "store.full", f"There is no room left for {path}.", next_step="Free some disk space, then try again."
    )


def nearly_full(path: Path, kept: int) -> StoreError:
    return StoreError(
        "store.full",
        f"Less than {kept >> 20} MiB are left on the disk of {path}: they are kept for people and for what has begun.",
        next_step="Free some disk space, then try again. Denying and freezing still work.",
    )


def read_only(path: Path) -> StoreError:
    return StoreError(
        "store.readonly",
        f"{path} can only be read.",
        next_step="Looking works. To change something, run it as the home's owner, on a disk that can be written.",
    )


def unwritable(path: Path) -> StoreError:
    return StoreError(
        "store.unwritable",
        f"{path.parent} cannot be written to.",
        next_step="Make it a folder that you own, or name another one: RUNPLANE_HOME",
    )


def unavailable(path: Path, what: str) -> StoreError:
    return StoreError(
        "store.unavailable",
        f"{path} cannot be used: {what}.",
        next_step="Look at the file and its disk, then try again.",
    )


def too_old_sqlite(version: str) -> StoreError:
    return StoreError(
        "store.unavailable",
        f"This Python comes with SQLite {version}, which is too old.",
        next_step="Use a Python whose SQLite is 3.37 or newer.",
    )


def too_old(path: Path) -> StoreError:
    return StoreError(
        "store.schema",
        f"{path} was written by an earlier version of Runplane.",
        next_step="`runplane status` brings it up to this one; a backup is looked at with the version that took it.",
    )


def missing(path: Path) -> StoreError:
    return StoreError("store.unavailable", f"There is no store at {path}.", next_step="Make one: runplane init")


def corrupt(path: Path, what: str) -> StoreError:
    return StoreError(
        "store.corrupt",
        f"{path} is damaged: {what}.",
        next_step="Keep a copy of the file and see what `runplane audit verify` says; then restore a backup.",
    )


def foreign(path: Path) -> StoreError:
    return StoreError(
        "store.schema", f"{path} is a database, but not one of Runplane.", next_step="Name another one: RUNPLANE_HOME"
    )


def too_new(path: Path, found: int, known: int) -> StoreError:
    return StoreError(
        "store.schema",
        f"{path} has schema version {found}; this program knows {known}.",
        next_step="Update Runplane and start it again: a newer one has used this home.",
    )


def is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF in _BUSY


def from_sqlite(error: sqlite3.Error, path: Path) -> StoreError:
    """The StoreError of an error that ended the whole transaction."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
    if code in _BUSY:
        return locked(path)
    if code == sqlite3.SQLITE_FULL:
        return full(path)
    if code == sqlite3.SQLITE_READONLY:
        return read_only(path)
    if code in _DAMAGED:
        return corrupt(path, str(error))
    if code in _NOT_OURS_TO_WRITE:
        return unwritable(path)
    return unavailable(path, str(error))


def from_constraint(error: sqlite3.IntegrityError) -> StoreError:
    """The StoreError of a single statement that the schema's own rules refused; the transaction may go on."""
    if TRANSITION_REFUSED in str(error):
        return transition("The database refused it.")
    if UNDECIDED in str(error):
        return StoreError(
            "store.undecided",
            "The database refused a change of a request that nothing decided stands behind.",
            next_step="Nothing was changed. See what `runplane audit verify` says, and please report this.",
        )
    return StoreError(
        "store.constraint",
        f"The database refused a change that breaks its rules: {error}.",
        next_step="Nothing was changed. Please report this.",
    )


def transition(what: str) -> StoreError:
    return StoreError(
        "store.transition",
        f"A request cannot go to that state from where it is. {what}",
        next_step="Look at the request again: runplane requests show",
    )


def from_os(error: OSError, path: Path) -> StoreError:
    """The StoreError of the file system's refusal to make or open a file."""
    if error.errno in _NO_ROOM:
        return full(path)
    if error.errno in _NOT_WRITABLE:
        return unwritable(path)
    return unavailable(path, error.strerror or type(error).__name__)
