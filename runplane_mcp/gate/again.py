"""What becomes of a held request that is looked at once more, when it may run: people have approved it, or its time has
come. What people could see of it is compared with what is so now, and where that is not the same they are asked."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from runplane_mcp.core.difference import differences
from runplane_mcp.core.effect import Effect
from runplane_mcp.core.effects import broken, effective
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import ActionRequest, Failure, State, stripe_key
from runplane_mcp.gate.deciding import Judged, at_least, judge, record_decision
from runplane_mcp.gate.execution import borne_out, failure_event
from runplane_mcp.gate.lapsing import lapse
from runplane_mcp.gate.looks import Look
from runplane_mcp.gate.pipeline import LOOK_UP, Gate
from runplane_mcp.gate.records import currency_from, preconditions_from
from runplane_mcp.gate.redecision import lasting_block, news
from runplane_mcp.gate.repeats import with_forms
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.records import Changed, DecisionRecord
from runplane_mcp.stripe_api.resolve import resolve

#: A request whose execution changed the card this often before is over: it keeps changing under people's eyes.
MOST_CHANGES = 2


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The record of a held request's round, and what is so now. `changes` says what is no longer as people could see it;
    then `effect` is that of what the agent asked for, else of what would run. `look` is when the look-up began."""

    record: DecisionRecord
    effect: Effect
    changes: tuple[str, ...]
    look: Look


