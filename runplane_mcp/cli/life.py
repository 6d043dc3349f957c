"""The whole life of a request, for programs and for people: asked, decided, voted on, executed, recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from rich.console import Group, RenderableType
from rich.text import Text

from runplane_mcp.cli.card import Fence, Hanging, agent_line, agents_words, bullets, sent_view
from runplane_mcp.cli.output import STATE_STYLES, Column, iso, moment, money, table
from runplane_mcp.core.approval import Vote
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.marks import Seen
from runplane_mcp.core.policy.values import duration_text
from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.core.text import label, visible
from runplane_mcp.core.wire import WireRequest, pairs
from runplane_mcp.gate.beside import only_recorded
from runplane_mcp.gate.sightings import sighting_in

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Life
    from runplane_mcp.gate.erasure import Erasure
    from runplane_mcp.store.records import DecisionRecord, Event

_SENTENCE = 500


def request_json(request: ActionRequest, *, frozen: bool) -> dict[str, Json]:
    """A request for programs; times are ISO in UTC. `frozen`: a freeze keeps it from running."""
    return {
        "request_id": request.id,
        "reference": request.reference,
        "status": request.state.value,
        "frozen": frozen,
        "action": request.action,
        "operation": request.operation_id,
        "kind": request.kind.value,
        "agent": request.agent,
        "principal": request.principal,
        "via": request.via,
        "client": request.client,
        "target": request.identity.target,
        "account": request.identity.account,
        "livemode": request.identity.livemode,
        "simulator": request.identity.simulator,
        "round": request.round,
        "replaces": request.replaces,
        "replaced_by": request.replaced_by,
        "digest": request.digest,
        "created_at": iso(request.created_at),
        "policy_at": iso(request.policy_at),
        "changed_at": iso(request.changed_at),
        "expires_at": iso(request.expires_at),
        "release_at": iso(request.release_at),
        "error": {"code": request.failure.code, "message": request.failure.message} if request.failure else None,
        "message_to_agent": request.message_to_agent,
        "not_checked": {"justification": request.own.justification, "ticket": request.own.ticket},
        "as_asked": _wire_json(request.as_asked),
        "effective": _wire_json(request.effective),
    }


def life_json(life: Life) -> dict[str, Json]:
    """All of a request: `decision` is the one that stands, `decisions` every one of them."""
    decisions: list[Json] = [_decision_json(record) for record in life.decisions]
    return {
        "request_id": life.request.id,
        "reference": life.request.reference,
        "status": life.request.state.value,
        "request": request_json(life.request, frozen=bool(life.frozen)),
        "decision": decisions[-1] if decisions else None,
        "decisions": decisions,
        "votes": [_vote_json(vote) for vote in life.votes],
        "execution": _execution_json(life),
        "resolution": _resolution_json(life),
        "erasure": erasure_json(life.erasure),
        "not_borne_out": life.doubt,
        "events": [_event_json(event) for event in life.events],
    }


def _wire_json(wire: WireRequest | None) -> Json:
    if wire is None:
        return None
    return {
        "method": wire.method,
        "url": wire.url,
        "parameters": [{"name": name, "value": value} for name, value in pairs(wire)],
        "body_sha256": wire.body_sha256,
    }


def _decision_json(record: DecisionRecord) -> Json:
    return {
        "n": record.n,
        "round": record.round,
        "kind": record.kind,
        "outcome": record.outcome.value,
        "at": iso(record.at),
        "policy_at": iso(record.policy_at),
        "policy_version": record.policy_version,
        "risk": record.risk_level.value,
        "risk_score": record.risk,
        "digest": record.digest,
        "facts": dict(record.facts),
        **record.detail,
    }


def _vote_json(vote: Vote) -> Json:
    return {
        "person": vote.person,
        "answer": vote.answer.value,
        "round": vote.round,
        "at": iso(vote.at),
        "digest": vote.digest,
        "note": vote.note,
        "proof_kind": vote.proof_kind,
        "proof": vote.proof,
    }


def _execution_json(life: Life) -> Json:
    """None where no send was ever intended."""
    request = life.request
    if request.stripe_key is None:
        return None
    return {
        "attempts": request.attempt,
        "idempotency_key": request.stripe_key,
        "first_attempt_at": iso(request.first_attempt_at),
        "stripe_request_id": request.stripe_request_id,
        "object_id": request.object_id,
        "result": dict(life.result) if life.result is not None else None,
        "seen": _seen_json(sighting_of(life)),
    }


def sighting_of(life: Life) -> Seen | None:
    """What was seen at Stripe of a request of which nobody knows whether it happened."""
    return sighting_in(life.events) if life.request.state is State.OUTCOME_UNKNOWN else None


def _seen_json(seen: Seen | None) -> Json:
    if seen is None:
        return None
    return {"object": seen.kind, "id": seen.id, "status": seen.status, "marked": seen.marked}


def erasure_json(erasure: Erasure | None) -> Json:
    """Who erased what it said, and what of that is kept for the books."""
    if erasure is None:
        return None
    return {"by": erasure.by, "at": iso(erasure.at), "seq": erasure.seq, "kept": dict(erasure.kept)}


def erasure_text(erasure: Erasure) -> str:
    """The same for people: who, when, and what of it is still known."""
    known = []
    for name, what in (("amount", "the amount was"), ("moved", "what moved was")):
        money_ = erasure.kept.get(name)
        if isinstance(money_, Mapping):
            known.append(f"{what} {money(*_money(money_))}")
    left = f" Still known: {', '.join(known)}." if known else ""
    return f"ERASED, {moment(erasure.at)}: {visible(erasure.sentence(), _SENTENCE)}{left}"


def _resolution_json(life: Life) -> Json:
    """None where Stripe's own answer or its events told what became of it."""
    said = life.resolution
    if said is None:
        return None
    return {
        "by": said.by,
        "outcome": said.outcome.value,
        "object_id": said.object_id,
        "evidence": said.evidence,
        "at": iso(said.at),
    }


