"""Who made something that Runplane did not: what Stripe's own events tell of it, asked with reads alone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.coverage.boxes import BY_SCHEDULE, NO_EVENT, TOO_OLD, Box, maker
from runplane_mcp.core.coverage.listings import CLOCKS_DIFFER, EVENT, EVENTS_KEPT
from runplane_mcp.core.coverage.traces import Trace, trace_of
from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.listing import Listing
from runplane_mcp.core.wire import encode
from runplane_mcp.stripe_api.client import Done, Refused
from runplane_mcp.stripe_api.connected import Asks
from runplane_mcp.stripe_api.history import pages_of

#: Pages of events that are looked through for one id.
MOST_PAGES: Final = 20
#: An event of what was made comes within this time of it (seconds).
_WITHIN: Final = 3_600
_REQUEST: Final = re.compile(r"req_[A-Za-z0-9_]{1,250}")


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a prefix stands for: how it is read, and which events tell who made it, the best first."""

    noun: str
    path: str
    parameter: str
    events: tuple[str, ...]


_KINDS: Final = {
    "re": _Kind("refund", "/v1/refunds/{refund}", "refund", ("refund.created", "charge.refunded")),
    "ch": _Kind("charge", "/v1/charges/{charge}", "charge", ("charge.succeeded", "charge.pending", "charge.failed")),
    "py": _Kind("payment", "/v1/charges/{charge}", "charge", ("charge.succeeded", "charge.pending", "charge.failed")),
    "pi": _Kind("payment", "/v1/payment_intents/{intent}", "intent", ("payment_intent.created", "charge.succeeded")),
    "cus": _Kind("customer", "/v1/customers/{customer}", "customer", ("customer.created",)),
    "po": _Kind("payout", "/v1/payouts/{payout}", "payout", ("payout.created",)),
    "tr": _Kind("transfer", "/v1/transfers/{transfer}", "transfer", ("transfer.created",)),
    "sub": _Kind(
        "subscription",
        "/v1/subscriptions/{subscription_exposed_id}",
        "subscription_exposed_id",
        ("customer.subscription.created",),
    ),
    "in": _Kind("invoice", "/v1/invoices/{invoice}", "invoice", ("invoice.created",)),
    "cn": _Kind("credit note", "/v1/credit_notes/{id}", "id", ("credit_note.created",)),
    "dp": _Kind("dispute", "/v1/disputes/{dispute}", "dispute", ("charge.dispute.created",)),
    "du": _Kind("dispute", "/v1/disputes/{dispute}", "dispute", ("charge.dispute.created",)),
    "tu": _Kind("top-up", "/v1/topups/{topup}", "topup", ("topup.created",)),
    "txn": _Kind("line in the balance", "/v1/balance_transactions/{id}", "id", ()),
}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What Stripe tells of an id. `created` is seconds, `amount` minor units. `box` is who made it, None where nobody can
    say; `why` in a sentence. `source` is what a line in the balance is about. `account` is the connected account that it is
    on, None for the own one."""

    noun: str
    created: int | None
    amount: int | None
    currency: str | None
    status: str | None
    box: Box | None
    why: str
    stripe_request_id: str | None = None
    source: str | None = None
    account: str | None = None


async def elsewhere(connection: Asks, id: str, *, now: int) -> Elsewhere | None:
    """What Stripe tells of an id that no request of ours has to do with; None where Stripe does not have it, or where it
    is of no kind that can be asked for. `now` is seconds by the account's clock. The errors of `read_lists`."""
    if _REQUEST.fullmatch(id):
        return await _request(connection, id, now)
    kind = _KINDS.get(id.partition("_")[0])
    if kind is None or not o.is_id(id) or "_" not in id:
        return None
    answer = await connection.send(encode("GET", kind.path, {kind.parameter: id}), idempotency_key=None)
    if not isinstance(answer, Done):
        return None if isinstance(answer, Refused) else _unknown(kind.noun, "Stripe could not be asked.")
    found = answer.body
    created = o.number(found, "created")
    if not kind.events:
        return _told(kind.noun, found, None, "It is a line; who made what it is about tells who made it.")
    if (transfer := o.id_in(found, "source_transfer")) is not None:
        return _told(kind.noun, found, Box.OTHER_SIDE, f"It came with the transfer {transfer}: runplane why {transfer}")
    if o.flag(found, "automatic"):
        return _told(kind.noun, found, Box.AUTOMATIC, BY_SCHEDULE)
    if created is None or created < now - EVENTS_KEPT:
        return _told(kind.noun, found, Box.NO_LONGER_KNOWN, TOO_OLD)
    since, until = created - CLOCKS_DIFFER, min(created + _WITHIN, now + 1)
    for type in kind.events:
        named = [each async for each in _events(connection, {type}, since, until) if id in each.ids]
        if named:
            return _by(kind.noun, found, min(named, key=lambda each: (each.created, len(each.ids), each.id)))
    return _told(kind.noun, found, Box.UNEXPLAINED, f"{NO_EVENT}.")


async def _request(connection: Asks, id: str, now: int) -> Elsewhere | None:
    """A request of Stripe's: what its events say that it did. Events are not listed by request, so the newest are looked
    through."""
    caused = [each async for each in _events(connection, (), now - EVENTS_KEPT, now + 1) if each.request_id == id]
    if not caused:
        return None
    first = min(caused, key=lambda each: (each.created, each.id))
    types = ", ".join(sorted({each.type for each in caused})[:5])
    box, why = maker(first)
    return Elsewhere("request", first.created, None, None, None, box, f"{why} Its events: {types}.", id)


async def _events(connection: Asks, types: Iterable[str], since: int, until: int) -> AsyncIterator[Trace]:
    wanted = sorted(types)
    listing = Listing("/v1/events", {"types": wanted} if wanted else {}, EVENT)
    pages = 0
    async for page, _ in pages_of(connection, listing, since, until):
        for event in page:
            trace = trace_of(event)
            if trace is not None:
                yield trace
        pages += 1
        if pages == MOST_PAGES:
            return


def _by(noun: str, found: StripeObject, trace: Trace) -> Elsewhere:
    box, why = maker(trace, paid=noun in {"charge", "payment"})
    return _told(noun, found, box, why, trace.request_id)


def _told(noun: str, found: StripeObject, box: Box | None, why: str, stripe_request_id: str | None = None) -> Elsewhere:
    return Elsewhere(
        noun,
        o.number(found, "created"),
        o.signed(found, "amount"),
        o.text(found, "currency"),
        o.text(found, "status"),
        box,
        why,
        stripe_request_id,
        o.id_in(found, "source") if noun == _KINDS["txn"].noun else None,
    )


def _unknown(noun: str, why: str) -> Elsewhere:
    return Elsewhere(noun, None, None, None, None, None, why)
