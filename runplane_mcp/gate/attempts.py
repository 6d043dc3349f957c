"""An attempt as it becomes a request: who asked for what, when, and by which identity at Stripe."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.operation import Classified, Operation
from runplane_mcp.core.redact import redact_text
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

#: What an agent calls an operation or tool that there is not: a name of theirs, or anything at all.
_NAME = re.compile(r"(?:tool:)?[A-Za-z][A-Za-z0-9_.-]{0,79}")


def name_of(asked_for: str) -> str:
    """What may stand in the log of an operation that there is not: its name. Free text goes to where it can be erased."""
    if _NAME.fullmatch(asked_for) and redact_text(asked_for) == asked_for:
        return asked_for
    return "tool:unnamed" if asked_for.startswith("tool:") else "unnamed"


def unnamed(submission: Submission) -> Json:
    """The raw arguments for the record, with the operation's name where that is no name for the log."""
    named = submission.operation_id
    return submission.asked if name_of(named) == named else {"operation": named[:120], "arguments": submission.asked}


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
        operation_id=operation.operation_id if operation else name_of(submission.operation_id),
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
