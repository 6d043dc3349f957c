"""The secret in an answer: handed over once, to the call that waits for that very answer, and kept nowhere.

What is stored is redacted before the outcome is written down, so there is nothing to hand out later, in this process or
another. That a secret left is an event of the audit log, written before it leaves.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from runplane_mcp.core.decision import Decision, Outcome, Reason
from runplane_mcp.core.expansions import secret_expansions
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.redact import delivered, redact, withheld
from runplane_mcp.core.request import ActionRequest, Kind, State
from runplane_mcp.errors import StoreError
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.view import AnswerSecret, RequestView
from runplane_mcp.store.base import Reader, Store

logger = logging.getLogger(__name__)

#: The event that says that an answer's secret was handed to whoever asked.
HANDED_OVER: Final = "secret.handed_over"
_MOST_EVENTS: Final = 500


def with_secret(
    view: RequestView, operation: Operation, body: Mapping[str, object] | None, *, opens: bool, named: bool = False
) -> RequestView:
    """`view` with the secret of the answer `body` in its result, for the caller that is waiting for it. `opens`: the
    catalog says that this answer carries one. `named`: so did the request, and the policy let it ask for that: without
    it no write brings the secrets of other objects, which any write can have its answer expanded by."""
    if view.status is not State.SUCCEEDED or body is None or not (opens or answers_its_own(operation)):
        return view
    if not opens and not withheld(view.result):
        # What is kept was read no more widely than this would be: nothing was taken out of it, so nothing can be put back.
        return view
    whole = delivered(body, opens=opens, own=operation.kind is Kind.WRITE and not named)
    if isinstance(whole, Mapping) and whole != redact(body, opens=opens):
        return replace(view, result=whole, secret=AnswerSecret.HERE)
    # Only its traces were found: what Stripe shows of it later has no secret.
    missed = operation.kind is Kind.WRITE and operation.judged and operation.secret_answer
    return replace(view, secret=AnswerSecret.MISSED) if missed else view


async def handed_over(store: Store, clock: Clock, view: RequestView) -> RequestView:
    """`view`, and where it holds a secret only once it is durable that the secret was handed over."""
    if view.secret is not AnswerSecret.HERE:
        return view
    try:
        await store.write(lambda tx: tx.append(HANDED_OVER, {}, at=clock.wall(), request_id=view.request_id))
    except StoreError as error:
        logger.error("the secret of %s is withheld, since that could not be written down: %s", view.reference, error)
        result = redact(view.result, opens=True)
        return replace(view, result=result if isinstance(result, Mapping) else None, secret=AnswerSecret.MISSED)
    return view


def answers_its_own(operation: Operation) -> bool:
    """Whether a secret in its answer belongs to what it has just made. A payment that is captured or canceled answers with
    the secret that it has had from its creation, which is no news and goes to nobody."""
    made = operation.kind is Kind.WRITE and operation.method == "POST" and not operation.path_parameters
    return operation.secret_answer or made


def secret_of(
    reader: Reader, request: ActionRequest, operation: Operation | None, result: object
) -> AnswerSecret | None:
    """What became of the secret of a write that succeeded a while ago."""
    if request.state is not State.SUCCEEDED or request.kind is Kind.READ:
        return None
    if operation is None or not answers_its_own(operation):
        return None
    if not withheld(result) and not (operation.judged and operation.secret_answer):
        return None
    events = reader.events(0, _MOST_EVENTS, request_id=request.id)
    if any(event.type == HANDED_OVER for event in events):
        return AnswerSecret.GONE
    # What only belongs to another object was nobody's to wait for.
    missed = withheld(result, own=True) or (operation.judged and operation.secret_answer)
    return AnswerSecret.MISSED if missed else None


def carries_secret(operation: Operation, parameters: Mapping[str, object]) -> bool:
    """Whether the answer carries a secret that somebody must be there to take."""
    asked = operation.kind is Kind.READ and bool(secret_expansions(parameters))
    return operation.judged and (operation.secret_answer or asked)


def never_held(decision: Decision, operation: Operation, parameters: Mapping[str, object]) -> Decision:
    """A request whose answer carries a secret waits for no people and no time: when it ran, nobody would be there to take
    the secret. It is blocked unless the policy allows it outright. So is a read whose `parameters` ask for one: it is
    read for that."""
    if not decision.held or not carries_secret(operation, parameters):
        return decision
    later = "after people have decided" if decision.outcome is Outcome.REQUIRE_APPROVAL else "when it ran later"
    why = f"Its answer carries a secret, which would reach nobody {later}."
    reason = Reason("secret", operation.operation_id, Outcome.BLOCK, why)
    return replace(decision, outcome=Outcome.BLOCK, reasons=(reason, *decision.reasons), requirement=(), after=None)
