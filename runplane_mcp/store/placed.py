"""Whether the database that this process opened still is the one that lies in its place.

A file that is removed or replaced lives on for whoever has it open. A gate that went on with it would decide by what nobody
else sees: no freeze, denial or restore in the new file would reach it, and nothing that it wrote would be kept.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runplane_mcp.errors import StoreError
from runplane_mcp.store import faults


@dataclass(frozen=True, slots=True)
class Placed:
    """The file at `path` as it was when this process opened it."""

    path: Path
    device: int
    inode: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """StoreError `store.unavailable` where there is none, `store.unwritable` where it cannot be looked at."""
        try:
            found = path.stat()
        except FileNotFoundError:
            raise faults.missing(path) from None
        except OSError as error:
            raise faults.from_os(error, path) from error
        return cls(path, found.st_dev, found.st_ino)

    def check(self) -> None:
        """StoreError `store.replaced` where another file lies there by now, or none. It takes a few microseconds: it is
        asked before each transaction, and once a file that was moved away is back, all goes on."""
        self._found()

    def check_writable(self) -> None:
        """The same, and StoreError `store.readonly` where the file or its folder was closed to writing meanwhile. What is
        open stays writable then, for this process alone: nobody could come in any more to deny or to freeze."""
        if not self._found().st_mode & self.path.parent.stat().st_mode & stat.S_IWUSR:
            raise faults.read_only(self.path)

    def _found(self) -> os.stat_result:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            raise _replaced(self.path, "was taken away") from None
        except OSError as error:
            raise faults.from_os(error, self.path) from error
        if (found.st_dev, found.st_ino) != (self.device, self.inode):
            raise _replaced(self.path, "was replaced by another file")
        return found

    def opened(self, connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        """What `connect` opens, where that is this file. StoreError `store.replaced`; sqlite3.Error as it comes."""
        self.check()
        connection = connect()
        try:
            # SQLite opens by name: looked at before and after, what was opened is what lies there.
            self.check()
        except BaseException:
            connection.close()
            raise
        return connection


def _replaced(path: Path, what: str) -> StoreError:
    return StoreError(
        "store.replaced",
        f"{path} {what} while this process has it open. It does nothing more with either.",
        next_step="Put back what lay there, or end all gates and start them again. A backup is put in force by `runplane"
        " restore`, never by hand.",
    )


def left_open(path: Path) -> StoreError:
    """Somebody still has another file open that lay there: SQLite would mix the write-ahead log of one into the other."""
    return StoreError(
        "store.replaced",
        f"A process of Runplane still has a database open that lay at {path} before this one.",
        next_step="End all gates, then try again. A backup is put in force by `runplane restore`, never by hand.",
    )
