"""A write transaction of the SQLite store: each change with its audit event, or neither.

The event that writes a row carries `row`, the SHA-256 of the row's form, and the commitments of its payloads, so that the
log alone tells what every row must look like.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Final, Unpack

from runplane_mcp.core.approval import Person, Vote
from runplane_mcp.core.canonical import Json, canonical
from runplane_mcp.core.freeze import Freeze
from runplane_mcp.core.mentions import in_object, in_values, in_wire
from runplane_mcp.core.merkle import Frontier, leaf_hash
from runplane_mcp.core.repeats import How
from runplane_mcp.core.request import FINAL, ActionRequest, Kind, State, changed, may_follow
from runplane_mcp.errors import ApprovalError, PersonError, StoreError
from runplane_mcp.store import faults
from runplane_mcp.store.batches import BatchWrites
from runplane_mcp.store.beside import PLACE, BesideWrites, Place
from runplane_mcp.store.epochs import EpochWrites
from runplane_mcp.store.erasing import ErasureWrites
from runplane_mcp.store.payloads import asked_content, commitment, payload_bytes, told_content, wire_content
from runplane_mcp.store.policies import PolicyWrites
from runplane_mcp.store.reader import SqliteReader
from runplane_mcp.store.records import Changed, Changes, DecisionRecord, Head, Repeat
from runplane_mcp.store.rows import (
    DECISION_COLUMNS,
    FREEZE_COLUMNS,
    PERSON_COLUMNS,
    REPEAT_COLUMNS,
    REQUEST_COLUMNS,
    VOTE_COLUMNS,
    Value,
    decision_values,
    freeze_values,
    insert,
    listed,
    person_values,
    repeat_values,
    request_values,
    row_digest,
    vote_values,
)

#: Body names that the log itself fills in.
_LOGS_OWN: Final = frozenset({"v", "seq", "at", "type", "request_id"})

_INSERT_EVENT = insert("event", ("seq", "at", "type", "request_id", "body", "leaf"))
_INSERT_PAYLOAD = insert("payload", ("commitment", "request_id", "salt", "body"))
_INSERT_REQUEST = f"{insert('request', (*REQUEST_COLUMNS, 'salt'))} RETURNING number"
_UNMOVED = f"SELECT state, version, {PLACE} FROM request WHERE id = ?"  # noqa: S608 - our own names
_INSERT_DECISION = insert("decision", DECISION_COLUMNS)
_INSERT_VOTE = insert("vote", VOTE_COLUMNS)
_INSERT_REPEAT = insert("repeat", REPEAT_COLUMNS)
_INSERT_PERSON = insert("person", PERSON_COLUMNS)
_INSERT_FREEZE = insert("freeze", FREEZE_COLUMNS)


@cache
def _update_request(columns: tuple[str, ...]) -> str:
    """A compare-and-set on state and version: it changes no row when somebody was faster, else it gives the row as it is
    now."""
    assignments = ", ".join(f"{column} = ?" for column in columns)
    return (
        f"UPDATE request SET {assignments} WHERE id = ? AND state = ? AND version = ?"  # noqa: S608 - our own names
        f" RETURNING {listed(REQUEST_COLUMNS)}"
    )


class SqliteTransaction(SqliteReader, BesideWrites, BatchWrites, PolicyWrites, ErasureWrites, EpochWrites):
    """Methods as `store/base.py` says. `frontier` and `newest_at` are the log's head as this transaction leaves it; the
    writer puts them into the head row before it commits."""

    def __init__(self, connection: sqlite3.Connection, path: Path, frontier: Frontier, newest_at: int) -> None:
        super().__init__(connection, path)
        self.frontier = frontier
        self.newest_at = newest_at
        self._results: dict[str, str] = {}
        self._mentions = {}
        self._written = {}
        self._covered = {}
        self._subjects = {}
        self._reserved = {}
        self._places = {}
        self._spoiled = set()
        self._quiet: dict[str, list[Callable[[], object]]] = {}

    def finish(self) -> None:
        """Also ValueError for what no move took along: no event would vouch for it."""
        self._write_mentions()
        # What is not decided yet goes on in other transactions: its events are needed.
        for request_id in list(self._quiet):
            self._tell_held(request_id)
        super().finish()
        for what, left in (("results", self._results), *self._left_beside()):
            if left:
                raise ValueError(f"the {what} of {', '.join(left)} were noted, but the requests did not move")

    def unmoved(self, request: ActionRequest) -> bool:
        row = self._one(_UNMOVED, request.id)
        if row is None:
            return False
        state, version, *place = row
        self._places[request.id] = Place(*place)
        return (state, version) == (request.state.value, request.version)

    def about(
        self, stripe_id: str, *, kind: Kind, limit: int, states: frozenset[State] | None = None
    ) -> list[ActionRequest]:
        self._write_mentions()
        return super().about(stripe_id, kind=kind, limit=limit, states=states)

    def count_about(self, stripe_id: str, *, kind: Kind, states: frozenset[State] | None = None) -> int:
        self._write_mentions()
        return super().count_about(stripe_id, kind=kind, states=states)

    def head(self) -> Head:
        return Head(self.frontier.size, self.frontier.hashes, self.frontier.root())

    def newest_event_at(self) -> int:
        return self.newest_at

    def append(self, type: str, body: Mapping[str, Json], *, at: int, request_id: str | None = None) -> int:
        taken = _LOGS_OWN & body.keys()
        if taken:
            raise ValueError(f"the log itself says {', '.join(sorted(taken))} of each event")
        seq = self.frontier.size + 1
        written = canonical({**body, "v": 1, "seq": seq, "at": at, "type": type, "request_id": request_id})
        leaf = leaf_hash(written)
        self._all(_INSERT_EVENT, seq, at, type, request_id, written, leaf)
        self.frontier = self.frontier.append(leaf)
        self.newest_at = max(self.newest_at, at)
        return seq

    def commit_payload(self, content: Json, *, request_id: str | None = None) -> str:
        return self._payload(content, request_id)

    def insert_request(
        self, request: ActionRequest, *, asked: Json = None, event: Mapping[str, Json], quiet: bool = False
    ) -> ActionRequest:
        if request.state is not State.RECEIVED:
            raise faults.transition("A new one is always received.")
        request = changed(request, version=1, reference=self._free_reference(request))
        payloads: dict[str, Json] = {}
        content = asked_content(request, asked)
        asked_commitment = self._payload(content, request.id) if content else None
        if asked_commitment is not None:
            payloads["asked"] = asked_commitment
        effective = self._effective(request, asked_commitment, payloads)
        told = self._told(request, payloads)
        beside = self._born(request.id, _asked_about(request, asked))
        values = request_values(request, asked=asked_commitment, effective=effective, told=told, beside=beside)
        [(number,)] = self._all(_INSERT_REQUEST, *values, beside["salt"])
        salt, mentioned, reserved = (str(beside[name]) for name in ("salt", "mentioned", "reserved"))
        self._places[request.id] = Place(number, request.kind.value, salt, mentioned, reserved, "[]")
        if quiet and request.kind is Kind.READ:
            self._quiet[request.id] = []
        write = partial(self._append_request, request, values, payloads, event, at=request.created_at)
        self._tell(request.id, write)
        return request

    def move(
        self,
        request: ActionRequest,
        to: State,
        *,
        at: int,
        event: Mapping[str, Json],
        **changes: Unpack[Changes],
    ) -> ActionRequest:
        moved = changed(request, **changes, state=to, version=request.version + 1, changed_at=at)
        if not may_follow(request.state, to, was=request.restored, now=moved.restored):
            raise faults.transition(f"{request.state.value} does not become {to.value}.")
        columns: dict[str, Value] = {"state": to.value, "version": moved.version, "changed_at": at}
        payloads: dict[str, Json] = {}
        for name in changes.keys() - {"effective", "failure", "message_to_agent"}:
            columns[name] = getattr(moved, name)
        if "effective" in changes:
            same = moved.effective is not None and moved.effective == moved.as_asked
            row = self._one("SELECT asked FROM request WHERE id = ?", request.id) if same else None
            columns["effective"] = self._effective(moved, None if row is None else row[0], payloads)
        if "failure" in changes or "message_to_agent" in changes:
            columns["told"] = self._told(moved, payloads)
            columns["failure_code"] = moved.failure.code if moved.failure else None
            columns["effect_id"] = moved.failure.effect_id if moved.failure else None
        result = self._results.pop(request.id, None)
        if result is not None:
            columns["result"] = payloads["result"] = result
        if moved.effective is not None and "effective" in changes:
            self.mention(request.id, in_wire(moved.effective))
        if moved.stripe_key is not None and "stripe_key" in changes and moved.kind is Kind.WRITE:
            # Stripe shows our key beside its own request: people come from there too.
            self.mention(request.id, [moved.stripe_key])
        beside = self._beside(request.id)
        columns.update(beside)
        names = tuple(sorted(columns))
        values = [columns[name] for name in names]
        rows = self._all(_update_request(names), *values, request.id, request.state.value, request.version)
        if not rows:
            raise Changed(f"{request.id} is no longer {request.state.value} in version {request.version}")
        self._took_along(request.id, beside)
        # The event speaks of the row itself, whatever the caller's object says of fields that it did not change here.
        if request.id in self._quiet:
            if to is State.EXECUTING:
                del self._quiet[request.id]
                return moved
            self._tell_held(request.id)
        elif request.kind is Kind.READ and self._is_quiet(request.id):
            if to in FINAL:
                self._ended(rows[0], at=at)
            return moved
        self._append_request(moved, rows[0], payloads, event, at=at)
        return moved

    def add_decision(self, record: DecisionRecord) -> None:
        content = self._payload({"facts": record.facts, "detail": record.detail}, record.request_id)
        values = decision_values(record, content)
        self._all(_INSERT_DECISION, *values)
        self._tell(record.request_id, partial(self._append_decision, record, values, content))

    def add_vote(self, vote: Vote) -> None:
        voted = "SELECT 1 FROM vote WHERE request_id = ? AND round = ? AND person = ?"
        if self._one(voted, vote.request_id, vote.round, vote.person) is not None:
            raise ApprovalError(
                "approval.voted",
                f"{vote.person} has already voted in this round.",
                next_step="Look at the request again: runplane requests show",
            )
        note = None if vote.note is None else self._payload(vote.note, vote.request_id)
        values = vote_values(vote, note)
        self._all(_INSERT_VOTE, *values)
        body: dict[str, Json] = {
            "person": vote.person,
            "round": vote.round,
            "answer": vote.answer.value,
            "digest": vote.digest,
            "payloads": {} if note is None else {"note": note},
            "row": row_digest(VOTE_COLUMNS, values),
        }
        self.append("vote", body, at=vote.at, request_id=vote.request_id)

    def add_repeat(self, repeat: Repeat, *, at: int) -> None:
        if repeat.how in {How.RESULT, How.SEEN} and self.told(repeat.request_id):
            raise Changed(f"the result of {repeat.request_id} has reached its agent before")
        values = repeat_values(repeat, self.frontier.size + 1)
        body: dict[str, Json] = {
            "how": repeat.how.value,
            "agent": repeat.agent,
            "via": repeat.via,
            "instead_of": repeat.instead_of,
            "row": row_digest(REPEAT_COLUMNS, values),
        }
        self.append("repeat", body, at=at, request_id=repeat.request_id)
        self._all(_INSERT_REPEAT, *values)

    def set_result(self, request_id: str, result: Mapping[str, Json]) -> None:
        self._results[request_id] = self._payload(result, request_id)
        self.mention(request_id, in_object(result))

    def add_person(self, person: Person) -> None:
        if self._one("SELECT 1 FROM person WHERE id = ?", person.id) is not None:
            raise PersonError(
                "person.exists", f"There is already somebody called {person.id}.", next_step="Choose another name."
            )
        self._all(_INSERT_PERSON, *person_values(person))

    def start_freeze(self, freeze: Freeze) -> None:
        told = self._payload({"said_by": freeze.said_by, "reason": freeze.reason}, None)
        values = freeze_values(freeze, told)
        self._all(_INSERT_FREEZE, *values)
        scope = freeze.scope
        body: dict[str, Json] = {
            "freeze": freeze.id,
            "agent": scope.agent,
            "principal": scope.principal,
            "action": scope.action,
            "payloads": {"told": told},
            "row": row_digest(FREEZE_COLUMNS, values),
        }
        self.append("freeze.started", body, at=freeze.at)

    def lift_freeze(self, freeze_id: str, event: Mapping[str, Json], *, at: int) -> None:
        seq = self.append("freeze.lifted", {**event, "freeze": freeze_id}, at=at)
        _, lifted = self._run("UPDATE freeze SET lifted_seq = ? WHERE id = ?", (seq, freeze_id))
        if not lifted:
            raise Changed(f"there is no freeze {freeze_id}")

    def set_meta(self, key: str, value: str) -> None:
        self._all(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            key,
            value,
        )

    def _append_decision(self, record: DecisionRecord, values: Sequence[Value], content: str) -> None:
        body: dict[str, Json] = {
            "n": record.n,
            "kind": record.kind,
            "round": record.round,
            "outcome": record.outcome.value,
            "policy_version": record.policy_version,
            "digest": record.digest,
            "payloads": {"content": content},
            "row": row_digest(DECISION_COLUMNS, values),
        }
        self.append("decision", body, at=record.at, request_id=record.request_id)

    def _append_request(
        self,
        request: ActionRequest,
        values: Sequence[Value],
        payloads: Mapping[str, Json],
        event: Mapping[str, Json],
        *,
        at: int,
    ) -> None:
        taken = {"version", "payloads", "row"} & event.keys()
        if taken:
            raise ValueError(f"the store itself says {', '.join(sorted(taken))} of each change of a request")
        body: dict[str, Json] = {
            **event,
            "version": request.version,
            "payloads": payloads,
            "row": row_digest(REQUEST_COLUMNS, values),
        }
        self.append(f"request.{request.state.value}", body, at=at, request_id=request.id)

    def _payload(self, content: object, request_id: str | None) -> str:
        body = payload_bytes(content)
        salt = secrets.token_bytes(16)
        name = commitment(salt, body)
        self._all(_INSERT_PAYLOAD, name, request_id, salt, body)
        return name

    def _effective(self, request: ActionRequest, asked: str | None, payloads: dict[str, Json]) -> str | None:
        """The commitment of the bytes that run. Where they are those asked for, the payload with what was asked is it."""
        if request.effective is None:
            return None
        if asked is not None and request.effective == request.as_asked:
            payloads["effective"] = asked
            return asked
        written = self._payload(wire_content(request.effective), request.id)
        payloads["effective"] = written
        return written

    def _told(self, request: ActionRequest, payloads: dict[str, Json]) -> str | None:
        content = told_content(request.failure, request.message_to_agent)
        if not content:
            return None
        written = self._payload(content, request.id)
        payloads["told"] = written
        return written

    def _free_reference(self, request: ActionRequest) -> str:
        """The request's reference; a taken one takes on digits of the request's own random id until it is free."""
        reference = request.reference
        for digit in request.id.removeprefix("rpr_"):
            if self._one("SELECT 1 FROM request WHERE reference = ?", reference) is None:
                return reference
            reference += digit
        raise StoreError(
            "store.constraint", "No short code is free.", next_step="Nothing was changed. Please report this."
        )


def _asked_about(request: ActionRequest, arguments: Json) -> tuple[str, ...]:
    """The ids in what an agent sent, also where no Stripe request could be made of it."""
    if request.as_asked is not None:
        return in_wire(request.as_asked)
    return in_values(arguments.values()) if isinstance(arguments, Mapping) else ()
