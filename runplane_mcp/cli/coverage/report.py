"""The work behind a report: reads the account, puts each line in its box, adds up."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from runplane_mcp.cli.home import folder_in
from runplane_mcp.core.coverage.boxes import Box, Placed
from runplane_mcp.core.coverage.listings import EVENTS_KEPT
from runplane_mcp.errors import StoreError

if TYPE_CHECKING:
    from runplane_mcp.cli.coverage.period import Period
    from runplane_mcp.core.coverage.accounts import Wanted
    from runplane_mcp.gate.coverage.accounts import Connected
    from runplane_mcp.gate.coverage.everywhere import AccountCoverage, Everywhere, Unread
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.settings import Settings
    from runplane_mcp.stripe_api.history import Progress

#: The folder in the home where a reading is kept, so that one that was ended goes on where it was.
FOLDER = "coverage"
#: Accounts that one sentence names.
_NAMED = 5
_SECOND_API = {
    "held": "Not read: /v2 money. The account has financial accounts; what moves in them is in no line here.",
    "unknown": "Not read: /v2 money. Whether the account has any, Stripe did not let the key see.",
}


@dataclass(frozen=True, slots=True)
class Report:
    """`period` ends when the reading began, where that was before its end. `notes` are of the own account, or of all."""

    account: str
    simulator: bool
    livemode: bool
    period: Period
    everywhere: Everywhere
    notes: tuple[str, ...]
    cut: bool = False

    @property
    def accounts(self) -> tuple[AccountCoverage, ...]:
        """The own one first."""
        return (self.everywhere.own, *self.everywhere.connected)

    @property
    def unread(self) -> tuple[Unread, ...]:
        return self.everywhere.unread

    @property
    def unexplained(self) -> int:
        return sum(len(of(each, Box.UNEXPLAINED)) for each in self.accounts)

    @property
    def sound(self) -> bool:
        """Every account was read, nothing is unexplained, nothing claimed that is not there, and the sums tie."""
        return not self.unread and not self.cut and all(sound(each) for each in self.accounts)


def sound(account: AccountCoverage) -> bool:
    return not of(account, Box.UNEXPLAINED) and not account.found.claimed and all_tie(account)


def all_tie(account: AccountCoverage) -> bool:
    return all(tie.ties for tie in account.ties)


def of(account: AccountCoverage, *boxes: Box) -> tuple[Placed, ...]:
    return tuple(each for each in account.placed if each.box in boxes)


async def report(
    settings: Settings,
    wanted: Wanted,
    month: str | None,
    first: str | None,
    last: str | None,
    progress: Progress,
) -> Report:
    """Only reads go to Stripe. UsageError `usage.period`; the errors of `open_books` and `read_lists`."""
    from dataclasses import replace

    from runplane_mcp.app.books import open_books
    from runplane_mcp.cli.coverage.period import period_of
    from runplane_mcp.gate.coverage.accounts import Recorded, connected
    from runplane_mcp.gate.coverage.everywhere import Reading
    from runplane_mcp.stripe_api.history import HistoryFolder, Span

    async with open_books(settings) as books:
        now, identity, store = books.clock.policy() // 1000, books.identity, books.desk.store
        period = period_of(month, first, last, zone=await _zone(books.desk), now=now)
        span = Span(identity.target, identity.account, identity.livemode, period.since, period.until)
        catalog = books.desk.policies.catalog
        with folder_in(settings, FOLDER) as kept, alone(kept.with_name(f"{FOLDER}.lock")):
            folder = HistoryFolder(kept)
            there = await connected(store, books.connection, identity, wanted, Recorded())
            reading = Reading(store, catalog, books.connection, identity, folder, span, now)
            found = await reading.read(there.accounts, progress=progress)
    ended = found.until if found.until < span.until else None
    if ended is not None:
        period = replace(period, until=ended)
    notes = [*_notes(found.own, old=span.since < now - EVENTS_KEPT, ended=ended), *_notes_there(found, there)]
    notes += [_SECOND_API[found.second_api]] if found.second_api in _SECOND_API else []
    return Report(identity.account, identity.simulator, identity.livemode, period, found, tuple(notes), cut=there.cut)


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


def _notes(own: AccountCoverage, *, old: bool, ended: int | None) -> Iterator[str]:
    """What could not be tied or told."""
    if ended is not None:
        from runplane_mcp.cli.output import moment

        yield f"This reading was begun before and goes until {moment(ended * 1000)}; run it again for what came since."
    yield from untied(own)
    if old:
        yield (
            "Stripe tells for 30 days who made something. What is older is explained by Runplane's own record or by its"
            " kind. Credit to customers, invoices voided or given up and credit grants of before then are not listed."
        )


def untied(account: AccountCoverage) -> Iterator[str]:
    """What of an account is tied to no balance."""
    if account.ends.why_not:
        yield f"Opening and closing balance are not tied: {account.ends.why_not}"
    for name in sorted({each.balance for each in account.books if each.balance not in (None, "payments")} - {None}):
        yield f"The balance {name} is kept apart by Stripe: its lines are here, and are tied to no balance."


def _notes_there(found: Everywhere, there: Connected) -> Iterator[str]:
    """Which connected accounts this is not about."""
    if there.left_out:
        yield f"Not read, since you said so: {_some(there.left_out)}."
    also = [each for each in found.also_paid if each not in there.left_out]
    if also:
        yield (
            f"Got transfers, and what became of them there was not read: {_some(also)}. To read it: --account ACCOUNT,"
            " or --account all."
        )


def _some(accounts: Sequence[str]) -> str:
    more = f" and {len(accounts) - _NAMED:,} more" if len(accounts) > _NAMED else ""
    return ", ".join(accounts[:_NAMED]) + more
