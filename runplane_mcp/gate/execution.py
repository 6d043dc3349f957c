"""The one place that causes a Stripe write. It takes a request whose state says that it may run, sends the stored bytes
with our key, and writes down what came of it.

Every send follows a durable compare-and-set on (request, attempt, lease) and a look at the clocks. An answer that was
lost is asked for again with the same bytes and the same key, which Stripe answers from its memory; never with new ones,
and not at all while a freeze holds the request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from runplane_mcp.core.approval import Standing, tally
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.effects.settled import moved
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.redact import redact, redact_text
from runplane_mcp.core.request import ActionRequest, Failure, Kind, State, compute_digest, same_digest
from runplane_mcp.core.sending import version_of
from runplane_mcp.errors import InternalError
from runplane_mcp.gate.acts import said
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.evidence import evidence_of
from runplane_mcp.gate.freezes import Freezes
from runplane_mcp.gate.leases import Leases
from runplane_mcp.gate.lowered import lowering_of
from runplane_mcp.gate.people import genuine, trusted
from runplane_mcp.gate.records import needs_from, preconditions_from, version_from
from runplane_mcp.gate.restored import since_restore
from runplane_mcp.gate.sightings import note, sighted
from runplane_mcp.gate.telling import Once
from runplane_mcp.store.base import Reader, Store, Transaction
from runplane_mcp.store.records import DecisionRecord, Event
from runplane_mcp.stripe_api.budget import ReadBudget
from runplane_mcp.stripe_api.client import Answer, Busy, Done, Lost, NotSent, Refused, StripeConnection
from runplane_mcp.stripe_api.evidence import Absent, Evidence, Proven

logger = logging.getLogger(__name__)

#: Sends in one go, before the request is left to the completer or its outcome is called unknown.
SENDS_AT_ONCE = 3
#: Sends over a request's whole life.
MOST_ATTEMPTS = 12
PAUSES = (0.2, 1.0)
#: Where Stripe says how long to wait, that long, but no longer than this (seconds).
LONGEST_PAUSE = 10.0
#: Why what was about to be sent was not, beside a Stripe that could not be reached.
FROZEN = Failure("frozen", "Such actions were paused before anything was sent.")
TOO_LATE = Failure("request.too_late", "The machine slept or hung before it was sent; nothing was sent.")


def no_probe(_point: str) -> None:
    """The probe of everyday life. Crash tests pass one that dies at a named point."""


@dataclass(frozen=True, slots=True)
class Result:
    """Stripe's object as it is kept, without its secrets, and as it came."""

    kept: Mapping[str, Json]
    whole: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Executor:
    """Executes for one gate process. `owner` is what its leases name; `probe` hears the named points it passes. `budget` is
    of what may be read of Stripe for one agent, before a request of its runs and after."""

    store: Store
    connection: StripeConnection
    catalog: Catalog
    freezes: Freezes
    clock: Clock
    owner: str
    probe: Callable[[str], None] = no_probe
    pauses: tuple[float, ...] = field(default=PAUSES)
    budget: ReadBudget = field(default_factory=lambda: ReadBudget(time.monotonic), repr=False)
    once: Once = field(default_factory=Once)

    @property
    def leases(self) -> Leases:
        return Leases(self.clock, self.owner)

    async def run(
        self, request: ActionRequest, *, fresh: bool, heard: Callable[[Result], None] | None = None
    ) -> tuple[ActionRequest, Result | None]:
        """Sends an executing request of ours until something is certain or enough was tried. `fresh`: no send of it was
        ever made, so that a connection that was never opened proves that nothing happened. `heard` is told of a success
        before that is written down.

        Returns the request as it now stands and, for a success, Stripe's object.
        """
        operation = self._operation(request)
        version = await self._version(request, operation, fresh=fresh)
        nothing_left = fresh
        sends = 0
        while True:
            newest = None if fresh and sends == 0 else await self.store.read(_newest_event_at)
            in_time = partial(self.leases.may_send, request, newest)
            answer: Answer = NotSent("", late=True)
            if in_time():
                self.probe("execute.before_send")
                answer = await self._send(request, version, in_time)
                self.probe("execute.after_send")
                sends += 1
            if isinstance(answer, NotSent) and answer.late:
                if nothing_left:
                    return await self._unsent(request, TOO_LATE), None
                return await self._without_answer(request, operation), None
            if isinstance(answer, Done):
                return await self._succeeded(request, answer.body, answer.request_id, heard)
            if isinstance(answer, Refused):
                # "Already refunded" may be the trace of our own first send, and a key that has come with another request
                # was sent before. What Stripe remembers under our key is its word on every send with it.
                if answer.replayed or (nothing_left and not answer.of_the_key):
                    return await self._failed(request, answer.failure), None
                return await self._without_answer(request, operation), None
            never_entered = isinstance(answer, NotSent) or (isinstance(answer, Busy) and answer.limited)
            nothing_left = nothing_left and never_entered
            if isinstance(answer, Lost) and answer.replayed:
                return await self._without_answer(request, operation, remembered=True), None
            if sends >= SENDS_AT_ONCE or request.attempt >= MOST_ATTEMPTS:
                if nothing_left:
                    return await self._unsent(request, _unreachable(answer)), None
                return await self._without_answer(request, operation), None
            await asyncio.sleep(self._pause(answer, sends))
            if operation.method == "DELETE" and not nothing_left:
                # Stripe keeps no keys for a DELETE: look before repeating it.
                found = await self._evidence(request, operation)
                if isinstance(found, Proven):
                    return await self._succeeded(request, found.body, None)
                if not isinstance(found, Absent):
                    return await self._outcome_unknown(request), None
            claimed = await self._next_attempt(request)
            if claimed is None:
                if nothing_left:
                    return await self._unsent(request, FROZEN), None
                return await self._without_answer(request, operation), None
            request = claimed

    async def resume(self, request: ActionRequest) -> ActionRequest:
        """Finishes what a dead process left executing, or an outcome that is still unknown. Raises Changed when another
        gate was faster."""
        if request.kind is Kind.READ:
            failure = Failure("request.abandoned", "The process that read this ended before the answer came.")
            return await self._failed(request, failure)
        operation = self._operation(request)
        found = await self._evidence(request, operation)
        if isinstance(found, Proven):
            if request.state is State.OUTCOME_UNKNOWN:
                return (await self._succeeded(request, found.body, None))[0]
            claimed = await self._next_attempt(request, to_send=False)
            return (await self._succeeded(claimed or request, found.body, None))[0]
        safe = await self.store.read(lambda reader: self._may_repeat(reader, request))
        repeatable = operation.method == "POST" or isinstance(found, Absent)
        claimed = None
        if safe and repeatable and request.attempt < MOST_ATTEMPTS:
            claimed = await self._next_attempt(request)
        if claimed is None:
            if request.state is State.OUTCOME_UNKNOWN:
                await self._note(request, found)
                return request
            return await self._outcome_unknown(request, found)
        self.probe("resume.claimed")
        return (await self.run(claimed, fresh=False))[0]

    def check_digest(self, request: ActionRequest, record: DecisionRecord) -> None:
        """The bytes about to be sent are the bytes that were decided and seen. InternalError `internal.digest` if not."""
        if request.effective is None or record.nonce is None or record.digest is None:
            raise InternalError("internal.digest", "The request has no bytes or no digest: it does not run.")
        digest = compute_digest(
            request_id=request.id,
            nonce=record.nonce,
            identity=request.identity,
            api_version=version_from(record.detail) or version_of(self._operation(request)),
            wire=request.effective,
            principal=request.principal,
            preconditions=preconditions_from(record.detail),
        )
        if not same_digest(digest, record.digest) or request.digest is None or not same_digest(digest, request.digest):
            raise InternalError("internal.digest", "What would run is not what was decided: it does not run.")

    def _was_decided(self, reader: Reader, request: ActionRequest) -> bool:
        """Whether what another process left executing is what was allowed, or what people signed for. A row that says so
        is not enough: it could have been written, or changed, by whoever can write the file."""
        record = reader.round_decision(request.id, request.round)
        try:
            if record is None:
                raise InternalError("internal.undecided", "No decision stands behind it.")
            borne_out(reader, request)
            self.check_digest(request, record)
            if not request.asks_people:
                allowed = record.n == 1 and record.outcome is Outcome.ALLOW
                if request.round > 0:
                    allowed = allowed and _was_released(reader, request)
            else:
                people = trusted(reader)
                lowering = lowering_of(reader, request, people)
                owner = lowering.by if lowering is not None else None
                votes = genuine(reader.votes(request.id, request.round), people, reader.store_id())
                votes = since_restore(reader, votes)
                needs = needs_from(record.detail)
                counted = tally(needs, votes, people, digest=record.digest or "", round=request.round, owner=owner)
                signed = request.replaces is None or lowering is not None
                allowed = counted.standing is Standing.APPROVED and signed
            if not allowed:
                raise InternalError("internal.undecided", "It was neither allowed nor approved.")
        except InternalError as error:
            if self.once.tell(request.id, str(error)):
                logger.error("request %s is not sent again: %s", request.reference, error)
            return False
        return True

    def _may_repeat(self, reader: Reader, request: ActionRequest) -> bool:
        """Whether asking Stripe once more could tell anything, and could do nothing twice."""
        if request.restored is not None:
            # Of an earlier epoch: it may have ended since, and another send of it been made under another key.
            return False
        remembered = any(said(event).get("remembered") for event in _unknown_outcomes(reader, request))
        known = self.leases.key_is_known(request, reader.newest_event_at())
        return known and not remembered and self._was_decided(reader, request)

    def _operation(self, request: ActionRequest) -> Operation:
        operation = self.catalog.by_id(request.operation_id)
        if operation is None:
            raise InternalError("internal.operation", f"The catalog no longer has {request.operation_id}.")
        return operation

    async def _version(self, request: ActionRequest, operation: Operation, *, fresh: bool) -> str:
        """The version of Stripe's API under which it was decided, which is in the digest. Another release of Runplane may
        send it, and would send another request under its own."""
        if fresh and request.round == 0:
            return version_of(operation)  # decided by this very process, a moment ago
        record = await self.store.read(lambda reader: reader.round_decision(request.id, request.round))
        return (version_from(record.detail) if record is not None else None) or version_of(operation)

    async def _send(self, request: ActionRequest, version: str, in_time: Callable[[], bool]) -> Answer:
        if request.effective is None:
            raise InternalError("internal.bytes", "The request has no bytes: it does not run.")
        key = request.stripe_key if request.effective.keyed else None
        return await self.connection.send(request.effective, idempotency_key=key, version=version, in_time=in_time)

    def _pause(self, answer: Answer, sends: int) -> float:
        """Seconds before the next send."""
        pause = self.pauses[min(sends, len(self.pauses)) - 1]
        asked = answer.retry_after if isinstance(answer, Busy) else None
        return pause if asked is None else max(pause, min(asked, LONGEST_PAUSE))

    async def _evidence(self, request: ActionRequest, operation: Operation) -> Evidence | None:
        return await evidence_of(
            request,
            operation,
            store=self.store,
            connection=self.connection,
            catalog=self.catalog,
            budget=self.budget,
        )

    async def _next_attempt(self, request: ActionRequest, *, to_send: bool = True) -> ActionRequest | None:
        """The claim that a further send follows. None while a freeze holds the request: a repeat has the same key, but
        where the first send was lost on its way, the repeat would be what moves the money."""

        def claim(tx: Transaction) -> ActionRequest | None:
            if to_send and self.freezes.on(tx, request):
                return None
            return tx.move(
                request,
                State.EXECUTING,
                at=self.clock.wall(),
                event={"attempt": request.attempt + 1, "owner": self.owner},
                attempt=request.attempt + 1,
                **self.leases.lease(),
            )

        claimed = await self.store.write(claim)
        self.probe("execute.claimed")
        return claimed

    async def _succeeded(
        self,
        request: ActionRequest,
        body: Mapping[str, object],
        stripe_request_id: str | None,
        heard: Callable[[Result], None] | None = None,
    ) -> tuple[ActionRequest, Result | None]:
        raw = body.get("id")
        object_id = raw if isinstance(raw, str) and redact_text(raw) == raw else None
        redacted = redact(body, opens=self._operation(request).secret_answer)
        kept = redacted if isinstance(redacted, Mapping) else None
        if heard is not None and kept is not None:
            heard(Result(kept, body))
        spent = moved(request.action, body)

        def record(tx: Transaction) -> ActionRequest:
            if request.kind is Kind.WRITE:
                tx.settle(request.id, release=False, spent=spent)
            # Whoever asked for a read that people decided is not there any more: they come back for its answer.
            if kept is not None and (request.kind is Kind.WRITE or request.round):
                tx.set_result(request.id, kept)
            return tx.move(
                request,
                State.SUCCEEDED,
                at=self.clock.wall(),
                event={"stripe_request_id": stripe_request_id, "object_id": object_id},
                stripe_request_id=stripe_request_id,
                object_id=object_id,
                lease_owner=None,
                lease_until=None,
            )

        done = await self.store.write(record)
        self.probe("execute.recorded")
        return done, Result(kept, body) if kept is not None else None

    async def _failed(self, request: ActionRequest, failure: Failure) -> ActionRequest:
        def record(tx: Transaction) -> ActionRequest:
            # Money of an attempt that left something behind stays counted: nobody has proven that it did not move.
            tx.settle(request.id, release=failure.effect_id is None)
            return tx.move(
                request,
                State.FAILED,
                at=self.clock.wall(),
                event=failure_event(failure),
                failure=failure,
                stripe_request_id=failure.stripe_request_id,
                object_id=failure.effect_id,
                lease_owner=None,
                lease_until=None,
            )

        return await self.store.write(record)

    async def _unsent(self, request: ActionRequest, failure: Failure) -> ActionRequest:
        """Proven never to have entered Stripe. What people approved stays approved, within bounds; what was allowed
        without them has failed."""

        def record(tx: Transaction) -> ActionRequest:
            if request.asks_people and request.attempt < MOST_ATTEMPTS:
                return tx.move(
                    request,
                    State.APPROVED,
                    at=self.clock.wall(),
                    event={"unsent": failure.code, "attempt": request.attempt},
                    lease_owner=None,
                    lease_until=None,
                )
            tx.settle(request.id, release=True)
            return tx.move(
                request,
                State.FAILED,
                at=self.clock.wall(),
                event=failure_event(failure),
                failure=failure,
                lease_owner=None,
                lease_until=None,
            )

        return await self.store.write(record)

    async def _without_answer(
        self, request: ActionRequest, operation: Operation, *, remembered: bool = False
    ) -> ActionRequest:
        """Nothing certain came back. Evidence may prove success; its absence never proves failure. `remembered`: what came
        is all that Stripe will ever say under our key."""
        if request.kind is Kind.READ:
            return await self._failed(request, Failure("stripe.no_answer", "Stripe gave no usable answer."))
        found = await self._evidence(request, operation)
        if isinstance(found, Proven):
            return (await self._succeeded(request, found.body, None))[0]
        return await self._outcome_unknown(request, found, remembered=remembered)

    async def _outcome_unknown(
        self, request: ActionRequest, found: Evidence | None = None, *, remembered: bool = False
    ) -> ActionRequest:
        def record(tx: Transaction) -> ActionRequest:
            note(tx, request, found, at=self.clock.wall())
            return tx.move(
                request,
                State.OUTCOME_UNKNOWN,
                at=self.clock.wall(),
                event={"attempt": request.attempt, **({"remembered": True} if remembered else {})},
                lease_owner=None,
                lease_until=None,
            )

        return await self.store.write(record)

    async def _note(self, request: ActionRequest, found: Evidence | None) -> None:
        """Writes down what was seen of an outcome that stays unknown, where that is new."""
        if await self.store.read(lambda reader: sighted(reader, request, found)):
            await self.store.write(lambda tx: note(tx, request, found, at=self.clock.wall()))


