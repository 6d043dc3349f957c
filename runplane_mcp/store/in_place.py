"""Rows that are written over, held against the events that tell of them: which policy is enforced, proposed and tried, the
epoch and what began it, and the versions that the database was brought through.

There are few of them, and few such events, which an index finds however long the log is.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runplane_mcp.core.request import FIRST_EPOCH
from runplane_mcp.store.batches import ARRIVAL
from runplane_mcp.store.epochs import BEGUN
from runplane_mcp.store.mismatch import Mismatch
from runplane_mcp.store.rows import Row
from runplane_mcp.store.schema import POLICY_EVENTS
from runplane_mcp.store.triggers import SET_ASIDE_TO

# ruff: noqa: S608 - words of our own; every value is bound.

#: The schemas that have a candidate beside the enforced policy, and epochs that a restore began.
_WITH_CANDIDATES: Final = 3
_WITH_EPOCHS: Final = 5
#: Who tries a policy, as `gate/shadowing.py` writes it.
TRIES: Final = "command line"

_POLICY_EVENTS = f"SELECT seq, at, type, body FROM event WHERE {POLICY_EVENTS} ORDER BY seq"
# Reads without events of their own may lie between the last request of before and the first of after.
_RECEIVED = f"""
SELECT number FROM request
WHERE id = (SELECT request_id FROM event WHERE seq {{}} ? AND {ARRIVAL} ORDER BY seq {{}} LIMIT 1)
"""


def check_in_place(connection: sqlite3.Connection, version: int, begun: tuple[int, object] | None) -> None:
    """Mismatch where one of these rows is not as the events left it. `version` is the database's schema, `begun` the newest
    event that began an epoch, and which."""
    _policies(connection, version)
    if version >= _WITH_EPOCHS:
        _epoch(connection, begun)
    steps = [step for (step,) in connection.execute("SELECT version FROM migration ORDER BY version")]
    if steps != list(range(1, version + 1)):
        raise Mismatch("The versions that the database was brought through are not those up to its own.")


@dataclass(slots=True)
class _Told:
    """What the events say of policies: rows as they must be. `proposed` is when each was proposed last, `activated` when
    each was put in force last, by their sequence numbers."""

    enforced: Row | None = None
    enforced_seq: int = 0
    tried: Row | None = None
    proposed: dict[object, int] = field(default_factory=dict)
    activated: dict[object, int] = field(default_factory=dict)


def _policies(connection: sqlite3.Connection, version: int) -> None:
    told = _told(connection)
    enforced = _one(connection, "SELECT version, since, by FROM enforced_policy")
    if (enforced or (None,))[0] != (told.enforced or (None,))[0]:
        raise Mismatch("The enforced policy is not the one that the log says was activated.")
    if enforced != told.enforced:
        raise Mismatch("Since when the enforced policy is in force, or by whom, was changed.", told.enforced_seq)
    row = _one(connection, "SELECT version FROM proposed_policy")
    # Whoever finds the same file again tells it once; so the row may have gone back to one that was told before.
    if row is not None and told.proposed.get(row[0], 0) <= told.activated.get(row[0], 0):
        raise Mismatch("A policy stands proposed that the log does not know as one.")
    if row is None and any(seq > told.enforced_seq for seq in told.proposed.values()):
        raise Mismatch("A policy was proposed, and does not stand so any more.")
    if version >= _WITH_CANDIDATES:
        tried = _one(connection, "SELECT version, since, by FROM candidate_policy")
        if tried != told.tried:
            raise Mismatch("The policy that is tried is not the one that the log says is.")
    for name, text in connection.execute("SELECT version, text FROM policy"):
        if hashlib.sha256(text.encode("utf-8")).hexdigest() != name:
            raise Mismatch(f"The text of policy {name} was changed.")


def _told(connection: sqlite3.Connection) -> _Told:
    told = _Told()
    for seq, at, type_, body in connection.execute(_POLICY_EVENTS):
        said = _said(body)
        name = said.get("version")
        if type_ == "policy.activated":
            told.enforced, told.enforced_seq = (name, at, said.get("by")), seq
            told.activated[_plain(name)] = seq
        elif type_ == "policy.proposed":
            told.proposed[_plain(name)] = seq
        elif type_ == "policy.tried":
            told.tried = (name, at, TRIES)
        elif type_ == "policy.trial_ended":
            told.tried = None
    return told


def _epoch(connection: sqlite3.Connection, begun: tuple[int, object] | None) -> None:
    kept: dict[str, str] = dict(connection.execute("SELECT key, value FROM meta"))
    seq, epoch = (None, FIRST_EPOCH) if begun is None else begun
    if kept.get("epoch") != str(epoch) or kept.get(BEGUN) != (None if seq is None else str(seq)):
        raise Mismatch("The database's epoch is not the one that the log says was begun.", seq)
    if seq is None:
        if SET_ASIDE_TO in kept:
            raise Mismatch("Something may be set aside, and no restore has begun an epoch.")
        return
    before = _one(connection, _RECEIVED.format("<", "DESC"), seq) or (0,)
    after = _one(connection, _RECEIVED.format(">", "ASC"), seq)
    last = kept.get(SET_ASIDE_TO, "")
    until = int(last) if last.isdecimal() else -1
    if until < before[0] or (after is not None and until >= after[0]):
        raise Mismatch("Up to where the restore may set requests aside was changed.", seq)


def _said(body: bytes) -> Mapping[str, Any]:
    """What an event says: the log was read before, so that it is an object."""
    said: Mapping[str, Any] = json.loads(body)
    return said


def _plain(name: object) -> str | None:
    return name if isinstance(name, str) else None


def _one(connection: sqlite3.Connection, sql: str, *values: object) -> Row | None:
    row: Row | None = connection.execute(sql, values).fetchone()
    return row
