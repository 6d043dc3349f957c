"""The second evidence of what became of a request whose answer was lost: the object that carries its mark.

Asked for where Stripe's events cannot be read or say nothing. What cannot carry a mark is looked at for people alone: that
a payment is canceled does not say who canceled it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.marks import Bears, Marked, marked, seen_in
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.whereabouts import Whereabouts, whereabouts
from runplane_mcp.core.wire import WireRequest
from runplane_mcp.stripe_api.client import Done, StripeConnection
from runplane_mcp.stripe_api.evidence import MOST_PAGES, Absent, Evidence, Proven, Turn, Unclear, at_once

_UNREAD = Unclear("What Stripe has of it could not be read.")


@dataclass(frozen=True, slots=True)
class Second:
    """Where to look for a request, and what proves it there. `since` and `until`: when it was made at the earliest and at
    the latest, by Stripe's clock (seconds since 1970). `marked` is None for what carries no mark."""

    place: Whereabouts
    marked: Marked | None
    since: int
    until: int

    @classmethod
    def of(
        cls, catalog: Catalog, operation: Operation, wire: WireRequest, request_id: str, *, since: int, until: int
    ) -> Self | None:
        """None where there is nowhere to look, or nothing to look for: in a list, what has no mark is not told from
        another's."""
        place = whereabouts(catalog, operation, wire)
        if place is None:
            return None
        mark = marked(operation, wire, request_id, listed=place.listed, verb=place.verb, since=since)
        return None if mark is None and place.listed else cls(place, mark, since, until)

    async def look(self, connection: StripeConnection, *, account: str | None = None, turn: Turn = at_once) -> Evidence:
        if not self.place.listed:
            await turn()
            answer = await connection.send(self._page(None), idempotency_key=None, account=account)
            return self._says([answer.body], whole=True) if isinstance(answer, Done) else _UNREAD
        found: list[StripeObject] = []
        after: str | None = None
        for _ in range(MOST_PAGES):
            await turn()
            answer = await connection.send(self._page(after), idempotency_key=None, account=account)
            page = o.listed(answer.body) if isinstance(answer, Done) else None
            if page is None or not isinstance(answer, Done):
                return _UNREAD
            found += [each for each in page if self._bears(each) is not Bears.NOTHING]
            after = o.id_in(page[-1]) if page else None
            times = [o.number(each, "created") for each in page]
            if (
                after is None
                or o.complete(answer.body)
                or any(time is not None and time < self.since for time in times)
            ):
                return self._says(found, whole=True)
        return self._says(found, whole=False)

    def _page(self, after: str | None) -> WireRequest:
        return self.place.page(since=self.since, until=self.until, after=after)

    def _bears(self, found: StripeObject) -> Bears:
        return self.marked.borne_out_by(found) if self.marked is not None else Bears.NOTHING

    def _says(self, found: list[StripeObject], *, whole: bool) -> Evidence:
        """What these objects come to. `whole`: nothing more would have come."""
        proofs = [each for each in found if self._bears(each) is Bears.PROOF]
        if len(proofs) == 1:
            return Proven(proofs[0])
        ours = proofs or [each for each in found if self._bears(each) is Bears.MARK]
        seen = seen_in(ours[-1], marked=True) if ours else None
        if proofs:
            # One request makes one object: somebody has written its mark on another one.
            return Unclear("More than one object carries its mark.", seen=seen)
        if ours:
            return Unclear("What carries its mark does not plainly show that it was done.", seen=seen)
        if not whole:
            return Unclear("There are more objects than can be looked through.")
        return Absent(seen_in(found[0], marked=False) if found else None)
