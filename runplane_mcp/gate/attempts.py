"""An attempt as it becomes a request: who asked for what, when, and by which identity at Stripe."""

from __future__ import annotations

import os
from dataclasses import replace

from runplane_mcp.core.operation import Classified, Operation
from runplane_mcp.core.request import (
    ActionRequest,
    Kind,
    State,
    StripeIdentity,
    reference,
    request_id,
    sameness,
)
from runplane_mcp.core.wire import WireRequest
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.view import Submission


def received_from(
    submission: Submission,
    identity: StripeIdentity,
    clock: Clock,
    operation: Operation | None,
    *,
    classified: Classified | None = None,
    wire: WireRequest | None = None,
    owner: str | None = None,
) -> ActionRequest:
    """The request of this attempt, just received, on `owner`'s lease. The bytes say which operation it is (`classified`);
    without them it is about to be refused, as the operation that was named, if there is one."""
    if classified is not None:
        operation = classified.operation
    now = clock.wall()
    same = None
    if operation is not None and wire is not None:
        same = sameness(operation.operation_id, identity, wire, submission.principal)
    return ActionRequest(
        id=request_id(os.urandom(16)),
        reference=reference(os.urandom(8)),
        state=State.RECEIVED,
        version=1,
        principal=submission.principal,
        agent=submission.agent,
        via=submission.via,
        client=submission.client,
        operation_id=operation.operation_id if operation else submission.operation_id[:120],
        action=classified.action if classified else operation.action if operation else "unknown",
        kind=operation.kind if operation else Kind.WRITE,
        identity=identity,
        created_at=now,
        policy_at=clock.policy(),
        changed_at=now,
        as_asked=wire,
        # What is refused binds no key.
        own=submission.own if wire is not None else replace(submission.own, idempotency_key=None),
        lease_owner=owner,
        same_asked=same,
    )
