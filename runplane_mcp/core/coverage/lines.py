"""Money lines out of Stripe's lists: what moved the balance, and what was given or given up beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.coverage.listings import WAIVERS, Pages, Source
from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.errors import StripeError

#: The balance that payouts and refunds come out of; Stripe keeps others apart.
PAYMENTS: Final = "payments"
_FEE_OF_OTHERS: Final = "application_fee"
_NOT_BOOKED: Final[Mapping[Source, str]] = {
    Source.REFUNDS: "refund not booked",
    Source.PAYOUTS: "payout not booked",
    Source.TRANSFERS: "transfer not booked",
}
_CAME_TO_NOTHING: Final = frozenset({"failed", "canceled"})
#: What moves between two accounts: the field of a line's source that names it on the other one.
_OTHER_SIDES: Final[Mapping[str, str]] = {
    "payment": "source_transfer",
    "payment_refund": "source_transfer_reversal",
    "transfer": "destination_payment",
    "transfer_refund": "destination_payment_refund",
    # What is given back of an application fee is one object, booked on both.
    "adjustment": "id",
    "application_fee_refund": "id",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of money. `amount` is minor units as the balance sees them, below zero for money that leaves. `created` is
    seconds since 1970. `kind` is Stripe's type of it, or ours where it has none. `object_id` is what it is about.

    `balance` says which balance it is booked in; None: beside all of them, given or given up without a booking. `automatic`
    is what Stripe says of a payout. `object_money` is the amount that its object says of itself, for comparing.
    `other_side` is the object on another account whose line moved the same money, as Stripe's own fields say it: of a
    payment the transfer that it came with. Nobody but Stripe can write them.
    """

    id: str
    kind: str
    object_id: str | None
    amount: int
    currency: str
    created: int
    balance: str | None = PAYMENTS
    automatic: bool | None = None
    object_money: tuple[int, str] | None = None
    other_side: str | None = None

    @property
    def booked(self) -> bool:
        return self.balance is not None

    @property
    def transaction(self) -> str:
        """The id at Stripe: a fee stands in the line of what it was taken for."""
        return self.id.partition(" ")[0]


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one period, each once, oldest first. `objects` are all ids that Stripe's lists have, also of the time
    around it: what is there was made. `net` is what Stripe's own lines come to, per balance and currency."""

    lines: tuple[Line, ...]
    objects: frozenset[str]
    net: Mapping[tuple[str, str], int]


def lines_of(pages: Pages, since: int, until: int) -> Lines:
    """The lines from `since` until before `until` (seconds). StripeError `stripe.bad_answer` for one that cannot be read: a
    sum without it would be wrong."""
    lists = {source: _once(pages.get(source, ())) for source in Source}
    moving = {id: each for source in _NOT_BOOKED for id, each in lists[source].items()}
    found: dict[str, Line] = {}
    net: dict[tuple[str, str], int] = {}
    sources: set[str] = set()
    for id, each in lists[Source.LINES].items():
        if (about := o.id_in(each, "source")) is not None:
            sources.add(about)
        if since <= _created(each) < until:
            for line in _booked(id, each, moving.get(about or "")):
                found[line.id] = line
            where = (o.text(each, "balance_type") or PAYMENTS, _currency(each))
            net[where] = net.get(where, 0) + _amount(each, "net")
    beside = [*_not_booked(lists), *_credit_notes(lists[Source.CREDIT_NOTES]), *_waived(lists)]
    found.update({line.id: line for line in beside if since <= line.created < until})
    ordered = sorted(found.values(), key=lambda line: (line.created, line.id))
    return Lines(tuple(ordered), frozenset({*moving, *lists[Source.CREDIT_NOTES], *sources}), net)


def _once(objects: Iterable[StripeObject]) -> dict[str, StripeObject]:
    """By their ids: while a list is read, what is new at its top can push what was read once more onto the next page."""
    found: dict[str, StripeObject] = {}
    for each in objects:
        id = o.id_in(each)
        if id is None:
            raise _odd("An object without an id")
        found[id] = each
    return found


def _booked(id: str, found: StripeObject, about: StripeObject | None) -> Iterator[Line]:
    """The line itself and, apart from it, what Stripe took for it: two lines that come to Stripe's net."""
    kind, currency, created = o.text(found, "type") or "?", _currency(found), _created(found)
    amount, fee, net = _amount(found, "amount"), _amount(found, "fee"), _amount(found, "net")
    if amount - fee != net:
        raise _odd(f"The line {id}")
    details = o.listed({"data": found.get("fee_details")}) or ()
    of_others = sum(_amount(each, "amount") for each in details if o.text(each, "type") == _FEE_OF_OTHERS)
    balance = o.text(found, "balance_type") or PAYMENTS
    object_id = o.id_in(found, "source")
    yield Line(
        id,
        kind,
        object_id,
        # Whoever made a payment set what of it goes to the platform; the rest of the fee is Stripe's.
        amount - of_others,
        currency,
        created,
        balance,
        o.flag(about, "automatic"),
        _money(about),
        _other_side(found, kind),
    )
    if fee != of_others:
        yield Line(f"{id} fee", "fee", object_id, of_others - fee, currency, created, balance)


