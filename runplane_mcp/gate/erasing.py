"""Erasing what is held of a customer: an administrator's signed act over everything that requests about them said, without
breaking the log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.mentions import findable
from runplane_mcp.errors import PersonError, RequestError
from runplane_mcp.gate.acts import signed_body
from runplane_mcp.gate.erasure import ERASED, erasure_content, kept_of
from runplane_mcp.gate.people import trusted
from runplane_mcp.store.base import Reader, Transaction

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk

#: So many commitments stand in one event at most: events are read whole.
_IN_ONE_EVENT: Final = 500
#: So many of the requests that are in the way are named.
_NAMED: Final = 20
_SHORTEST, _LONGEST = 6, 200
_CUSTOMER: Final = re.compile(r"[!-~]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class Held:
    """What there is of a customer. `requests` are the ids of requests that still say something, `loose` commitments of
    payloads that belong to no request (why somebody froze something). `unfinished` are the references of those that are
    not final. `read_up_to`: the payloads that were read for it."""

    customer: str
    requests: tuple[str, ...]
    loose: tuple[str, ...]
    payloads: int
    unfinished: tuple[str, ...]
    read_up_to: int


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: of how many requests, how many payloads, by whom."""

    customer: str
    requests: int
    payloads: int
    by: str


async def held_of(desk: Desk, customer: str, also: Sequence[str] = ()) -> Held:
    """What would be erased. RequestError `request.customer` for what can be no customer's id, `request.words`."""
    check(customer, also)
    return await desk.store.read(lambda reader: _held(reader, customer, also))


async def erase(desk: Desk, customer: str, *, admin: str | None, secret: str, also: Sequence[str] = ()) -> Erased:
    """Overwrites all that is held of a customer in payloads, with an event for each request that names what went. `also`
    are words that are theirs, such as an e-mail address: what says them goes too. A second time there is nothing left, and
    only the files are seen to again.

    RequestError `request.customer`, `request.words`, `request.unfinished` while requests about them are open; PersonError
    as `Keys` says; StoreError `store.in_use` where it is erased and another process still holds older pages of the
    write-ahead log.
    """
    check(customer, also)
    seen = await desk.store.read(lambda reader: _held(reader, customer, also))
    _check_finished(seen)
    person = await desk.keys.administrator(admin, "Erasing")
    key = await desk.keys.unlock(person, secret)
    at = desk.clock.wall()
    store = await desk.store.read(lambda reader: reader.store_id())
    told = customer if findable(customer, "customer") else "another form"

    def work(tx: Transaction) -> Erased:
        if trusted(tx).get(person.id) != person:
            raise PersonError("person.not_admin", f"{person.id} has changed meanwhile.", next_step="Try it again.")
        now = _held(tx, customer, also, after=seen)
        _check_finished(now)

        def tell(request_id: str | None, names: list[str], kept: dict[str, Json]) -> None:
            for start in range(0, len(names), _IN_ONE_EVENT):
                some = names[start : start + _IN_ONE_EVENT]
                content = erasure_content(request_id, told, some, kept)
                signature = signed_body(key, person, store=store, act=ERASED, content=content, at=at)
                body: dict[str, Json] = {"customer": told, "commitments": list(some), "kept": kept, **signature}
                tx.append(ERASED, body, at=at, request_id=request_id)
                for name in some:
                    tx.erase_payload(name)

        for id in now.requests:
            request = tx.request(id)
            if request is not None:
                tell(id, tx.payloads_of(id), kept_of(request, tx.decisions(id), tx.result(id)))
        tell(None, list(now.loose), {})
        return Erased(customer, len(now.requests), now.payloads, person.id)

    done = await desk.store.write(work)
    await desk.store.scrub()
    return done


def check(customer: str, also: Sequence[str] = ()) -> None:
    if not _CUSTOMER.match(customer):
        raise RequestError(
            "request.customer", "That is no customer's id.", next_step="Give it as Stripe shows it: cus_…"
        )
    for words in also:
        # Shorter ones are half of all other words, and what they erased would not come back.
        if not _SHORTEST <= len(words.strip()) <= _LONGEST or words != words.encode(errors="replace").decode():
            raise RequestError(
                "request.words",
                f"Words to look for have {_SHORTEST} to {_LONGEST} letters.",
                next_step="Give a whole e-mail address or name.",
            )


def _held(reader: Reader, customer: str, also: Sequence[str] = (), *, after: Held | None = None) -> Held:
    """Reading all payloads takes a while in a long history: with `after`, only what was written since is read."""
    ids = dict.fromkeys(reader.requests_of_customer(customer))
    loose: dict[str, None] = {}
    if after is not None:
        ids.update(dict.fromkeys(after.requests))
        loose.update(dict.fromkeys(after.loose))
    for words in (customer, *also):
        for name, request_id in reader.payloads_saying(words, after=after.read_up_to if after is not None else 0):
            if request_id is None:
                loose[name] = None
            else:
                ids[request_id] = None
    found = [request for id in ids if (request := reader.request(id)) is not None]
    payloads = {request.id: len(reader.payloads_of(request.id)) for request in found}
    return Held(
        customer,
        requests=tuple(id for id, count in payloads.items() if count),
        loose=tuple(loose),
        payloads=sum(payloads.values()) + len(loose),
        unfinished=tuple(request.reference for request in found if not request.final),
        read_up_to=reader.newest_payload(),
    )


def _check_finished(held: Held) -> None:
    if not held.unfinished:
        return
    named = ", ".join(held.unfinished[:_NAMED])
    more = len(held.unfinished) - _NAMED
    raise RequestError(
        "request.unfinished",
        f"Nothing was erased: {named}{f' and {more} more' if more > 0 else ''} are not finished.",
        next_step="Deny, stop or resolve them first: `runplane requests show` says what each waits for.",
    )
