"""Whether the audit log and the state tables still say what was written: reads only, in one pass over the events.

Checked: the sequence without gaps, each event's leaf and its columns against its body, the root against the head; each
request, decision, vote, repeat, person, freeze and the enforced policy against the event that wrote it, in both directions;
every payload against its commitment; the sums that limits are measured by against their rows; the tables and triggers
themselves. Not checked: reservations, what requests are about and mentions, which hold no evidence, and signatures, which
whoever relies on one checks.

Without a root kept outside the database this proves only the absence of accidents and of clumsy hands: whoever rewrites
everything consistently is not found. The result says so: `anchored` is False.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runplane_mcp.core.merkle import HASH_BYTES, Frontier, leaf_hash
from runplane_mcp.store import faults
from runplane_mcp.store.files import connect_for_reading, version_of
from runplane_mcp.store.payloads import commitment
from runplane_mcp.store.rows import (
    DECISION_COLUMNS,
    FREEZE_COLUMNS,
    REPEAT_COLUMNS,
    REQUEST_COLUMNS,
    VOTE_COLUMNS,
    Row,
    listed,
    row_digest,
)
from runplane_mcp.store.schema import expected_form, form_of
from runplane_mcp.store.sums import unlike_rows

# ruff: noqa: S608 - column names of our own; every value is bound.

#: How many events lie between two calls of `progress`.
STRIDE: Final = 10_000

_EVENT = "SELECT seq, at, type, request_id, body, leaf FROM event"
_TYPE, _LEAF = 2, 5
_REQUEST = f"SELECT {listed(REQUEST_COLUMNS)} FROM request WHERE id = ?"
_DECISION = f"SELECT {listed(DECISION_COLUMNS)} FROM decision WHERE request_id = ? AND n = ?"
_VOTE = f"SELECT {listed(VOTE_COLUMNS)} FROM vote WHERE request_id = ? AND round = ? AND person = ?"
_REPEAT = f"SELECT {listed(REPEAT_COLUMNS)} FROM repeat WHERE seq = ?"
_PERSON = """
SELECT role, groups, public_key, salt, scrypt_n, scrypt_r, scrypt_p, added_by FROM person WHERE id = ? AND event_seq = ?
"""
_FREEZE = f"SELECT {listed(FREEZE_COLUMNS)} FROM freeze WHERE id = ?"
_VERSION = REQUEST_COLUMNS.index("version")
_STATE = REQUEST_COLUMNS.index("state")


@dataclass(frozen=True, slots=True)
class Verification:
    """`events` were read and `root` (hex) is theirs. `first_bad` is the first event that cannot be right, None where all
    are or where no single one can be named; `problem` says what is wrong in one sentence."""

    ok: bool
    anchored: bool
    events: int
    root: str
    first_bad: int | None
    problem: str | None
    events_per_second: int


@dataclass(frozen=True, slots=True)
class RequestProof:
    """What the log has of one request: the sequence numbers of its events and the leaf (hex) of the newest of them. `ok`
    where each hashes to its leaf, and the request, its decisions, its votes and their payloads are as these events left
    them. Whether the leaves are under the head's root only `verify` tells, which reads all of them."""

    seqs: tuple[int, ...]
    leaf: str
    ok: bool
    first_bad: int | None
    problem: str | None


