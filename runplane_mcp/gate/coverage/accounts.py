"""Which connected accounts are read beside the own one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.coverage.accounts import Wanted
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.listing import Listing
from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.store.base import Reader, Store
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.history import pages_of

#: Pages of a hundred that are listed of all connected accounts.
MOST_PAGES: Final = 10
#: Requests that are looked through in one go.
_AT_ONCE: Final = 20_000
_LISTING: Final = Listing("/v1/accounts", {}, {"id": None}, dated=False)


@dataclass(frozen=True, slots=True)
class Connected:
    """`accounts` are to be read. `cut`: Stripe has more than are listed. `left_out`: somebody said not to read them."""

    accounts: tuple[str, ...]
    cut: bool = False
    left_out: tuple[str, ...] = ()


class Recorded:
    """The accounts on which a home has asked for a write. What was looked through is not looked through again."""

    def __init__(self) -> None:
        self._after = 0
        self._found: set[StripeIdentity] = set()

    async def accounts(self, store: Store, identity: StripeIdentity) -> frozenset[str]:
        """Those beside `identity`'s own, in the same mode of the same Stripe."""
        after: int | None = self._after
        while after is not None:
            self._after = start = after

            def work(reader: Reader, start: int = start) -> tuple[frozenset[StripeIdentity], int | None]:
                return reader.identities(start, _AT_ONCE)

            some, after = await store.read(work)
            self._found |= some
        return frozenset(
            each.account
            for each in self._found
            if (each.target, each.livemode) == (identity.target, identity.livemode) and each.account != identity.account
        )


async def connected(
    store: Store, connection: StripeConnection, identity: StripeIdentity, wanted: Wanted, recorded: Recorded
) -> Connected:
    """The errors of `read_lists` where all are wanted and Stripe does not list them."""
    known = await recorded.accounts(store, identity) | wanted.named
    cut = False
    if wanted.all:
        listed, cut = await _listed(connection)
        known |= listed
    known -= {identity.account}
    return Connected(tuple(sorted(known - wanted.without)), cut, tuple(sorted(known & wanted.without)))


async def _listed(connection: StripeConnection) -> tuple[frozenset[str], bool]:
    found: set[str] = set()
    number = 0
    async for objects, following in pages_of(connection, _LISTING, 0, 0):
        found |= {id for each in objects if (id := o.id_in(each)) is not None}
        number += 1
        if number == MOST_PAGES and following is not None:
            return frozenset(found), True
    return frozenset(found), False
