"""What can be asked of one snapshot of the SQLite store."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from runplane_mcp.core.approval import Person, Vote
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.decision import Bucket, Usage
from runplane_mcp.core.freeze import Freeze
from runplane_mcp.core.limits import Spent
from runplane_mcp.core.merkle import HASH_BYTES
from runplane_mcp.core.repeats import Earlier, Form
from runplane_mcp.core.request import TRANSITIONS, ActionRequest, Kind, State
from runplane_mcp.errors import StoreError
from runplane_mcp.store import faults, fullness
from runplane_mcp.store.alarms import AlarmReads
from runplane_mcp.store.batches import BatchReads
from runplane_mcp.store.borne_out import BorneOutReads
from runplane_mcp.store.conditions import (
    BINDING,
    CHANGED_POLICY_AT,
    DELIVERED,
    REFUSED,
    SAYS,
    SAYS_SINCE,
    UNDECIDED,
    UNFINISHED,
)
from runplane_mcp.store.epochs import EpochReads
from runplane_mcp.store.erasing import ErasureReads
from runplane_mcp.store.exports import ExportReads
from runplane_mcp.store.policies import SELECT_EVENT as _EVENT
from runplane_mcp.store.receipts import ReceiptReads
from runplane_mcp.store.records import DecisionRecord, Event, Head, KeyUse, Past, RequestFilter
from runplane_mcp.store.rows import (
    DECISION_COLUMNS,
    FREEZE_COLUMNS,
    PERSON_COLUMNS,
    SELECT_REQUEST,
    VOTE_COLUMNS,
    Row,
    decision_of,
    freeze_of,
    key_hash,
    listed,
    person_of,
    request_of,
    vote_of,
)
from runplane_mcp.store.schema import VERSION
from runplane_mcp.store.sent import SentReads
from runplane_mcp.store.sums import count_since, usages
from runplane_mcp.store.triggers import listed_texts

T = TypeVar("T")

DAY_MS = 24 * 60 * 60 * 1000

# ruff: noqa: S608 - statements are put together from words of our own; every value is bound.

_DECISION = f"""
SELECT {listed(DECISION_COLUMNS)}, payload.salt, payload.body FROM decision
LEFT JOIN payload ON payload.commitment = decision.content
""".replace("request_id", "decision.request_id")
_VOTE = f"""
SELECT {listed(VOTE_COLUMNS[:-1])}, payload.body FROM vote LEFT JOIN payload ON payload.commitment = vote.note
""".replace("request_id", "vote.request_id")
_FREEZE = f"""
SELECT {listed(FREEZE_COLUMNS[:-1])}, lifted_seq, payload.body FROM freeze
LEFT JOIN payload ON payload.commitment = freeze.told
ORDER BY freeze.at, freeze.id
"""


def _earlier(form: Form) -> str:
    """What is the same in one form, by what became of it: the newest of each, found in an index however many there are."""
    same = f"same_{form} = ?1"
    others = (
        "id IS NOT ?2 AND (NOT ?3 OR state IN ('executing', 'outcome_unknown')"
        " OR number < (SELECT number FROM request WHERE id = ?2))"
    )
    parts = [
        f"SELECT '{what}' AS what, number FROM request WHERE {same} AND {SAYS} = '{says}'{more}"
        f" ORDER BY {SAYS_SINCE} DESC, number DESC"
        for what, says, more in (
            ("open", "open", f" AND {others}"),
            *((state, state, "") for state in (State.SUCCEEDED, State.DENIED, State.REPLACED, State.FAILED)),
            ("left", State.FAILED, " AND effect_id IS NOT NULL"),
        )
    ]
    return " UNION ALL ".join(f"SELECT * FROM ({part} LIMIT 1)" for part in parts)


@cache
def _any_earlier(forms: tuple[Form, ...]) -> str:
    """For each form whether there is anything that is the same in it: in most decisions there is nothing."""
    return "SELECT " + ", ".join(
        f"EXISTS (SELECT 1 FROM request WHERE same_{form} = ?{number}"
        f" AND {SAYS} > '' AND (id IS NOT ?1 OR {SAYS} <> 'open'))"
        for number, form in enumerate(forms, start=2)
    )


_HELD = f"""
SELECT count(*) FROM (
  SELECT 1 FROM request WHERE {UNDECIDED} AND principal = ? LIMIT ?
)
"""
# By its events, of which a request has few: what repeats it is bounded by this very count.
_REPEATS = "SELECT count(*) FROM (SELECT 1 FROM event WHERE request_id = ? AND type = 'repeat' LIMIT ?)"
_KEY_OF_A_REPEAT = f"""
SELECT repeat.request_id, repeat.same_asked FROM repeat JOIN request ON request.id = repeat.request_id
WHERE repeat.principal = ? AND repeat.agent_key = ? AND {BINDING} ORDER BY seq LIMIT 1
"""
_EARLIER = {form: _earlier(form) for form in Form}
# A denial's policy time: as far after the wall time of the denial as the request's two clocks lay apart. Whoever lowers
# says no to the rest, but not to what they put in its place. The one left out (?1) is subtracted from the agent's counts,
# so that these never touch more than an index.
_OWN = "SELECT count(*) FROM request WHERE id = ?1 AND principal = ?2 AND policy_at > ?3"
_OPEN_ABOUT = f"about_object = ?6 AND {UNFINISHED} AND id IS NOT ?1 AND about_amount IS NOT NULL"
_PAST = f"""
SELECT
{count_since("asked", "?2", "?3")} - ({_OWN}),
{count_since("refused", "?2", "?3")} - ({_OWN} AND {REFUSED}),
(
  SELECT count(*) FROM request
  WHERE about_customer = ?4 AND policy_at > ?5 AND number IS NOT (SELECT number FROM request WHERE id = ?1)
),
(
  SELECT count(*) FROM request WHERE about_object = ?6 AND state IN ('denied', 'replaced') AND id IS NOT ?1
  AND {CHANGED_POLICY_AT} > ?3
  AND (state = 'denied' OR NOT EXISTS (SELECT 1 FROM request WHERE id = ?1 AND replaces IS NOT NULL))
),
EXISTS (SELECT 1 FROM request WHERE {_OPEN_ABOUT})
"""
_OPEN_ON_OBJECT = f"SELECT about_currency, sum(about_amount) FROM request WHERE {_OPEN_ABOUT} GROUP BY about_currency"

# Each leg comes newest first out of its own index, so that they are merged and cut short, never gathered and sorted.
_ABOUT = """
SELECT number FROM mention WHERE stripe_id = ?1 AND kind = ?2
UNION SELECT number FROM request WHERE object_id = ?1 AND kind = ?2
UNION SELECT number FROM request WHERE stripe_request_id = ?1 AND kind = ?2
"""


def _about(states: frozenset[State] | None) -> str:
    if states is None:
        return _ABOUT
    return f"SELECT number FROM ({_ABOUT}) JOIN request USING (number) WHERE state IN ({listed_texts(sorted(states))})"


class SqliteReader(
    BatchReads, SentReads, ErasureReads, ReceiptReads, ExportReads, EpochReads, AlarmReads, BorneOutReads
):
    """Methods as `store/base.py` says. Belongs to one thread and one transaction, and is not kept beyond it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._fault: StoreError | None = None

    def finish(self) -> None:
        """Called after the work: raises what ended the transaction, in case the work kept it to itself."""
        if self._fault is not None:
            raise self._fault

    @property
    def fault(self) -> StoreError | None:
        """What ended the transaction before its work did, if anything."""
        return self._fault

    def store_id(self) -> str:
        found = self.meta("store_id")
        if found is None:
            raise faults.corrupt(self._path, "the store has lost its id")
        return found

    def request(self, request_id: str) -> ActionRequest | None:
        return self._request("WHERE request.id = ?", request_id)

    def unmoved(self, request: ActionRequest) -> bool:
        now = self._one("SELECT state, version FROM request WHERE id = ?", request.id)
        return now == (request.state.value, request.version)

    def request_by_reference(self, reference: str) -> ActionRequest | None:
        return self._request("WHERE request.reference = ?", reference)

    def requests(self, filter: RequestFilter) -> list[ActionRequest]:
        conditions: list[str] = []
        values: list[object] = []
        if filter.states is not None:
            states = sorted(state.value for state in filter.states)
            conditions.append(f"state IN ({', '.join('?' * len(states))})")
            values.extend(states)
            if filter.states <= TRANSITIONS.keys():
                # Lets the index over the few open requests answer, instead of a walk over all there ever were.
                conditions.append(UNFINISHED)
        for column, value in (("principal", filter.principal), ("kind", filter.kind), ("action", filter.action)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        return self._requests(f"{where} ORDER BY request.number DESC LIMIT ?", *values, filter.limit)

    def unfinished(self, now: int | None = None) -> list[ActionRequest]:
        return self._requests(
            f"""
            WHERE {UNFINISHED}
            AND (?1 IS NULL OR state NOT IN ('waiting', 'scheduled') OR expires_at <= ?1 OR release_at <= ?1)
            ORDER BY request.number
            """,
            now,
        )

    def earlier(self, form: Form, value: str, *, excluding: str | None = None, held_before: bool = False) -> Earlier:
        numbers: dict[str, int] = dict(self._all(_EARLIER[form], value, excluding, held_before))
        if not numbers:
            return Earlier()
        marks = ", ".join("?" * len(numbers))
        rows = self._requests(f"WHERE request.number IN ({marks}) ORDER BY request.number", *sorted(numbers.values()))
        found = dict(zip(sorted(set(numbers.values())), rows, strict=True))
        which = {what: found[number] for what, number in numbers.items()}
        ended = _latest(which.get("succeeded"), which.get("failed"))
        return Earlier(
            open=which.get("open"),
            refused=_latest(which.get("denied"), which.get("replaced")),
            ended=ended,
            effected=_latest(which.get("succeeded"), which.get("left")),
            told=ended is not None and self.told(ended.id),
        )

    def all_earlier(
        self, forms: Mapping[Form, str], *, excluding: str | None = None, held_before: bool = False
    ) -> dict[Form, Earlier]:
        found = dict.fromkeys(forms, Earlier())
        if not forms:
            return found
        [there] = self._all(_any_earlier(tuple(forms)), excluding, *forms.values())
        for (form, value), any_of_it in zip(forms.items(), there, strict=True):
            if any_of_it:
                found[form] = self.earlier(form, value, excluding=excluding, held_before=held_before)
        return found

    def latest_effect(self, forms: Mapping[Form, str]) -> ActionRequest | None:
        parts = " UNION ALL ".join(
            f"SELECT max(number) AS number FROM request WHERE same_{form} = ? AND {SAYS} IN ('succeeded', 'failed')"
            " AND (state = 'succeeded' OR effect_id IS NOT NULL)"
            for form in forms
        )
        if not parts:
            return None
        return self._request(f"WHERE request.number = (SELECT max(number) FROM ({parts}))", *forms.values())

    def by_agent_key(self, principal: str, idempotency_key: str) -> KeyUse | None:
        key = key_hash(idempotency_key)
        bound = self._one(_KEY_OF_A_REPEAT, principal, key)
        if bound is not None:
            request = self.request(bound[0])
            return None if request is None else KeyUse(request, bound[1])
        own = self._request(
            f"WHERE principal = ? AND agent_key = ? AND {BINDING} ORDER BY request.number LIMIT 1", principal, key
        )
        return None if own is None else KeyUse(own, own.same_asked)

    def count_held(self, principal: str, most: int) -> int:
        return self._count(_HELD, principal, most)

    def count_repeats(self, request_id: str, most: int) -> int:
        return self._count(_REPEATS, request_id, most)

    def told(self, request_id: str) -> bool:
        return self._one(f"SELECT 1 FROM repeat WHERE request_id = ? AND {DELIVERED}", request_id) is not None

    def about(
        self, stripe_id: str, *, kind: Kind, limit: int, states: frozenset[State] | None = None
    ) -> list[ActionRequest]:
        return self._requests(
            f"""
            WHERE request.number IN (SELECT number FROM ({_about(states)} ORDER BY number DESC LIMIT ?3))
            ORDER BY request.number DESC
            """,
            stripe_id,
            kind.value,
            limit,
        )

    def count_about(self, stripe_id: str, *, kind: Kind, states: frozenset[State] | None = None) -> int:
        return self._count(f"SELECT count(*) FROM ({_about(states)})", stripe_id, kind.value)

    def result(self, request_id: str) -> Mapping[str, Json] | None:
        found = self._one(
            "SELECT body FROM request JOIN payload ON payload.commitment = request.result WHERE request.id = ?",
            request_id,
        )
        result: Mapping[str, Json] | None = None if found is None else self._made(json.loads, found[0])
        return result

    def payload(self, commitment: str) -> Json:
        found = self._one("SELECT body FROM payload WHERE commitment = ?", commitment)
        content: Json = None if found is None else self._made(json.loads, found[0])
        return content

    def decisions(self, request_id: str) -> list[DecisionRecord]:
        rows = self._all(f"{_DECISION} WHERE decision.request_id = ? ORDER BY n", request_id)
        return [self._decision(row) for row in rows]

    def round_decision(self, request_id: str, round: int) -> DecisionRecord | None:
        row = self._one(
            f"{_DECISION} WHERE decision.request_id = ? AND round = ? AND digest IS NOT NULL ORDER BY n LIMIT 1",
            request_id,
            round,
        )
        return None if row is None else self._decision(row)

    def votes(self, request_id: str, round: int) -> list[Vote]:
        rows = self._all(f"{_VOTE} WHERE vote.request_id = ? AND round = ? ORDER BY at, person", request_id, round)
        return [self._made(vote_of, row) for row in rows]

    def people(self) -> dict[str, Person]:
        rows = self._all(f"SELECT {listed(PERSON_COLUMNS)} FROM person ORDER BY id")
        return {person.id: person for person in (self._made(person_of, row) for row in rows)}

    def freezes(self) -> list[Freeze]:
        return [self._made(freeze_of, row) for row in self._all(_FREEZE)]

    def usages(self, buckets: Sequence[Bucket], now: int, excluding: str | None = None) -> list[Usage]:
        try:
            return usages(self._all, buckets, now, excluding)
        except ValueError as error:
            raise faults.corrupt(self._path, str(error)) from error

    def buckets(self, key: str, most: int, *, holding: str | None = None) -> tuple[list[str], bool]:
        return fullness.buckets(self._all, key, most, holding)

    def spent(self, key: str, bucket: str, since: int, limit: int) -> list[Spent]:
        return fullness.spent(self._all, key, bucket, since, limit)

    def past(
        self, *, principal: str, customer: str | None, object_id: str | None, now: int, excluding: str | None = None
    ) -> Past:
        asked = (excluding, principal, now - DAY_MS, customer, now - 7 * DAY_MS, object_id)
        [(by_agent, refused, by_customer, denied, waits)] = self._all(_PAST, *asked)
        waiting: dict[str, int] = dict(self._all(_OPEN_ON_OBJECT, *asked)) if waits else {}
        return Past(by_agent, refused, by_customer, denied, waiting)

    def event(self, seq: int) -> Event | None:
        row = self._one(f"{_EVENT} WHERE seq = ?", seq)
        return None if row is None else Event(*row)

    def first_event(self, type: str) -> Event | None:
        row = self._one(f"{_EVENT} WHERE type = ? ORDER BY seq LIMIT 1", type)
        return None if row is None else Event(*row)

    def events(self, after: int, limit: int, request_id: str | None = None) -> list[Event]:
        if request_id is None:
            rows = self._all(f"{_EVENT} WHERE seq > ? ORDER BY seq LIMIT ?", after, limit)
        else:
            rows = self._all(
                f"{_EVENT} WHERE request_id = ? AND seq > ? ORDER BY seq LIMIT ?", request_id, after, limit
            )
        return [Event(*row) for row in rows]

    def head(self) -> Head:
        return self.end()[0]

    def meta(self, key: str) -> str | None:
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else str(row[0])

    def newest_event_at(self) -> int:
        return self.end()[1]

    def end(self) -> tuple[Head, int]:
        """The head of the log, and the latest wall time of any event."""
        row = self._one("SELECT size, frontier, root, newest_at FROM head")
        if row is None:
            raise faults.corrupt(self._path, "the audit log has lost its head")
        size, frontier, root, newest_at = row
        hashes = tuple(frontier[start : start + HASH_BYTES] for start in range(0, len(frontier), HASH_BYTES))
        return Head(size, hashes, root), newest_at

    def _request(self, where: str, *values: object) -> ActionRequest | None:
        row = self._one(f"{SELECT_REQUEST} {where}", *values)
        return None if row is None else self._made(request_of, row)

    def _requests(self, where: str, *values: object) -> list[ActionRequest]:
        return [self._made(request_of, row) for row in self._all(f"{SELECT_REQUEST} {where}", *values)]

    def _decision(self, row: Row) -> DecisionRecord:
        return self._made(decision_of, row)

    def _made(self, of: Callable[[Any], T], written: Any) -> T:
        """What `of` makes of a row, or of a payload. StoreError `store.corrupt` where it is none that Runplane wrote."""
        try:
            return of(written)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise faults.corrupt(self._path, f"what stands in it was changed ({error})") from error

    def _count(self, sql: str, *values: object) -> int:
        row = self._one(sql, *values)
        return 0 if row is None else int(row[0])

    def _one(self, sql: str, *values: object) -> Row | None:
        rows = self._all(sql, *values)
        return rows[0] if rows else None

    def _all(self, sql: str, *values: object) -> list[Row]:
        return self._run(sql, values)[0]

    def _run(self, sql: str, values: Sequence[object]) -> tuple[list[Row], int]:
        """Runs one statement: its rows, and how many it changed."""
        if self._fault is not None:
            raise self._fault
        try:
            cursor = self._connection.execute(sql, values)
            return cursor.fetchall(), cursor.rowcount
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def _each(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Runs one statement for each of `rows`, whose values it binds."""
        if self._fault is not None:
            raise self._fault
        try:
            self._connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def _broken(self, error: sqlite3.Error) -> StoreError:
        """What to raise. An error other than a broken constraint may have ended the transaction: nothing more is run in it
        then, or a later statement would stand alone and become durable by itself."""
        if isinstance(error, sqlite3.IntegrityError):
            return faults.from_constraint(error)
        fault = faults.from_sqlite(error, self._path)
        if fault.code == "store.corrupt":
            with contextlib.suppress(sqlite3.Error):
                fault = self.outgrown() or fault
        self._fault = fault
        return fault

    def outgrown(self) -> StoreError | None:
        """What to raise where a newer program has brought the store up since this one opened it, to rules that this one
        does not know."""
        found = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        return faults.too_new(self._path, found, VERSION) if found > VERSION else None


def _latest(*requests: ActionRequest | None) -> ActionRequest | None:
    """The one that changed last, by policy time."""
    return max(
        (request for request in requests if request is not None),
        key=lambda request: request.changed_policy_at,
        default=None,
    )
