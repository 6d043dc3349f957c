"""Cards from records: what people see is made from the decision record that their vote will name, and from nothing else
that an agent could have changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from runplane_mcp.core.approval import Person, Standing, Vote, eligible_people, tally
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.card import Card, Cause, VoteLine
from runplane_mcp.core.decision import Need
from runplane_mcp.core.freeze import Freeze
from runplane_mcp.core.money import CURRENCIES, Money
from runplane_mcp.core.request import ActionRequest, State, fingerprint
from runplane_mcp.core.wire import pairs
from runplane_mcp.gate.clock import iso
from runplane_mcp.gate.lowered import Lowering
from runplane_mcp.gate.records import conditions_of, fact_from_json, needs_from
from runplane_mcp.gate.restored import Restored
from runplane_mcp.store.records import DecisionRecord

Detail = Mapping[str, Json]


def build_card(
    request: ActionRequest,
    record: DecisionRecord,
    votes: Sequence[Vote],
    people: Mapping[str, Person],
    *,
    frozen: Sequence[Freeze] = (),
    lowering: Lowering | None = None,
    blocked: str | None = None,
    restored: Restored | None = None,
) -> Card:
    """`frozen` are the freezes that hold the request now, `lowering` is by whom it was lowered, if it was, `blocked`
    says what would block it now, and `restored` is the restore whose past limits may lack; all else is as it was when the
    card's round began."""
    detail = record.detail
    effect = cast("Detail", detail.get("effect", {}))
    needs = needs_from(detail)
    digest = request.digest or ""
    owner = lowering.by if lowering is not None else None
    counted = tally(needs, votes, people, digest=digest, round=request.round, owner=owner)
    amount = fact_from_json(record.facts["amount"]) if "amount" in record.facts else None
    wire = request.effective or request.as_asked
    return Card(
        request_id=request.id,
        reference=request.reference,
        status=request.state.value,
        simulator=request.identity.simulator,
        mode=str(detail.get("mode", "")),
        headline=str(effect.get("sentence", "")),
        to_whom=_text_or_none(effect.get("to_whom")),
        money_lines=tuple(
            (str(line["label"]), str(Money(cast("int", line["amount"]), str(line["currency"]))))
            for line in _objects(effect.get("money_lines"))
        ),
        undo=str(effect.get("undo", "")),
        why=tuple(
            f"{reason['why']} ({reason['id']})" if reason["source"] in ("rule", "limit") else str(reason["why"])
            for reason in _objects(detail.get("reasons"))
            if reason["outcome"] != "allow" or (request.release_at is not None and reason.get("after") is not None)
        ),
        needs=tuple(need.sentence() for need in needs),
        votes=tuple(VoteLine(vote.person, vote.answer.value, vote.at) for vote in votes),
        needed=counted.needed if counted.standing is Standing.OPEN else 0,
        changed=tuple(str(each) for each in _list(detail.get("changed"))),
        history=(*_repeats(request, record), *_history(record)),
        denials=_denials(record),
        warnings=_warnings(
            request,
            detail,
            needs_people=[(need, eligible_people(need, people.values())) for need in needs],
            one_person=counted.one_person,
            frozen=frozen,
            owner=owner,
            blocked=blocked,
            restored=restored,
        ),
        quoted=tuple((str(label), str(text)) for label, text in cast("list[list[str]]", _list(effect.get("quoted")))),
        agent=request.agent,
        justification=request.own.justification,
        ticket=request.own.ticket,
        action=request.action,
        operation_id=request.operation_id,
        amount=amount.amount if isinstance(amount, Money) else None,
        currency=amount.currency if isinstance(amount, Money) else None,
        customer=_text_or_none(record.facts.get("customer")),
        risk=record.risk,
        risk_level=record.risk_level.value,
        risk_factors=tuple(
            f"{factor['sentence']} (+{factor['points']})" for factor in _objects(detail.get("risk_factors"))
        ),
        digest=digest,
        fingerprint=fingerprint(digest) if digest else "",
        round=request.round,
        created_at=request.policy_at,
        expires_at=request.expires_at,
        release_at=request.release_at if request.state is State.SCHEDULED else None,
        method=wire.method if wire else "",
        url=wire.url if wire else "",
        parameters=tuple(pairs(wire)) if wire else (),
        preconditions=conditions_of(record, request.action),
        facts=record.facts,
        policy_version=record.policy_version,
        replaces=request.replaces,
        frozen=bool(frozen),
        principal=request.principal,
        causes=tuple(
            Cause(str(reason["source"]), str(reason["id"]), str(reason["why"]))
            for reason in _objects(detail.get("reasons"))
            if reason["outcome"] == record.outcome.value
        ),
    )


