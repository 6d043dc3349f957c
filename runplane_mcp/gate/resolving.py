"""Resolving an unknown outcome: where neither Stripe's answer nor its events tell, an administrator who has looked says
what became of a request, over their signature and for good."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.redact import redact_text
from runplane_mcp.core.request import ActionRequest, Failure, State
from runplane_mcp.errors import PersonError, RequestError
from runplane_mcp.gate.acts import signed_body
from runplane_mcp.gate.clock import Clock, iso
from runplane_mcp.gate.execution import failure_event
from runplane_mcp.gate.people import trusted
from runplane_mcp.gate.resolution import OUTCOMES, OUTCOMES_RESTORED, RESOLVE, resolution_content
from runplane_mcp.gate.rounds import found
from runplane_mcp.store.base import Reader, Transaction

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk

#: A request that seemed lost can take effect late; that it did not is said a day after its last send at the earliest.
A_DAY_MS: Final = 24 * 3600 * 1000
LONGEST_EVIDENCE: Final = 2_000

_OBJECT = re.compile(r"[a-z][a-z0-9]{0,15}(?:_[A-Za-z0-9]{1,80}){1,3}\Z")


async def resolve(
    desk: Desk,
    reference_or_id: str,
    *,
    outcome: State,
    admin: str | None,
    secret: str,
    evidence: str,
    object_id: str | None = None,
) -> ActionRequest:
    """Ends a request whose outcome is unknown as succeeded or failed; one that a restore set aside also as canceled, where
    it had not come so far that it could happen. `object_id` is what Stripe has of it: what a success made, or what a
    failure left behind, whose money then stays counted.

    RequestError `request.not_unknown`, `request.too_early` (failed, within a day, unless it was restored),
    `request.outcome`, `request.evidence`, `request.object`; PersonError as `Keys` says.
    """
    _check(outcome, evidence, object_id)
    evidence = redact_text(evidence)
    await desk.store.read(lambda reader: _unknown(reader, reference_or_id, outcome, desk.clock))
    person = await desk.keys.administrator(admin, "Resolving an unknown outcome")
    key = await desk.keys.unlock(person, secret)
    at = desk.clock.wall()

    def work(tx: Transaction) -> ActionRequest:
        request = _unknown(tx, reference_or_id, outcome, desk.clock)
        if trusted(tx).get(person.id) != person:
            raise PersonError("person.not_admin", f"{person.id} has changed meanwhile.", next_step="Try it again.")
        kept = tx.commit_payload(evidence, request_id=request.id)
        content = resolution_content(request, outcome, object_id, kept)
        body = signed_body(key, person, store=tx.store_id(), act=RESOLVE, content=content, at=at)
        shown: dict[str, Json] = {"outcome": outcome.value, "object_id": object_id, "payloads": {"evidence": kept}}
        tx.append(RESOLVE, {**body, **shown}, at=at, request_id=request.id)
        if outcome is State.SUCCEEDED:
            tx.settle(request.id, release=False)
            event: dict[str, Json] = {"by": person.id, "object_id": object_id}
            return tx.move(request, State.SUCCEEDED, at=at, event=event, object_id=object_id)
        if outcome is State.CANCELED:
            tx.settle(request.id, release=True)
            return tx.move(request, State.CANCELED, at=at, event={"by": person.id})
        failure = Failure(
            "request.not_done", "An administrator has established that it did not happen.", effect_id=object_id
        )
        tx.settle(request.id, release=object_id is None)
        return tx.move(
            request,
            State.FAILED,
            at=at,
            event={**failure_event(failure), "by": person.id},
            failure=failure,
            object_id=object_id,
        )

    return await desk.store.write(work)


def _check(outcome: State, evidence: str, object_id: str | None) -> None:
    if outcome not in OUTCOMES_RESTORED:
        raise RequestError(
            "request.outcome", "A request is resolved as succeeded or failed, or after a restore canceled."
        )
    if outcome is State.CANCELED and object_id is not None:
        raise RequestError(
            "request.object",
            "What was canceled left nothing at Stripe.",
            next_step="Say succeeded, or failed, where Stripe has something of it.",
        )
    if not evidence.strip() or len(evidence) > LONGEST_EVIDENCE:
        raise RequestError(
            "request.evidence",
            f"Say in 1 to {LONGEST_EVIDENCE:,} characters what shows it.",
            next_step='Such as --note "Stripe\'s Dashboard shows no refund of ch_… on 3 March, looked on 5 March."',
        )
    if object_id is not None and not _OBJECT.match(object_id):
        raise RequestError(
            "request.object", f"{object_id[:60]!r} is not an id of Stripe.", next_step="Give one like re_3Q1…"
        )


def _unknown(reader: Reader, reference_or_id: str, outcome: State, clock: Clock) -> ActionRequest:
    request = found(reader, reference_or_id)
    if request.state is not State.OUTCOME_UNKNOWN:
        raise RequestError(
            "request.not_unknown",
            f"{request.reference} is {request.state.value}: only an unknown outcome is resolved by a person.",
            next_step="See `runplane requests list --state outcome_unknown`.",
        )
    if request.restored is None and outcome not in OUTCOMES:
        raise RequestError(
            "request.outcome",
            f"{request.reference} was sent, so that it has succeeded or failed.",
            next_step="Only what a restore found open is canceled like this.",
        )
    # A restore sends nothing more of it, and whoever restores has looked at what happened since the copy.
    left = A_DAY_MS - _passed(request, clock) if request.restored is None else 0
    if outcome is State.FAILED and left > 0:
        raise RequestError(
            "request.too_early",
            f"That {request.reference} did not happen can be said a day after the last attempt at the earliest.",
            next_step=f"Look again after {iso(clock.wall() + left)}; that it succeeded can be said now.",
        )
    return request


def _passed(request: ActionRequest, clock: Clock) -> int:
    """How long ago the last send was at least (milliseconds): every send lies before the outcome became unknown. A wall
    clock that was set forward is found out by the boot's, as long as the machine was not started anew."""
    passed = [clock.wall() - request.changed_at]
    boot_id, boot_ms = clock.boot()
    if boot_id and boot_id == request.first_attempt_boot and request.first_attempt_boot_ms is not None:
        passed.append(boot_ms - request.first_attempt_boot_ms)
    return min(passed)
