"""What becomes of a subscription when an invoice of it is paid, cannot be paid, or is given up.

Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
"""

from __future__ import annotations

from runplane_mcp.simulator.objects import Obj
from runplane_mcp.simulator.transaction import Transaction


def subscription_of(invoice: Obj) -> str | None:
    """The id of the subscription that an invoice is for."""
    of = (invoice["parent"] or {}).get("subscription_details")
    return None if of is None else of["subscription"]


def of_subscription(id: str) -> Obj:
    """An invoice's `parent`: the subscription."""
    return {
        "quote_details": None,
        "subscription_details": {"metadata": {}, "subscription": id},
        "type": "subscription_details",
    }


def invoice_paid(tx: Transaction, invoice: Obj) -> None:
    """What waited for this payment goes on: the first one, an overdue one, or the one that ends a pause."""
    _move(tx, invoice, {"incomplete": "active", "past_due": "active", "unpaid": "active", "paused": "active"})


def invoice_unpaid(tx: Transaction, invoice: Obj) -> None:
    """A charge failed, or there is nothing to charge."""
    _move(tx, invoice, {"active": "past_due", "trialing": "past_due"})


def invoice_voided(tx: Transaction, invoice: Obj) -> None:
    """Nothing is owed any more: but what never began does not begin."""
    _move(tx, invoice, {"incomplete": "incomplete_expired", "past_due": "active", "unpaid": "active"})


def invoice_given_up(tx: Transaction, invoice: Obj) -> None:
    _move(tx, invoice, {"past_due": "active", "unpaid": "active", "paused": "active"})


def _move(tx: Transaction, invoice: Obj, to: dict[str, str]) -> None:
    """Only the latest invoice of a subscription says how it stands."""
    id = subscription_of(invoice)
    subscription = None if id is None else tx.find(id)
    if subscription is None or subscription["latest_invoice"] != invoice["id"] or subscription["status"] not in to:
        return
    if subscription["status"] == "paused" and not _resumes(tx, subscription, invoice):
        return
    before = dict(subscription)
    status = to[subscription["status"]]
    subscription["status"] = status
    if before["status"] == "paused":
        subscription["status_details"] = None
    if status == "incomplete_expired":
        subscription["ended_at"] = tx.now
    tx.save(subscription)
    tx.emit("customer.subscription.updated", subscription, before=before)


def wait_to_resume(tx: Transaction, subscription: Obj, invoice: Obj) -> None:
    """Notes that the payment of this invoice, and of no other, ends the pause."""
    note: Obj = {"id": f"{subscription['id']}/resumption", "object": "resumption", "invoice": invoice["id"]}
    if tx.find(note["id"]) is None:
        tx.insert(note)
    else:
        tx.save(note)


def _resumes(tx: Transaction, subscription: Obj, invoice: Obj) -> bool:
    note = tx.find(f"{subscription['id']}/resumption")
    return note is not None and note["invoice"] == invoice["id"]
