"""Which request made a line, as Stripe's events tell it. No agent can write one.

Source: https://docs.stripe.com/api/events/object. `request` names the request that caused an event and its idempotency key;
a null request means that nobody asked: Stripe did it by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.coverage.lines import Line
from runplane_mcp.core.coverage.listings import MAKERS
from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o

#: Lists inside an object that an event carries along.
_PARTS: Final = ("reversals", "refunds")
_BOOKINGS: Final = ("balance_transaction", "failure_balance_transaction")


@dataclass(frozen=True, slots=True)
class Trace:
    """One event. `ids` are the objects and bookings that it speaks of. `told` is false where it says nothing at all of a
    request; then nobody knows."""

    id: str
    type: str
    created: int
    ids: frozenset[str]
    told: bool
    request_id: str | None
    key: str | None

    @property
    def automatic(self) -> bool:
        """Stripe says that nobody asked for it."""
        return self.told and self.request_id is None and self.key is None


def trace_of(event: StripeObject) -> Trace | None:
    """None for what is no event."""
    id, type, created = o.id_in(event), o.text(event, "type"), o.number(event, "created")
    found = o.child(o.child(event, "data"), "object")
    if id is None or type is None or created is None or found is None:
        return None
    ids = {id, o.id_in(found), o.id_in(found, "payment_intent"), *(o.id_in(found, name) for name in _BOOKINGS)}
    parts = [*(o.listed({"data": found.get("balance_transactions")}) or ())]
    for name in _PARTS:
        parts += o.listed(o.child(found, name)) or ()
    for part in parts:
        ids |= {o.id_in(part), *(o.id_in(part, name) for name in _BOOKINGS)}
    request, caused = event.get("request"), o.child(event, "request")
    # In API versions before 2017-05-25 it is the request's id alone.
    request_id = request if isinstance(request, str) else o.text(caused, "id")
    told = "request" in event and (request is None or isinstance(request, str) or caused is not None)
    known = frozenset(each for each in ids if each is not None)
    return Trace(id, type, created, known, told, request_id, o.text(caused, "idempotency_key"))


class Traces:
    """The events of a period, for finding the one that made a line."""

    def __init__(self, traces: Iterable[Trace]) -> None:
        found: dict[str, list[Trace]] = {}
        for trace in {each.id: each for each in traces}.values():
            for id in trace.ids:
                found.setdefault(id, []).append(trace)
        self._by_id: Mapping[str, list[Trace]] = found

    def of(self, line: Line) -> Trace | None:
        """The event that tells who made the line: of the type that tells best, one that names its booking rather than only
        its object, and of several the first. An event of a transfer lists all reversals so far, so that each later one
        names this reversal too; the first that does was its own."""
        for type in MAKERS.get(line.kind, ()):
            for id in (line.transaction, line.object_id):
                known = self._by_id.get(id, ()) if id is not None else ()
                named = [each for each in known if each.type == type]
                if named:
                    return min(named, key=lambda each: (each.created, len(each.ids), each.id))
        return None