class _Mismatch(Exception):
    def __init__(self, problem: str, seq: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.seq = seq


def verify(path: Path, progress: Callable[[int, int], None] | None = None) -> Verification:
    """Checks the store at `path` from one snapshot, also while others write. `progress` hears how many events of how many
    are done. StoreError when there is no store, or none that this program knows."""
    with _snapshot(path) as (connection, version):
        return _Check(connection, version, progress).run()


def verify_requests(path: Path, request_ids: Sequence[str]) -> dict[str, RequestProof]:
    """The same for single requests, from their own events alone: quick however long the log is."""
    with _snapshot(path) as (connection, version):
        return {each: _Check(connection, version).one(each) for each in request_ids}


@contextmanager
def _snapshot(path: Path) -> Iterator[tuple[sqlite3.Connection, int]]:
    """A transaction that only reads, and the schema's version. StoreError for whatever SQLite complains about."""
    if not path.is_file():
        raise faults.missing(path)
    try:
        with closing(connect_for_reading(path)) as connection:
            connection.execute("BEGIN")
            version = version_of(connection, path)
            if version == 0:
                raise faults.missing(path)
            yield connection, version
    except sqlite3.Error as error:
        raise faults.from_sqlite(error, path) from error


class _Check:
    def __init__(
        self, connection: sqlite3.Connection, version: int, progress: Callable[[int, int], None] | None = None
    ) -> None:
        self._connection = connection
        self._version = version
        self._progress = progress
        self._frontier = Frontier()
        self._newest_at = 0
        self._seen = {"request": 0, "decision": 0, "vote": 0, "person": 0, "repeat": 0, "freeze": 0}
        self._lifted = 0
        self._activated: object = None

    def run(self) -> Verification:
        started = time.perf_counter()
        first_bad: int | None = None
        problem: str | None = None
        try:
            self._events()
            self._head()
            self._rows()
            self._policies()
            self._payloads()
            self._sums()
            self._form()
        except _Mismatch as mismatch:
            first_bad, problem = mismatch.seq, mismatch.problem
        except sqlite3.Error as error:
            first_bad, problem = self._frontier.size + 1, f"The database cannot be read from here on: {error}."
        seconds = max(time.perf_counter() - started, 1e-9)
        return Verification(
            ok=problem is None,
            anchored=False,
            events=self._frontier.size,
            root=self._frontier.root().hex(),
            first_bad=first_bad,
            problem=problem,
            events_per_second=int(self._frontier.size / seconds),
        )

    def one(self, request_id: str) -> RequestProof:
        """Checks the events of one request and what they wrote."""
        rows = self._connection.execute(f"{_EVENT} WHERE request_id = ? ORDER BY seq", (request_id,)).fetchall()
        first_bad: int | None = None
        problem: str | None = None
        try:
            for row in rows:
                self._event(row)
            for table in ("decision", "vote"):
                if self._count(table, request_id) != self._seen[table]:
                    raise _Mismatch(f"There is a {table} in the database that no event made.")
            # Every move counts the version up and has its event: fewer events than that, and one was taken away.
            moves = sum(row[_TYPE].startswith("request.") for row in rows)
            request = self._one(_REQUEST, request_id)
            if request is None or self._seen["request"] != 1 or moves != request[_VERSION]:
                raise _Mismatch("The request has moved without an event, or an event of it is missing.")
        except _Mismatch as mismatch:
            first_bad, problem = mismatch.seq, mismatch.problem
        leaf = rows[-1][_LEAF].hex() if rows else ""
        return RequestProof(tuple(row[0] for row in rows), leaf, problem is None, first_bad, problem)

    def _events(self) -> None:
        total = self._count("event")
        for row in self._connection.execute(f"{_EVENT} ORDER BY seq"):
            seq, at, leaf = row[0], row[1], row[_LEAF]
            expected = self._frontier.size + 1
            if seq != expected:
                raise _Mismatch(f"Event {expected} is missing.", expected)
            self._event(row)
            self._frontier = self._frontier.append(leaf)
            self._newest_at = max(self._newest_at, at)
            if self._progress is not None and (seq % STRIDE == 0 or seq == total):
                self._progress(seq, total)

    def _event(self, row: Row) -> None:
        seq, at, type_, request_id, body, leaf = row
        if leaf_hash(body) != leaf:
            raise _Mismatch(f"Event {seq} was changed: it does not hash to its leaf.", seq)
        said = _object(body)
        columns = (1, seq, at, type_, request_id)
        if tuple(said.get(name) for name in ("v", "seq", "at", "type", "request_id")) != columns:
            raise _Mismatch(f"Event {seq} says something else than its row.", seq)
        self._against_rows(seq, type_, request_id, said)

    def _against_rows(self, seq: int, type_: str, request_id: str | None, said: Mapping[str, Any]) -> None:
        payloads = said.get("payloads", {})
        if not isinstance(payloads, dict):
            raise _Mismatch(f"Event {seq} does not name its payloads.", seq)
        for name, wanted in payloads.items():
            found = self._one("SELECT salt, body FROM payload WHERE commitment = ?", wanted)
            if found is None:
                raise _Mismatch(f"The payload `{name}` of event {seq} is missing.", seq)
            if commitment(*found) != wanted:
                raise _Mismatch(f"The payload `{name}` of event {seq} was changed.", seq)
        if type_.startswith("request."):
            self._request(seq, type_, request_id, said)
        elif type_ == "decision":
            self._evidence("decision", seq, said, DECISION_COLUMNS, self._one(_DECISION, request_id, said.get("n")))
        elif type_ == "vote":
            row = self._one(_VOTE, request_id, said.get("round"), said.get("person"))
            self._evidence("vote", seq, said, VOTE_COLUMNS, row)
        elif type_ == "repeat":
            self._evidence("repeat", seq, said, REPEAT_COLUMNS, self._one(_REPEAT, seq))
        elif type_ == "person.added":
            self._person(seq, said)
        elif type_ == "freeze.started":
            self._evidence("freeze", seq, said, FREEZE_COLUMNS, self._one(_FREEZE, said.get("freeze")))
        elif type_ == "freeze.lifted":
            self._lift(seq, said)
        elif type_ == "policy.activated":
            self._activated = said.get("version")

    def _request(self, seq: int, type_: str, request_id: str | None, said: Mapping[str, Any]) -> None:
        row = self._one(_REQUEST, request_id)
        version = said.get("version")
        if row is None or not isinstance(version, int) or row[_VERSION] < version:
            raise _Mismatch(f"Request {request_id} is not where event {seq} left it.", seq)
        if row[_VERSION] == version:
            if f"request.{row[_STATE]}" != type_ or row_digest(REQUEST_COLUMNS, row) != said.get("row"):
                raise _Mismatch(f"Request {request_id} was changed after event {seq}.", seq)
            self._seen["request"] += 1

    def _evidence(
        self, table: str, seq: int, said: Mapping[str, Any], columns: tuple[str, ...], row: Row | None
    ) -> None:
        if row is None:
            raise _Mismatch(f"The {table} of event {seq} is missing.", seq)
        if row_digest(columns, row) != said.get("row"):
            raise _Mismatch(f"The {table} of event {seq} was changed.", seq)
        self._seen[table] += 1

    def _person(self, seq: int, said: Mapping[str, Any]) -> None:
        row = self._one(_PERSON, said.get("person"), seq)
        if row is None:
            raise _Mismatch(f"The person of event {seq} is missing.", seq)
        role, groups, public_key, salt, n, r, p, added_by = row
        now = {"role": role, "groups": groups, "public_key": public_key, "salt": salt, "scrypt": [n, r, p]}
        then = {name: said.get(name) for name in now}
        then["groups"] = json.dumps(then["groups"])
        if now != then or added_by != said.get("added_by"):
            raise _Mismatch(f"The person of event {seq} was changed.", seq)
        self._seen["person"] += 1

    def _lift(self, seq: int, said: Mapping[str, Any]) -> None:
        row = self._one("SELECT lifted_seq FROM freeze WHERE id = ?", said.get("freeze"))
        if row is None or row[0] is None or row[0] < seq:
            raise _Mismatch(f"The freeze that event {seq} lifted is not lifted by it.", seq)
        self._lifted += row[0] == seq

    def _head(self) -> None:
        row = self._one("SELECT size, frontier, root, newest_at FROM head")
        if row is None:
            raise _Mismatch("The head of the log is missing.")
        size, frontier, root, newest_at = row
        read = self._frontier.size
        if read < size:
            raise _Mismatch(f"The log was cut: events {read + 1} to {size} are missing.", read + 1)
        if read > size:
            raise _Mismatch(f"Event {size + 1} is not under the head.", size + 1)
        hashes = [frontier[start : start + HASH_BYTES] for start in range(0, len(frontier), HASH_BYTES)]
        for (first, end), now, then in zip(self._frontier.spans(), self._frontier.hashes, hashes, strict=False):
            if now != then:
                raise _Mismatch(f"Among the events {first + 1} to {end} one was changed.", first + 1)
        if root != self._frontier.root() or len(hashes) != len(self._frontier.hashes) or newest_at != self._newest_at:
            raise _Mismatch("The head of the log was changed.")

    def _rows(self) -> None:
        for table, seen in self._seen.items():
            if self._count(table) != seen:
                raise _Mismatch(f"There is a {table} in the database that no event made.")
        row = self._one("SELECT count(*) FROM freeze WHERE lifted_seq IS NOT NULL")
        if row is not None and row[0] != self._lifted:
            raise _Mismatch("A freeze is marked as lifted, but no event lifted it.")

    def _policies(self) -> None:
        row = self._one("SELECT version FROM enforced_policy")
        if (None if row is None else row[0]) != self._activated:
            raise _Mismatch("The enforced policy is not the one that the log says was activated.")
        for version, text in self._connection.execute("SELECT version, text FROM policy"):
            if hashlib.sha256(text.encode("utf-8")).hexdigest() != version:
                raise _Mismatch(f"The text of policy {version} was changed.")

    def _payloads(self) -> None:
        rows = self._connection.execute("SELECT commitment, salt, body FROM payload")
        for name, salt, body in rows:
            if commitment(salt, body) != name:
                raise _Mismatch(f"The payload {name} was changed.")

    def _sums(self) -> None:
        table = unlike_rows(self._connection) if self._version > 1 else None
        if table is not None:
            raise _Mismatch(f"The sums kept of the {table}s are not those of their rows.")

    def _form(self) -> None:
        found, expected = form_of(self._connection), expected_form(self._version)
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                raise _Mismatch(f"The database's own rules were changed: `{name}` is not as it was made.")

    def _count(self, table: str, request_id: str | None = None) -> int:
        rows = "" if request_id is None else "WHERE request_id = ?"
        values = () if request_id is None else (request_id,)
        return int(self._connection.execute(f"SELECT count(*) FROM {table} {rows}", values).fetchone()[0])

    def _one(self, sql: str, *values: object) -> Row | None:
        row: Row | None = self._connection.execute(sql, values).fetchone()
        return row


def _object(body: bytes) -> Mapping[str, Any]:
    """What an event's body says; nothing where it is not a JSON object."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
