"""Who made what is at Stripe: Stripe's lines and events beside what the store recorded. Only reads go out, and nothing is
written."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from anyio import to_thread

from runplane_mcp.core.approval import Answer, Person
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.coverage.boxes import (
    CLAIMABLE,
    NO_PLATFORM,
    OPEN,
    OUR_KEY,
    Made,
    Placed,
    Records,
    not_there,
    place,
)
from runplane_mcp.core.coverage.lines import Line, Lines, lines_of
from runplane_mcp.core.coverage.listings import EVENTS_KEPT, Pages, Source
from runplane_mcp.core.coverage.traces import Trace, Traces, trace_of
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import ActionRequest, StripeIdentity
from runplane_mcp.gate.acts import said
from runplane_mcp.gate.people import genuine, trusted
from runplane_mcp.store.base import Reader, Store
from runplane_mcp.store.records import RequestFilter

#: Requests and lines that are looked up in one go, so that no read holds the store's thread for long.
AT_ONCE: Final = 200
#: What is not finished is a handful; a flood of it must not be read whole.
_MOST_OPEN: Final = 1_000
#: Events of one request that are read in one go.
_EVENTS_AT_ONCE: Final = 500
#: What follows on a durable intent.
_INTENT: Final = "request.executing"
#: So near to the end of what Stripe keeps, an event may be gone already (seconds).
_EDGE: Final = 3_600


@dataclass(frozen=True, slots=True)
class Covered:
    """One period of an account. `claimed` was recorded as done and Stripe does not show it."""

    lines: Lines
    placed: tuple[Placed, ...]
    claimed: tuple[Made, ...]


async def covered(
    store: Store,
    catalog: Catalog,
    identity: StripeIdentity,
    pages: Pages,
    *,
    since: int,
    until: int,
    now: int,
    platform: Mapping[str, str] = NO_PLATFORM,
) -> Covered:
    """Each line from `since` until before `until` in its box, and what is claimed. All seconds, by the clock of the account
    (policy time). `platform` as `place` says. StripeError `stripe.bad_answer` for lists that cannot be read."""
    own = await _sent(store, catalog, identity, since, until)
    lines, placed = await placed_lines(
        store, catalog, identity, pages, since=since, until=until, now=now, also=own, platform=platform
    )
    return Covered(lines, placed, not_there(lines, placed, own))


async def placed_lines(
    store: Store,
    catalog: Catalog,
    identity: StripeIdentity,
    pages: Pages,
    *,
    since: int,
    until: int,
    now: int,
    also: Iterable[Made] = (),
    platform: Mapping[str, str] = NO_PLATFORM,
) -> tuple[Lines, tuple[Placed, ...]]:
    """The lines in their boxes, by index look-ups alone: quick however many requests there are. What takes time without
    waiting is done in another thread: a gate has requests to answer."""
    lines = await to_thread.run_sync(lines_of, pages, since, until)
    traces = await to_thread.run_sync(_traces, pages)
    found = await recorded(store, catalog, identity, lines.lines, traces)

    def work() -> tuple[Placed, ...]:
        records = Records([*found, *also])
        return place(lines.lines, Traces(traces), records, told_since=told_since(now), platform=platform)

    return lines, await to_thread.run_sync(work)


def told_since(now: int) -> int:
    """From when on Stripe still has all its events."""
    return now - EVENTS_KEPT + _EDGE


def _traces(pages: Pages) -> list[Trace]:
    events = (each for source in (Source.MOVES, Source.WAIVERS) for each in pages.get(source, ()))
    return [trace for trace in map(trace_of, events) if trace is not None]


async def recorded(
    store: Store, catalog: Catalog, identity: StripeIdentity, lines: Sequence[Line], traces: Iterable[Trace]
) -> list[Made]:
    """The requests that may have made these lines: by object, by key, by Stripe's id of the request, and those that are not
    finished."""
    ids = {line.object_id for line in lines if line.object_id is not None and line.kind in CLAIMABLE}
    keys: set[str] = set()
    for trace in traces:
        if trace.key is not None and OUR_KEY.fullmatch(trace.key):
            keys.add(trace.key)
        elif trace.key is None and trace.request_id is not None:
            ids.add(trace.request_id)  # a DELETE has no key
    found: dict[str, Made] = {}
    for some in _portions(sorted(ids)):
        found |= await _made(store, catalog, identity, some, ())
    for some in _portions(sorted(keys)):
        found |= await _made(store, catalog, identity, (), some)
    still_open = RequestFilter(states=OPEN, limit=_MOST_OPEN)
    found |= await store.read(lambda reader: _of(reader, catalog, identity, reader.requests(still_open)))
    return list(found.values())


async def _made(
    store: Store, catalog: Catalog, identity: StripeIdentity, ids: Collection[str], keys: Collection[str]
) -> dict[str, Made]:
    return await store.read(lambda reader: _of(reader, catalog, identity, reader.sent_by_ids(ids, keys)))


async def _sent(store: Store, catalog: Catalog, identity: StripeIdentity, since: int, until: int) -> list[Made]:
    """What was sent in the period."""
    found: list[Made] = []
    after: int | None = 0
    while after is not None:
        start = after

        def work(reader: Reader, start: int = start) -> tuple[dict[str, Made], int | None]:
            some, following = reader.sent_between(since * 1000, until * 1000, after=start, limit=AT_ONCE)
            return _of(reader, catalog, identity, some), following

        made, after = await store.read(work)
        found += made.values()
    return found


def _portions(all: Sequence[str]) -> Iterator[Sequence[str]]:
    return (all[start : start + AT_ONCE] for start in range(0, len(all), AT_ONCE))


def _of(
    reader: Reader, catalog: Catalog, identity: StripeIdentity, requests: Iterable[ActionRequest]
) -> dict[str, Made]:
    """These requests as evidence, those of this account alone."""
    own = [each for each in requests if each.identity == identity and each.stripe_key is not None]
    people = trusted(reader) if own else {}
    store = reader.store_id()
    return {each.id: _evidence(reader, catalog, each, people, store) for each in own}


def _evidence(
    reader: Reader, catalog: Catalog, request: ActionRequest, people: Mapping[str, Person], store: str
) -> Made:
    operation = catalog.by_id(request.operation_id)
    answers = frozenset(operation.answers.split("|")) if operation is not None else frozenset()
    result = reader.result(request.id)
    approved_by, problem = _permission(reader, request, people, store)
    intent, logged = _logged(reader, request.id)
    if not logged:
        problem = "The audit log does not bear out what the database says of it."
    attempt = request.first_attempt_at or request.created_at
    return Made(
        request_id=request.id,
        reference=request.reference,
        agent=request.agent,
        action=request.action,
        state=request.state,
        at=(attempt + request.policy_at - request.created_at) // 1000,
        stripe_key=request.stripe_key,
        stripe_request_id=request.stripe_request_id,
        object_id=request.object_id,
        answers=answers,
        made=made_by(request, operation, result),
        approved_by=approved_by,
        problem=problem,
        money=_money(result),
        left_something=request.failure is not None and request.failure.effect_id is not None,
        intent=intent,
    )


def _logged(reader: Reader, request_id: str) -> tuple[int, bool]:
    """The number of the event that its first intent is, 0 where it has none; and whether an event hashed each row of the
    request, its decisions and its votes as it stands. A row that somebody put in explains nothing."""
    intent, after, hashed = 0, 0, set[str]()
    while some := reader.events(after, _EVENTS_AT_ONCE, request_id):
        for event in some:
            hashed.add(str(said(event).get("row")))
            if event.type == _INTENT:
                intent = intent or event.seq
        after = some[-1].seq
    rows = {hashlib.sha256(form.encode()).hexdigest() for form in reader.row_forms(request_id)}
    return intent, intent > 0 and rows <= hashed


def _permission(
    reader: Reader, request: ActionRequest, people: Mapping[str, Person], store: str
) -> tuple[tuple[str, ...], str]:
    """Whose signatures let it run, or why nothing bears out that it might. Who has left since has voted all the same."""
    if request.asks_people:
        votes = genuine(reader.votes(request.id, request.round), people, store)
        yes = sorted({vote.person for vote in votes if vote.answer is Answer.YES and vote.digest == request.digest})
        return tuple(yes), "" if yes else "Nobody's signature bears out that it was approved."
    decisions = reader.decisions(request.id)
    last = decisions[-1] if decisions else None
    allowed = last is not None and last.outcome is Outcome.ALLOW
    return (), "" if allowed else "No decision of the policy's allowed it."


def made_by(request: ActionRequest, operation: Operation | None, result: Mapping[str, Json] | None) -> frozenset[str]:
    """What its answer made: its own object, and the refunds that came with a credit note, but for what its bytes name: that
    was there before. Where they are erased, a path that names an object is taken to name this one."""
    ids = {request.object_id}
    refunds = result.get("refunds") if result is not None and result.get("object") == "credit_note" else None
    for each in refunds if isinstance(refunds, Sequence) and not isinstance(refunds, str) else ():
        refund = each.get("refund") if isinstance(each, Mapping) else None
        id = refund.get("id") if isinstance(refund, Mapping) else refund
        ids.add(id if isinstance(id, str) else None)
    wire = request.effective or request.as_asked
    if wire is None:
        named = operation is None or "{" in operation.path
        return frozenset(id for id in ids if id is not None and not named)
    return frozenset(id for id in ids if id is not None and id not in wire.url and id.encode() not in wire.body)


def _money(result: Mapping[str, Json] | None) -> tuple[int, str] | None:
    if result is None:
        return None
    amount, currency = result.get("amount"), result.get("currency")
    return (amount, currency) if type(amount) is int and isinstance(currency, str) else None
