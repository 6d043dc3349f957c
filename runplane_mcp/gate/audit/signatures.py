"""Every signature in the audit log, checked again: enrolments, votes, activations, the ends of freezes, resolutions,
lowerings, erasures, restores, what was accepted of the unexplained, and the keys of the log itself.

Each was checked where it was relied on. This is for whoever looks at the log afterwards, from the same rules: what a
signature covers is said in one place, and read from there.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runplane_mcp.core import log_key
from runplane_mcp.core.approval import Person, Role
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.checkpoint import EPOCH_BEGUN
from runplane_mcp.core.policy import version_of as policy_version
from runplane_mcp.core.request import FIRST_EPOCH
from runplane_mcp.errors import StoreError
from runplane_mcp.gate.acts import said, signer
from runplane_mcp.gate.coverage.accepting import ACCEPTED
from runplane_mcp.gate.coverage.state import EXPLAINED, UNEXPLAINED, states
from runplane_mcp.gate.enforcement import ACTIVATED, TIGHTER, activation_stands
from runplane_mcp.gate.erasure import ERASED, erased_by
from runplane_mcp.gate.freezes import LIFTED
from runplane_mcp.gate.lowered import LOWER, lowering_of
from runplane_mcp.gate.people import genuine, signed, trusted
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.resolution import RESOLVE, resolution_of
from runplane_mcp.gate.restored import restore_content
from runplane_mcp.store.files import snapshot
from runplane_mcp.store.reader import SqliteReader
from runplane_mcp.store.records import Event
from runplane_mcp.store.schema import VERSION

PERSON: Final = "person.added"
VOTE: Final = "vote"

_WITH_A_SIGNATURE: Final = b'"signature":'
_EVENTS: Final = "SELECT seq, at, type, request_id, body, leaf FROM event WHERE {} ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Signatures:
    """`checked` were made by who they say. `unchecked` counts by event type what nothing can be said of. `problem` is one
    sentence about the first that is wrong, at event `first_bad`."""

    checked: int
    unchecked: Mapping[str, int]
    first_bad: int | None = None
    problem: str | None = None


class _Wrong(Exception):
    pass


class _Unknown(Exception):
    """What the signature covers is not there any more."""


def check_signatures(path: Path) -> Signatures:
    """Checks the store at `path` from one snapshot, also while others write. StoreError when there is no store, or none
    that this program knows."""
    with snapshot(path) as (connection, version):
        if version < VERSION:
            # Nothing of an older form is signed in a way that this one could not read; but its indexes are others.
            signed_ones = connection.execute("SELECT count(*) FROM event WHERE type = ?", (VOTE,)).fetchone()[0]
            return Signatures(0, {"of an older version's database": signed_ones})
        try:
            check = _Check(SqliteReader(connection, path))
        except StoreError as error:
            # Whoever wrote something into the table of people that says nobody is found, and stops no audit.
            return Signatures(0, {}, None, f"Who may sign cannot be read. {error.message}")
        return check.run(_events(connection))


def _events(connection: sqlite3.Connection) -> Iterator[Event]:
    """The events that rest on a signature, and whatever else has one."""
    marks = ", ".join("?" * len(_CHECKS))
    where = f"type IN ({marks}) OR instr(body, ?)"
    for row in connection.execute(_EVENTS.format(where), (*_CHECKS, _WITH_A_SIGNATURE)):
        yield Event(*row)


class _Check:
    def __init__(self, reader: SqliteReader) -> None:
        self.reader = reader
        self.store = reader.store_id()
        self.people: Mapping[str, Person] = trusted(reader)
        self.key: tuple[int, str] | None = None
        self.epoch = FIRST_EPOCH
        self.activated: str | None = None
        self.alarms: set[int] = set()

    def run(self, events: Iterator[Event]) -> Signatures:
        checked, unchecked = 0, Counter[str]()
        for event in events:
            check = _CHECKS.get(event.type)
            try:
                if check is None:
                    unchecked[event.type] += 1
                elif check(self, event, said(event)):
                    checked += 1
            except _Unknown:
                unchecked[event.type] += 1
            except (_Wrong, ValueError, TypeError, AttributeError, StoreError) as error:
                # Whatever the event says, it is not what its signature would have to cover.
                why = str(error) if isinstance(error, _Wrong) else "does not say what it would have to be signed over"
                return Signatures(checked, dict(unchecked), event.seq, f"Event {event.seq}: {why}.")
        current = self.reader.meta(log_key.CURRENT)
        if current != (None if self.key is None else str(self.key[0])):
            return Signatures(
                checked, dict(unchecked), None, "The log's key in use is not the one that the log tells of."
            )
        standing = {found.seq for state in states(self.reader).values() for found in state.standing.values()}
        ended = self.alarms - standing
        if ended:
            # Without this, whoever can write to the database could end an alarm and leave nobody's name.
            first = min(ended)
            problem = (
                f"The alarm of event {first} was neither explained nor accepted, and does not stand any more."
                " The next look puts it back: runplane audit coverage --alarm"
            )
            return Signatures(checked, dict(unchecked), None, problem)
        return Signatures(checked, dict(unchecked))

    def raised(self, event: Event, _body: Mapping[str, Json]) -> bool:
        self.alarms.add(event.seq)
        return False

    def explained(self, _event: Event, body: Mapping[str, Json]) -> bool:
        self._ended(body)
        return False

    def accepted(self, event: Event, body: Mapping[str, Json]) -> bool:
        payloads = body.get("payloads")
        reason = payloads.get("reason") if isinstance(payloads, Mapping) else None
        content = {"line": body.get("line"), "raised": body.get("raised"), "reason": reason}
        self._administrator(event, content, "no administrator has signed that this money line was accepted")
        self._ended(body)
        return True

    def _ended(self, body: Mapping[str, Json]) -> None:
        raised = body.get("raised")
        if not isinstance(raised, int) or raised not in self.alarms:
            raise _Wrong("it ends an alarm that was not raised, or had ended")
        self.alarms.remove(raised)

    def person(self, event: Event, body: Mapping[str, Json]) -> bool:
        found = self.people.get(str(body.get("person")))
        if found is None or found.event_seq != event.seq:
            raise _Wrong("nobody who may has signed this enrolment")
        return True

    def vote(self, event: Event, body: Mapping[str, Json]) -> bool:
        round, name = body.get("round"), body.get("person")
        person = self.people.get(str(name))
        votes = self.reader.votes(event.request_id or "", round) if isinstance(round, int) else []
        cast = genuine([vote for vote in votes if vote.person == name], self.people, self.store)
        if not cast or person is None or person.event_seq > event.seq:
            raise _Wrong(f"the vote of {str(name)[:64]!r} is not signed with the key that the log has for them")
        return True

    def activation(self, event: Event, body: Mapping[str, Json]) -> bool:
        before, self.activated = self.activated, str(body.get("version"))
        if "signature" not in body and body.get("by") == TIGHTER:
            if before is None or body.get("from") != before or not self._tighter(before, self.activated):
                raise _Wrong("this policy put itself in force and is not provably tighter than the one before")
        elif not activation_stands(self.reader, event, body, oldest=before is None):
            raise _Wrong("nobody who may has put this policy in force")
        return "signature" in body

    def _tighter(self, old: str, new: str) -> bool:
        texts = [self.reader.policy_text(version) for version in (old, new)]
        if any(
            text is None or policy_version(text) != version for text, version in zip(texts, (old, new), strict=True)
        ):
            return False
        return Policies(load_catalog()).only_tighter(str(texts[0]), str(texts[1]))

    def lifted(self, event: Event, body: Mapping[str, Json]) -> bool:
        self._administrator(event, {"freeze": body.get("freeze")}, "this freeze was not lifted by an administrator")
        return True

    def resolution(self, event: Event, _body: Mapping[str, Json]) -> bool:
        request = self.reader.request(event.request_id or "")
        if request is None or resolution_of(self.reader, request, self.people) is None:
            raise _Wrong("no administrator has signed this outcome")
        return True

    def lowering(self, event: Event, body: Mapping[str, Json]) -> bool:
        request = self.reader.request(event.request_id or "")
        payloads = body.get("payloads")
        kept = payloads.get("lowered") if isinstance(payloads, Mapping) else None
        if request is None or request.as_asked is None or self.reader.payload(str(kept)) is None:
            raise _Unknown
        if lowering_of(self.reader, request, self.people) is None:
            raise _Wrong("nobody has signed that the request was lowered like this")
        return True

    def erasure(self, event: Event, _body: Mapping[str, Json]) -> bool:
        person = erased_by(self.reader, event, self.people)
        if person is None or person.event_seq > event.seq:
            raise _Wrong("no administrator has signed that this was erased")
        return True

    def restore(self, event: Event, body: Mapping[str, Json]) -> bool:
        self._administrator(event, restore_content(body), "no administrator has signed this restore")
        epoch = body.get("epoch")
        if not isinstance(epoch, int) or epoch <= self.epoch:
            raise _Wrong("it begins an epoch that is not later than the one before")
        self.epoch = epoch
        return True

    def first_key(self, event: Event, body: Mapping[str, Json]) -> bool:
        if self.key is not None:
            raise _Wrong("a second key of the log was put in without anybody's word")
        self._held(body, previous=None)
        self.key = event.seq, str(body.get("public_key"))
        return True

    def next_key(self, event: Event, body: Mapping[str, Json]) -> bool:
        if self.key is None or (body.get("previous_seq"), body.get("previous")) != self.key:
            raise _Wrong("a key of the log takes the place of one that was not in use")
        _, previous = self.key
        lost = body.get("lost") is True
        content = log_key.rotation(public_key=str(body.get("public_key")), previous=previous, lost=lost)
        self._administrator(event, content, "no administrator has signed this change of the log's key")
        statement = self._held(body, previous=previous)
        if not lost and not signed(previous, str(body.get("previous_proof")), statement):
            raise _Wrong("the log's key was changed without the one before")
        self.key = event.seq, str(body.get("public_key"))
        return True

    def _held(self, body: Mapping[str, Json], *, previous: str | None) -> bytes:
        """Whoever put the key in had it. Returns what it signed."""
        public, at = body.get("public_key"), body.get("signed_at")
        if not isinstance(public, str) or not isinstance(at, int):
            raise _Wrong("it names no key")
        statement = log_key.key_statement(store=self.store, public_key=public, previous=previous, at=at)
        if not signed(public, str(body.get("proof")), statement):
            raise _Wrong("the key that it names has not signed it")
        return statement

    def _administrator(self, event: Event, content: Mapping[str, Json], otherwise: str) -> None:
        person = signer(event, self.people, store=self.store, act=event.type, content=content)
        if person is None or person.role is not Role.ADMIN or person.event_seq > event.seq:
            raise _Wrong(otherwise)


_CHECKS: Final[Mapping[str, Callable[[_Check, Event, Mapping[str, Json]], bool]]] = {
    PERSON: _Check.person,
    VOTE: _Check.vote,
    ACTIVATED: _Check.activation,
    LIFTED: _Check.lifted,
    UNEXPLAINED: _Check.raised,
    EXPLAINED: _Check.explained,
    ACCEPTED: _Check.accepted,
    RESOLVE: _Check.resolution,
    LOWER: _Check.lowering,
    ERASED: _Check.erasure,
    EPOCH_BEGUN: _Check.restore,
    log_key.ADDED: _Check.first_key,
    log_key.ROTATED: _Check.next_key,
}
