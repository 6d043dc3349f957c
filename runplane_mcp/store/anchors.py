"""A database against a checkpoint that lies outside it, without reading the log: is it the store of that checkpoint, does
it reach as far, and does it hold the same event there?

The last leaf tells: it holds an event's number, time and content. That everything before it is what it was too is for
`verify` to say, which reads it.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from runplane_mcp.core.checkpoint import EPOCH_BEGUN, LONGEST_NOTE, Checkpoint, Note, Signed, parse, who_signed
from runplane_mcp.core.log_key import CURRENT, LogKey, key_of
from runplane_mcp.core.merkle import Frontier, leaf_hash
from runplane_mcp.errors import CheckpointError, StoreError
from runplane_mcp.store import faults
from runplane_mcp.store.backup import MARK
from runplane_mcp.store.files import snapshot

#: More keys than any log will have had: a chain of them that does not end is no chain.
_MOST_KEYS: Final = 10_000
#: So many leaves are hashed together.
_AT_ONCE: Final = 4_096


class Standing(StrEnum):
    """How a database stands to the checkpoint beside it."""

    #: It holds the event that the checkpoint ends with.
    HELD = "held"
    #: There is no checkpoint.
    MISSING = "missing"
    #: There is something that is none, or that no key of this log signed.
    BROKEN = "broken"
    #: The database ends before the checkpoint, or is of an earlier epoch.
    OLDER = "older"
    #: The database reaches as far and has another event there.
    FORKED = "forked"
    #: The checkpoint is of another store.
    FOREIGN = "foreign"


#: What nothing may run from: what happened since is not in it.
ROLLED_BACK: Final = frozenset({Standing.OLDER, Standing.FORKED, Standing.FOREIGN})


@dataclass(frozen=True, slots=True)
class LogState:
    """One snapshot of the log's end. `last_leaf` is None where there is no event; `keys` are the log's keys by what it says
    of them, the newest first."""

    store: str
    epoch: int
    size: int
    root: bytes
    last_leaf: bytes | None
    keys: tuple[LogKey, ...]
    backup: bool

    def checkpoint(self) -> Checkpoint:
        """ValueError where the head is not one that a log can have."""
        return Checkpoint(self.store, self.epoch, self.size, self.root, self.last_leaf)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`note` is the checkpoint where it could be read, `key` whose signature it has, `problem` a sentence unless held."""

    standing: Standing
    note: Note | None = None
    key: bytes | None = None
    problem: str | None = None


def compare(
    data: bytes | None, state: LogState, leaf_at: Callable[[int], bytes | None], own_key: bytes | None
) -> Comparison:
    """`data` is what lies at the checkpoint's place, None for nothing; `own_key` the public half of the home's key file: a
    database from before a rotation does not know the key that signed since."""
    if data is None:
        return Comparison(Standing.MISSING, problem="There is no checkpoint.")
    if not data:
        return Comparison(Standing.BROKEN, problem="It is empty, or cannot be read.")
    try:
        note = parse(data)
    except CheckpointError as error:
        return Comparison(Standing.BROKEN, problem=error.message)
    there = note.checkpoint
    if there.store != state.store:
        return Comparison(
            Standing.FOREIGN, note, problem=f"The checkpoint is of the store {there.store}, and this is {state.store}."
        )
    known = [key.public for key in state.keys]
    signed, key = who_signed(note, known if own_key is None else [*known, own_key])
    if signed is not Signed.GOOD:
        whose = "in the name of the log's key, and not by it" if signed is Signed.WRONG else "by no key of this log"
        return Comparison(Standing.BROKEN, note, problem=f"The checkpoint is signed {whose}.")
    if there.epoch != state.epoch:
        if there.epoch < state.epoch:
            return Comparison(Standing.HELD, note, key)
        problem = f"The checkpoint is of epoch {there.epoch}, and the database of epoch {state.epoch}."
        return Comparison(Standing.OLDER, note, key, problem)
    if there.size > state.size:
        problem = f"The checkpoint knows {there.size:,} events, and the database has {state.size:,}."
        return Comparison(Standing.OLDER, note, key, problem)
    if there.size and leaf_at(there.size) != there.last_leaf:
        problem = f"Event {there.size:,} of the database is not the one that the checkpoint ends with."
        return Comparison(Standing.FORKED, note, key, problem)
    return Comparison(Standing.HELD, note, key)


