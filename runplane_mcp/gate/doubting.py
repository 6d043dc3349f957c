"""Open requests that the audit log does not bear out, told to people: none of them runs, and somebody changed the database
past Runplane."""

from __future__ import annotations

from typing import Final

from runplane_mcp.core.request import ActionRequest, Kind, State
from runplane_mcp.store.base import Reader
from runplane_mcp.store.records import RequestFilter

#: In these states a gate would run a request, or send it again.
_WOULD_RUN: Final = frozenset({State.APPROVED, State.SCHEDULED, State.EXECUTING, State.OUTCOME_UNKNOWN})
#: So many of the newest are looked at for `status`: each takes most of a millisecond.
_LOOKED_AT: Final = 200


def doubt(reader: Reader, request: ActionRequest) -> str | None:
    """Why the log does not bear out a write that is not final, a sentence; None where it does."""
    if request.final or request.kind is Kind.READ:
        return None
    return reader.mismatch(request.id)


def doubted(reader: Reader) -> tuple[str, ...]:
    """The references of those that would run now, the newest first."""
    open_ones = reader.requests(RequestFilter(states=_WOULD_RUN, limit=_LOOKED_AT))
    return tuple(request.reference for request in open_ones if doubt(reader, request) is not None)
