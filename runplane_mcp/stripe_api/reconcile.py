"""What became of a request whose answer was lost. Evidence may prove that it was done; its absence never proves failure.

The first evidence is Stripe's events: each names the idempotency key of the request that caused it, and no agent can write
one. Where they cannot be read, or say nothing, the object itself is the second (`stripe_api/second.py`).
Sources: https://docs.stripe.com/api/events/object (`request.idempotency_key`; kept for 30 days), and for the thin events of
/v2, which name an object instead of carrying it, https://docs.stripe.com/api/v2/core/events/object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects.deletion import Deletion, There
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.sending import MARK
from runplane_mcp.core.wire import Value, WireRequest, encode, pairs
from runplane_mcp.stripe_api.answers import is_missing
from runplane_mcp.stripe_api.client import Done, Refused, StripeConnection
from runplane_mcp.stripe_api.evidence import MOST_PAGES, Absent, Evidence, Proven, Turn, Unclear, at_once
from runplane_mcp.stripe_api.second import Second

__all__ = ["CLOCKS_DIFFER", "EVENTS_COME", "Absent", "Evidence", "Proven", "Unclear", "evidence"]

#: Stripe's clock and ours may differ by this much (seconds).
CLOCKS_DIFFER = 300
#: So long after a send its events are there (seconds), with what the clocks differ.
EVENTS_COME = 3_600
#: Ends of an event's type that tell of a failure: our key on them proves that the request ran, not that it succeeded.
_FAILURES = (".failed", ".payment_failed", ".setup_failed")
#: What proves these, where a request can leave events of the same object although the last of its steps failed: an invoice
#: that was finalized to be paid tells nothing of the payment.
_PROOFS = {
    "PostInvoicesInvoiceFinalize": frozenset({"invoice.finalized"}),
    "PostInvoicesInvoicePay": frozenset({"invoice.paid"}),
    "PostInvoicesInvoiceVoid": frozenset({"invoice.voided"}),
}
#: And these, where a payment is made and confirmed in one request: that it was made tells nothing of how that ended.
_CONFIRMED = frozenset(
    f"payment_intent.{end}" for end in ("succeeded", "amount_capturable_updated", "requires_action", "processing")
)
_THIN_EVENTS = "/v2/core/events"
# Where Stripe says that something is: only this is asked, whatever else an answer may say.
_NEXT_PAGE = re.compile(r"/v2/core/events\?[A-Za-z0-9_.~%&=+\[\]-]{1,2000}")
_PLACE = re.compile(r"/v2(?:/[A-Za-z0-9_]{1,255}){1,8}")
_TOO_MANY = Unclear("There are more events than can be looked through.")
_UNREAD = Unclear("Stripe's events could not be read.")
_FAILED = Unclear("It ran, and something of it failed.", failed=True)


async def evidence(
    connection: StripeConnection,
    wire: WireRequest,
    operation: Operation,
    stripe_key: str,
    since: int,
    *,
    until: int | None = None,
    account: str | None = None,
    deletion: Deletion | None = None,
    before: str | None = None,
    second: Second | None = None,
    turn: Turn = at_once,
) -> Evidence:
    """What Stripe shows of a request that was first sent at `since` and last by `until` (milliseconds) with the key
    `stripe_key`; of a DELETE of /v1 what `deletion` shows, where `before` was there before it was sent. `second` is where
    to look where events say nothing; each read but that of a DELETE waits for its `turn`."""
    if wire.method == "DELETE":
        return await _deleted(connection, wire, account, deletion, before)
    oldest = since // 1000 - CLOCKS_DIFFER
    if wire.v2:
        return await _by_thin_events(connection, operation, stripe_key, oldest, account, turn)
    asked = dict(pairs(wire))
    proofs = _CONFIRMED if _confirms(operation, asked) else _PROOFS.get(operation.operation_id)
    sought = _Sought(operation, stripe_key, asked.get(f"metadata[{MARK}]"), proofs)
    found = await _by_events(connection, sought, oldest, account, turn)
    if found == _TOO_MANY and until is not None:
        # Days later, so many newer ones lie before it. Not at once like this: our clock may be another one than Stripe's.
        span: dict[str, Value] = {"gte": oldest, "lte": until // 1000 + EVENTS_COME}
        found = await _by_events(connection, sought, oldest, account, turn, span)
    return await _with_second(connection, found, second, account, turn) if second is not None else found


async def _with_second(
    connection: StripeConnection, found: Evidence, second: Second, account: str | None, turn: Turn
) -> Evidence:
    """Events decide where they prove it or show a failure; where they say nothing, or nothing of the object, the object."""
    if (isinstance(found, Proven) and found.body) or (isinstance(found, Unclear) and found.failed):
        return found
    there = await second.look(connection, account=account, turn=turn)
    if isinstance(there, Proven):
        return there
    return found if isinstance(found, Proven) else replace(found, seen=there.seen)


@dataclass(frozen=True, slots=True)
class _Sought:
    """What is looked for among events: those with our key, an answer of the operation in one of them, and in it our own
    mark. `proofs` are the only types that prove it, where there are such."""

    operation: Operation
    stripe_key: str
    mark: str | None
    proofs: frozenset[str] | None

    def proves(self, event: StripeObject) -> bool:
        return self.proofs is None or o.text(event, "type") in self.proofs


def _confirms(operation: Operation, asked: Mapping[str, str]) -> bool:
    made = operation.operation_id == "PostPaymentIntents" and asked.get("confirm") == "true"
    return made or operation.operation_id == "PostPaymentIntentsIntentConfirm"


async def _by_events(
    connection: StripeConnection,
    sought: _Sought,
    oldest: int,
    account: str | None,
    turn: Turn,
    span: Mapping[str, Value] | None = None,
) -> Evidence:
    """Newest first, page by page, until older than the request, or within `span` alone. Each page is looked through
    whole, so that a stand-in whose clock is set otherwise still tells of its newest hundred."""
    traces = failures = 0
    proof: Proven | None = None
    after: str | None = None
    for _ in range(MOST_PAGES):
        asked: dict[str, Value] = {"limit": 100}
        if span is not None:
            asked["created"] = span
        if after is not None:
            asked["starting_after"] = after
        await turn()
        answer = await connection.send(encode("GET", "/v1/events", asked), idempotency_key=None, account=account)
        page = o.listed(answer.body) if isinstance(answer, Done) else None
        if page is None or not isinstance(answer, Done):
            return _UNREAD
        for event in page:
            if o.text(o.child(event, "request"), "idempotency_key") != sought.stripe_key:
                continue
            found = o.child(o.child(event, "data"), "object")
            if (o.text(event, "type") or "").endswith(_FAILURES):
                failures += 1
            elif sought.proves(event) and (body := _answered(found, sought.operation, sought.mark)) is not None:
                proof = proof or Proven(body)
            else:
                traces += 1
        times = [o.number(event, "created") for event in page]
        last = o.id_in(page[-1]) if page else None
        reached = proof is not None or any(time is not None and time < oldest for time in times)
        if reached or o.complete(answer.body) or last is None:
            if failures:
                # A payment that was made and declined in one request has events of both, the failure's the newer one.
                return _FAILED
            if traces and sought.proofs is not None and proof is None:
                return Unclear("It ran, and how it ended is not among Stripe's events.")
            return proof or (Proven() if traces else Absent())
        after = last
    return _TOO_MANY


async def _by_thin_events(
    connection: StripeConnection,
    operation: Operation,
    stripe_key: str,
    oldest: int,
    account: str | None,
    turn: Turn,
) -> Evidence:
    """All of /v2 since then. What an event is about is looked up; where that tells nothing, the trace alone proves it."""
    first = datetime.fromtimestamp(max(oldest, 0), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    page = encode("GET", _THIN_EVENTS, {"created": {"gte": first}, "limit": 100})
    traces: list[StripeObject] = []
    for _ in range(MOST_PAGES):
        await turn()
        answer = await connection.send(page, idempotency_key=None, account=account)
        events = o.listed(answer.body) if isinstance(answer, Done) else None
        if events is None or not isinstance(answer, Done):
            return _UNREAD
        traces += [each for each in events if _caused_by(each, stripe_key)]
        following = o.text(answer.body, "next_page_url")
        if following is None:
            if any((o.text(each, "type") or "").endswith(_FAILURES) for each in traces):
                return _FAILED
            return await _thin_proof(connection, operation, traces, account) if traces else Absent()
        if not _NEXT_PAGE.fullmatch(following):
            return Unclear("Stripe's events go on in a place that is none of Stripe's.")
        page = WireRequest("GET", _THIN_EVENTS, following.partition("?")[2])
    return _TOO_MANY


async def _thin_proof(
    connection: StripeConnection, operation: Operation, traces: list[StripeObject], account: str | None
) -> Proven:
    for event in traces:
        about = o.child(event, "related_object")
        place = o.text(about, "url")
        kinds = operation.answers.split("|")
        if place is None or not _PLACE.fullmatch(place) or o.text(about, "type") not in kinds:
            continue
        answer = await connection.send(WireRequest("GET", place), idempotency_key=None, account=account)
        if isinstance(answer, Done) and answer.body.get("object") in kinds:
            return Proven(answer.body)
    return Proven()


def _caused_by(event: StripeObject, stripe_key: str) -> bool:
    return o.text(o.child(o.child(event, "reason"), "request"), "idempotency_key") == stripe_key


def _answered(found: StripeObject | None, operation: Operation, mark: str | None) -> StripeObject | None:
    """What the lost answer was, of an event that our key is on: its object, or the one in a list that it carries along and
    that has our own mark. An event of a reversal is about the transfer."""
    if found is None or found.get("object") in operation.answers.split("|"):
        return found
    for name in found:
        for each in o.listed(o.child(found, name)) or ():
            ours = mark is not None and o.text(o.child(each, "metadata"), MARK) == mark
            if ours and each.get("object") in operation.answers.split("|"):
                return each
    return None


async def _deleted(
    connection: StripeConnection, wire: WireRequest, account: str | None, deletion: Deletion | None, before: str | None
) -> Evidence:
    """A DELETE of v1 takes no idempotency key, so the thing itself is asked: gone, there, or another in its place?"""
    asked = WireRequest("GET", wire.path) if deletion is None else deletion.read.wire
    answer = await connection.send(asked, idempotency_key=None, account=account)
    if isinstance(answer, Refused) and answer.status == 404 and is_missing(answer):
        return Proven()
    if not isinstance(answer, Done):
        return Unclear("Stripe could not be asked for the object.")
    if wire.v2:
        return Proven(answer.body) if answer.body.get("deleted") is True else Absent()
    there = There.OTHER if deletion is None else deletion.compare(answer.body, before)
    if there is There.GONE:
        return Proven(answer.body)
    return Absent() if there is There.SAME else Unclear("What is there now may be something else than before.")
