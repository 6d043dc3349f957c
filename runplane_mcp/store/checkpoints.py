"""The checkpoint beside the database: the newest one alone, written by whatever process has committed, at most once a
second and when it ends.

It is only ever behind what is durable, and only ever goes forward: under a lock of its own, what lies there is compared
with the database before it is written over. It has a thread and a connection of its own, so that no decision waits for it;
and where it cannot be written, decisions go on, and that is said.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.checkpoint import sign
from runplane_mcp.errors import StoreError
from runplane_mcp.store import faults
from runplane_mcp.store.anchors import compare, leaf_at, read_file, refusal, state_of
from runplane_mcp.store.files import PRIVATE, acquire, connect_for_reading
from runplane_mcp.store.log_key import flush_folder, key_in_force
from runplane_mcp.store.placed import Placed

logger = logging.getLogger(__name__)

#: Seconds between a commit and the checkpoint that has it, unless the store is closed before.
EVERY: Final = 1.0
#: How long another process may be at it (milliseconds).
_PATIENCE_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the checkpoint of a store lies, and the key that signs it."""

    file: Path
    key: Path


class Checkpoints:
    """`committed` and `close` may be called from any thread; the thread starts with the first commit."""

    def __init__(self, placed: Placed, kept: Kept, *, every: float, probe: Callable[[str], None]) -> None:
        self._placed = placed
        self._database = placed.path
        self._kept = kept
        self._every = every
        self._probe = probe
        self._changed = threading.Condition()
        self._unsaid = False
        self._closing = False
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._key: Ed25519PrivateKey | None = None
        self._written: bytes | None = None
        self._trouble: str | None = None

    def committed(self) -> None:
        """There is something new in the log, and it is durable."""
        if self._unsaid:
            return
        with self._changed:
            self._unsaid = True
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._serve, name="runplane-store-checkpoints", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, patience: float) -> None:
        """Writes what is not written yet, and waits `patience` seconds for it at most."""
        with self._changed:
            self._closing = True
            thread = self._thread
            self._changed.notify()
        if thread is not None:
            thread.join(patience)

    def write(self) -> None:
        """Writes it now, in the caller's thread; for one that has no other. StoreError where it cannot be written, or may
        not be: what lies there is none of this history."""
        try:
            self._write()
        except StoreError:
            raise
        except Exception as error:
            raise self._fault(error) from error
        finally:
            self._hang_up()

    def _serve(self) -> None:
        try:
            while True:
                with self._changed:
                    while not self._unsaid and not self._closing:
                        self._changed.wait()
                    if not self._unsaid:
                        break
                    # Of all that is committed within this time, the newest is enough.
                    self._changed.wait_for(lambda: self._closing, self._every)
                    self._unsaid = False
                self._write_or_tell()
        finally:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _write_or_tell(self) -> None:
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 - a dead thread would keep no checkpoints, and nobody would hear of it
            self._tell(self._fault(error))
        else:
            if self._trouble is not None:
                logger.warning("the audit log's checkpoint is kept again: %s", self._kept.file)
            self._trouble = None

    def _fault(self, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        if isinstance(error, sqlite3.Error):
            return faults.from_sqlite(error, self._database)
        if isinstance(error, OSError):
            return faults.from_os(error, self._kept.file)
        return faults.unavailable(self._kept.file, f"{type(error).__name__} at its writing")

    def _tell(self, error: StoreError) -> None:
        """Loudly, and once for as long as it stays the same: a full disk stays full for more than a second."""
        if self._trouble != error.code:
            logger.error("the audit log's checkpoint is not kept, decisions go on without: %s", error)
        self._trouble = error.code

    def _write(self) -> None:
        lock = os.open(
            self._kept.file.with_name(f"{self._kept.file.name}.lock"),
            os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
            PRIVATE,
        )
        try:
            # Whoever holds it holds nothing else, least of all the store's own. One that was suspended in the middle must
            # not keep every command from ending: the next commit tries again.
            acquire(lock, self._kept.file, _PATIENCE_MS)
            self._forward()
        finally:
            os.close(lock)

    def _forward(self) -> None:
        before = read_file(self._kept.file)
        if self._connection is None:
            self._connection = self._placed.opened(lambda: connect_for_reading(self._database))
        self._placed.check()
        connection = self._connection
        connection.execute("BEGIN")
        try:
            state = state_of(connection, self._database)
            if state.backup:
                return
            if not state.keys:
                raise StoreError(
                    "store.log_key_untold",
                    f"The audit log in {self._database} does not say which key signs it.",
                    next_step="See what became of it: runplane audit verify",
                )
            key = self._signing_key(state.keys[0].public)
            if before is None and self._written is not None:
                logger.error("the audit log's checkpoint was taken away, and is written anew: %s", self._kept.file)
            if before is not None and before != self._written:
                own_key = key.public_key().public_bytes_raw()
                refused = refusal(
                    compare(before, state, lambda seq: leaf_at(connection, seq), own_key),
                    self._database,
                    self._kept.file,
                )
                if refused is not None:
                    # It knows of something that this database does not: to write over it would be to hide that.
                    raise refused
            note = sign(state.checkpoint(), key).encode()
        finally:
            connection.execute("ROLLBACK")
        if note != before:
            self._replace(note)
        self._written = note

    def _signing_key(self, public: bytes) -> Ed25519PrivateKey:
        if self._key is None or self._key.public_key().public_bytes_raw() != public:
            self._key = key_in_force(self._kept.key, public)
        return self._key

    def _replace(self, note: bytes) -> None:
        """The whole of the old one or the whole of the new one, also after a power cut."""
        file = self._kept.file
        fresh = file.with_name(f"{file.name}.next")
        self._probe("checkpoint.begun")
        fresh.unlink(missing_ok=True)  # of a process that was killed here
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(note)
                opened.flush()
                os.fsync(descriptor)
            self._probe("checkpoint.before_rename")
            fresh.replace(file)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        self._probe("checkpoint.renamed")
        flush_folder(file)
