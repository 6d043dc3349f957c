"""What a restore is about to replace, as far as it can still be read: what of it must not be lost with it."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.checkpoint import Checkpoint, Signed, parse, who_signed
from runplane_mcp.core.freeze import Freeze, Scope, freeze_id
from runplane_mcp.core.request import State
from runplane_mcp.errors import CheckpointError, RunplaneError, StoreError
from runplane_mcp.gate.acts import said
from runplane_mcp.gate.audit.anchoring import own_public
from runplane_mcp.gate.erasure import ERASED
from runplane_mcp.gate.freezes import Freezes
from runplane_mcp.gate.freezing import MOST_STANDING
from runplane_mcp.gate.policies import USED_REAL_KEY
from runplane_mcp.store import faults
from runplane_mcp.store.anchors import LogState, leaf_at, read_file, state_of
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.checkpoints import Kept
from runplane_mcp.store.files import connect_for_reading, version_of
from runplane_mcp.store.reader import SqliteReader
from runplane_mcp.store.records import Event
from runplane_mcp.store.restoring import Source

logger = logging.getLogger(__name__)

_ERASURES = "SELECT seq, at, type, request_id, body, leaf FROM event WHERE type = ? ORDER BY seq"
_OUTCOME = "SELECT state, object_id FROM request WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Replaced:
    """`epoch` is the highest that the database or its checkpoint names, 0 for none. `state` is None where there is no
    database, or one that cannot be read (`problem` says why). `earlier`: the copy is what this database was once; None
    where that cannot be told. `erased` are the customers whose erasure the copy does not know, `erased_unnamed` how many
    were of a form that the log does not name."""

    epoch: int = 0
    state: LogState | None = None
    problem: StoreError | None = None
    earlier: bool | None = None
    erased: tuple[str, ...] = ()
    erased_unnamed: int = 0
    freezes: tuple[Freeze, ...] = ()
    real_money: bool = False

    def content(self) -> Json:
        """What the log says of it."""
        if self.state is None:
            return None
        return {"epoch": self.state.epoch, "size": self.state.size, "root": self.state.root.hex()}


def what_is_there(database: Path, kept: Kept, source: Source, *, here: bool) -> Replaced:
    """StoreError `store.other_store` where it, or the checkpoint beside it, is of another store than the copy, and
    `store.schema` for what is no store or one of a newer program: that is nobody's to put aside."""
    found = Replaced()
    if database.exists():
        try:
            found = _read(database, source, here=here)
        except StoreError as error:
            if error.code == "store.schema":
                raise
            found = Replaced(problem=error)
    if found.state is not None and found.state.store != source.state.store:
        raise _other(f"{database} is the store {found.state.store}", source)
    note = _checkpoint(kept, source, found.state)
    if note is not None and note.store != source.state.store:
        raise _other(f"{kept.file} is of the store {note.store}", source)
    return found if note is None else replace(found, epoch=max(found.epoch, note.epoch))


def outcomes_in(database: Path, there: Replaced, ids: Iterable[str]) -> dict[str, tuple[State, str | None]]:
    """What the replaced database says became of these requests, and what Stripe has of each. Nothing of one that cannot be
    read, or is the copy itself."""
    if there.earlier is None:
        return {}
    found: dict[str, tuple[State, str | None]] = {}
    try:
        with closing(connect_for_reading(database)) as connection:
            for id in ids:
                row = connection.execute(_OUTCOME, (id,)).fetchone()
                if row is not None:
                    found[id] = State(row[0]), row[1]
    except (sqlite3.Error, ValueError) as error:
        logger.warning("what became of the open requests cannot be read from %s: %s", database, error)
    return found


def carry_over(tx: Transaction, there: Replaced, standing: Sequence[Freeze], *, at: int) -> int:
    """Starts again what was frozen in the replaced database: a restore must not let go what somebody has stopped. Says how
    many."""
    scopes = {each.scope for each in standing}
    lacking = list(dict.fromkeys(each.scope for each in there.freezes if each.scope not in scopes))
    if len(lacking) + len(scopes) > MOST_STANDING:
        lacking = [] if Scope() in scopes else [Scope()]
    for scope in lacking:
        old = next((each for each in there.freezes if each.scope == scope), None)
        reason = None if old is None else old.reason
        said_by = None if old is None else old.said_by
        tx.start_freeze(Freeze(freeze_id(os.urandom(16)), scope, at, said_by, reason))
    return len(lacking)


def _read(database: Path, source: Source, *, here: bool) -> Replaced:
    try:
        with closing(connect_for_reading(database)) as connection:
            connection.execute("BEGIN")
            if version_of(connection, database) == 0:
                return Replaced()
            state = state_of(connection, database)
            if here or state.store != source.state.store:
                return Replaced(epoch=state.epoch, state=state)
            size = source.state.size
            reader = SqliteReader(connection, database)
            rows = connection.execute("SELECT 1 FROM meta WHERE key = ?", (USED_REAL_KEY,)).fetchone()
            earlier = state.size >= size and (size == 0 or leaf_at(connection, size) == source.state.last_leaf)
            # Of a log that went another way everything may be unknown to the copy.
            erased, unnamed = _erased(connection, after=size if earlier else 0)
            return Replaced(
                epoch=state.epoch,
                state=state,
                earlier=earlier,
                erased=erased,
                erased_unnamed=unnamed,
                freezes=Freezes(load_catalog()).started(reader),
                real_money=rows is not None,
            )
    except sqlite3.Error as error:
        raise faults.from_sqlite(error, database) from error
    except (RunplaneError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        raise faults.corrupt(database, "what is in it does not hold") from error


def _erased(connection: sqlite3.Connection, *, after: int) -> tuple[tuple[str, ...], int]:
    named: dict[str, None] = {}
    unnamed = 0
    for row in connection.execute(_ERASURES, (ERASED,)):
        event = Event(*row)
        if event.seq <= after:
            continue
        customer = said(event).get("customer")
        # Any other form stands in the log as words of ours, with a blank in them.
        if isinstance(customer, str) and " " not in customer:
            named[customer] = None
        else:
            unnamed += 1
    return tuple(named), unnamed


def _checkpoint(kept: Kept, source: Source, state: LogState | None) -> Checkpoint | None:
    """What the checkpoint beside the database says, where a key signed it that the copy, the database or the home knows.
    Any other says nothing; it goes aside."""
    data = read_file(kept.file)
    if data is None:
        return None
    try:
        note = parse(data)
    except CheckpointError:
        return None
    own = own_public(kept.key)
    keys = [key.public for each in (source.state, state) if each is not None for key in each.keys]
    signed, _ = who_signed(note, keys if own is None else [*keys, own])
    return note.checkpoint if signed is Signed.GOOD else None


def _other(what: str, source: Source) -> StoreError:
    return StoreError(
        "store.other_store",
        f"{what}, and the copy is of {source.state.store}: they are two homes.",
        next_step="Restore it into a folder of its own: RUNPLANE_HOME",
    )
