"""What happened on a Stripe account, out of Stripe's own lists: which lists are read, what is kept of each object, and the
request that would have made it.

Only what decides is kept, no names, addresses or words: the pages lie in the home until they are read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.listing import Listing, Tree
from runplane_mcp.core.wire import Value


class Source(StrEnum):
    """One list of Stripe's."""

    REFUNDS = "refunds"
    CREDIT_NOTES = "credit_notes"
    PAYOUTS = "payouts"
    TRANSFERS = "transfers"
    CANCELLATIONS = "cancellations"


_ID: Final[Tree] = {"id": None}
_CHARGE: Final[Tree] = {
    "id": None,
    "amount": None,
    "amount_refunded": None,
    "currency": None,
    "customer": _ID,
    "disputed": None,
    "status": None,
    "transfer": _ID,
    "transfer_data": {"destination": _ID},
    "payment_method_details": {
        "type": None,
        "card": {"fingerprint": None},
        "us_bank_account": {"fingerprint": None},
        "sepa_debit": {"fingerprint": None},
    },
}
LISTINGS: Final[Mapping[Source, Listing]] = {
    Source.REFUNDS: Listing(
        "/v1/refunds",
        {"expand": ["data.charge"]},
        {"id": None, "created": None, "amount": None, "status": None, "transfer_reversal": _ID, "charge": _CHARGE},
    ),
    Source.CREDIT_NOTES: Listing(
        "/v1/credit_notes",
        {"expand": ["data.invoice"]},
        {
            "id": None,
            "created": None,
            "amount": None,
            "status": None,
            "out_of_band_amount": None,
            "customer_balance_transaction": _ID,
            "refunds": {"amount_refunded": None, "refund": _ID},
            "invoice": {
                "id": None,
                "status": None,
                "currency": None,
                "customer": _ID,
                "total": None,
                "amount_remaining": None,
                "amount_paid": None,
                "pre_payment_credit_notes_amount": None,
                "post_payment_credit_notes_amount": None,
            },
        },
    ),
    Source.PAYOUTS: Listing(
        "/v1/payouts",
        {},
        {
            "id": None,
            "created": None,
            "amount": None,
            "currency": None,
            "status": None,
            "automatic": None,
            "method": None,
            "destination": _ID,
        },
        earlier=True,
    ),
    Source.TRANSFERS: Listing(
        "/v1/transfers",
        {"expand": ["data.source_transaction"]},
        {
            "id": None,
            "created": None,
            "amount": None,
            "amount_reversed": None,
            "currency": None,
            "destination": _ID,
            "source_transaction": _CHARGE,
            "reversals": {"data": {"id": None, "created": None, "amount": None, "source_refund": _ID}},
        },
        earlier=True,
    ),
    Source.CANCELLATIONS: Listing(
        "/v1/subscriptions",
        {"status": "canceled"},
        {
            "id": None,
            "created": None,
            "status": None,
            "customer": _ID,
            "canceled_at": None,
            "ended_at": None,
            "currency": None,
            "items": None,
            "discount": None,
            "discounts": None,
            "cancellation_details": {"reason": None},
        },
        dated=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that was done, as a request for it. `at` is milliseconds. `looked` is what its look-ups would have shown
    then, by their names in `core/effects`. `undone`: it failed or was taken back, so that its money did not leave."""

    at: int
    object_id: str
    operation_id: str
    parameters: Mapping[str, Value]
    looked: Mapping[str, StripeObject]
    undone: bool = False


@dataclass(slots=True)
class Left:
    """What is left out, since it was nobody's request."""

    automatic_payouts: int = 0
    transfers_of_charges: int = 0
    reversals_of_refunds: int = 0
    ended_by_stripe: int = 0
    unreadable: int = 0


Pages: TypeAlias = Mapping[Source, Iterable[StripeObject]]


def happened(pages: Pages, since: int, left: Left) -> list[Happened]:
    """All that was done since `since` (seconds), oldest first."""
    of_notes = {
        id
        for note in pages.get(Source.CREDIT_NOTES, ())
        for part in _list(note.get("refunds"))
        if (id := o.id_in(part, "refund")) is not None
    }
    found: list[Happened] = []
    found += _refunds([each for each in pages.get(Source.REFUNDS, ()) if o.id_in(each) not in of_notes], left)
    found += _credit_notes(list(pages.get(Source.CREDIT_NOTES, ())), left)
    found += _payouts(list(pages.get(Source.PAYOUTS, ())), left)
    found += _transfers(list(pages.get(Source.TRANSFERS, ())), left)
    found += _cancellations(pages.get(Source.CANCELLATIONS, ()), left)
    return sorted((each for each in found if each.at >= since * 1000), key=lambda each: (each.at, each.object_id))


def _refunds(refunds: list[StripeObject], left: Left) -> Iterator[Happened]:
    """Each with its charge as it was before: less what this refund and later ones gave back."""
    later: dict[str, int] = {}
    for refund in sorted(refunds, key=_created, reverse=True):
        id, amount, charge = o.id_in(refund), o.number(refund, "amount"), o.child(refund, "charge")
        charge_id = o.id_in(charge)
        if id is None or amount is None or charge is None or charge_id is None:
            left.unreadable += 1
            continue
        undone = o.text(refund, "status") in ("failed", "canceled")
        if not undone:
            later[charge_id] = later.get(charge_id, 0) + amount
        before = (o.number(charge, "amount_refunded") or 0) - later.get(charge_id, 0)
        parameters: dict[str, Value] = {"charge": charge_id, "amount": amount}
        if o.id_in(refund, "transfer_reversal") is not None:
            parameters["reverse_transfer"] = True
        then = {**charge, "amount_refunded": max(before, 0), "status": "succeeded"}
        yield Happened(_created(refund), id, "PostRefunds", parameters, {"charge": then}, undone)


def _credit_notes(notes: list[StripeObject], left: Left) -> Iterator[Happened]:
    later: dict[str, int] = {}
    for note in sorted(notes, key=_created, reverse=True):
        id, amount, invoice = o.id_in(note), o.number(note, "amount"), o.child(note, "invoice")
        invoice_id = o.id_in(invoice)
        if id is None or amount is None or invoice is None or invoice_id is None:
            left.unreadable += 1
            continue
        later[invoice_id] = later.get(invoice_id, 0) + amount
        refunded = sum(o.number(part, "amount_refunded") or 0 for part in _list(note.get("refunds")))
        elsewhere = o.number(note, "out_of_band_amount") or 0
        credited = 0 if o.is_null(note, "customer_balance_transaction") else amount - refunded - elsewhere
        parts = {"refund_amount": refunded, "credit_amount": credited, "out_of_band_amount": elsewhere}
        parameters: dict[str, Value] = {"invoice": invoice_id, "amount": amount}
        parameters |= {name: part for name, part in parts.items() if part > 0}
        names = ("pre_payment_credit_notes_amount", "post_payment_credit_notes_amount")
        before = sum(o.number(invoice, name) or 0 for name in names) - later[invoice_id]
        then = {**invoice, names[0]: 0, names[1]: max(before, 0)}
        undone = o.text(note, "status") == "void"
        yield Happened(_created(note), id, "PostCreditNotes", parameters, {"invoice": then}, undone)


def _payouts(payouts: list[StripeObject], left: Left) -> Iterator[Happened]:
    before: dict[str, list[StripeObject]] = {}
    for payout in sorted(payouts, key=_created):
        id, amount = o.id_in(payout), o.number(payout, "amount")
        currency, destination = o.currency_in(payout), o.id_in(payout, "destination")
        earlier = list(before.get(destination or "", ()))
        if destination is not None and o.text(payout, "status") == "paid":
            before.setdefault(destination, []).append({"destination": destination, "status": "paid"})
        if o.flag(payout, "automatic") is True:
            left.automatic_payouts += 1
            continue
        if id is None or amount is None or currency is None:
            left.unreadable += 1
            continue
        parameters: dict[str, Value] = {"amount": amount, "currency": currency}
        if destination is not None:
            parameters["destination"] = destination
        if o.text(payout, "method") == "instant":
            parameters["method"] = "instant"
        undone = o.text(payout, "status") in ("failed", "canceled")
        looked: dict[str, StripeObject] = {"paid_before": {"data": earlier[-3:], "has_more": False}}
        yield Happened(_created(payout), id, "PostPayouts", parameters, looked, undone)


def _transfers(transfers: list[StripeObject], left: Left) -> Iterator[Happened]:
    before: dict[str, list[StripeObject]] = {}
    for transfer in sorted(transfers, key=_created):
        id, amount = o.id_in(transfer), o.number(transfer, "amount")
        currency, destination = o.currency_in(transfer), o.id_in(transfer, "destination")
        charge = o.child(transfer, "source_transaction")
        if id is None or amount is None or currency is None or destination is None:
            left.unreadable += 1
            continue
        earlier = list(before.get(destination, ()))
        before.setdefault(destination, []).append(transfer)
        yield from _reversals(transfer, id, amount, left)
        if charge is not None and (o.id_in(charge, "transfer") == id or o.child(charge, "transfer_data") is not None):
            left.transfers_of_charges += 1
            continue
        parameters: dict[str, Value] = {"amount": amount, "currency": currency, "destination": destination}
        looked: dict[str, StripeObject] = {
            "destination": {"id": destination},
            "sent_before": {"data": earlier[-10:], "has_more": False},
        }
        if charge is not None and (source := o.id_in(charge)) is not None:
            parameters["source_transaction"], looked["charge"] = source, {**charge, "status": "succeeded"}
        yield Happened(_created(transfer), id, "PostTransfers", parameters, looked)


def _reversals(transfer: StripeObject, id: str, sent: int, left: Left) -> Iterator[Happened]:
    taken = 0
    for reversal in sorted(_list(o.child(transfer, "reversals") and transfer["reversals"]), key=_created):
        reversal_id, amount = o.id_in(reversal), o.number(reversal, "amount")
        if reversal_id is None or amount is None:
            left.unreadable += 1
            continue
        then = {**transfer, "amount": sent, "amount_reversed": taken}
        taken += amount
        if o.id_in(reversal, "source_refund") is not None:
            left.reversals_of_refunds += 1
            continue
        parameters: dict[str, Value] = {"id": id, "amount": amount}
        yield Happened(_created(reversal), reversal_id, "PostTransfersIdReversals", parameters, {"transfer": then})


def _cancellations(subscriptions: Iterable[StripeObject], left: Left) -> Iterator[Happened]:
    for subscription in subscriptions:
        id, asked, ended = (
            o.id_in(subscription),
            o.number(subscription, "canceled_at"),
            o.number(subscription, "ended_at"),
        )
        if o.text(o.child(subscription, "cancellation_details"), "reason") in ("payment_failed", "payment_disputed"):
            left.ended_by_stripe += 1
            continue
        if id is None or asked is None:
            left.unreadable += 1
            continue
        then = {**subscription, "status": "active", "canceled_at": None, "ended_at": None}
        parameters: dict[str, Value] = {"subscription_exposed_id": id}
        operation = "DeleteSubscriptionsSubscriptionExposedId"
        if ended is not None and ended - asked > 60:
            operation, parameters["cancel_at_period_end"] = "PostSubscriptionsSubscriptionExposedId", True
        yield Happened(asked * 1000, id, operation, parameters, {"subscription": then})


def _created(found: StripeObject) -> int:
    """Milliseconds; 0 where nobody can tell, which is before everything."""
    return (o.number(found, "created") or 0) * 1000


def _list(value: object) -> tuple[StripeObject, ...]:
    """The objects of a plain list, or of a list of Stripe's."""
    plain = {"data": value} if isinstance(value, list) else value
    return o.listed(plain if isinstance(plain, Mapping) else None) or ()