def _warnings(
    request: ActionRequest,
    detail: Detail,
    *,
    needs_people: Sequence[tuple[Need, Sequence[str]]],
    one_person: bool,
    frozen: Sequence[Freeze],
    owner: str | None,
    blocked: str | None,
    restored: Restored | None,
) -> tuple[str, ...]:
    found = [f"{each.sentence()} While this stands, nothing runs, whoever says yes." for each in frozen]
    if blocked is not None:
        found.append(blocked)
    if restored is not None:
        found.append(f"{restored.sentence()} The limits' sums lack it, and so do earlier requests and denials.")
    if request.identity.simulator:
        found.append("Simulator: no real money moves.")
    elif not request.identity.livemode:
        found.append("Test mode: no real money moves.")
    if one_person:
        found.append("One-person mode: only one person is enrolled, so nobody checks the one who says yes.")
    if request.replaces is not None and owner is None:
        found.append("Nobody's signature bears out that this was lowered: it does not run.")
    if owner is not None and not one_person:
        found.append(f"{owner} lowered this, so that their yes alone is not enough.")
        if not any(set(names) - {owner} for _, names in needs_people):
            found.append("Nobody else who is asked is enrolled: it cannot be approved until somebody is.")
    for need, names in needs_people:
        if len(names) < need.people:
            found.append(
                f"This cannot be approved yet: it needs {need.sentence()}, and {len(names)} are enrolled."
                " An administrator adds people with `runplane people add`."
            )
    if detail.get("mode") == "trial":
        found.append("Trial mode: agents run as the same user; a program with a shell can go around Runplane.")
    if detail.get("simulated_clock"):
        found.append("The clock is simulated.")
    return tuple(found)


def _history(record: DecisionRecord) -> tuple[str, ...]:
    lines = []
    day = record.facts.get("requests_24h_agent")
    refused = record.facts.get("refused_24h_agent")
    if isinstance(day, int):
        lines.append(f"This agent: {_count(day, 'request')} in 24 hours, {refused or 0} of them blocked or denied.")
    week = record.facts.get("requests_7d_customer")
    if isinstance(week, int):
        lines.append(f"This customer: {_count(week, 'request')} in 7 days.")
    before = record.facts.get("destination_paid_before")
    if isinstance(before, bool):
        lines.append("This destination was paid before." if before else "This destination was never paid before.")
    for limit in _objects(record.detail.get("limits")):
        lines.append(str(limit["sentence"]))
    return tuple(lines)


def _repeats(request: ActionRequest, record: DecisionRecord) -> tuple[str, ...]:
    """What this one would do a second time, by accident or on purpose."""
    same = record.detail.get("same_as")
    if isinstance(same, Mapping):
        return (f"The same as {same['reference']}, which is {same['status']} ({iso(cast('int', same['at']))}).",)
    if request.own.repeat_of is not None:
        # Only a finished request of this agent that asked for the same gets this far.
        return (f"The agent says that it means to repeat {request.own.repeat_of.strip()}.",)
    return ()


def _denials(record: DecisionRecord) -> tuple[str, ...]:
    denied = record.facts.get("denied_24h_object")
    if isinstance(denied, int) and denied > 0:
        about = "object" if isinstance(record.facts.get("object"), str) else "destination"
        times = "once" if denied == 1 else f"{denied} times"
        return (
            f"Asked again after a denial: people denied or lowered {times} what is about the same {about} in 24 hours.",
        )
    return ()


def money_of(record: DecisionRecord) -> tuple[int | None, str | None]:
    """The amount (minor units) and currency of a record, None where there is none or it is unknown."""
    raw = record.facts.get("amount")
    if isinstance(raw, Mapping) and raw.get("currency") in CURRENCIES:
        return cast("int", raw["amount"]), str(raw["currency"])
    return None, None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _text_or_none(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else ()


def _objects(value: Json) -> list[Detail]:
    return [each for each in _list(value) if isinstance(each, Mapping)]
