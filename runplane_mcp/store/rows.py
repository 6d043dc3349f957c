"""Rows of the database to the objects of the core, and back.

A row's *form* is the canonical JSON object of its columns that are not null. Its SHA-256 stands in the event that wrote
the row, so that `verify` can tell a row that was changed behind our back. Columns added later are null in old rows and
change no form.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from json.encoder import encode_basestring as quoted
from typing import Any, Final, TypeAlias

from runplane_mcp.core.approval import Answer, Person, Role, Vote
from runplane_mcp.core.decision import Outcome, RiskLevel
from runplane_mcp.core.freeze import Freeze, Scope
from runplane_mcp.core.request import ActionRequest, Failure, Kind, OwnArguments, State, StripeIdentity
from runplane_mcp.store.payloads import commitment, wire_of
from runplane_mcp.store.records import DecisionRecord, Repeat

Value: TypeAlias = str | int | None
Row: TypeAlias = tuple[Any, ...]

#: Columns that are named and typed like the request's own fields.
SAME_NAMED: Final = (
    "id",
    "reference",
    "version",
    "principal",
    "agent",
    "via",
    "client",
    "operation_id",
    "action",
    "created_at",
    "policy_at",
    "changed_at",
    "round",
    "digest",
    "expires_at",
    "stripe_key",
    "attempt",
    "lease_owner",
    "lease_until",
    "first_attempt_at",
    "first_attempt_boot",
    "first_attempt_boot_ms",
    "stripe_request_id",
    "object_id",
    "same_asked",
    "same_effective",
    "same_effect",
    "replaces",
    "replaced_by",
    "release_at",
    "restored",
)
#: `asked`, `effective`, `told` and `result` are commitments to payloads: what the agent sent with its own arguments, what
#: runs, what people and Stripe said in words, and Stripe's object. `agent_key` is the SHA-256 of the agent's own key.
#: `about`, `mentioned` and `reserved` are digests of what is kept beside the row (`store/beside.py`).
REQUEST_COLUMNS: Final = (
    *SAME_NAMED,
    "state",
    "kind",
    "target",
    "account",
    "livemode",
    "asked",
    "effective",
    "told",
    "result",
    "agent_key",
    "about",
    "mentioned",
    "reserved",
    "failure_code",
    "effect_id",
)
# Where two of the commitments stand among them.
_ASKED, _EFFECTIVE = 0, 1

DECISION_COLUMNS: Final = (
    "request_id",
    "n",
    "round",
    "kind",
    "outcome",
    "at",
    "policy_at",
    "policy_version",
    "risk",
    "risk_level",
    "nonce",
    "digest",
    "content",
)
VOTE_COLUMNS: Final = (
    "request_id",
    "round",
    "person",
    "answer",
    "digest",
    "at",
    "proof_kind",
    "proof",
    "note",
)
REPEAT_COLUMNS: Final = (
    "seq",
    "request_id",
    "how",
    "principal",
    "agent_key",
    "same_asked",
    "instead_of",
)
PERSON_COLUMNS: Final = (
    "id",
    "role",
    "groups",
    "public_key",
    "salt",
    "scrypt_n",
    "scrypt_r",
    "scrypt_p",
    "active",
    "added_by",
    "event_seq",
)

#: Without `lifted_seq`, which is set later. `told` is the commitment to who is said to have started it, and why.
FREEZE_COLUMNS: Final = ("id", "agent", "principal", "action", "at", "told")


def listed(columns: Iterable[str], table: str = "") -> str:
    """Column names for a statement."""
    return ", ".join(f"{table}.{column}" if table else column for column in columns)


def listed_as_made(connection: sqlite3.Connection, columns: Sequence[str], table: str) -> str:
    """The same of a table that an earlier version may have made: what it did not have is null, as it is in a row of that
    time when the column is added. `verify` reads such databases as they are."""
    there = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
    return ", ".join(f"{table}.{column}" if column in there else "NULL" for column in columns)


def insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({listed(columns)}) VALUES ({marks})"  # noqa: S608 - names of our own, values are bound


#: A request with the payloads it refers to. The effective bytes are mostly other ones than those asked for; where they
#: are the same, both columns name one payload and it is read once.
SELECT_REQUEST: Final = f"""
SELECT {listed(REQUEST_COLUMNS, "request")}, asked_payload.body, effective_payload.body, told_payload.body
FROM request
LEFT JOIN payload AS asked_payload ON asked_payload.commitment = request.asked
LEFT JOIN payload AS effective_payload
  ON effective_payload.commitment = request.effective AND request.effective IS NOT request.asked
LEFT JOIN payload AS told_payload ON told_payload.commitment = request.told
"""  # noqa: S608 - column names of our own


@cache
def _in_order(columns: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    """Where each column stands, in the order of the canonical form (the names are ASCII), and its name as written there."""
    return tuple((columns.index(column), f'"{column}":') for column in sorted(columns))


def row_form(columns: tuple[str, ...], values: Sequence[Value]) -> str:
    """A row's form. The same as `canonical` of the object, without sorting forty names at each row."""
    parts = []
    for place, name in _in_order(columns):
        value = values[place]
        if type(value) is str:
            parts.append(name + quoted(value))
        elif value is not None:
            parts.append(name + str(value))
    return f"{{{','.join(parts)}}}"


def row_digest(columns: tuple[str, ...], values: Sequence[Value]) -> str:
    """SHA-256 of a row's form, in hex."""
    return hashlib.sha256(row_form(columns, values).encode()).hexdigest()


def key_hash(idempotency_key: str) -> str:
    """What is kept of an agent's own key in a searchable column: the key itself may hold a customer's name."""
    return hashlib.sha256(idempotency_key.encode("utf-8", "surrogatepass")).hexdigest()


