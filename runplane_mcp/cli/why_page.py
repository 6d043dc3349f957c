"""One request on one page, for whoever asks why: asked by, looked up, decided, approved by, done, proof."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from runplane_mcp.cli.card import Fence, Hanging, agents_words, bullets, fact_text, section, sent_view
from runplane_mcp.cli.life import erasure_text, sighting_of
from runplane_mcp.cli.output import STATE_STYLES, moment
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.facts import REGISTRY, UNKNOWN, Missing, Source
from runplane_mcp.core.money import CURRENCIES, Money
from runplane_mcp.core.policy.values import duration_text
from runplane_mcp.core.request import ActionRequest, Kind, State
from runplane_mcp.core.text import label, unquoted, visible
from runplane_mcp.core.wire import pairs
from runplane_mcp.gate.beside import only_recorded
from runplane_mcp.gate.records import conditions_of, fact_from_json, needs_from
from runplane_mcp.store.records import READS

if TYPE_CHECKING:
    from runplane_mcp.core.approval import Vote
    from runplane_mcp.gate.desk import Life
    from runplane_mcp.store.records import DecisionRecord, Head
    from runplane_mcp.store.verify import RequestProof

_SENTENCE = 500
_QUOTED = 300
#: Policy time that differs by more was simulated.
_SAME_TIME_MS = 60_000

_OUTCOMES: Mapping[Outcome, str] = {
    Outcome.ALLOW: "allowed",
    Outcome.REQUIRE_APPROVAL: "needs approval",
    Outcome.BLOCK: "blocked",
}
_TITLES: Mapping[str, str] = {
    "first": "Decided",
    "release": "Decided again at its release",
    "execution": "Decided again before it ran",
}

#: What each end means for Stripe, where nothing else says it.
_ENDS: Mapping[State, str] = {
    State.BLOCKED: "Blocked by the policy.",
    State.DENIED: "Denied by a person.",
    State.EXPIRED: "It expired without enough answers.",
    State.CANCELED: "The agent took it back.",
    State.REPLACED: "Another request took its place.",
    State.WAITING: "It waits for people.",
    State.SCHEDULED: "It runs by itself later; nobody is asked.",
    State.APPROVED: "Approved; a gate runs it next.",
    State.RECEIVED: "It is being decided.",
}


def page(life: Life, genuine: Collection[Vote], proof: RequestProof, head: Head | None = None) -> RenderableType:
    """The page of one request. `genuine` holds the votes whose signatures verify; `head` is the audit log's."""
    request = life.request
    parts: list[RenderableType] = [_title(request)]
    first = life.decisions[0] if life.decisions else None
    if life.erasure is not None:
        parts.append(Text(erasure_text(life.erasure), style="yellow"))
    elif first is not None:
        parts.append(Text(visible(_effect(first, "sentence"), _SENTENCE), style="bold"))
    parts.extend(_asked_by(request))
    if first is not None and life.erasure is None:
        parts.extend(section("Looked up", list(_looked_up(first, request.action))))
    for before, record in zip([None, *life.decisions], life.decisions, strict=False):
        parts.extend(_decided(record, before))
    parts.extend(_approved_by(life, genuine))
    parts.extend(section("Done", list(_done(life))))
    parts.extend(_proof(life, proof, head))
    return Group(*parts)


def _title(request: ActionRequest) -> Text:
    line = Text(request.reference, style="bold")
    line.append(f"  {request.state.value}", style=STATE_STYLES.get(request.state.value, ""))
    line.append(" · simulator" if request.identity.simulator else " · Stripe", style="bold magenta")
    if not request.identity.simulator:
        line.append(" live" if request.identity.livemode else " test mode", style="bold magenta")
    line.append(f" · {visible(request.action, 60)} · {request.id}")
    return line


def _asked_by(request: ActionRequest) -> list[RenderableType]:
    """Who, when and what, in the agent's own parameters and words: those behind a bar, its names in quotation marks."""
    parts: list[RenderableType] = [Text(""), Text("Asked by", style="bold")]
    names = [("agent", request.agent), ("client", request.client), ("principal", request.principal)]
    for what, name in names:
        if name is not None:
            parts.append(Hanging(f"  {what:<10}", " " * 12, Text(label(name))))
    lines = [f"over {visible(request.via, 20)}, {_asked_at(request)}"]
    wire = request.as_asked
    if wire is not None and request.effective is not None and request.effective != wire:
        known = set(pairs(wire))
        filled = [f"{name} = {value}" for name, value in pairs(request.effective) if (name, value) not in known]
        lines.append(f"Runplane filled in {', '.join(filled)}" if filled else "written anew by Runplane")
    parts.extend(bullets(lines, mark="  - ", style=""))
    if wire is not None:
        parts.append(sent_view(wire.method, wire.path, pairs(wire)))
    words = agents_words(request.own.justification, request.own.ticket)
    if words:
        parts.append(Fence(f"NOT CHECKED: the words of the agent {label(request.agent)}", words))
    return parts


