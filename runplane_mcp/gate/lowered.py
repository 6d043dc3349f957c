"""Lowering: an approver puts a smaller request in the place of one that waits. It has an id, a digest and votes of its own;
the process that records it has no key for Stripe, so a gate looks it up and decides it.

Whoever lowers signs what they saw and the exact bytes that take its place. A gate believes nothing but that signature: a
request that a row alone says was lowered is never run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from runplane_mcp.core.approval import Person
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.decision import Outcome, Reason
from runplane_mcp.core.effect import Effect
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import ActionRequest, Failure, same_digest
from runplane_mcp.core.wire import WireRequest
from runplane_mcp.gate.acts import said, signer
from runplane_mcp.gate.deciding import Judged, at_least
from runplane_mcp.gate.people import trusted
from runplane_mcp.gate.records import fact_from_json
from runplane_mcp.store.base import Reader
from runplane_mcp.store.records import DecisionRecord

#: The event of the new request that holds the signature.
LOWER: Final = "lower"
NOT_BORNE_OUT: Final = Failure("approval.not_signed", "Nobody's signature bears out that this was lowered.")
#: Its own is among the first events of a request.
_EARLY: Final = 20


@dataclass(frozen=True, slots=True)
class Lowering:
    """Who put a request in another's place. Their yes to it counts, but is not enough alone."""

    by: str
    replaces: ActionRequest


def statement_content(
    old: ActionRequest, new_id: str, wire: WireRequest, *, digest: str, nonce: str
) -> dict[str, Json]:
    """What a person signs: which request, as they saw it, gives way to exactly which bytes. The nonce keeps the parameters
    from being guessed out of the log; it is erased with them."""
    return {
        "request_id": old.id,
        "digest": digest,
        "replaced_by": new_id,
        "method": wire.method,
        "url": wire.url,
        "body_sha256": wire.body_sha256,
        "nonce": nonce,
    }


def new_nonce() -> str:
    return os.urandom(16).hex()


def lowering_of(reader: Reader, request: ActionRequest, people: Mapping[str, Person]) -> Lowering | None:
    """Who lowered another request to this one, as far as the log bears it out. None also where it was never lowered:
    `request.replaces` tells the two apart."""
    if request.replaces is None or request.as_asked is None:
        return None
    old = reader.request(request.replaces)
    if old is None or old.digest is None:
        return None
    for event in reader.events(0, _EARLY, request.id):
        nonce = _nonce(reader, said(event)) if event.type == LOWER else None
        if nonce is None or not same_digest(str(said(event).get("digest", "")), old.digest):
            continue
        content = statement_content(old, request.id, request.as_asked, digest=old.digest, nonce=nonce)
        person = signer(event, people, store=reader.store_id(), act=LOWER, content=content)
        if person is not None:
            return Lowering(person.id, old)
    return None


def as_lowered(reader: Reader, request: ActionRequest, effect: Effect, judged: Judged) -> Judged:
    """The decision on a lowered request: people are asked, at least those of the request whose place it takes and within no
    longer a time, unless the policy blocks it. It is blocked too where no signature bears it out, or where what was
    looked up is not less than before. Any other request's decision is left as it is."""
    if request.replaces is None:
        return judged
    lowering = lowering_of(reader, request, trusted(reader))
    record = reader.round_decision(lowering.replaces.id, lowering.replaces.round) if lowering is not None else None
    decision = judged.decision
    if lowering is None or record is None:
        return _stopped(judged, NOT_BORNE_OUT.message)
    if effect.refusal is None and not _is_less(effect, record):
        return _stopped(judged, "What it would do is not less than what it replaces.")
    if decision.outcome is Outcome.BLOCK:
        return judged
    before = fact_from_json(record.facts["amount"]) if "amount" in record.facts else None
    was = str(before) if isinstance(before, Money) else "an end at once"
    why = f"{lowering.by} lowered {lowering.replaces.reference}, which was {was}. At least the same people are asked."
    reason = Reason("lowered", lowering.replaces.reference, Outcome.REQUIRE_APPROVAL, why)
    asked = at_least(judged, record)
    earlier = record.detail.get("expires_in")
    times = [each for each in (decision.expires_in, earlier) if isinstance(each, int)]
    return replace(
        asked,
        decision=replace(asked.decision, reasons=(reason, *decision.reasons), expires_in=min(times) if times else None),
    )


def _is_less(effect: Effect, record: DecisionRecord) -> bool:
    """Less money of the same currency, or a subscription that ends later than at once."""
    after = effect.facts.get("amount")
    before = fact_from_json(record.facts["amount"]) if "amount" in record.facts else None
    if isinstance(after, Money) and isinstance(before, Money):
        return after.currency == before.currency and after.amount < before.amount
    return effect.facts.get("ends") == "period_end" and record.facts.get("ends") == "now"


def _stopped(judged: Judged, why: str) -> Judged:
    reason = Reason("error", "lowered", Outcome.BLOCK, why)
    decision = judged.decision
    return replace(
        judged,
        decision=replace(
            decision, outcome=Outcome.BLOCK, reasons=(reason, *decision.reasons), requirement=(), buckets=(), after=None
        ),
    )


def _nonce(reader: Reader, body: Mapping[str, Json]) -> str | None:
    payloads = body.get("payloads")
    kept = reader.payload(str(payloads.get("lowered"))) if isinstance(payloads, Mapping) else None
    nonce = kept.get("nonce") if isinstance(kept, Mapping) else None
    return nonce if isinstance(nonce, str) else None
