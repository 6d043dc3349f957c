"""What a decision at execution says that the card did not: what is new, what got larger, and what only the clock blocks."""

from __future__ import annotations

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Decision, Need, Outcome
from runplane_mcp.core.hours import clock_facts
from runplane_mcp.core.policy.conditions import today_of
from runplane_mcp.core.request import ActionRequest
from runplane_mcp.gate.records import fact_from_json, needs_from
from runplane_mcp.store.base import Reader
from runplane_mcp.store.records import DecisionRecord


def news(decision: Decision, record: DecisionRecord) -> tuple[str, ...]:
    """Rules, limits and repeats that speak now and were not on the card that people voted on."""
    reasons = record.detail.get("reasons", [])
    known = set()
    if isinstance(reasons, list):
        known = {(each["source"], each["id"]) for each in reasons if isinstance(each, dict)}
    return tuple(
        reason.why
        for reason in decision.reasons
        if reason.outcome is not Outcome.ALLOW
        and reason.source in {"rule", "limit", "duplicate"}
        and (reason.source, reason.id) not in known
    )


def larger(decision: Decision, record: DecisionRecord) -> tuple[str, ...]:
    """Who must say yes now and did not have to when people voted, in words."""
    before = needs_from(record.detail)
    asked = " and ".join(need.sentence() for need in before) or "nobody"
    return tuple(
        f"It needs {need.sentence()} now; the card asked {asked}."
        for need in decision.requirement
        if not any(_meets(earlier, need) for earlier in before)
    )


def _meets(earlier: Need, need: Need) -> bool:
    return earlier.groups <= need.groups and earlier.people >= need.people


def lasting_block(now: Decision, at_first: Decision) -> bool:
    """Whether what blocks `now` blocked when it was asked too (`at_first`: the same facts by that time). A limit that
    others used up, or an hour that came meanwhile, throws nothing away: people are asked again."""
    return _blocked_by_more_than_limits(now) and _blocked_by_more_than_limits(at_first)


def _blocked_by_more_than_limits(decision: Decision) -> bool:
    return decision.outcome is Outcome.BLOCK and any(reason.source != "limit" for reason in decision.decisive)


def blocked_as_things_are(decision: Decision) -> tuple[str, ...]:
    """What blocks, in words for a card."""
    return tuple(f"It is blocked as things are now: {reason.why}" for reason in decision.decisive)


def warning_of_block(
    reader: Reader, policy: CompiledPolicy, request: ActionRequest, record: DecisionRecord, now: int
) -> str | None:
    """What a card says before anybody says yes, where the enforced policy would not let it run now (policy time), as far as
    its round's record tells. None where it would run."""
    if not record.facts:
        return None  # erased
    decision = _decided(reader, policy, request, record, now)
    if decision.outcome is not Outcome.BLOCK:
        return None
    first = _decided(reader, policy, request, record, request.policy_at)
    after = "it would end blocked" if lasting_block(decision, first) else "it would come back for another yes"
    spoke = "; ".join(f"{reason.why.rstrip('.')} ({reason.id})" for reason in decision.decisive)
    return f"It would not run now: {spoke}. With a yes now, {after}."


def _decided(
    reader: Reader, policy: CompiledPolicy, request: ActionRequest, record: DecisionRecord, at: int
) -> Decision:
    facts = {name: fact_from_json(value) for name, value in record.facts.items() if name not in ("risk", "risk_level")}
    facts |= clock_facts(policy, at)
    matching = policy.matching(facts, today_of(facts))
    usages = reader.usages([bucket for _, bucket in matching], at, excluding=request.id)
    return decide(policy, facts, usages, without_risk=True, matching=matching)