def _event_json(event: Event) -> Json:
    return {
        "seq": event.seq,
        "at": iso(event.at),
        "type": event.type,
        "body": cast("Json", json.loads(event.body)),
        "leaf": event.leaf.hex(),
    }


def life_view(life: Life) -> RenderableType:
    """The same for people."""
    request = life.request
    title = Text(request.reference, style="bold")
    title.append(f"  {request.state.value}", style=STATE_STYLES.get(request.state.value, ""))
    title.append(f" · {visible(request.action, 60)} · {request.id}")
    target = "the simulator" if request.identity.simulator else visible(request.identity.target, 60)
    parts: list[RenderableType] = [
        title,
        Text(
            f"Asked {moment(request.created_at)} over {visible(request.via, 20)}, "
            f"on account {visible(request.identity.account, 60)} of {target}"
        ),
        agent_line(request.agent),
    ]
    for verb, other in (("It replaces", request.replaces), ("It was replaced by", request.replaced_by)):
        if other is not None:
            parts.append(Text(f"{verb} {other}", style="yellow"))
    parts.extend(Text(visible(each.sentence(), 1_000), style="bold red") for each in life.frozen)
    if life.doubt is not None:
        said = f"THE LOG DOES NOT BEAR IT OUT, so it does not run. {life.doubt} See: runplane audit verify"
        parts.append(Text(visible(said, 1_000), style="bold red"))
    if life.erasure is not None:
        parts.append(Text(erasure_text(life.erasure), style="yellow"))
    wire = request.effective or request.as_asked
    if wire is not None:
        parts.append(sent_view(wire.method, wire.url, pairs(wire)))
    if request.failure is not None:
        parts.append(
            Text(
                f"Ended with {visible(request.failure.code, 100)}: {visible(request.failure.message, _SENTENCE)}",
                style="red",
            )
        )
    for record in life.decisions:
        parts.extend(_decision_view(record))
    parts.extend(_votes_view(life))
    if request.stripe_key is not None:
        parts.append(
            Text(
                f"\nSent to Stripe, attempts: {request.attempt}. First {moment(request.first_attempt_at)}. Stripe's"
                f" request {visible(request.stripe_request_id or 'unknown', 100)},"
                f" object {visible(request.object_id or 'none', 100)}."
            )
        )
    seen = sighting_of(life)
    if seen is not None:
        parts.append(Text(visible(seen.sentence(), _SENTENCE), style="yellow"))
    if life.resolution is not None:
        resolved = life.resolution
        parts.append(
            Text(
                f"\n{visible(resolved.by, 64)} said on {moment(resolved.at)} that it {resolved.outcome.value}:"
                f" “{visible(resolved.evidence or '(erased)', 2_000)}”",
                style="yellow",
            )
        )
    words = agents_words(request.own.justification, request.own.ticket)
    if words:
        parts.extend([Text(""), Fence(f"NOT CHECKED: the words of the agent {label(request.agent)}", words)])
    if life.events:
        rows = [(str(event.seq), moment(event.at), event.type) for event in life.events]
        parts.extend([Text(""), table([Column("SEQ", right=True), Column("AT"), Column("EVENT")], rows)])
    return Group(*parts)


def _says(outcome: object, recorded: Mapping[str, Json]) -> str:
    """What a decision or one of its reasons says: `allow, after 10 minutes` where it is held back."""
    after = recorded.get("after")
    return f"{outcome}" if after is None else f"{outcome}, after {duration_text(int(str(after)))}"


def _decision_view(record: DecisionRecord) -> list[RenderableType]:
    amount, currency = _money(record.facts.get("amount"))
    parts: list[RenderableType] = [
        Text(
            f"\nDecision {record.n} ({record.kind}, round {record.round}): {_says(record.outcome.value, record.detail)}",
            style="bold",
        ),
        *bullets(
            [
                f"{moment(record.at)} · {money(amount, currency)} · risk {record.risk} {record.risk_level.value}"
                f" · policy {record.policy_version[:12]}"
            ],
            mark="  ",
            style="",
        ),
    ]
    reasons = record.detail.get("reasons")
    for reason in reasons if isinstance(reasons, list | tuple) else ():
        if isinstance(reason, Mapping):
            spoke = " ".join(str(reason[name]) for name in ("source", "id") if reason.get(name))
            sentence = f"{spoke}: {_says(reason.get('outcome'), reason)}. {reason.get('why') or ''}"
            parts.extend(bullets([sentence], mark="  - ", style=""))
    return [*parts, *bullets(only_recorded(record.detail), mark="  - ", style="dim")]


def _votes_view(life: Life) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if life.votes:
        parts.append(Text("\nVotes", style="bold"))
    for vote in life.votes:
        note = f" “{visible(vote.note, _SENTENCE)}”" if vote.note else ""
        said = f"{visible(vote.person, 64)} said {vote.answer.value} on {moment(vote.at)}, round {vote.round}{note}"
        parts.append(Hanging("  ", "  ", Text(said)))
    return parts


def _money(amount: Json) -> tuple[int | None, str | None]:
    """Minor units and currency of a recorded amount; both None where there is none or it is unknown."""
    if isinstance(amount, Mapping):
        units, currency = amount.get("amount"), amount.get("currency")
        if isinstance(units, int) and isinstance(currency, str):
            return units, currency
    return None, None
