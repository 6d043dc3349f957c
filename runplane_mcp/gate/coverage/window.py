"""What one look of the watch reads: all lists of a stretch of time, a bounded number of pages, slowly."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, TypeAlias

from runplane_mcp.core.coverage.boxes import STRIPES_OWN
from runplane_mcp.core.coverage.lines import lines_of
from runplane_mcp.core.coverage.listings import CLOCKS_DIFFER, LISTINGS, LISTINGS_THERE, Source
from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.listing import Listing
from runplane_mcp.core.wire import encode
from runplane_mcp.errors import StripeError
from runplane_mcp.stripe_api.client import Done, Refused, StripeConnection
from runplane_mcp.stripe_api.connected import Asks, OnAccount
from runplane_mcp.stripe_api.history import pages_of

Found: TypeAlias = dict[Source, list[StripeObject]]

#: Pages of one list of a connected account in one look: there may be many accounts.
MOST_PAGES_THERE: Final = 5
#: What is asked for one by one of the platform for one connected account.
MOST_ASKED: Final = 50


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` until before `until`; `now`, all seconds by the account's clock. Events may come `overlap` seconds
    later. What is at most `narrowest` long is read whole, however much it is: it cannot be narrowed. `pause` is seconds
    between two reads."""

    connection: StripeConnection
    since: int
    until: int
    now: int
    overlap: int
    narrowest: int
    pause: float

    async def here(self, most: int) -> Found | None:
        """The lists of the key's own account, None where one has more than `most` pages. The errors of `read_lists`."""
        pages: Found = {}
        for source, listing in LISTINGS.items():
            found = await self._list(self.connection, listing, self._end(source), most)
            if found is None:
                return None
            pages[source] = found
        return pages

    async def there(self, account: str) -> Found | None:
        """The same of a connected account."""
        pages: Found = {}
        for source, listing in LISTINGS_THERE.items():
            if source is Source.MOVES and not any(pages.values()):
                pages[source] = []  # nothing moved: it need not be asked who did
                continue
            found = await self._list(OnAccount(self.connection, account), listing, self._end(source), MOST_PAGES_THERE)
            if found is None:
                return None
            pages[source] = found
        return pages

    async def platform(self, account: str, pages: Found) -> dict[str, str] | None:
        """Which of the objects that the lines of a connected account are the other side of are the platform's, as `place`
        takes them; None where they are too many. A look at the platform judges them: here it counts that they are there."""
        lines = lines_of(pages, self.since, self.until).lines
        sides = {line.other_side for line in lines if line.other_side is not None and line.kind not in STRIPES_OWN}
        if not sides:
            return {}
        listing = Listing("/v1/transfers", {"destination": account}, {"id": None}, before=CLOCKS_DIFFER)
        sent = await self._list(
            self.connection, listing, min(self.until + CLOCKS_DIFFER, self.now + 1), MOST_PAGES_THERE
        )
        if sent is None:
            return None
        found = {id for each in sent if (id := o.id_in(each)) is not None}
        left = sorted(sides - found)
        if len(left) > MOST_ASKED and not self._narrow:
            return None
        for id in left:
            if await self._is_the_platforms(id):
                found.add(id)
            await asyncio.sleep(self.pause)
        return dict.fromkeys(sides & found, "")

    async def _is_the_platforms(self, id: str) -> bool:
        """Whether a line of the platform's is about it. StripeError `stripe.unreachable` where Stripe does not say."""
        wire = encode("GET", LISTINGS[Source.LINES].path, {"source": id, "limit": 1})
        answer = await self.connection.send(wire, idempotency_key=None)
        if isinstance(answer, Done):
            return bool(o.listed(answer.body))
        if isinstance(answer, Refused):
            return False
        raise StripeError("stripe.unreachable", answer.reason, next_step="The next look asks again.")

    @property
    def _narrow(self) -> bool:
        return self.until - self.since <= self.narrowest

    def _end(self, source: Source) -> int:
        events = source in {Source.MOVES, Source.WAIVERS}
        return min(self.until + self.overlap, self.now + 1) if events else self.until

    async def _list(self, asks: Asks, listing: Listing, until: int, most: int) -> list[StripeObject] | None:
        """One list, None where it has more pages than `most` and a narrower window has fewer."""
        objects: list[StripeObject] = []
        number = 0
        async for page, following in pages_of(asks, listing, self.since, until):
            objects += page
            number += 1
            if following is None:
                break
            if number == most and not self._narrow:
                return None
            await asyncio.sleep(self.pause)
        return objects
