"""The work behind a report: reads the account, puts each line in its box, adds up."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from runplane_mcp.cli.home import folder_in
from runplane_mcp.core.coverage.boxes import Box, Made, Placed
from runplane_mcp.core.coverage.listings import EVENTS_KEPT
from runplane_mcp.core.coverage.sums import Book, Tie, books_of, ties_of
from runplane_mcp.errors import StoreError

if TYPE_CHECKING:
    from runplane_mcp.cli.coverage.period import Period
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.settings import Settings
    from runplane_mcp.stripe_api.history import Progress

#: The folder in the home where a reading is kept, so that one that was ended goes on where it was.
FOLDER = "coverage"


@dataclass(frozen=True, slots=True)
class Report:
    """`until` is when the reading began, where that was before the end of the period."""

    account: str
    simulator: bool
    livemode: bool
    period: Period
    placed: tuple[Placed, ...]
    claimed: tuple[Made, ...]
    books: tuple[Book, ...]
    ties: tuple[Tie, ...]
    notes: tuple[str, ...]

    def of(self, *boxes: Box) -> tuple[Placed, ...]:
        return tuple(each for each in self.placed if each.box in boxes)

    @property
    def sound(self) -> bool:
        """Nothing unexplained, nothing claimed that is not there, and the sums tie."""
        return not self.of(Box.UNEXPLAINED) and not self.claimed and all(tie.ties for tie in self.ties)


async def report(
    settings: Settings, month: str | None, first: str | None, last: str | None, progress: Progress
) -> Report:
    """Only reads go to Stripe. UsageError `usage.period`; the errors of `open_books` and `read_lists`."""
    from dataclasses import replace

    from runplane_mcp.app import open_books
    from runplane_mcp.cli.coverage.period import period_of
    from runplane_mcp.gate.coverage.covering import covered
    from runplane_mcp.gate.coverage.reading import read_ends, read_pages, span_to_read
    from runplane_mcp.gate.coverage.state import balances
    from runplane_mcp.stripe_api.history import HistoryFolder, Span

    async with open_books(settings) as books:
        now, identity = books.clock.policy() // 1000, books.identity
        period = period_of(month, first, last, zone=await _zone(books.desk), now=now)
        span = Span(identity.target, identity.account, identity.livemode, period.since, period.until)
        with folder_in(settings, FOLDER) as kept, alone(kept.with_name(f"{FOLDER}.lock")):
            folder = HistoryFolder(kept)
            pages, read = await read_pages(books.connection, folder, span_to_read(span, now), progress=progress)
        cut = read.until < span.until
        if cut:
            span, period = replace(span, until=read.until), replace(period, until=read.until)
        noted = await books.desk.store.read(lambda reader: balances(reader, identity))
        ends = await read_ends(books.connection, pages, span, read=read, now=now, balances=noted)
        found = await covered(
            books.desk.store,
            books.desk.policies.catalog,
            identity,
            pages,
            since=span.since,
            until=span.until,
            now=now,
        )
    sums = books_of(found.placed)
    ties = ties_of(sums, found.lines, now=ends.now, after=ends.after, whole=ends.whole, noted=ends.noted)
    notes = tuple(_notes(sums, ends.why_not, old=span.since < now - EVENTS_KEPT, cut=span.until if cut else None))
    return Report(
        identity.account,
        identity.simulator,
        identity.livemode,
        period,
        found.placed,
        found.claimed,
        sums,
        ties,
        notes,
    )


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One reading at a time in a home: two would write into each other's pages. StoreError `store.locked`."""
    with open(path, "w", opener=_private) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                "store.locked",
                "Another report is being read in this home.",
                next_step="Wait until it has ended, or end it: the next one goes on where it was.",
            ) from None
        yield


async def _zone(desk: Desk) -> tzinfo:
    """The policy's, in which its people speak of days; without a policy, UTC."""
    if await desk.enforced_policy() is None:
        return UTC
    enforced = await desk.store.read(desk.policies.enforced)
    return enforced.policy.calendar.zone


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _notes(books: Iterable[Book], why_not: str, *, old: bool, cut: int | None) -> Iterable[str]:
    """What could not be tied or told."""
    if cut is not None:
        from runplane_mcp.cli.output import moment

        yield f"This reading was begun before and goes until {moment(cut * 1000)}; run it again for what came since."
    if why_not:
        yield f"Opening and closing balance are not tied: {why_not}"
    if old:
        yield (
            "Stripe tells for 30 days who made something. What is older is explained by Runplane's own record or by its"
            " kind. Credit to customers, invoices voided or given up and credit grants of before then are not listed."
        )
    for name in sorted({book.balance for book in books if book.balance not in (None, "payments")} - {None}):
        yield f"The balance {name} is kept apart by Stripe: its lines are here, and are tied to no balance."
