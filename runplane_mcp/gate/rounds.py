"""A round of a request as somebody sees it who may answer: what they saw is what stands, or they look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runplane_mcp.core.approval import Person, Tally, tally
from runplane_mcp.core.decision import Need
from runplane_mcp.core.redact import redact_text
from runplane_mcp.core.request import ActionRequest, State, same_digest
from runplane_mcp.errors import ApprovalError, RequestError, RunplaneError
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.lapsing import expired, lapse
from runplane_mcp.gate.lowered import NOT_BORNE_OUT, lowering_of
from runplane_mcp.gate.people import genuine, trusted
from runplane_mcp.gate.records import find, needs_from
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.records import DecisionRecord

#: Longer words are not for an agent.
LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class Round:
    """What waits, and for whom. `owner` lowered it to what it is: their yes is not enough alone."""

    request: ActionRequest
    digest: str
    record: DecisionRecord
    needs: tuple[Need, ...]
    people: Mapping[str, Person]
    owner: str | None

    def counted(self, reader: Reader) -> Tally:
        """Where it stands by the votes that are genuine."""
        votes = genuine(reader.votes(self.request.id, self.request.round), self.people, reader.store_id())
        return tally(self.needs, votes, self.people, digest=self.digest, round=self.request.round, owner=self.owner)


def open_round(
    tx: Transaction, request_id: str, *, digest: str, voter: Person, clock: Clock, to_stop: bool = False
) -> Round | RunplaneError:
    """What waits, as `voter` saw it by `digest`; `to_stop`, for who says no, also what is scheduled. Nobody in particular
    is asked about that: anybody who may vote may stop it.

    Raises RequestError `request.not_found`; ApprovalError `approval.changed` when it is no longer what was seen,
    `approval.not_waiting`, `approval.scheduled` (it needs nobody's yes), `approval.not_eligible`, `approval.not_signed`.
    An expiry is written down here and has to become durable: `approval.expired` is returned, so that the caller's
    transaction does not fail.
    """
    request = found(tx, request_id)
    people = trusted(tx)
    stopping = to_stop and request.state is State.SCHEDULED
    if request.state is State.SCHEDULED and not to_stop:
        raise ApprovalError(
            "approval.scheduled",
            f"{request.reference} needs nobody's yes: it runs by itself when its time comes.",
            next_step=f"To keep it from running: runplane stop {request.reference}",
        )
    if request.state is State.EXPIRED:
        return _expired(request)
    if request.state is not State.WAITING and not stopping:
        instead = tx.request(request.replaced_by) if request.replaced_by else None
        raise ApprovalError(
            "approval.not_waiting",
            f"{request.reference} is {request.state.value}: there is nothing to decide.",
            next_step=f"{instead.reference} took its place." if instead is not None else "",
        )
    if expired(request, clock):
        lapse(tx, request, clock)
        return _expired(request)
    if request.digest is None or not same_digest(digest, request.digest):
        raise ApprovalError(
            "approval.changed",
            f"{request.reference} is not what you saw.",
            next_step="Look at the card again: `runplane approvals show`.",
        )
    record = tx.round_decision(request.id, request.round)
    if record is None or people.get(voter.id) != voter or not voter.may_vote:
        raise ApprovalError("approval.not_eligible", f"{voter.id} cannot vote.")
    needs = needs_from(record.detail)
    if not stopping and not any(voter.groups & need.groups for need in needs):
        raise ApprovalError(
            "approval.not_eligible",
            f"{voter.id} is not among those who are asked: {', '.join(need.sentence() for need in needs)}.",
        )
    lowering = lowering_of(tx, request, people)
    if request.replaces is not None and lowering is None:
        raise ApprovalError(NOT_BORNE_OUT.code, NOT_BORNE_OUT.message, next_step="Run `runplane audit verify`.")
    return Round(request, request.digest, record, needs, people, lowering.by if lowering is not None else None)


def _expired(request: ActionRequest) -> ApprovalError:
    """The same, whoever wrote down first that its time is over."""
    return ApprovalError("approval.expired", f"{request.reference} has expired.")


def found(reader: Reader, reference_or_id: str) -> ActionRequest:
    """RequestError `request.not_found` where there is none."""
    request = find(reader, reference_or_id)
    if request is None:
        raise RequestError(
            "request.not_found",
            f"There is no request {reference_or_id[:40]!r}.",
            next_step="See `runplane requests list`.",
        )
    return request


def check_note(note: str | None) -> str | None:
    """A person's words as they are kept and reach an agent: people paste keys, too. ApprovalError `approval.note` for words
    that are too many."""
    if note is not None and len(note) > LONGEST_NOTE:
        raise ApprovalError("approval.note", f"A note has at most {LONGEST_NOTE} characters.")
    return note if note is None else redact_text(note)
