"""Who did what in the seeded company's past, as Stripe's events tell it: the web shop's key took payments and made
subscriptions, a person in the Dashboard wrote invoices, gave money back and sent it out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runplane_mcp.simulator.objects import Obj, new_id
from runplane_mcp.simulator.seed import NAMED_PAYMENTS, ORDER_PAYMENTS, SEED
from runplane_mcp.simulator.transaction import Transaction

_INVOICE_CHARGE: Final = "ch_quentin_240"
_SUBSCRIPTIONS: Final = (
    SEED.subscription_monthly,
    SEED.subscription_office,
    SEED.subscription_trial,
    SEED.subscription_ending,
    SEED.subscription_canceled,
    SEED.subscription_discounted,
)


def found_events(tx: Transaction) -> None:
    """Writes the events of what was seeded, each at its own time."""
    if tx.find(_event_id(SEED.refund_full)) is not None:
        return
    for id, type, shop in _happened():
        found = tx.find(id)
        if found is None or found.get("deleted"):
            continue
        if type == "charge.succeeded":
            found = _as_it_was(found)
        then = Transaction(
            tx.db,
            now=int(found["created"]),
            platform=tx.platform,
            account=tx.account,
            request_id=new_id("req"),
            key=_uuid() if shop else None,
        )
        then.emit(type, found, id=_event_id(id))


def _happened() -> Iterator[tuple[str, str, bool]]:
    """Objects, what their event is called, and whether the shop did it."""
    for payment in (*ORDER_PAYMENTS, *NAMED_PAYMENTS):
        yield payment.charge, "charge.succeeded", True
    yield _INVOICE_CHARGE, "charge.succeeded", True
    yield SEED.transfer_of_charge, "transfer.created", True
    for id in _SUBSCRIPTIONS:
        yield id, "customer.subscription.created", True
    for id in (SEED.invoice_paid, SEED.invoice_open, SEED.invoice_draft, SEED.invoice_eur):
        yield id, "invoice.created", False
    for id in (SEED.refund_partial, SEED.refund_full):
        yield id, "refund.created", False
    yield SEED.transfer_past, "transfer.created", False
    for id in (*SEED.payouts_past, SEED.payout_pending):
        yield id, "payout.created", False


def _as_it_was(charge: Obj) -> Obj:
    """A payment when it was made: nothing given back yet, nobody complaining."""
    return {**charge, "amount_refunded": 0, "refunded": False, "disputed": False}


def _event_id(id: str) -> str:
    return f"evt_founded_{id}"


def _uuid() -> str:
    """A key as Stripe's SDKs make one for each POST."""
    digits = new_id("").removeprefix("_") + new_id("").removeprefix("_")
    return "-".join((digits[:8], digits[8:12], f"4{digits[13:16]}", f"a{digits[17:20]}", digits[20:32]))