def request_values(
    request: ActionRequest,
    *,
    asked: str | None,
    effective: str | None,
    told: str | None,
    beside: Mapping[str, Value],
) -> tuple[Value, ...]:
    """The row of a request whose payloads have these commitments, and with these digests of what is kept beside it, in the
    order of REQUEST_COLUMNS."""
    key = request.own.idempotency_key
    return (
        *(getattr(request, name) for name in SAME_NAMED),
        request.state.value,
        request.kind.value,
        request.identity.target,
        request.identity.account,
        int(request.identity.livemode),
        asked,
        effective,
        told,
        None,
        None if key is None else key_hash(key),
        beside["about"],
        beside["mentioned"],
        beside["reserved"],
        None if request.failure is None else request.failure.code,
        None if request.failure is None else request.failure.effect_id,
    )


def request_of(row: Row) -> ActionRequest:
    """The request of a row of SELECT_REQUEST. What was erased is missing from it: no bytes, no words."""
    same_named: dict[str, Any] = dict(zip(SAME_NAMED, row, strict=False))
    state, kind, target, account, livemode, *commitments, code, effect_id, asked, effective, told = row[
        len(SAME_NAMED) :
    ]
    sent = {} if asked is None else json.loads(asked)
    words = {} if told is None else json.loads(told)
    as_asked = wire_of(sent["wire"]) if "wire" in sent else None
    runs = None if effective is None else wire_of(json.loads(effective))
    if commitments[_EFFECTIVE] is not None and commitments[_EFFECTIVE] == commitments[_ASKED]:
        runs = as_asked
    return ActionRequest(
        **same_named,
        state=State(state),
        kind=Kind(kind),
        identity=StripeIdentity(target, account, bool(livemode)),
        as_asked=as_asked,
        effective=runs,
        own=OwnArguments(**sent["own"]) if "own" in sent else OwnArguments(),
        failure=None
        if code is None
        else Failure(code, **{"message": "", **words.get("failure", {})}, effect_id=effect_id),
        message_to_agent=words.get("message_to_agent"),
    )


def decision_values(record: DecisionRecord, content: str) -> tuple[Value, ...]:
    return (
        record.request_id,
        record.n,
        record.round,
        record.kind,
        record.outcome.value,
        record.at,
        record.policy_at,
        record.policy_version,
        record.risk,
        record.risk_level.value,
        record.nonce,
        record.digest,
        content,
    )


def decision_of(row: Row) -> DecisionRecord:
    """The record of DECISION_COLUMNS, and the payload's salt and body (null when erased). ValueError for a body that is
    not what the record names: cards are made of it, and nobody may sign a digest under another card."""
    *columns, named, salt, body = row
    if body is not None and commitment(salt, body) != named:
        raise ValueError("the content of a decision was changed")
    content = {} if body is None else json.loads(body)
    request_id, n, round_, kind, outcome, at, policy_at, policy_version, risk, risk_level, nonce, digest = columns
    return DecisionRecord(
        request_id=request_id,
        n=n,
        round=round_,
        kind=kind,
        outcome=Outcome(outcome),
        at=at,
        policy_at=policy_at,
        policy_version=policy_version,
        risk=risk,
        risk_level=RiskLevel(risk_level),
        nonce=nonce,
        digest=digest,
        facts=content.get("facts", {}),
        detail=content.get("detail", {}),
    )


def vote_values(vote: Vote, note: str | None) -> tuple[Value, ...]:
    return (
        vote.request_id,
        vote.round,
        vote.person,
        vote.answer.value,
        vote.digest,
        vote.at,
        vote.proof_kind,
        vote.proof,
        note,
    )


def vote_of(row: Row) -> Vote:
    """The vote of VOTE_COLUMNS without `note`, and the payload's body in its place."""
    request_id, round_, person, answer, digest, at, proof_kind, proof, body = row
    return Vote(
        request_id=request_id,
        round=round_,
        person=person,
        answer=Answer(answer),
        digest=digest,
        at=at,
        proof_kind=proof_kind,
        proof=proof,
        note=None if body is None else json.loads(body),
    )


def repeat_values(repeat: Repeat, seq: int) -> tuple[Value, ...]:
    key = repeat.idempotency_key
    return (
        seq,
        repeat.request_id,
        repeat.how.value,
        repeat.principal,
        None if key is None else key_hash(key),
        repeat.same_asked,
        repeat.instead_of,
    )


def person_values(person: Person) -> tuple[Value, ...]:
    return (
        person.id,
        person.role.value,
        json.dumps(sorted(person.groups)),
        person.public_key,
        person.salt,
        person.scrypt_n,
        person.scrypt_r,
        person.scrypt_p,
        int(person.active),
        person.added_by,
        person.event_seq,
    )


def person_of(row: Row) -> Person:
    fields: dict[str, Any] = dict(zip(PERSON_COLUMNS, row, strict=True))
    fields["role"] = Role(fields["role"])
    groups = json.loads(fields["groups"])
    if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
        raise ValueError("the groups of a person are no list of names")
    fields["groups"] = frozenset(groups)
    fields["active"] = bool(fields["active"])
    return Person(**fields)


def freeze_values(freeze: Freeze, told: str) -> tuple[Value, ...]:
    scope = freeze.scope
    return (freeze.id, scope.agent, scope.principal, scope.action, freeze.at, told)


def freeze_of(row: Row) -> Freeze:
    """The freeze of FREEZE_COLUMNS without `told`, then `lifted_seq` and the payload's body (null when erased)."""
    id_, agent, principal, action, at, lifted_seq, body = row
    told = {} if body is None else json.loads(body)
    return Freeze(id_, Scope(agent, principal, action), at, told.get("said_by"), told.get("reason"), lifted_seq)