def _asked_at(request: ActionRequest) -> str:
    """Wall time, and policy time where that was simulated."""
    if abs(request.policy_at - request.created_at) < _SAME_TIME_MS:
        return moment(request.created_at)
    return f"{moment(request.created_at)}; {moment(request.policy_at)} by the simulated clock"


def _looked_up(record: DecisionRecord, action: str) -> Iterator[str]:
    to_whom, undo = _effect(record, "to_whom"), _effect(record, "undo")
    if to_whom:
        yield f"to {to_whom}"
    for line in _objects(_effect_detail(record).get("money_lines")):
        yield f"{line.get('label')}: {_money(line)}"
    facts = {
        name: fact_from_json(value)
        for name, value in record.facts.items()
        if name in REGISTRY and REGISTRY[name].source is Source.STRIPE
    }
    known = [f"{name} {fact_text(record.facts[name])}" for name, fact in facts.items() if not isinstance(fact, Missing)]
    unknown = [name for name, fact in facts.items() if fact is UNKNOWN]
    if known:
        yield ", ".join(known)
    if unknown:
        yield f"COULD NOT BE FOUND OUT: {', '.join(unknown)}"
    if undo:
        yield undo
    yield from (f"to run: {each}" for each in conditions_of(record, action))


def _decided(record: DecisionRecord, before: DecisionRecord | None) -> list[RenderableType]:
    """One decision; of a later one only what is new."""
    lines = [
        f"{_OUTCOMES[record.outcome]}, {moment(record.at)}; policy {record.policy_version[:12]},"
        f" {record.detail.get('mode', 'trial')} mode"
    ]
    lines.extend(f"changed: {each}" for each in _list(record.detail.get("changed")))
    known = [dict(each) for each in _objects(before.detail.get("reasons"))] if before is not None else []
    lines.extend(_reason(each) for each in _objects(record.detail.get("reasons")) if dict(each) not in known)
    lines.extend(only_recorded(record.detail))
    needs = needs_from(record.detail)
    if before is None:
        lines.append(f"risk {record.risk} of 100, {record.risk_level.value}")
        factors = _objects(record.detail.get("risk_factors"))
        lines.extend(f"risk +{each.get('points')} {each.get('name')}: {each.get('sentence')}" for each in factors)
        limits = _objects(record.detail.get("limits"))
        lines.extend(f"limit {each.get('id')}: {each.get('sentence')}" for each in limits)
    elif needs == needs_from(before.detail):
        needs = ()
    lines.extend(f"needs a yes from {need.sentence()}" for need in needs)
    return section(_TITLES.get(record.kind, "Decided"), lines)


def _reason(reason: Mapping[str, Json]) -> str:
    """`rule large-refunds needs approval: Large refunds need a person.`"""
    source, outcome = str(reason.get("source")), str(reason.get("outcome"))
    name = f"{source} {reason.get('id')}" if source in ("rule", "limit") else source
    says = _OUTCOMES[Outcome(outcome)] if outcome in set(Outcome) else outcome
    if (after := reason.get("after")) is not None:
        says += f", after {duration_text(int(str(after)))}"
    return f"{name}: {says}. {reason.get('why') or ''}".rstrip()


def _approved_by(life: Life, genuine: Collection[Vote]) -> list[RenderableType]:
    if not life.votes:
        if life.request.round == 0 and life.request.state is State.SUCCEEDED:
            return section("Approved by", ["nobody: the policy allows it without people"])
        return []
    parts: list[RenderableType] = [Text(""), Text("Approved by" if _approved(life) else "Answered by", style="bold")]
    for vote in life.votes:
        held = vote in genuine
        earlier = "" if vote.round == life.request.round else f", in round {vote.round}, which no longer counts"
        sentence = (
            f"{vote.person} said {vote.answer.value}, {moment(vote.at)}{earlier};"
            f" {'the signature verifies' if held else 'THE SIGNATURE DOES NOT VERIFY: it counts for nothing'}"
        )
        note = f" {_quoted(vote.note)}" if vote.note else ""
        parts.extend(bullets([sentence + note], mark="  - ", style="" if held else "bold red"))
    return parts


def _approved(life: Life) -> bool:
    return any(event.type == "request.approved" for event in life.events)


