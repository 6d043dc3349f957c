"""Erasing what is held of a customer: an administrator's signed act over everything that requests about them said, without
breaking the log."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.approval import Person
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.mentions import findable
from runplane_mcp.core.request import State
from runplane_mcp.errors import PersonError, RequestError
from runplane_mcp.gate.acts import signed_body
from runplane_mcp.gate.erasure import ERASED, erasure_content, kept_of
from runplane_mcp.gate.people import trusted
from runplane_mcp.store.base import Reader, Transaction

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk

#: So many commitments stand in one event at most: events are read whole.
_IN_ONE_EVENT: Final = 500
#: Requests in one transaction: gates must not wait for long.
_AT_ONCE: Final = 100
#: What runs at this moment is waited for so long, and looked at so often (seconds).
_MOMENT: Final = 10.0
_AGAIN: Final = 0.05
_RUNNING: Final = frozenset({State.RECEIVED, State.EXECUTING})
#: So many of the requests that are in the way are named.
_NAMED: Final = 20
_SHORTEST, _LONGEST = 6, 200
_CUSTOMER: Final = re.compile(r"[!-~]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class Held:
    """What there is of a customer. `requests` are the ids of requests that still say something, `loose` commitments of
    payloads that belong to no request (why somebody froze something). `unfinished` are the references of those that are
    not final, `running` the ids of those among them that end by themselves in a moment. `read_up_to`: the payloads that
    were read for it."""

    customer: str
    requests: tuple[str, ...]
    loose: tuple[str, ...]
    payloads: int
    unfinished: tuple[str, ...]
    running: tuple[str, ...]
    read_up_to: int


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: of how many requests, how many payloads, by whom. `meanwhile` counts the requests about them that
    came while it was done, and still say something."""

    customer: str
    requests: int
    payloads: int
    by: str
    meanwhile: int = 0


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
    act = _Act(customer, person, await desk.keys.unlock(person, secret), desk.clock.wall())
    # With what came while somebody typed and their key was made.
    held = await desk.store.read(lambda reader: _held(reader, customer, also, after=seen))
    _check_finished(held)
    await _ended(desk, held.running)
    payloads = await desk.store.write(lambda tx: act.loose(tx, held.loose)) if held.loose else 0
    for start in range(0, len(held.requests), _AT_ONCE):
        some = held.requests[start : start + _AT_ONCE]
        payloads += await desk.store.write(lambda tx, some=some: act.requests(tx, some))  # type: ignore[misc]
    await desk.store.scrub()
    later = await desk.store.read(lambda reader: _held(reader, customer, also, after=held))
    return Erased(customer, len(held.requests), payloads, person.id, len(set(later.requests) - set(held.requests)))


async def _ended(desk: Desk, running: Sequence[str]) -> None:
    """Returns when all of these are final. RequestError `request.unfinished` where one waits for people by then, or none of
    them ends."""
    # Without a gate nothing of it goes on.
    deadline = asyncio.get_running_loop().time() + (_MOMENT if desk.gates_running() else 0.0)
    while running:
        found = await desk.store.read(lambda reader, ids=running: [reader.request(id) for id in ids])  # type: ignore[misc]
        left = [request for request in found if request is not None and not request.final]
        waits = [request.reference for request in left if request.state not in _RUNNING]
        if waits or asyncio.get_running_loop().time() > deadline:
            raise _unfinished(waits or [request.reference for request in left])
        running = [request.id for request in left]
        if running:
            await asyncio.sleep(_AGAIN)


@dataclass(frozen=True, slots=True)
class _Act:
    """One administrator's erasure. Each method's work is whole or did not happen, and returns how many payloads went: what
    a crash leaves is found by the next time."""

    customer: str
    person: Person
    key: Ed25519PrivateKey
    at: int

    def requests(self, tx: Transaction, ids: Sequence[str]) -> int:
        self._still_administrator(tx)
        count = 0
        for id in ids:
            request, names = tx.request(id), tx.payloads_of(id)
            if request is not None and request.final:
                self._tell(tx, id, names, kept_of(request, tx.decisions(id), tx.result(id)))
                count += len(names)
        return count

    def loose(self, tx: Transaction, names: Sequence[str]) -> int:
        self._still_administrator(tx)
        there = [name for name in names if tx.salted(name) is not None]
        self._tell(tx, None, there, {})
        return len(there)

    def _still_administrator(self, tx: Transaction) -> None:
        if trusted(tx).get(self.person.id) != self.person:
            raise PersonError("person.not_admin", f"{self.person.id} has changed meanwhile.", next_step="Try it again.")

    def _tell(self, tx: Transaction, request_id: str | None, names: Sequence[str], kept: dict[str, Json]) -> None:
        customer = self.customer if findable(self.customer, "customer") else "another form"
        for start in range(0, len(names), _IN_ONE_EVENT):
            some = names[start : start + _IN_ONE_EVENT]
            content = erasure_content(request_id, customer, some, kept)
            signature = signed_body(self.key, self.person, store=tx.store_id(), act=ERASED, content=content, at=self.at)
            body: dict[str, Json] = {"customer": customer, "commitments": list(some), "kept": kept, **signature}
            tx.append(ERASED, body, at=self.at, request_id=request_id)
            for name in some:
                tx.erase_payload(name)


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
    running = tuple(request.id for request in found if request.state in _RUNNING)
    return Held(
        customer,
        requests=tuple(id for id, count in payloads.items() if count or id in running),
        loose=tuple(loose),
        payloads=sum(payloads.values()) + len(loose),
        unfinished=tuple(request.reference for request in found if not request.final),
        running=running,
        read_up_to=reader.newest_payload(),
    )


def _check_finished(held: Held) -> None:
    if len(held.unfinished) > len(held.running):
        raise _unfinished(held.unfinished)


def _unfinished(references: Sequence[str]) -> RequestError:
    named = ", ".join(references[:_NAMED])
    more = len(references) - _NAMED
    return RequestError(
        "request.unfinished",
        f"Nothing was erased: {named}{f' and {more} more' if more > 0 else ''} are not finished.",
        next_step="Deny, stop or resolve them first: `runplane requests show` says what each waits for.",
    )
