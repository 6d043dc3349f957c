"""The history of the home's Stripe account, read and kept, for the commands that look at it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runplane_mcp.core.backtest import Asked
    from runplane_mcp.core.history import Left
    from runplane_mcp.settings import Settings
    from runplane_mcp.stripe_api.history import Progress, Span

DAY = 86_400
#: A history that was read so lately (seconds) is looked at again without asking Stripe.
STILL_FRESH = DAY


@dataclass(frozen=True, slots=True)
class AccountHistory:
    """`asked` is what happened, as requests, oldest first; `left` what was nobody's request. `simulator`: of no real
    account."""

    span: Span
    asked: tuple[Asked, ...]
    left: Left
    simulator: bool


def read_account(settings: Settings, *, days: int, refresh: bool, quiet: bool) -> AccountHistory:
    """Reads the last `days` days, or goes on where reading was ended before. Only reads go to Stripe."""
    import anyio

    from runplane_mcp.app.books import open_account
    from runplane_mcp.cli.home import folder_in
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.history import Left, happened
    from runplane_mcp.core.request import StripeIdentity
    from runplane_mcp.gate.backtesting import asked_for
    from runplane_mcp.stripe_api.history import HistoryFolder, Span, read_history

    async def work(folder: HistoryFolder) -> AccountHistory:
        async with open_account(settings) as (connection, identity, clock):
            now = clock.policy() // 1000
            whose = (identity.target, identity.account, identity.livemode)
            span = None if refresh else folder.span()
            if span is None or not _still_good(span, whose, days, now):
                span = Span(*whose, now - days * DAY, now)
                folder.begin(span)
            with bar(quiet) as progress:
                pages = await read_history(connection, folder, span, progress=progress)
        left = Left()
        done = happened(pages, span.since, left)
        asked, unreadable = asked_for(done, load_catalog(), StripeIdentity(*whose))
        left.unreadable += unreadable
        return AccountHistory(span, asked, left, identity.simulator)

    with folder_in(settings, "history") as kept:
        return anyio.run(work, HistoryFolder(kept))


def _still_good(span: Span, whose: tuple[str, str, bool], days: int, now: int) -> bool:
    """Whether what was begun is of the same account and days, and lately."""
    same = (span.target, span.account, span.livemode) == whose and span.until - span.since == days * DAY
    return same and 0 <= now - span.until <= STILL_FRESH


@contextmanager
def bar(quiet: bool) -> Iterator[Progress]:
    """A bar for each list, on stderr where that is a terminal. Nobody knows how long a list is before its end."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    from runplane_mcp.cli.output import console

    to = console(stderr=True)
    if quiet or not to.is_terminal:
        yield lambda _source, _count, _done: None
        return
    words = TextColumn("{task.description}", markup=False)
    count = TextColumn("{task.completed} read", markup=False)
    with Progress(SpinnerColumn(), words, BarColumn(bar_width=30), count, console=to, transient=True) as shown:
        tasks = {}

        def progress(source: object, count: int, done: bool) -> None:
            name = str(source).replace("_", " ")
            if source not in tasks:
                tasks[source] = shown.add_task(name, total=None)
            shown.update(tasks[source], completed=count, total=max(count, 1) if done else None)

        yield progress


def left_words(left: Left) -> list[str]:
    """What is left out, and why."""
    said = (
        ("automatic payouts, which Stripe's schedule made", left.automatic_payouts),
        ("transfers that charges made by themselves", left.transfers_of_charges),
        ("reversals that came with a refund", left.reversals_of_refunds),
        ("subscriptions that Stripe ended after failed or disputed payments", left.ended_by_stripe),
        ("objects that could not be read", left.unreadable),
    )
    return [f"{what}: {count}" for what, count in said if count]