def _done(life: Life) -> Iterator[str]:
    request = life.request
    if request.state is State.CANCELED and request.failure is not None:
        yield "People stopped it before it ran."
    elif request.state in _ENDS:
        yield _ENDS[request.state]
    if request.state is State.SCHEDULED:
        yield f"not before {moment(request.release_at)}, unless somebody stops it: runplane stop {request.reference}"
    if request.failure is not None:
        words = _quoted(request.failure.message) if request.failure.message or life.erasure is None else "(erased)"
        yield f"{visible(request.failure.code, 100)}: {words}"
    if request.message_to_agent:
        yield f"told the agent: {_quoted(request.message_to_agent)}"
    if request.replaced_by is not None:
        yield f"What took its place: runplane why {request.replaced_by}"
    if request.replaces is not None:
        yield f"It took the place of {request.replaces}"
    for freeze in life.frozen:
        yield f"{freeze.sentence()} While this stands, it does not run."
    if life.resolution is not None:
        said = life.resolution
        evidence = _quoted(said.evidence) if said.evidence is not None else "(erased)"
        yield (
            f"Nobody knew the outcome; {visible(said.by, 64)} said on {moment(said.at)} that it {said.outcome.value}:"
            f" {evidence}"
        )
    if request.restored is not None:
        # Its key, and whether there was one, may be in the database that was replaced alone.
        yield (
            f"It was open in the copy that was restored as epoch {request.restored}: whether it ran after the copy was"
            " taken is not in this home, and nothing of it is sent from here."
        )
    if request.stripe_key is None:
        if request.state is not State.SUCCEEDED and request.restored is None:
            yield "Nothing was sent to Stripe."
        return
    times = "once" if request.attempt == 1 else f"{request.attempt} times, with the same bytes and the same key"
    key = f"; idempotency key {request.stripe_key}" if request.kind is Kind.WRITE else ""
    yield f"sent to Stripe {times}, first {moment(request.first_attempt_at)}{key}"
    if request.stripe_request_id is not None:
        yield f"Stripe's request {request.stripe_request_id}"
    if request.object_id is not None:
        status = life.result.get("status") if life.result is not None else None
        yield f"Stripe's object {request.object_id}" + (f", {status}" if isinstance(status, str) else "")
    if request.state is State.OUTCOME_UNKNOWN and request.restored is None:
        yield "Nobody knows whether it happened: no answer came, and nothing at Stripe proves it yet."
    seen = sighting_of(life)
    if seen is not None:
        yield seen.sentence()


def _proof(life: Life, proof: RequestProof, head: Head | None) -> list[RenderableType]:
    lines = [f"audit events {_spans(proof.seqs)}", f"newest leaf {proof.leaf}"]
    if not proof.seqs:
        lines = ["no audit event speaks of this read yet: one follows when it has ended, for it and others"]
    elif any(event.type == READS for event in life.events):
        lines = [f"audit event {_spans(proof.seqs)}, for this read and others", f"its leaf {proof.leaf}"]
    if head is not None:
        lines.append(f"root of all {head.size:,} events {head.root.hex()}")
    lines.extend(f"digest voted for {digest}" for digest in sorted({vote.digest for vote in life.votes}))
    if proof.ok:
        lines.append("the log verifies for them; for all of it: runplane audit verify")
        if proof.seqs:
            lines.append(f"for somebody outside: runplane audit prove {life.request.reference}")
        return section("Proof", lines)
    where = f" at event {proof.first_bad}" if proof.first_bad is not None else ""
    return [
        *section("Proof", lines),
        *bullets([f"THE LOG DOES NOT VERIFY{where}: {proof.problem}"], mark="  - ", style="bold red"),
    ]


def _quoted(text: str) -> str:
    """Somebody's words inside a sentence of ours; they cannot end the quotation."""
    return f"“{unquoted(visible(text, _QUOTED))}”"


def _spans(seqs: Sequence[int]) -> str:
    """`3-7, 9`."""
    spans: list[tuple[int, int]] = []
    for seq in seqs:
        if spans and seq == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], seq)
        else:
            spans.append((seq, seq))
    return ", ".join(str(start) if start == end else f"{start}-{end}" for start, end in spans) or "none"


def _effect_detail(record: DecisionRecord) -> Mapping[str, Json]:
    effect = record.detail.get("effect")
    return effect if isinstance(effect, Mapping) else {}


def _effect(record: DecisionRecord, name: str) -> str:
    value = _effect_detail(record).get(name)
    return value if isinstance(value, str) else ""


def _money(line: Mapping[str, Json]) -> str:
    amount, currency = line.get("amount"), line.get("currency")
    if isinstance(amount, int) and isinstance(currency, str) and currency in CURRENCIES:
        return str(Money(amount, currency))
    return f"{amount} {currency}"


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else ()


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [each for each in _list(value) if isinstance(each, Mapping)]
