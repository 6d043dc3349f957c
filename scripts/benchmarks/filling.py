"""A log of very many events that verifies: one refund that the gate has made, made again and again by the store's own
transactions. Only the flushes to the disk are left out."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.merkle import Frontier
from runplane_mcp.core.request import ActionRequest, State, reference, request_id
from runplane_mcp.gate.records import received_event
from runplane_mcp.store.base import Reader
from runplane_mcp.store.files import connect
from runplane_mcp.store.reader import SqliteReader
from runplane_mcp.store.records import DecisionRecord
from runplane_mcp.store.transaction import SqliteTransaction

#: What one refund leaves: received, decision, executing, succeeded.
EVENTS_OF_ONE = 4
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Made:
    """All that a refund which has succeeded left in the store."""

    request: ActionRequest
    decision: DecisionRecord
    result: dict[str, Json]


def made(reader: Reader, request_id: str) -> Made:
    request = reader.request(request_id)
    result = reader.result(request_id)
    if request is None or result is None:
        raise RuntimeError("there is no refund to make again")
    return Made(request, reader.decisions(request_id)[0], dict(result))


def fill(path: Path, template: Made, count: int) -> None:
    """Makes `count` more of it, in a store that nobody has open."""
    with closing(connect(path, 1000)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for start in range(0, count, _AT_ONCE):
            connection.execute("BEGIN IMMEDIATE")
            tx = SqliteTransaction(connection, path, *head_of(connection, path))
            for number in range(start, min(start + _AT_ONCE, count)):
                _one(tx, template, number)
            tx.finish()
            connection.execute(
                "UPDATE head SET size = ?, frontier = ?, root = ?, newest_at = ?",
                (tx.frontier.size, b"".join(tx.frontier.hashes), tx.frontier.root(), tx.newest_at),
            )
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def head_of(connection: sqlite3.Connection, path: Path) -> tuple[Frontier, int]:
    """What a transaction goes on from."""
    head, newest_at = SqliteReader(connection, path).end()
    return Frontier(head.size, head.frontier), newest_at


def _one(tx: SqliteTransaction, template: Made, number: int) -> None:
    was = template.request
    asked = replace(
        was,
        id=request_id(os.urandom(16)),
        reference=reference(os.urandom(8), 8),
        state=State.RECEIVED,
        version=1,
        effective=None,
        digest=None,
        stripe_key=None,
        attempt=0,
        lease_until=None,
        first_attempt_at=None,
        first_attempt_boot=None,
        first_attempt_boot_ms=None,
        stripe_request_id=None,
        object_id=None,
    )
    received = tx.insert_request(asked, event=received_event(asked))
    tx.add_decision(replace(template.decision, request_id=received.id))
    running = tx.move(
        received,
        State.EXECUTING,
        at=was.created_at,
        event={"attempt": 1, "digest": was.digest, "owner": was.lease_owner},
        effective=was.effective,
        digest=was.digest,
        stripe_key=was.stripe_key,
        attempt=1,
        lease_owner=was.lease_owner,
        lease_until=was.lease_until,
        first_attempt_at=was.first_attempt_at,
        first_attempt_boot=was.first_attempt_boot,
        first_attempt_boot_ms=was.first_attempt_boot_ms,
    )
    tx.set_result(running.id, template.result)
    tx.move(
        running,
        State.SUCCEEDED,
        at=was.changed_at,
        event={"stripe_request_id": f"req_filler{number}", "object_id": f"re_filler{number}"},
        stripe_request_id=f"req_filler{number}",
        object_id=f"re_filler{number}",
        lease_owner=None,
        lease_until=None,
    )
