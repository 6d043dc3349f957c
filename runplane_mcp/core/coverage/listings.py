"""The lists of Stripe's that money lines and their makers are read from. Only what decides is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final, TypeAlias

from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.listing import Listing, Tree

DAY: Final = 86_400
#: For so long Stripe keeps events (seconds): https://docs.stripe.com/api/events
EVENTS_KEPT: Final = 30 * DAY
#: Objects are read from so much earlier than lines (seconds): a line may come hours after what it is about.
_BEFORE: Final = DAY
#: Stripe's clock and ours may differ by this much (seconds).
CLOCKS_DIFFER: Final = 300


class Source(StrEnum):
    """One list of Stripe's."""

    LINES = "balance_lines"
    REFUNDS = "refunds"
    PAYOUTS = "payouts"
    TRANSFERS = "transfers"
    CREDIT_NOTES = "credit_notes"
    MOVES = "events_of_moves"
    WAIVERS = "events_of_waivers"


Pages: TypeAlias = Mapping[Source, Iterable[StripeObject]]

#: Each kind of line and the events that tell who made it, the one that tells best first. What is not here, and is not
#: Stripe's own doing, nobody explains.
MAKERS: Final[Mapping[str, tuple[str, ...]]] = {
    "charge": ("charge.captured", "charge.succeeded"),
    "payment": ("charge.captured", "charge.succeeded"),
    "refund": ("refund.created", "charge.refunded"),
    "payment_refund": ("refund.created", "charge.refunded"),
    "refund_failure": ("refund.failed", "charge.refund.updated", "refund.updated"),
    "payout": ("payout.created",),
    "payout_cancel": ("payout.canceled",),
    "payout_failure": ("payout.failed",),
    "transfer": ("transfer.created",),
    "transfer_refund": ("transfer.reversed",),
    "transfer_cancel": ("transfer.reversed",),
    "topup": ("topup.created", "topup.succeeded"),
    "topup_reversal": ("topup.reversed", "topup.canceled"),
    "application_fee": ("application_fee.created",),
    "application_fee_refund": ("application_fee.refunded",),
    "issuing_transaction": ("issuing_transaction.created",),
    "refund not booked": ("refund.created", "charge.refunded"),
    "payout not booked": ("payout.created",),
    "transfer not booked": ("transfer.created",),
    "credit note": ("credit_note.created",),
    "customer credit": ("customer.updated",),
    "invoice voided": ("invoice.voided",),
    "invoice given up": ("invoice.marked_uncollectible",),
    "credit grant": ("billing.credit_grant.created",),
}
#: What is given or given up without a line in the balance, by the event that tells of it.
WAIVERS: Final[Mapping[str, str]] = {
    "customer.updated": "customer credit",
    "invoice.voided": "invoice voided",
    "invoice.marked_uncollectible": "invoice given up",
    "billing.credit_grant.created": "credit grant",
}
_BESIDE: Final = frozenset({*WAIVERS, "credit_note.created"})

_ID: Final[Tree] = {"id": None}
_PARTS: Final[Tree] = {"data": {"id": None, "balance_transaction": _ID}}
_REQUEST: Final[Tree] = {"id": None, "idempotency_key": None}
EVENT: Final[Tree] = {
    "id": None,
    "type": None,
    "created": None,
    "request": _REQUEST,
    "data": {
        "object": {
            "id": None,
            "object": None,
            "customer": _ID,
            "payment_intent": _ID,
            "balance_transaction": _ID,
            "failure_balance_transaction": _ID,
            "balance_transactions": _ID,
            "reversals": _PARTS,
            "refunds": _PARTS,
            # Of what is waived: how much.
            "amount": {"monetary": {"value": None, "currency": None}},
            "amount_remaining": None,
            "balance": None,
            "currency": None,
        },
        "previous_attributes": {"balance": None},
    },
}
_SOURCE: Final[Tree] = {
    "id": None,
    "source_transfer": _ID,
    "source_transfer_reversal": _ID,
    "destination_payment": _ID,
    "destination_payment_refund": _ID,
}
_MOVING: Final[Tree] = {
    "id": None,
    "created": None,
    "amount": None,
    "currency": None,
    "status": None,
    "balance_transaction": _ID,
}


def _events(types: Iterable[str]) -> Listing:
    # Stripe takes at most twenty types at once: https://docs.stripe.com/api/events/list
    return Listing("/v1/events", {"types": sorted(types)}, EVENT, before=CLOCKS_DIFFER)


LISTINGS: Final[Mapping[Source, Listing]] = {
    Source.LINES: Listing(
        "/v1/balance_transactions",
        {},
        {
            "id": None,
            "type": None,
            "created": None,
            "amount": None,
            "fee": None,
            "net": None,
            "fee_details": {"amount": None, "type": None},
            "currency": None,
            "source": _ID,
            "balance_type": None,
        },
    ),
    Source.REFUNDS: Listing("/v1/refunds", {}, _MOVING, before=_BEFORE),
    Source.PAYOUTS: Listing("/v1/payouts", {}, {**_MOVING, "automatic": None}, before=_BEFORE),
    Source.TRANSFERS: Listing("/v1/transfers", {}, {**_MOVING, "destination": _ID}, before=_BEFORE),
    Source.CREDIT_NOTES: Listing(
        "/v1/credit_notes",
        {},
        {
            "id": None,
            "created": None,
            "amount": None,
            "currency": None,
            "status": None,
            "customer": _ID,
            "refunds": {"amount_refunded": None, "refund": _ID},
        },
        before=_BEFORE,
    ),
    Source.MOVES: _events({type for types in MAKERS.values() for type in types} - _BESIDE),
    Source.WAIVERS: _events(_BESIDE),
}
#: The same lists of a connected account. Each line's source is expanded there: it says whose other side the line is.
LISTINGS_THERE: Final[Mapping[Source, Listing]] = {
    **LISTINGS,
    Source.LINES: replace(
        LISTINGS[Source.LINES],
        parameters={"expand": ["data.source"]},
        keep={**LISTINGS[Source.LINES].keep, "source": _SOURCE},
    ),
}
