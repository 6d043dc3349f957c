"""Which gate processes live. Each holds a lock on a file of its own; the system lets go of it at any death, so a lease
whose owner's lock is free belongs to a dead process and need not be waited out."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class Presence:
    """This process's sign of life. `owner` is what its leases name."""

    def __init__(self, folder: Path, owner: str) -> None:
        self.owner = owner
        self._folder = folder
        self._path = folder / f"{owner}.lock"
        self._handle: int | None = None

    def announce(self) -> None:
        while True:
            handle = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if self._is_there(handle):
                break
            os.close(handle)
        self._handle = handle

    def renew(self) -> None:
        """Announces this process anew where its file was taken away: it would count as dead while it sends, and a restore
        would believe that nobody is there. Where that cannot be now, the next look tries it again."""
        before = self._handle
        if before is None or self._is_there(before):
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self.announce()
            os.close(before)

    def _is_there(self, handle: int) -> bool:
        """Whether the file that was locked is the one that others look at. One that looked between its making and its
        locking took it for a dead process's and removed it: then this process would count as dead while it lives."""
        try:
            return os.path.samestat(os.fstat(handle), self._path.stat())
        except FileNotFoundError:
            return False

    def leave(self) -> None:
        if self._handle is not None:
            # On a disk that has become read-only it stays: the lock tells, and the next who looks takes it away.
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._handle)
            self._handle = None

    def lives(self, owner: str | None) -> bool:
        """Whether the process behind a lease still lives, itself included."""
        return owner is not None and (owner == self.owner or _locked(self._folder / f"{owner}.lock"))


def living_gates(folder: Path) -> int:
    """How many gate processes live in a home."""
    return sum(_locked(path) for path in folder.glob("*.lock")) if folder.is_dir() else 0


def _locked(path: Path) -> bool:
    try:
        handle = _opened(path)
    except FileNotFoundError:
        return False
    except PermissionError:
        # Nobody can tell whether it is held. A gate that ends takes its file away: so this one may live.
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        # Nobody holds it: what a dead process left. Removed while we hold the lock, so no new owner can lose it. In a home
        # that can only be read it stays.
        with contextlib.suppress(OSError):
            path.unlink()
        return False
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError:
        # On a read-only disk, or another user's: reading is enough to ask for the lock.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
