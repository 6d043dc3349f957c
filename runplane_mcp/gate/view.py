"""What comes into the gate and what its interfaces get back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.redact import redact_text
from runplane_mcp.core.repeats import How
from runplane_mcp.core.request import ActionRequest, Failure, Kind, OwnArguments, State
from runplane_mcp.core.wire import Parameters


@dataclass(frozen=True, slots=True)
class Submission:
    """One attempt, as an interface hands it in. `parameters` are Stripe's, already of the right types; `own` are ours.

    `principal` is who is accountable (`stdio` for a home's own children), `agent` only a label, `client` what the
    client calls itself. `asked` is the raw arguments, for the record where no wire request can be made of them.
    """

    principal: str
    agent: str
    via: str
    operation_id: str
    parameters: Parameters
    own: OwnArguments = field(default_factory=OwnArguments)
    client: str | None = None
    asked: Json = None

    def without_secrets(self) -> Submission:
        """The same with nothing in the agent's words that has the shape of a secret: they are stored and shown, and never
        sent. The parameters stay exactly what they are."""
        if self.own.justification is None and self.own.ticket is None and self.own.repeat_of is None:
            return self
        own = replace(
            self.own,
            justification=redact_text(self.own.justification) if self.own.justification else self.own.justification,
            ticket=redact_text(self.own.ticket) if self.own.ticket else self.own.ticket,
            repeat_of=redact_text(self.own.repeat_of) if self.own.repeat_of else self.own.repeat_of,
        )
        return replace(self, own=own)


class AnswerSecret(StrEnum):
    """Where the secret is that a request's answer held: in this very view, handed over before, or never handed over, since
    nobody waited for the answer when it came."""

    HERE = "here"
    GONE = "gone"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request as its own agent may see it: no rules, scores, thresholds or people.

    `tell_agent` is what policy or a person says to the agent. `frozen`: people have paused such actions, so that it does
    not run even once it is approved. `replaced_by` is the id of the request that a person put in its place. `result` is
    the Stripe object of a success, redacted but for a `secret` that is here. `repeat` says how this request came to
    answer a call that asked for the same again. `again`: it was about to run, and people look at it as it is now.
    Times are milliseconds since 1970, `expires_at` in policy time; `runs_at` is when a scheduled one runs by itself at the
    earliest.
    """

    request_id: str
    reference: str
    status: State
    operation_id: str
    action: str
    kind: Kind
    simulator: bool
    created_at: int
    changed_at: int
    expires_at: int | None = None
    runs_at: int | None = None
    result: Mapping[str, Json] | None = None
    failure: Failure | None = None
    tell_agent: str | None = None
    frozen: bool = False
    replaced_by: str | None = None
    repeat: How | None = None
    secret: AnswerSecret | None = None
    again: bool = False

    @property
    def settled(self) -> bool:
        """Whether waiting longer in this call may change anything but people's minds."""
        return self.frozen or self.status not in {State.RECEIVED, State.APPROVED, State.EXECUTING}


def view_of(
    request: ActionRequest,
    result: Mapping[str, Json] | None = None,
    *,
    frozen: bool = False,
    secret: AnswerSecret | None = None,
) -> RequestView:
    return RequestView(
        request_id=request.id,
        reference=request.reference,
        status=request.state,
        operation_id=request.operation_id,
        action=request.action,
        kind=request.kind,
        simulator=request.identity.simulator,
        created_at=request.created_at,
        changed_at=request.changed_at,
        expires_at=request.expires_at if request.state in {State.WAITING, State.APPROVED} else None,
        runs_at=_runs_at(request),
        result=result,
        failure=request.failure,
        tell_agent=request.message_to_agent,
        frozen=frozen,
        replaced_by=request.replaced_by,
        secret=secret,
        again=request.state is State.WAITING and request.round > 1,
    )


def _runs_at(request: ActionRequest) -> int | None:
    """The wall time at which its policy time comes: the two lie as far apart as when it was asked for."""
    if request.state is not State.SCHEDULED or request.release_at is None:
        return None
    return request.release_at - request.policy_at + request.created_at