def borne_out(reader: Reader, request: ActionRequest) -> None:
    """InternalError `internal.not_borne_out` where the log's own events do not bear a request out as it stands: an approval
    that was spent, denied or has lapsed comes back by no row that somebody has written."""
    problem = reader.mismatch(request.id)
    if problem is not None:
        raise InternalError("internal.not_borne_out", f"The log does not bear it out: {problem} It does not run.")


def _was_released(reader: Reader, request: ActionRequest) -> bool:
    """Whether what was scheduled was allowed once more when its time had come."""
    latest = reader.decisions(request.id)[-1]
    return latest.kind == "release" and latest.round == request.round and latest.outcome is Outcome.ALLOW


def _newest_event_at(reader: Reader) -> int:
    return reader.newest_event_at()


def _unknown_outcomes(reader: Reader, request: ActionRequest) -> Iterator[Event]:
    """Each time that its outcome became unknown."""
    after = 0
    while events := reader.events(after, 1_000, request.id):
        yield from (event for event in events if event.type == f"request.{State.OUTCOME_UNKNOWN.value}")
        after = events[-1].seq


def _unreachable(answer: Answer) -> Failure:
    reason = answer.reason if isinstance(answer, NotSent) else "Stripe took no more requests."
    return Failure("stripe.unreachable", f"Stripe could not be reached; nothing was sent. {reason}")


def failure_event(failure: Failure) -> dict[str, Json]:
    """What the audit log says of a failure. The message may quote Stripe, and a parameter's name may be the agent's own:
    both stay out of the log's clear part."""
    return {
        "code": failure.code,
        "stripe_request_id": failure.stripe_request_id,
        "effect_id": failure.effect_id,
    }
