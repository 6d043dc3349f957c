"""Rows that are written over, held against the events that tell of them: which policy is enforced, proposed and tried; and
the versions that the database was brought through.

There are few of them, and few such events, which an index finds however long the log is. The epoch is not among them: a
restore is the way out where that does not hold, and it takes nothing that does not verify (`gate/audit/auditing.py`).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runplane_mcp.store.conditions import POLICY_EVENTS
from runplane_mcp.store.mismatch import Mismatch
from runplane_mcp.store.rows import Row

# ruff: noqa: S608 - words of our own; every value is bound.

#: The schema that has a candidate beside the enforced policy.
_WITH_CANDIDATES: Final = 3
#: Who tries a policy: whoever runs that command, which asks for nobody's secret.
TRIES: Final = "command line"

_POLICY_EVENTS = f"SELECT seq, at, type, body FROM event WHERE {POLICY_EVENTS} ORDER BY seq"


def check_in_place(connection: sqlite3.Connection, version: int) -> None:
    """Mismatch where one of these rows is not as the events left it. `version` is the database's schema."""
    _policies(connection, version)
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


def _said(body: bytes) -> Mapping[str, Any]:
    """What an event says: the log was read before, so that it is an object."""
    said: Mapping[str, Any] = json.loads(body)
    return said


def _plain(name: object) -> str | None:
    return name if isinstance(name, str) else None


def _one(connection: sqlite3.Connection, sql: str, *values: object) -> Row | None:
    row: Row | None = connection.execute(sql, values).fetchone()
    return row