@dataclass(frozen=True, slots=True)
class Again:
    """Of one gate process; all but the look-up runs in the caller's transaction."""

    gate: Gate

    async def look_up(self, request: ActionRequest) -> LookedUp | None:
        """None where a look-up told nothing. Raises Changed where there is nothing to look at."""
        gate, look = self.gate, Look.begun(self.gate.clock)
        if request.effective is None or request.as_asked is None:
            raise Changed
        as_run = gate.catalog.classify(request.effective)
        effect = await resolve(gate.connection, as_run, timeout=LOOK_UP)
        record = await gate.store.read(lambda reader: reader.round_decision(request.id, request.round))
        if record is None:
            raise Changed
        if effect.incomplete:
            return None
        changes = _changes(request, record, effect)
        if changes:
            # What people saw is no longer so. What the agent asked for is looked up anew, for people to look again.
            anew = await resolve(gate.connection, gate.catalog.classify(request.as_asked), timeout=LOOK_UP)
            if anew.incomplete:
                return None
            # What was filled in may be another by now: where it would go says more than that the old place is gone.
            seen_anew = replace(effect, observed={**effect.observed, **anew.observed})
            changes, effect = _changes(request, record, seen_anew) or changes, anew
        return LookedUp(record, effect, changes, look)

    def due(self, request: ActionRequest) -> bool:
        """Whether the time of a scheduled request has come. Not by how long this process waited, so that it is the same
        time in every process and after every restart; a clock that is set back only makes it wait longer."""
        return request.release_at is not None and self.gate.clock.policy() >= request.release_at

    def blocked_by_the_hour(
        self, tx: Transaction, request: ActionRequest, judged: Judged, looked: LookedUp, classified: Classified
    ) -> bool:
        """Whether a block is only for now: the clock changed, or others used a limit up. Then people are asked, and nothing
        is thrown away."""
        # By the time at which it was asked, not the last round's: however often people say yes at night, it is only the
        # clock that is against it.
        at, policy = request.policy_at, judged.policy
        then = judge(tx, policy, request, classified, looked.effect, self.gate.clock, without_risk=True, at=at)
        return not lasting_block(judged.decision, then.decision)

    def news(
        self,
        tx: Transaction,
        request: ActionRequest,
        judged: Judged,
        looked: LookedUp,
        classified: Classified,
        *,
        without_risk: bool,
    ) -> tuple[str, ...]:
        """What speaks now and was not on the card. A rule that was renamed, split or moved is nothing new: it speaks under
        the name that stood there."""
        gate, decision = self.gate, judged.decision
        alike = gate.policies.alike(tx, looked.record.policy_version, judged.policy)
        if alike is not None:
            effect = looked.effect
            same = judge(tx, alike, request, classified, effect, gate.clock, without_risk=without_risk, at=judged.at)
            decision = same.decision
        return news(decision, looked.record)

    def run(
        self, tx: Transaction, request: ActionRequest, judged: Judged, effect: Effect, record: DecisionRecord
    ) -> ActionRequest:
        """The intent of exactly the bytes of `record`. InternalError where the log does not bear the request out."""
        borne_out(tx, request)
        clock, owner = self.gate.clock, self.gate.executor.owner
        kind, wire = _kind(request), request.effective
        record_decision(
            tx, request, judged, effect, clock, kind=kind, round=request.round, wire=wire, same_round_as=record
        )
        tx.reserve(request.id, judged.buckets, at=judged.at, waiting=False)
        return tx.move(
            request,
            State.EXECUTING,
            at=clock.wall(),
            event={"attempt": request.attempt + 1, "digest": record.digest, "owner": owner},
            stripe_key=request.stripe_key or stripe_key(os.urandom(16)),
            attempt=request.attempt + 1,
            **self.gate.executor.leases.first_send(),
        )

    def ask(
        self, tx: Transaction, request: ActionRequest, effect: Effect, changed: tuple[str, ...], *, anew: bool = False
    ) -> ActionRequest:
        """To waiting: a new round, nonce, digest and card. Votes of an earlier round never count in it. `anew`: the world
        changed, so the bytes are made again from what the agent asked for."""
        gate, clock = self.gate, self.gate.clock
        bytes_before = request.as_asked if anew else request.effective
        if bytes_before is None:
            raise Changed
        classified = gate.catalog.classify(bytes_before)
        wire = effective(classified, effect, request.id) if anew else bytes_before
        if anew:
            request = with_forms(request, classified, effect, wire)
        policy = gate.policies.enforced(tx)
        judged = judge(tx, policy, request, classified, effect, clock, candidate=gate.policies.candidate(tx))
        if request.round > MOST_CHANGES:
            # The last difference is kept for whoever asks why; nobody is asked about it any more.
            kind, round = _kind(request), request.round
            record_decision(tx, request, judged, effect, clock, kind=kind, round=round, wire=None, changed=changed)
            failure = Failure("precondition.changed", "What was approved kept changing before it could run.")
            return self.fail(tx, request, failure)
        earlier = tx.round_decision(request.id, request.round)
        judged = at_least(judged, earlier, policy.policy.approval.need)
        round = request.round + 1
        record = record_decision(
            tx, request, judged, effect, clock, kind=_kind(request), round=round, wire=wire, changed=changed
        )
        tx.reserve(request.id, judged.buckets, at=judged.at, waiting=True)
        expires_in = judged.decision.expires_in or policy.policy.approval.expires_in
        return tx.move(
            request,
            State.WAITING,
            at=clock.wall(),
            event={"round": round, "digest": record.digest, "changed": len(changed)},
            effective=wire,
            same_effective=request.same_effective,
            same_effect=request.same_effect,
            round=round,
            digest=record.digest,
            release_at=None,
            expires_at=clock.policy() + expires_in * 1000,
            stripe_key=request.stripe_key if wire == request.effective else None,
        )

    def block(self, tx: Transaction, request: ActionRequest, judged: Judged, effect: Effect) -> ActionRequest:
        clock = self.gate.clock
        record_decision(tx, request, judged, effect, clock, kind=_kind(request), round=request.round, wire=None)
        failure = Failure("policy.blocked", "The company's policy does not allow this any more.")
        tx.settle(request.id, release=True)
        return tx.move(request, State.BLOCKED, at=clock.wall(), event=failure_event(failure), failure=failure)

    def fail(self, tx: Transaction, request: ActionRequest, failure: Failure) -> ActionRequest:
        tx.settle(request.id, release=True)
        at = self.gate.clock.wall()
        return tx.move(request, State.FAILED, at=at, event=failure_event(failure), failure=failure)

    def expire(self, tx: Transaction, request: ActionRequest) -> ActionRequest:
        return lapse(tx, request, self.gate.clock)


def _kind(request: ActionRequest) -> str:
    """Of the decision records that it gets from here on."""
    return "release" if request.state is State.SCHEDULED else "execution"


def _changes(request: ActionRequest, record: DecisionRecord, effect: Effect) -> tuple[str, ...]:
    """What people saw and is no longer so, in words. What Stripe itself would say to it comes after, unless it is of an
    amount that is not there any more: that is said."""
    held, now = preconditions_from(record.detail), effect.facts.get("currency")
    found = differences(
        held,
        effect.observed,
        action=request.action,
        currency=currency_from(record.facts),
        currency_now=now if isinstance(now, str) else None,
    )
    too_little = any(each.relation != "equal" for each in broken(held, effect))
    return found if effect.refusal is None or too_little else (*found, effect.refusal.message)
