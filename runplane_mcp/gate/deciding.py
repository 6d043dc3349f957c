"""Deciding inside the store's transaction: facts are put together, limits are read, the pure core decides, and what it
decided is written down before anybody hears of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Bucket, Decision, Need, Outcome
from runplane_mcp.core.effect import Effect
from runplane_mcp.core.effects import effect_of
from runplane_mcp.core.facts import NONE, UNKNOWN, Facts, FactValue
from runplane_mcp.core.hours import clock_facts
from runplane_mcp.core.mentions import findable, in_values
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.policy.conditions import today_of
from runplane_mcp.core.repeats import Earlier, Form, Repeating, repeating
from runplane_mcp.core.request import ActionRequest, Kind, StripeIdentity, compute_digest
from runplane_mcp.core.sending import API_VERSION, version_of
from runplane_mcp.core.wire import WireRequest
from runplane_mcp.gate.beside import Beside
from runplane_mcp.gate.beside import beside as tried_beside
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.records import detail_json, facts_json, needs_from
from runplane_mcp.gate.repeats import beside, duplicate_of, same_as
from runplane_mcp.gate.restored import asked_after_restore
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.records import DecisionRecord

#: How this process and the agents share the machine: as one user. Said in every decision record and on every card.
TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision together with everything it was made from. `same_as` is what it would do a second time, or
    a create like it that is open. `api_version` is what it would be sent under. `at` is the policy time by which it was
    judged: the record and the reservation have the same, so that it can be decided again exactly. `tried` is what a
    candidate policy says beside."""

    decision: Decision
    facts: Facts
    policy: CompiledPolicy
    at: int
    same_as: ActionRequest | None = None
    api_version: str = API_VERSION
    tried: Beside | None = None

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """What it counts into, a candidate policy's sums among them."""
        return self.tried.buckets() if self.tried is not None else self.decision.buckets


def standing_facts(
    *, principal: str, agent: str, via: str, client: str | None, identity: StripeIdentity, classified: Classified
) -> dict[str, FactValue]:
    """Who asks and for what: the facts that need no look-up, no clock and no history."""
    operation = classified.operation
    return {
        "agent": agent,
        "agent_roles": frozenset[str](),
        "principal": principal,
        "via": via,
        "client": client if client is not None else NONE,
        "operation": operation.operation_id,
        "action": frozenset({classified.action}) | classified.groups,
        "kind": operation.kind.value,
        "known": True,
        "judged": operation.judged,
        "livemode": identity.livemode,
        "account": identity.account,
    }


def blocked_at_once(policy: CompiledPolicy, request: ActionRequest, classified: Classified, clock: Clock) -> bool:
    """Whether the policy blocks a request whatever Stripe would say of it."""
    facts = standing_facts(
        principal=request.principal,
        agent=request.agent,
        via=request.via,
        client=request.client,
        identity=request.identity,
        classified=classified,
    )
    facts.update(effect_of(classified, {}).facts)
    facts.update(clock_facts(policy, clock.policy()))
    pending = frozenset(name for name in classified.facts if facts.get(name, UNKNOWN) is UNKNOWN)
    return policy.early_block(facts, pending) is not None


def judge(
    reader: Reader,
    policy: CompiledPolicy,
    request: ActionRequest,
    classified: Classified,
    effect: Effect,
    clock: Clock,
    *,
    without_risk: bool = False,
    at: int | None = None,
    same: Mapping[Form, Earlier] | None = None,
    candidate: CompiledPolicy | None = None,
) -> Judged:
    """Facts of all kinds, then the decision. The request's own reservation is left out of the limits.

    `at` is the policy time to judge by, now by default. `without_risk` is for a request that people have approved: the
    risk was on their card. `same` is what is the same as the request, where that was asked already. `candidate` is a policy
    that is tried beside, and changes nothing.
    """
    now = clock.policy() if at is None else at
    facts: dict[str, FactValue] = standing_facts(
        principal=request.principal,
        agent=request.agent,
        via=request.via,
        client=request.client,
        identity=request.identity,
        classified=classified,
    )
    facts.update(effect.facts)
    facts.update(clock_facts(policy, now))
    again = None
    if request.kind is Kind.WRITE:
        if same is None:
            same = same_as(reader, request)
        again = duplicate_of(reader, request, classified, effect, policy, now, same)
        facts.update(_history(reader, request, facts, now))
        facts["possible_duplicate"] = again is not None
        again = again or beside(classified, effect, same)
    matching = policy.matching(facts, today_of(facts))
    usages = reader.usages([bucket for _, bucket in matching], now, excluding=request.id)
    decision = decide(policy, facts, usages, without_risk=without_risk, matching=matching)
    if request.kind is Kind.WRITE:
        guarded = repeating(classified, effect.facts) is Repeating.GUARDED
        decision = asked_after_restore(reader, policy, decision, guarded=guarded, now=now)
    tried = None
    if candidate is not None:
        tried = tried_beside(
            reader, candidate, policy, decision, facts, now, excluding=request.id, without_risk=without_risk
        )
    return Judged(decision, facts, policy, now, again, version_of(classified.operation), tried)


