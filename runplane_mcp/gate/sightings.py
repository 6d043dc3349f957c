"""What was seen at Stripe of a request whose outcome is unknown. It proves nothing, and helps whoever has to say what
became of it: kind, id and status as Stripe has them, nobody's words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.marks import Seen
from runplane_mcp.core.request import ActionRequest
from runplane_mcp.gate.acts import said
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.records import Event
from runplane_mcp.stripe_api.evidence import Evidence, Proven

#: The event that holds it.
SIGHTING: Final = "sighting"


def sighting_in(events: Iterable[Event]) -> Seen | None:
    """The newest sighting among the events of a request."""
    newest = None
    for event in events:
        if event.type == SIGHTING:
            newest = _seen(said(event))
    return newest


def sighted(reader: Reader, request: ActionRequest, found: Evidence | None) -> bool:
    """Whether something was found that is not written down yet."""
    seen = None if found is None or isinstance(found, Proven) else found.seen
    return seen is not None and sighting_in(reader.events(0, 1_000, request.id)) != seen


def note(tx: Transaction, request: ActionRequest, found: Evidence | None, *, at: int) -> None:
    """Writes down what was found, unless that is so already."""
    if found is None or isinstance(found, Proven) or found.seen is None or not sighted(tx, request, found):
        return
    seen = found.seen
    body: dict[str, Json] = {"kind": seen.kind, "id": seen.id, "status": seen.status, "marked": seen.marked}
    tx.append(SIGHTING, body, at=at, request_id=request.id)


def _seen(body: Mapping[str, Json]) -> Seen | None:
    kind, id, status = body.get("kind"), body.get("id"), body.get("status")
    if not isinstance(kind, str) or not isinstance(id, str):
        return None
    return Seen(kind, id, status if isinstance(status, str) else None, body.get("marked") is True)
