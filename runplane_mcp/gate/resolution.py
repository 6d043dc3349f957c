"""What an administrator said became of a request whose outcome nobody knew, as far as the log bears it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.approval import Person, Role
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.gate.acts import said, signer
from runplane_mcp.store.base import Reader

#: The event that holds the signature.
RESOLVE: Final = "resolve"
OUTCOMES: Final = (State.SUCCEEDED, State.FAILED)
#: What a restore set aside may also never have come so far: then it is taken back.
OUTCOMES_RESTORED: Final = (*OUTCOMES, State.CANCELED)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What an administrator said became of a request, and the evidence in their words."""

    by: str
    outcome: State
    object_id: str | None
    evidence: str | None
    at: int


def resolution_of(reader: Reader, request: ActionRequest, people: Mapping[str, Person]) -> Resolution | None:
    """Who resolved a request, as far as the log bears it out."""
    if request.state not in OUTCOMES_RESTORED:
        return None
    for event in reader.events(0, 1_000, request.id):
        if event.type != RESOLVE:
            continue
        body = said(event)
        payloads = body.get("payloads")
        kept = payloads.get("evidence") if isinstance(payloads, Mapping) else None
        content = resolution_content(request, request.state, request.object_id, str(kept))
        person = signer(event, people, store=reader.store_id(), act=RESOLVE, content=content)
        if person is not None and person.role is Role.ADMIN:
            evidence = reader.payload(str(kept))
            words = evidence if isinstance(evidence, str) else None
            return Resolution(person.id, request.state, request.object_id, words, event.at)
    return None


def resolution_content(request: ActionRequest, outcome: State, object_id: str | None, evidence: str) -> dict[str, Json]:
    """What the administrator signs."""
    return {
        "request_id": request.id,
        "digest": request.digest,
        "attempt": request.attempt,
        "outcome": outcome.value,
        "object_id": object_id,
        "evidence": evidence,
    }
