"""Facts × compiled policy → decision. Everything that applies votes, the strictest wins, order never matters.

Block, then require approval, then allow after a while, then allow. What is in shadow mode is recorded beside and votes for
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

from runplane_mcp.core.compile import CompiledPolicy, CompiledRule
from runplane_mcp.core.decision import Bucket, Decision, LimitState, Need, Outcome, Reason, Risk, Usage
from runplane_mcp.core.facts import Facts
from runplane_mcp.core.limits import CompiledLimit
from runplane_mcp.core.policy.conditions import today_of
from runplane_mcp.core.standing import broken, hindrances, unknown_amounts

_ORDER: Final = {Outcome.BLOCK: 0, Outcome.REQUIRE_APPROVAL: 1, Outcome.ALLOW: 2}


def decide(
    policy: CompiledPolicy,
    facts: Facts,
    usages: Mapping[Bucket, Usage] | Sequence[Usage],
    *,
    without_risk: bool = False,
    matching: Sequence[tuple[CompiledLimit, Bucket]] | None = None,
) -> Decision:
    """What `policy` says about a request with these facts. `usages` says how full each of `policy.buckets(facts)` is
    before it, by bucket or in the same order. `without_risk` is for the execution of what people have already approved:
    the risk is computed and rules may test it, but its level does not vote again. `matching` is what `policy.matching` said
    of these same facts, where it was asked already.

    Never raises: whatever goes wrong blocks, code `policy.error`.
    """
    try:
        today = today_of(facts)
        known = policy.matching(facts, today) if matching is None else matching
        return _decide(policy, facts, today, usages, known, without_risk=without_risk)
    except Exception as error:  # noqa: BLE001 - whatever it is, what was not decided must not run
        return broken(policy.version, error)


def _decide(
    policy: CompiledPolicy,
    facts: Facts,
    today: date | None,
    usages: Mapping[Bucket, Usage] | Sequence[Usage],
    matching: Sequence[tuple[CompiledLimit, Bucket]],
    *,
    without_risk: bool,
) -> Decision:
    buckets = tuple(bucket for _, bucket in matching)
    known = [usages[bucket] for bucket in buckets] if isinstance(usages, Mapping) else usages

    reasons: list[Reason] = []
    shadow: list[Reason] = []
    states: list[LimitState] = []
    # strict: a limit whose usage was forgotten would otherwise count as empty.
    for (limit, bucket), usage in zip(matching, known, strict=True):
        state, vote = limit.measure(bucket, usage, policy.converter, today)
        states.append(state)
        if vote is not None:
            (shadow if limit.limit.shadow else reasons).append(vote)
    risk = policy.scorer.score(facts, _fullest(states), today)

    unknown = unknown_amounts(facts, policy.converter, today)
    covered, vouched = _apply_rules(policy.rules, facts, today, risk, unknown, reasons)
    if policy.shadow_rules:
        _apply_rules(policy.shadow_rules, facts, today, risk, unknown, shadow)
    reasons += policy.standing.votes(
        facts,
        risk,
        amount_unknown="amount" in unknown,
        covered=covered,
        without_risk=without_risk,
        vouched=vouched,
    )
    if len(reasons) > 1:
        reasons.sort(key=_place)
    outcome = reasons[0].outcome
    asking = [reason for reason in reasons if reason.outcome is outcome is Outcome.REQUIRE_APPROVAL]
    return Decision(
        outcome=outcome,
        reasons=tuple(reasons),
        risk=risk,
        requirement=requirement_of(asking) if asking else (),
        expires_in=min((reason.expires_in for reason in asking if reason.expires_in is not None), default=None)
        if asking
        else None,
        buckets=buckets,
        limits=tuple(states),
        policy_version=policy.version,
        after=max((reason.after for reason in reasons if reason.after is not None), default=None)
        if outcome is Outcome.ALLOW
        else None,
        shadow=tuple(sorted(shadow, key=_place)) if shadow else (),
    )


def _place(reason: Reason) -> tuple[int, bool, str, str]:
    """The strictest first; of what is allowed, what is held back."""
    return (_ORDER[reason.outcome], reason.after is None, reason.source, reason.id)


def _apply_rules(
    rules: Sequence[CompiledRule],
    facts: Facts,
    today: date | None,
    risk: Risk,
    unknown: frozenset[str],
    reasons: list[Reason],
) -> tuple[bool, bool]:
    """Adds the reason of each rule that applies; returns whether an `allow` rule covers the request, and whether one that
    applies vouches for its very action."""
    seen = {**facts, "risk": risk.score, "risk_level": risk.level.value}
    danger: frozenset[str] | None = None
    covered = vouched = False
    for each in rules:
        verdict = each.check(seen, today)
        if each.restricting:
            if verdict:
                reasons.append(each.reason)
        elif verdict == 2:
            vouched = vouched or each.vouches(seen)
            if danger is None:
                danger = hindrances(facts, risk, unknown)
            if not each.lacks(danger):
                reasons.append(each.reason)
                covered = True
    return covered, vouched


def _fullest(states: Iterable[LimitState]) -> int | None:
    """Percent of the fullest limit for the risk, None where the share of one is unknown."""
    fullest = 0
    for state in states:
        if state.shadow:
            continue
        if state.at_risk is None:
            return None
        fullest = max(fullest, state.at_risk)
    return fullest


def requirement_of(reasons: Iterable[Reason]) -> tuple[Need, ...]:
    """Every approval that is needed, once: of two that differ only in the number of people, the larger."""
    people: dict[frozenset[str], int] = {}
    for reason in reasons:
        if reason.need is not None:
            groups = reason.need.groups
            people[groups] = max(reason.need.people, people.get(groups, 0))
    return tuple(Need(groups, people[groups]) for groups in sorted(people, key=sorted))