def _history(reader: Reader, request: ActionRequest, facts: Facts, now: int) -> Mapping[str, FactValue]:
    customer, object_id = _named(facts.get("customer"), "customer"), _named(_subject(facts), _noun(request))
    past = reader.past(
        principal=request.principal, customer=customer, object_id=object_id, now=now, excluding=request.id
    )
    found: dict[str, FactValue] = {
        "requests_24h_agent": past.requests_24h_agent,
        "refused_24h_agent": past.refused_24h_agent,
    }
    if "customer" in facts:
        found["requests_7d_customer"] = past.requests_7d_customer
    if _subject(facts) is not None:
        found["denied_24h_object"] = past.denied_24h_object
    on_object = facts.get("amount_on_object")
    if isinstance(on_object, Money):
        waiting = past.waiting_on_object.get(on_object.currency, 0)
        found["amount_on_object"] = Money(on_object.amount + waiting, on_object.currency)
    return found


def _subject(facts: Facts) -> FactValue | None:
    """What a request is about: its object, else where its money goes. A payout has no object, and the one that was
    denied a minute ago went to the same account."""
    found = facts.get("object", NONE)
    return facts.get("destination") if found is NONE else found


def record_decision(
    tx: Transaction,
    request: ActionRequest,
    judged: Judged,
    effect: Effect,
    clock: Clock,
    *,
    kind: str,
    round: int,
    wire: WireRequest | None,
    changed: tuple[str, ...] = (),
    same_round_as: DecisionRecord | None = None,
) -> DecisionRecord:
    """Writes the immutable decision record. One that may lead to a send gets a nonce and the digest of exactly the bytes
    that would run; the record of an approved request's execution keeps the digest that people voted for."""
    decision = judged.decision
    nonce = digest = None
    preconditions = effect.preconditions
    if same_round_as is not None:
        nonce, digest = same_round_as.nonce, same_round_as.digest
    elif wire is not None and decision.outcome is not Outcome.BLOCK:
        nonce = os.urandom(16).hex()
        digest = compute_digest(
            request_id=request.id,
            nonce=nonce,
            identity=request.identity,
            api_version=judged.api_version,
            wire=wire,
            principal=request.principal,
            preconditions=preconditions,
        )
    facts: dict[str, FactValue] = dict(judged.facts)
    facts["risk"], facts["risk_level"] = decision.risk.score, decision.risk.level.value
    record = DecisionRecord(
        request_id=request.id,
        # What was only just received was never decided; the store takes no second one with the same number.
        n=1 if kind == "first" else len(tx.decisions(request.id)) + 1,
        round=round,
        kind=kind,
        outcome=decision.outcome,
        at=clock.wall(),
        policy_at=judged.at,
        policy_version=decision.policy_version,
        risk=decision.risk.score,
        risk_level=decision.risk.level,
        nonce=nonce,
        digest=digest,
        facts=facts_json(facts),
        detail=detail_json(
            decision,
            effect,
            mode=TRIAL,
            api_version=judged.api_version,
            simulated_clock=clock.simulated,
            changed=changed,
            same_as=judged.same_as,
            tried=judged.tried,
        ),
    )
    tx.add_decision(record)
    amount = facts.get("amount")
    tx.note_subject(
        request.id,
        customer=_named(facts.get("customer"), "customer"),
        object_id=_named(_subject(facts), _noun(request)),
        amount=amount.amount if isinstance(amount, Money) else None,
        currency=amount.currency if isinstance(amount, Money) else None,
    )
    # Also what the agent did not name: the charge behind its payment, where the money goes.
    looked_up = (facts.get("customer"), facts.get("object"), facts.get("destination"))
    tx.mention(request.id, in_values([*looked_up, *(each.value for each in preconditions)]))
    return record


def at_least(judged: Judged, earlier: DecisionRecord | None, otherwise: Need | None = None) -> Judged:
    """A request that people were asked about asks for approval whatever the policy says by now, from at least those who
    were asked before; from `otherwise` where neither asked anybody."""
    decision = judged.decision
    needs = tuple(dict.fromkeys((*decision.requirement, *(needs_from(earlier.detail) if earlier else ()))))
    if not needs and otherwise is not None:
        needs = (otherwise,)
    asked = replace(decision, outcome=Outcome.REQUIRE_APPROVAL, requirement=needs, after=None)
    return replace(judged, decision=asked)


def _noun(request: ActionRequest) -> str:
    return request.action.partition(".")[0]


def _named(value: FactValue | None, noun: str) -> str | None:
    """An id, for finding what went before about it. Its hash where its form does not tell that it is one: an agent may
    have written anything there, and companies name coupons and customers as they like."""
    if not isinstance(value, str):
        return None
    return value if findable(value, noun) else hashlib.sha256(value.encode("utf-8", "backslashreplace")).hexdigest()
