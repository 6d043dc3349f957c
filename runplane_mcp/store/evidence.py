"""What events say, against themselves and against the rows that they wrote.

A few thousand events are looked at together: the rows that they speak of are read in one statement for each table, since
a statement for each event takes more time than all the rest.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from pydantic_core import from_json

from runplane_mcp.core.merkle import leaf_hash
from runplane_mcp.core.request import FINAL
from runplane_mcp.store.beside_evidence import listed_beside, problem_beside
from runplane_mcp.store.commitments import Commitments, Kept
from runplane_mcp.store.mismatch import Mismatch
from runplane_mcp.store.read_evidence import ReadEvidence
from runplane_mcp.store.records import READS
from runplane_mcp.store.rows import (
    DECISION_COLUMNS,
    FREEZE_COLUMNS,
    REPEAT_COLUMNS,
    REQUEST_COLUMNS,
    VOTE_COLUMNS,
    Row,
    listed,
    listed_as_made,
    row_digest,
)
from runplane_mcp.store.vouched import Vouched

# ruff: noqa: S608 - column names of our own; every value is bound.

#: The event that says which payloads were erased.
ERASURE: Final = "erased"
#: What is read of an event, in the order in which `Evidence.check` takes it.
SELECT_EVENT: Final = "SELECT seq, at, type, request_id, body, leaf FROM event"
SEQ, AT, TYPE, LEAF = 0, 1, 2, 5

_REQUESTS = "SELECT {} FROM json_each(?) CROSS JOIN request ON request.id = value"
_DECISIONS = f"""
SELECT {listed(DECISION_COLUMNS, "decision")} FROM json_each(?) CROSS JOIN decision
ON request_id = json_extract(value, '$[0]') AND n = json_extract(value, '$[1]')
"""
_VOTE = f"SELECT {listed(VOTE_COLUMNS)} FROM vote WHERE request_id = ? AND round = ? AND person = ?"
_REPEAT = f"SELECT {listed(REPEAT_COLUMNS)} FROM repeat WHERE seq = ?"
_PERSON = """
SELECT role, groups, public_key, salt, scrypt_n, scrypt_r, scrypt_p, added_by, active FROM person
WHERE id = ? AND event_seq = ?
"""
_FREEZE = f"SELECT {listed(FREEZE_COLUMNS)} FROM freeze WHERE id = ?"
_LIFTED = "SELECT lifted_seq FROM freeze WHERE id = ?"
_ID = REQUEST_COLUMNS.index("id")
_VERSION = REQUEST_COLUMNS.index("version")
_STATE = REQUEST_COLUMNS.index("state")
#: What the log itself says of each event.
_COLUMNS = itemgetter("seq", "at", "type", "request_id", "v")
#: Nothing comes after these.
_OVER: Final = frozenset(f"request.{state.value}" for state in FINAL)
_REQUEST_ID, _N = DECISION_COLUMNS.index("request_id"), DECISION_COLUMNS.index("n")

_Said = Mapping[str, Any]


class Evidence:
    """Of events that are given in their order. `vouched` gathers what they vouch for."""

    def __init__(self, connection: sqlite3.Connection, commitments: Commitments, vouched: Vouched) -> None:
        self._connection = connection
        columns = listed_as_made(connection, REQUEST_COLUMNS, "request")
        self._of_requests = _REQUESTS.format(f"{columns}, {listed_beside(connection)}")
        self._commitments = commitments
        self._kept: Mapping[str, Kept] = {}
        self._requests: dict[object, Row] = {}
        self._decisions: dict[tuple[object, object], Row] = {}
        self.vouched = vouched
        self.reads = ReadEvidence(connection, commitments, vouched)

    def check(self, events: Sequence[Row]) -> None:
        """Mismatch for the first of these events that cannot be right: rows of SELECT_EVENT."""
        all_said = self._look_up(events)
        for (seq, at, type_, request_id, body, leaf), said in zip(events, all_said, strict=True):
            if leaf_hash(body) != leaf:
                raise Mismatch(f"Event {seq} was changed: it does not hash to its leaf.", seq)
            try:
                same = _COLUMNS(said) == (seq, at, type_, request_id, 1)
            except KeyError:
                same = False
            if not same:
                raise Mismatch(f"Event {seq} says something else than its row.", seq)
            if "payloads" in said:
                self._payloads(seq, said["payloads"], request_id)
            if type_.startswith("request."):
                self._request(seq, type_, request_id, said)
            elif type_ == "decision":
                row = self._decisions.get((request_id, _plain(said.get("n"))))
                self._row("decision", seq, said, DECISION_COLUMNS, row)
            else:
                self._rare(seq, type_, request_id, said)

    def _look_up(self, events: Sequence[Row]) -> list[_Said]:
        """Reads what these events speak of, and tells what they say."""
        all_said: list[_Said] = []
        requests: set[str] = set()
        decisions: list[tuple[str, object]] = []
        names: list[object] = []
        for _, _, type_, request_id, body, _ in events:
            said = _object(body)
            all_said.append(said)
            if type_.startswith("request."):
                requests.add(request_id)
            elif type_ == "decision":
                decisions.append((request_id, _plain(said.get("n"))))
            payloads = said.get("payloads")
            if payloads and isinstance(payloads, dict):
                names += payloads.values()
        self._kept = self._commitments.look_up(names)
        rows = self._connection.execute(self._of_requests, (json.dumps(list(requests)),))
        self._requests = {row[_ID]: row for row in rows}
        rows = self._connection.execute(_DECISIONS, (json.dumps(decisions),))
        self._decisions = {(row[_REQUEST_ID], row[_N]): row for row in rows}
        return all_said

    def _payloads(self, seq: int, payloads: object, request_id: str | None) -> None:
        if not isinstance(payloads, dict):
            raise Mismatch(f"Event {seq} does not name its payloads.", seq)
        for name, wanted in payloads.items():
            kept = self._kept.get(wanted) if isinstance(wanted, str) else None
            if kept is None:
                self.vouched.missing(_plain(wanted), f"The payload `{name}` of event {seq} is missing.", seq)
            elif not kept[0]:
                raise Mismatch(f"The payload `{name}` of event {seq} was changed.", seq)
            elif kept[1] != request_id:
                # What stands as somebody else's would be left where everything of its request is erased.
                raise Mismatch(f"The payload `{name}` of event {seq} stands as another request's.", seq)

    def _request(self, seq: int, type_: str, request_id: str | None, said: _Said) -> None:
        row = self._requests.get(request_id)
        version = said.get("version")
        if row is None or not isinstance(version, int) or row[_VERSION] < version:
            raise Mismatch(f"Request {request_id} is not where event {seq} left it.", seq)
        self.vouched.moves += 1
        if row[_VERSION] == version:
            digest = row_digest(REQUEST_COLUMNS, row)
            self.vouched.versions += version
            if f"request.{row[_STATE]}" != type_ or digest != said.get("row"):
                raise Mismatch(f"Request {request_id} was changed after event {seq}.", seq)
            problem = problem_beside(row)
            if problem is not None:
                raise Mismatch(f"{problem} was changed after event {seq}.", seq)
            self.vouched.seen["request"] += 1
            self.vouched.row(digest)
        elif type_ in _OVER:
            raise Mismatch(f"Request {request_id} went on after event {seq}, which ended it.", seq)

    def _rare(self, seq: int, type_: str, request_id: str | None, said: _Said) -> None:
        """Events of which there are few beside requests and decisions."""
        if type_ == "vote":
            row = self._one(_VOTE, request_id, said.get("round"), said.get("person"))
            self._row("vote", seq, said, VOTE_COLUMNS, row)
        elif type_ == "repeat":
            self._row("repeat", seq, said, REPEAT_COLUMNS, self._one(_REPEAT, seq))
        elif type_ == "person.added":
            self._person(seq, said)
        elif type_ == "freeze.started":
            self._row("freeze", seq, said, FREEZE_COLUMNS, self._one(_FREEZE, said.get("freeze")))
        elif type_ == "freeze.lifted":
            self._lift(seq, said)
        elif type_ == ERASURE:
            self._erasure(seq, said)
        elif type_ == READS:
            self.reads.batch(seq, said)

    def _row(self, table: str, seq: int, said: _Said, columns: tuple[str, ...], row: Row | None) -> None:
        if row is None:
            raise Mismatch(f"The {table} of event {seq} is missing.", seq)
        digest = row_digest(columns, row)
        if digest != said.get("row"):
            raise Mismatch(f"The {table} of event {seq} was changed.", seq)
        self.vouched.seen[table] += 1
        self.vouched.row(digest)

    def _person(self, seq: int, said: _Said) -> None:
        row = self._one(_PERSON, said.get("person"), seq)
        if row is None:
            raise Mismatch(f"The person of event {seq} is missing.", seq)
        role, groups, public_key, salt, n, r, p, added_by, active = row
        now = {"role": role, "groups": groups, "public_key": public_key, "salt": salt, "scrypt": [n, r, p]}
        then = {name: said.get(name) for name in now}
        then["groups"] = json.dumps(then["groups"])
        # Nothing makes anybody inactive: whose row says so was kept from voting by somebody with a database tool.
        if now != then or added_by != said.get("added_by") or active != 1:
            raise Mismatch(f"The person of event {seq} was changed.", seq)
        self.vouched.seen["person"] += 1

    def _lift(self, seq: int, said: _Said) -> None:
        row = self._one(_LIFTED, said.get("freeze"))
        if row is None or row[0] is None or row[0] < seq:
            raise Mismatch(f"The freeze that event {seq} lifted is not lifted by it.", seq)
        self.vouched.lifted += row[0] == seq

    def _erasure(self, seq: int, said: _Said) -> None:
        names = said.get("commitments")
        if not isinstance(names, list):
            raise Mismatch(f"Event {seq} does not name what it erased.", seq)
        if self._commitments.look_up(names):
            raise Mismatch(f"A payload that event {seq} says was erased is there.", seq)
        self.vouched.erased.update(map(_plain, names))
        self.vouched.erasures.append(seq)

    def _one(self, sql: str, *values: object) -> Row | None:
        row: Row | None = self._connection.execute(sql, [_plain(value) for value in values]).fetchone()
        return row


def _object(body: bytes) -> _Said:
    """What an event's body says; nothing where it is not a JSON object."""
    try:
        said = from_json(body, allow_inf_nan=False)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _plain(value: object) -> str | int | None:
    """A value that a row can be found by: of anything else that an event says where one should be, there is no row."""
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None
