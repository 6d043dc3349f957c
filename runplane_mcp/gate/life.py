"""The whole life of one request, as the store has it: asked, decided, voted on, executed, recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runplane_mcp.core.approval import Vote
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import ActionRequest
from runplane_mcp.store.base import DecisionRecord, Event, Reader

#: More events than any request has; a bound on what one page reads.
_MOST_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class Life:
    """One request from first to last."""

    request: ActionRequest
    decisions: tuple[DecisionRecord, ...]
    votes: tuple[Vote, ...]
    events: tuple[Event, ...]
    result: Mapping[str, Json] | None


def life_of(reader: Reader, request: ActionRequest) -> Life:
    """Everything about a request, votes of all its rounds included."""
    votes = [vote for round in range(1, request.round + 1) for vote in reader.votes(request.id, round)]
    return Life(
        request=request,
        decisions=tuple(reader.decisions(request.id)),
        votes=tuple(votes),
        events=tuple(reader.events(0, _MOST_EVENTS, request.id)),
        result=reader.result(request.id),
    )
