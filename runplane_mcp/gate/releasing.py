"""The end of a scheduled request's wait. It is decided as if it were asked for now, by the policy of now, risk and limits
included, with only its own place in them left out: to have been allowed ten minutes ago is no approval."""

from __future__ import annotations

from typing import Final

from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.gate.again import Again, LookedUp
from runplane_mcp.gate.deciding import judge
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.records import Changed

#: What its card says first where it needs a person after all.
ASKED_AFTER_ALL: Final = "It was allowed to run by itself after a while. When its time came, that was no longer so."


def release(again: Again, tx: Transaction, request: ActionRequest, looked: LookedUp) -> ActionRequest:
    """What becomes of a scheduled request whose time has come: it runs, people are asked, or it is over. A freeze holds it
    where it is, and so does a look-up that is old by now. Raises Changed where somebody was faster, a person who stopped
    it among them.

    A rule that would hold it back once more does not: it has waited, and its card said until when.
    """
    gate = again.gate
    policy = gate.policies.enforced(tx)
    current = tx.request(request.id)
    if current is None or current.version != request.version or current.state is not State.SCHEDULED:
        raise Changed
    if not again.due(request):
        raise Changed
    if request.expires_at is not None and gate.clock.policy() >= request.expires_at:
        return again.expire(tx, request)
    if gate.executor.freezes.on(tx, request) or looked.look.old(gate.clock):
        return current
    record, effect = looked.record, looked.effect
    if effect.refusal is not None:
        return again.fail(tx, request, effect.refusal)
    would_run = request.as_asked if looked.changes else request.effective
    if would_run is None or record.digest is None:
        raise Changed
    gate.executor.check_digest(request, record)
    classified = gate.catalog.classify(would_run)
    judged = judge(tx, policy, request, classified, effect, gate.clock, candidate=gate.policies.candidate(tx))
    blocked = judged.decision.outcome is Outcome.BLOCK
    if blocked and not again.blocked_by_the_hour(tx, request, judged, looked, classified):
        return again.block(tx, request, judged, effect)
    if judged.decision.outcome is not Outcome.ALLOW or looked.changes:
        new = again.news(tx, request, judged, looked, classified, without_risk=False)
        news = (ASKED_AFTER_ALL, *looked.changes, *new)
        return again.ask(tx, request, effect, news, anew=bool(looked.changes))
    return again.run(tx, request, judged, effect, record)
