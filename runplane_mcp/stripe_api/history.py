"""Reads the history of a Stripe account: Stripe's own lists, page by page, with the account's own key. Only reads go out.

Each page is kept in a file of its own, written whole or not at all, so that whoever is killed in the middle goes on at the
page where they were.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import anyio

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects.objects import complete, id_in, listed
from runplane_mcp.core.history import LISTINGS, Pages
from runplane_mcp.core.listing import Listing, pruned
from runplane_mcp.core.wire import Value, encode
from runplane_mcp.errors import StripeError
from runplane_mcp.stripe_api.answers import Busy, Done, Lost, NotSent, Refused
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.connected import Asks

PAGE: Final = 100
#: Far more than any account has; a list that pages forever ends here.
MOST_PAGES: Final = 20_000
MOST_TRIES: Final = 8
#: Seconds before a page is asked for again: doubling, or what Stripe says, up to the longest.
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 60.0
_FORMAT: Final = 1
#: Stripe's answer to a header `Stripe-Account` that names an account of others.
_NOT_CONNECTED: Final = "stripe.account_invalid"
_PAGE_FILE: Final = re.compile(r"([a-z_]+)-(\d{5})\.json")

#: Told after each page: which list, how many objects of it so far, and whether it is read to its end.
Progress = Callable[[str, int, bool], None]
#: The lists of one reading, by their names.
Name = TypeVar("Name", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of whose history: seconds since 1970, from `since` until before `until`."""

    target: str
    account: str
    livemode: bool
    since: int
    until: int

    def words(self) -> dict[str, Json]:
        return {
            "v": _FORMAT,
            "target": self.target,
            "account": self.account,
            "livemode": self.livemode,
            "since": self.since,
            "until": self.until,
        }


class HistoryFolder:
    """The pages of one history, in a folder that only its owner may read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def span(self) -> Span | None:
        """What was begun here, None where nothing that can be gone on with."""
        try:
            words = json.loads((self.path / "span.json").read_bytes())
            if words.pop("v") != _FORMAT:
                return None
            return Span(**words)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def begin(self, span: Span) -> None:
        """Forgets what was here and begins anew."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.path / "span.json").unlink(missing_ok=True)
        for each in self.path.iterdir():
            if _PAGE_FILE.fullmatch(each.name) or each.suffix == ".new":
                each.unlink()
        self._write("span.json", span.words())

    def pages(self, source: str) -> Iterator[tuple[list[StripeObject], str | None]]:
        """The pages that are there, first to last, each with the id that the next one starts after; None ends the list."""
        for number in range(MOST_PAGES):
            try:
                page = json.loads((self.path / _name(source, number)).read_bytes())
            except OSError:
                return
            yield page["data"], page["next"]

    def add(self, source: str, number: int, data: list[dict[str, Json]], next: str | None) -> None:
        self._write(_name(source, number), {"data": [*data], "next": next})

    def _write(self, name: str, content: dict[str, Json]) -> None:
        # Renamed only when it is on the disk whole: a page is there or is not.
        beside = self.path / f"{name}.new"
        with open(beside, "w", encoding="utf-8", opener=_private) as file:
            json.dump(content, file, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path / name)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _name(source: str, number: int) -> str:
    return f"{source}-{number:05d}.json"


async def read_history(
    connection: StripeConnection,
    folder: HistoryFolder,
    span: Span,
    *,
    progress: Progress = lambda _source, _count, _done: None,
) -> Pages:
    """Reads what is missing of `span` into `folder` and returns all of it. StripeError `stripe.history` where the key may
    not read a list, `stripe.unreachable` where Stripe took no more reads for minutes: run it again, it goes on there."""
    return await read_lists(connection, folder, span, LISTINGS, progress=progress)


async def read_lists(
    connection: Asks,
    folder: HistoryFolder,
    span: Span,
    listings: Mapping[Name, Listing],
    *,
    progress: Progress = lambda _source, _count, _done: None,
) -> dict[Name, list[StripeObject]]:
    """The same for any lists of Stripe's."""
    if folder.span() != span:
        folder.begin(span)
    for source, listing in listings.items():
        await _read(connection, folder, source, listing, span, progress)
    return {source: [each for page, _ in folder.pages(source) for each in page] for source in listings}


async def _read(
    connection: Asks, folder: HistoryFolder, source: str, listing: Listing, span: Span, progress: Progress
) -> None:
    number, count, after = 0, 0, ""
    for data, next in folder.pages(source):
        number, count = number + 1, count + len(data)
        if next is None:
            progress(source, count, True)
            return
        after = next
    async for objects, following in pages_of(connection, listing, span.since, span.until, after=after):
        if number == MOST_PAGES:
            raise _odd(listing.path)
        folder.add(source, number, objects, following)
        number, count = number + 1, count + len(objects)
        progress(source, count, following is None)


async def pages_of(
    connection: Asks, listing: Listing, since: int, until: int, *, after: str = ""
) -> AsyncIterator[tuple[list[dict[str, Json]], str | None]]:
    """The pages of one list between two moments (seconds), newest first, from behind the object `after` on: what is kept
    of each object, and the id that the next page starts after, None with the last one."""
    while True:
        parameters: dict[str, Value] = {**listing.parameters, "limit": PAGE}
        if listing.dated:
            earlier = until - since if listing.earlier else listing.before
            parameters["created"] = {"gte": max(since - earlier, 0), "lt": until}
        if after:
            parameters["starting_after"] = after
        found = await _page(connection, listing.path, parameters)
        objects = listed(found)
        if objects is None:
            raise _odd(listing.path)
        last = id_in(objects[-1]) if objects else None
        if not complete(found) and (last is None or last == after):
            raise _odd(listing.path)
        after = "" if complete(found) or last is None else last
        yield [pruned(each, listing.keep) for each in objects], after or None
        if not after:
            return


async def _page(connection: Asks, path: str, parameters: dict[str, Value]) -> StripeObject:
    """One page. What is only busy or lost is asked for again, ever more slowly: the rate limit is the whole company's."""
    wait, reason = FIRST_WAIT, ""
    for _ in range(MOST_TRIES):
        answer = await connection.send(encode("GET", path, parameters), idempotency_key=None)
        match answer:
            case Done():
                return answer.body
            case Refused() if answer.failure.code == _NOT_CONNECTED:
                raise StripeError(
                    "stripe.history",
                    f"The key has no access to this account ({answer.failure.code}): it is not connected, or no longer.",
                    next_step="Connect it again, or leave it out: RUNPLANE_COVERAGE_ACCOUNTS=-acct_…",
                )
            case Refused():
                raise StripeError(
                    "stripe.history",
                    f"The key may not read {path} ({answer.failure.code}).",
                    next_step="Give the restricted key read permission for it.",
                )
            case Busy():
                reason, wait = answer.reason, max(wait, answer.retry_after or 0.0)
            case Lost() | NotSent():
                reason = answer.reason
        await anyio.sleep(min(wait, LONGEST_WAIT))
        wait *= 2
    raise StripeError(
        "stripe.unreachable", reason, next_step="Run the same again later: it goes on at the page where it was."
    )


def _odd(path: str) -> StripeError:
    return StripeError(
        "stripe.bad_answer", f"What answered {path} is no list of Stripe's.", next_step="Nothing was changed."
    )