def _other_side(found: StripeObject, kind: str) -> str | None:
    field = _OTHER_SIDES.get(kind)
    if field is None:
        return None
    return o.id_in(found, "source") if field == "id" else o.id_in(o.child(found, "source"), field)


def _not_booked(lists: Mapping[Source, Mapping[str, StripeObject]]) -> Iterator[Line]:
    """Refunds that are still on their way, and whatever a list has that the balance does not."""
    for source, kind in _NOT_BOOKED.items():
        for id, each in lists[source].items():
            if o.id_in(each, "balance_transaction") is None and o.text(each, "status") not in _CAME_TO_NOTHING:
                amount = _amount(each, "amount")
                yield Line(
                    id,
                    kind,
                    id,
                    -amount,
                    _currency(each),
                    _created(each),
                    None,
                    o.flag(each, "automatic"),
                    _money(each),
                )


def _credit_notes(notes: Mapping[str, StripeObject]) -> Iterator[Line]:
    """What of a credit note is no refund, which has a line of its own: credit, or less to pay."""
    for id, each in notes.items():
        parts = o.listed({"data": each.get("refunds")}) or ()
        amount = _amount(each, "amount") - sum(_amount(part, "amount_refunded") for part in parts)
        if amount and o.text(each, "status") != "void":
            yield Line(id, "credit note", id, -amount, _currency(each), _created(each), None, None, _money(each))


def _waived(lists: Mapping[Source, Mapping[str, StripeObject]]) -> Iterator[Line]:
    """What only an event tells of. A credit note's event says already what it gave the customer."""
    events = lists[Source.WAIVERS].values()
    noted = {_act(each, "customer") for each in events if o.text(each, "type") == "credit_note.created"}
    for each in events:
        type, id = o.text(each, "type") or "", o.id_in(each)
        found = o.child(o.child(each, "data"), "object")
        kind = WAIVERS.get(type)
        if kind is None or id is None or (type == "customer.updated" and _act(each, "id") in noted):
            continue
        given = _given(each, found, type)
        if given is not None and given[0] > 0:
            yield Line(id, kind, o.id_in(found), -given[0], given[1], _created(each), None)


def _given(event: StripeObject, found: StripeObject | None, type: str) -> tuple[int, str] | None:
    """How much was given or given up, None where it is none of that. A balance below zero is the customer's credit."""
    if type == "customer.updated":
        before = o.signed(o.child(o.child(event, "data"), "previous_attributes"), "balance")
        after = o.signed(found, "balance")
        if before is None or after is None:
            return None
        return before - after, o.text(found, "currency") or "?"
    if type == "billing.credit_grant.created":
        value = o.child(o.child(found, "amount"), "monetary")
        amount, currency = o.number(value, "value"), o.text(value, "currency")
    else:
        amount, currency = o.number(found, "amount_remaining"), o.text(found, "currency")
    return None if amount is None or currency is None else (amount, currency.lower())


def _act(event: StripeObject, customer: str) -> tuple[str | None, str | int | None]:
    """Whose customer it touched, by the request that did, or where nobody asked by the second in which it happened."""
    request = event.get("request")
    named = request if isinstance(request, str) else o.text(o.child(event, "request"), "id")
    return o.id_in(o.child(o.child(event, "data"), "object"), customer), named or o.number(event, "created")


def _money(found: StripeObject | None) -> tuple[int, str] | None:
    amount, currency = o.signed(found, "amount"), o.text(found, "currency")
    return None if amount is None or currency is None else (amount, currency.lower())


def _created(found: StripeObject) -> int:
    created = o.number(found, "created")
    if created is None:
        raise _odd("A line without a time")
    return created


def _amount(found: StripeObject, name: str) -> int:
    amount = o.signed(found, name)
    if amount is None:
        raise _odd(f"A line without its {name}")
    return amount


def _currency(found: StripeObject) -> str:
    """As Stripe writes it, also one that is new: its lines must not be missing."""
    currency = o.text(found, "currency")
    if currency is None:
        raise _odd("A line without a currency")
    return currency.lower()


def _odd(what: str) -> StripeError:
    return StripeError(
        "stripe.bad_answer",
        f"{what} of Stripe's cannot be read, and sums without it would be wrong.",
        next_step="Nothing was changed. Please report this.",
    )
