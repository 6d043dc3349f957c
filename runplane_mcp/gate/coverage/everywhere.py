"""A report's reading: the own account, and the connected ones beside it, each with its lines, boxes and sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.coverage.boxes import Placed, sides
from runplane_mcp.core.coverage.listings import Pages, Source
from runplane_mcp.core.coverage.sums import Book, Tie, books_of, ties_of
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.errors import StripeError
from runplane_mcp.gate.coverage.covering import Covered, covered
from runplane_mcp.gate.coverage.reading import Ends, begin, read_ends, read_pages, read_there, span_to_read
from runplane_mcp.gate.coverage.second_api import SecondApi, second_api
from runplane_mcp.gate.coverage.state import balances
from runplane_mcp.store.base import Store
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.connected import Asks, OnAccount
from runplane_mcp.stripe_api.history import HistoryFolder, Progress, Span

#: What Stripe says no to, or says in a form that cannot be read: of one connected account this ends nothing.
_OF_ONE: Final = frozenset({"stripe.history", "stripe.bad_answer"})


@dataclass(frozen=True, slots=True)
class AccountCoverage:
    """One account's lines, each in its box, and whether they tie."""

    account: str
    found: Covered
    books: tuple[Book, ...]
    ties: tuple[Tie, ...]
    ends: Ends

    @property
    def placed(self) -> tuple[Placed, ...]:
        return self.found.placed


@dataclass(frozen=True, slots=True)
class Unread:
    """A connected account that should have been read, and why it could not be."""

    account: str
    why: str


@dataclass(frozen=True, slots=True)
class Everywhere:
    """`until` (seconds) is where the reading ends, before the period does if it was begun earlier. `also_paid` are
    connected accounts that got transfers and were not to be read."""

    own: AccountCoverage
    connected: tuple[AccountCoverage, ...]
    unread: tuple[Unread, ...]
    until: int
    also_paid: tuple[str, ...]
    second_api: SecondApi


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads `span` of an account into `folder`. `now` is seconds by the account's clock."""

    store: Store
    catalog: Catalog
    connection: StripeConnection
    identity: StripeIdentity
    folder: HistoryFolder
    span: Span
    now: int

    async def read(self, accounts: Sequence[str], *, progress: Progress) -> Everywhere:
        """Only reads go out. The errors of `read_lists` for the own account; a connected one that Stripe does not let the
        key read is told in `unread`."""
        whole = begin(self.folder, span_to_read(self.span, self.now))
        unread: list[Unread] = []
        # The own account comes last, so that it has whatever moved money to those that were read before.
        for number, account in enumerate(accounts, 1):
            try:
                await self._there(account, whole)
            except StripeError as error:
                unread.append(_unread(account, error))
            progress("connected accounts", number, number == len(accounts))
        pages, _ = await read_pages(self.connection, self.folder, whole, progress=progress)
        until = min(self.span.until, whole.until)
        own = await self._covered(self.identity, self.connection, pages, whole, until, None)
        connected = []
        for account in (each for each in accounts if each not in {one.account for one in unread}):
            identity, asks = replace(self.identity, account=account), OnAccount(self.connection, account)
            try:
                # Out of the folder: the lists of a thousand accounts need not be held all at once.
                found = await self._there(account, whole)
                connected.append(await self._covered(identity, asks, found, whole, until, own))
            except StripeError as error:
                unread.append(_unread(account, error))
        paid = {o.id_in(each, "destination") for each in pages.get(Source.TRANSFERS, ())}
        also = sorted(each for each in paid if each is not None and each not in accounts)
        return Everywhere(own, tuple(connected), tuple(unread), until, tuple(also), await second_api(self.connection))

    async def _there(self, account: str, whole: Span) -> Pages:
        return await read_there(self.connection, self.folder, whole, account, progress=lambda *_: None)

    async def _covered(
        self, identity: StripeIdentity, asks: Asks, pages: Pages, read: Span, until: int, own: AccountCoverage | None
    ) -> AccountCoverage:
        span = replace(self.span, account=identity.account, until=until)
        noted = await self.store.read(lambda reader: balances(reader, identity))
        ends = await read_ends(asks, pages, span, read=read, now=self.now, balances=noted)
        found = await covered(
            self.store,
            self.catalog,
            identity,
            pages,
            since=span.since,
            until=span.until,
            now=self.now,
            platform=sides(own.placed) if own is not None else {},
        )
        books = books_of(found.placed)
        ties = ties_of(books, found.lines, now=ends.now, after=ends.after, whole=ends.whole, noted=ends.noted)
        return AccountCoverage(identity.account, found, books, ties, ends)


def _unread(account: str, error: StripeError) -> Unread:
    if error.code not in _OF_ONE:
        raise error
    return Unread(account, error.message)
