"""What becomes of a request inside of one transaction: it is received, or is one that is there already; it is decided, and
what that means is written down with it, an allowed request's intent too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.effect import Effect
from runplane_mcp.core.effects import effect_of, effective
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.repeats import Earlier, Form
from runplane_mcp.core.request import ActionRequest, Failure, State, stripe_key
from runplane_mcp.core.wire import WireRequest
from runplane_mcp.gate.answer_secrets import never_held
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.deciding import blocked_at_once, judge, record_decision
from runplane_mcp.gate.execution import Executor, failure_event
from runplane_mcp.gate.floods import check_open
from runplane_mcp.gate.looks import Look
from runplane_mcp.gate.lowered import as_lowered
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.records import block_failure, received_event, words_to_agent
from runplane_mcp.gate.repeats import Taken, asked_before, same_as, same_before, with_forms
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.records import Changed


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Of one gate process, by the policy that is enforced when the transaction runs."""

    policies: Policies
    clock: Clock
    executor: Executor

    def foreseen(self, request: ActionRequest, classified: Classified) -> bool | None:
        """`early` by what this process saw last, without a look into the store; None where it has seen nothing yet. It says
        only whether a look-up is worth its while: `receive` and `decide` read what holds."""
        policy, standing = self.policies.seen, self.executor.freezes.seen
        if policy is None or standing is None:
            return None
        if self.executor.freezes.among(standing, request, classified):
            return True
        return blocked_at_once(policy, request, classified, self.clock)

    def early(self, reader: Reader, request: ActionRequest, classified: Classified) -> bool:
        """Whether it is frozen or blocked whatever Stripe would say of it."""
        if self.executor.freezes.on(reader, request, classified):
            return True
        return blocked_at_once(self.policies.enforced(reader), request, classified, self.clock)

    def receive(self, tx: Transaction, request: ActionRequest, classified: Classified, *, blocked: bool) -> Taken:
        """The request becomes durable; or it turns out to be one that is there already, and that one is the answer."""
        policy = self.policies.enforced(tx)
        before = asked_before(tx, request, classified, policy, self.clock)
        if before is not None:
            return before
        check_open(tx, request)
        received = tx.insert_request(request, event=received_event(request))
        if blocked and self.early(tx, request, classified):
            return Taken(self.conclude(tx, received, classified, effect_of(classified, {}), policy))
        return Taken(received)

    def in_time(
        self, request: ActionRequest, classified: Classified, effect: Effect, look: Look, tx: Transaction
    ) -> Taken | None:
        """`decide`, or None where what was looked up is old by now."""
        return None if look.old(self.clock) else self.decide(tx, request, classified, effect)

    def decide(self, tx: Transaction, request: ActionRequest, classified: Classified, effect: Effect) -> Taken:
        """Decides a received request by what was looked up, or finds that an earlier one answers for it. Changed where
        somebody else has done so."""
        if request.state is not State.RECEIVED or not tx.unmoved(request):
            raise Changed
        run_as = effective(classified, effect, request.id)
        request = with_forms(request, classified, effect, run_as)
        policy = self.policies.enforced(tx)
        same = same_as(tx, request)
        before = same_before(tx, request, classified, effect, policy, self.clock, same)
        return before or Taken(self.conclude(tx, request, classified, effect, policy, same=same, run_as=run_as))

    def conclude(
        self,
        tx: Transaction,
        request: ActionRequest,
        classified: Classified,
        effect: Effect,
        policy: CompiledPolicy,
        *,
        same: Mapping[Form, Earlier] | None = None,
        run_as: WireRequest | None = None,
    ) -> ActionRequest:
        """Decision (b) and its consequence, in the caller's transaction. `run_as` are the bytes that would run, where they
        are made already."""
        if effect.refusal is not None:
            run_as = None
        elif run_as is None:
            run_as = effective(classified, effect, request.id)
        judged = judge(
            tx, policy, request, classified, effect, self.clock, same=same, candidate=self.policies.candidate(tx)
        )
        judged = as_lowered(tx, request, effect, judged)
        kept_from_people = never_held(judged.decision, classified.operation, classified.parameters)
        judged = replace(judged, decision=kept_from_people)
        judged = self.executor.freezes.over(tx, request, classified, judged)
        decision = judged.decision
        held = run_as is not None and decision.held
        record = record_decision(
            tx, request, judged, effect, self.clock, kind="first", round=1 if held else 0, wire=run_as
        )
        wall, now = self.clock.wall(), judged.at
        # What is scheduled counts as now until it runs, as what waits for people does: its time is that of its execution.
        tx.reserve(request.id, judged.buckets, at=now, waiting=held)

        if decision.outcome is Outcome.BLOCK:
            tx.settle(request.id, release=True)
            failure = block_failure(decision)
            return tx.move(
                request,
                State.BLOCKED,
                at=wall,
                event={"code": failure.code},
                failure=failure,
                message_to_agent=words_to_agent(decision),
                lease_owner=None,
            )
        if run_as is None or effect.refusal is not None:
            tx.settle(request.id, release=True)
            failure = effect.refusal or Failure("request.no_bytes", "No Stripe request could be made of this.")
            return tx.move(
                request, State.FAILED, at=wall, event=failure_event(failure), failure=failure, lease_owner=None
            )
        if held:
            expires_in = decision.expires_in if decision.expires_in is not None else policy.policy.approval.expires_in
            release_at = now + decision.after * 1000 if decision.after is not None else None
            event: dict[str, Json] = {"round": 1, "digest": record.digest}
            return tx.move(
                request,
                State.WAITING if release_at is None else State.SCHEDULED,
                at=wall,
                event=event if release_at is None else {**event, "release_at": release_at},
                effective=run_as,
                round=1,
                digest=record.digest,
                release_at=release_at,
                # Where no gate runs when its time comes, it is over after a while: it must not run days later, unseen.
                expires_at=(release_at or now) + expires_in * 1000,
                message_to_agent=words_to_agent(decision, judged.same_as),
                same_effective=request.same_effective,
                same_effect=request.same_effect,
                lease_owner=None,
            )
        return tx.move(
            request,
            State.EXECUTING,
            at=wall,
            event={"attempt": 1, "digest": record.digest, "owner": self.executor.owner},
            effective=run_as,
            digest=record.digest,
            stripe_key=stripe_key(os.urandom(16)),
            same_effective=request.same_effective,
            same_effect=request.same_effect,
            attempt=1,
            **self.executor.leases.first_send(),
        )