def state_of(connection: sqlite3.Connection, path: Path) -> LogState:
    """Reads a few rows, however long the log is. Call it inside a transaction. StoreError `store.corrupt` where they are
    not there; sqlite3.Error as it comes."""
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    head = connection.execute("SELECT size, root FROM head").fetchone()
    if head is None or "store_id" not in meta or not str(meta.get("epoch")).isdecimal():
        raise faults.corrupt(path, "the audit log has lost its head, its store its id or its epoch")
    size, root = head
    return LogState(
        store=meta["store_id"],
        epoch=int(meta["epoch"]),
        size=size,
        root=root,
        last_leaf=leaf_at(connection, size),
        keys=_keys(connection, meta.get(CURRENT)),
        backup=MARK in meta,
    )


def leaf_at(connection: sqlite3.Connection, seq: int) -> bytes | None:
    row = connection.execute("SELECT leaf FROM event WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else bytes(row[0])


def look(path: Path, file: Path, own_key: bytes | None) -> tuple[LogState, Comparison]:
    """The database at `path` against the checkpoint at `file`, from a connection of its own that only reads. StoreError
    where there is no database, or none that this program knows."""
    # The file first: what it says was durable before it was written, so that every snapshot from now on has it.
    data = read_file(file)
    with snapshot(path) as (connection, _):
        state = state_of(connection, path)
        return state, compare(data, state, lambda seq: leaf_at(connection, seq), own_key)


def roots_at(path: Path, sizes: Iterable[int]) -> dict[int, bytes]:
    """The root that the log had at each of these sizes, as far as it reaches. Reads all leaves up to the largest.
    StoreError as `look`."""
    found: dict[int, bytes] = {}
    frontier = Frontier()
    with snapshot(path) as (connection, _):
        rows = connection.execute("SELECT seq, leaf FROM event ORDER BY seq")
        for size in sorted({size for size in sizes if size > 0}):
            while frontier.size < size:
                some = rows.fetchmany(min(_AT_ONCE, size - frontier.size))
                if not some or some[-1][0] != frontier.size + len(some):
                    return found  # `verify` names the gap
                frontier = frontier.extended([leaf for _, leaf in some])
            found[size] = frontier.root()
    return found


def ends(path: Path, sizes: Iterable[int]) -> dict[int, tuple[bytes, int]]:
    """The leaf and time (wall time, milliseconds) of the event that each of these sizes ends with, where there is one."""
    found: dict[int, tuple[bytes, int]] = {}
    with snapshot(path) as (connection, _):
        for size in sizes:
            row = connection.execute("SELECT leaf, at FROM event WHERE seq = ?", (size,)).fetchone()
            if row is not None:
                found[size] = bytes(row[0]), int(row[1])
    return found


def log_of(path: Path) -> tuple[LogState, dict[int, int]]:
    """The end of the log, and each epoch that a restore began with the number of its first event. StoreError as `look`."""
    with snapshot(path) as (connection, _):
        rows = connection.execute("SELECT seq, body FROM event WHERE type = ? ORDER BY seq", (EPOCH_BEGUN,))
        begun = {epoch: seq for seq, body in rows if isinstance(epoch := _said(body).get("epoch"), int)}
        return state_of(connection, path), begun


def read_file(file: Path) -> bytes | None:
    """What lies there, None for nothing. What cannot be read is there all the same, and no checkpoint."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        return b""
    try:
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            return opened.read(LONGEST_NOTE + 1)
    except OSError:  # a folder is opened, but not read
        return b""
    finally:
        os.close(descriptor)


def refusal(found: Comparison, path: Path, file: Path) -> StoreError | None:
    """Why nothing may run from this database; None where something may."""
    if found.standing in ROLLED_BACK:
        return StoreError(
            "store.rolled_back",
            f"{path} is not the newest of its history. {found.problem} What happened since is not in it, so that nothing"
            " runs from it.",
            next_step="If you put an older copy there: runplane restore --here --as ADMIN. If you did not, somebody has:"
            " keep both files.",
        )
    if found.standing is Standing.BROKEN:
        return StoreError(
            "store.checkpoint_broken",
            f"{file} does not say what the audit log was: {found.problem} Nothing runs until somebody has looked.",
            next_step="See `runplane audit verify`. Where you know how it came there, move it away: a new one is written.",
        )
    return None


def _keys(connection: sqlite3.Connection, current: str | None) -> tuple[LogKey, ...]:
    found: list[LogKey] = []
    seq = int(current) if current is not None and current.isdecimal() else None
    while seq is not None and len(found) < _MOST_KEYS:
        row = connection.execute("SELECT type, body, leaf FROM event WHERE seq = ?", (seq,)).fetchone()
        if row is None or leaf_hash(row[1]) != row[2]:
            break
        key = key_of(seq, row[0], _said(row[1]))
        if key is None:
            break
        found.append(key)
        seq = key.previous_seq
    return tuple(found)


def _said(body: bytes) -> Mapping[str, object]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
