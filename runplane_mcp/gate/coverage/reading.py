"""Reads what a coverage report stands on: Stripe's lists of one period, and what the balance holds at its end."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from runplane_mcp.core.coverage.lines import PAYMENTS
from runplane_mcp.core.coverage.listings import DAY, LISTINGS, LISTINGS_THERE, Pages, Source
from runplane_mcp.core.coverage.sums import Noted, held
from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.wire import Value, encode
from runplane_mcp.gate.coverage.state import Balance
from runplane_mcp.stripe_api.client import Done, StripeConnection
from runplane_mcp.stripe_api.connected import Asks, OnAccount
from runplane_mcp.stripe_api.history import HistoryFolder, Progress, Span, pages_of, read_lists

#: A period that ended longer ago (seconds) is not tied to today's balance: everything since would have to be read.
TIED_WITHIN: Final = 35 * DAY
#: After a period, events and objects are read for so much longer (seconds): they may come late.
_AFTER: Final = DAY
#: While the balance is read, new lines may come; it is tried again so often.
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Ends:
    """What Stripe tells of a balance at the ends of a period, in minor units per currency. `now` is what it holds, `after`
    what the lines since the end of the period come to. `whole`: there was no line before it. `noted`: an earlier balance
    that the lines since were checked with. `why_not` where the ends cannot be told."""

    now: Mapping[str, int] | None = None
    after: Mapping[str, int] | None = None
    whole: bool = False
    noted: Noted | None = None
    why_not: str = ""


def span_to_read(span: Span, now: int) -> Span:
    """What has to be read for a period: until now where its end is tied to today's balance."""
    until = now + 1 if now - span.until <= TIED_WITHIN else span.until + _AFTER
    return Span(span.target, span.account, span.livemode, span.since, max(until, span.until))


async def read_pages(connection: Asks, folder: HistoryFolder, span: Span, *, progress: Progress) -> tuple[Pages, Span]:
    """All lists of `span`, or of the one that was begun and not finished in `folder`, if it is of the same account and
    period. Returns what was read, too. StripeError as `read_lists` says."""
    span = begin(folder, span)
    return await read_lists(connection, folder, span, LISTINGS, progress=progress), span


def begin(folder: HistoryFolder, span: Span) -> Span:
    """What is to be read: `span`, for which everything in `folder` is forgotten, or the one that was begun there."""
    begun = folder.span()
    same = begun is not None and _period(begun) == _period(span) and span.until - begun.until < DAY
    if begun is not None and same and not finished(folder):
        return begun
    # What was read to its end is read anew: a report is of now. The connected accounts stand in folders of their own.
    for each in folder.path.glob("acct_*"):
        shutil.rmtree(each)
    folder.begin(span)
    return span


async def read_there(
    connection: StripeConnection, folder: HistoryFolder, span: Span, account: str, *, progress: Progress
) -> Pages:
    """The same of a connected account, for the `span` that is read of the own one. StripeError as `read_lists` says."""
    there, where = replace(span, account=account), HistoryFolder(folder.path / account)
    return await read_lists(OnAccount(connection, account), where, there, LISTINGS_THERE, progress=progress)


def _period(span: Span) -> tuple[str, str, bool, int]:
    return span.target, span.account, span.livemode, span.since


def finished(folder: HistoryFolder) -> bool:
    """Whether every list was read to its end."""
    ends = ([following for _, following in folder.pages(source)] for source in LISTINGS)
    return all(each and each[-1] is None for each in ends)


async def read_ends(
    connection: Asks,
    pages: Pages,
    span: Span,
    *,
    read: Span,
    now: int,
    balances: Sequence[Balance] = (),
) -> Ends:
    """What the balance holds, beside the lines that led to it. `span` is the period, `read` what `pages` hold, `now`
    seconds by the clock of the account; `balances` were noted earlier."""
    if now - span.until > TIED_WITHIN:
        return Ends(why_not="Stripe tells only what the balance is today, and the period ended long before.")
    found = await steady_balance(connection)
    if found is None:
        return Ends(why_not="The balance could not be read, or lines came in while it was, each time.")
    newest, balance = found
    later: dict[str, int] = {}
    reached = newest == ""
    async for line in _since(connection, read.until):
        reached = reached or o.id_in(line) == newest
        if reached:
            _count(later, line)
    after = dict(later)
    for line in pages.get(Source.LINES, ()):
        if (o.number(line, "created") or 0) >= span.until:
            _count(after, line)
    earlier = await _newest(connection, {"created": {"lt": span.since}})
    before = [each for each in balances if each.at < span.until]
    return Ends(balance, after, earlier == "", _checked(pages, balance, later, before))


async def steady_balance(connection: Asks) -> tuple[str, Mapping[str, int]] | None:
    """What the balance holds, and the newest line that is in it (empty: none yet). None where that could not be read, or
    where a line came in while it was, each time: which of them the balance holds, nobody could say."""
    for _ in range(_TRIES):
        newest = await _newest(connection, {})
        balance = await _balance(connection)
        if newest is None or balance is None:
            return None
        if newest == await _newest(connection, {}):
            return newest, balance
    return None


def _checked(
    pages: Pages, now: Mapping[str, int], later: Mapping[str, int], balances: Sequence[Balance]
) -> Noted | None:
    """The earliest balance whose newest line is among those that were read, and what the lines since it miss."""
    lines = list(pages.get(Source.LINES, ()))
    places = {o.id_in(line): place for place, line in enumerate(lines)}
    for each in sorted(balances, key=lambda balance: balance.at):
        place = places.get(each.newest)
        if place is None:
            continue
        sums = dict(later)
        for line in lines[:place]:  # newest first
            _count(sums, line)
        currencies = {*now, *each.held, *sums}
        missing = {name: now.get(name, 0) - each.held.get(name, 0) - sums.get(name, 0) for name in currencies}
        return Noted(each.at, each.seq, {name: amount for name, amount in missing.items() if amount})
    return None


async def _newest(connection: Asks, parameters: Mapping[str, Value]) -> str | None:
    """The id of the newest line, empty where there is none. None where that could not be read."""
    wire = encode("GET", LISTINGS[Source.LINES].path, {**parameters, "limit": 1})
    answer = await connection.send(wire, idempotency_key=None)
    found = o.listed(answer.body) if isinstance(answer, Done) else None
    if found is None:
        return None
    return (o.id_in(found[0]) or None) if found else ""


async def _balance(connection: Asks) -> Mapping[str, int] | None:
    answer = await connection.send(encode("GET", "/v1/balance", {}), idempotency_key=None)
    return held(answer.body) if isinstance(answer, Done) else None


async def _since(connection: Asks, since: int) -> AsyncIterator[StripeObject]:
    """Lines that came after the reading, newest first."""
    async for page, _ in pages_of(connection, LISTINGS[Source.LINES], since, since + 10 * DAY):
        for line in page:
            yield line


def _count(sums: dict[str, int], line: StripeObject) -> None:
    net, currency = o.signed(line, "net"), o.text(line, "currency")
    if net is not None and currency is not None and (o.text(line, "balance_type") or PAYMENTS) == PAYMENTS:
        sums[currency.lower()] = sums.get(currency.lower(), 0) + net
