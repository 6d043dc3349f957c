"""An invoice and its states: draft, open, paid, void, uncollectible. How it adds up is in `invoice_lines`.

What is due is the total with the customer's balance: credit lowers it, what they owe raises it. Only a draft changes.
Source: https://docs.stripe.com/invoicing/overview and https://docs.stripe.com/billing/customer/balance
"""

from __future__ import annotations

from typing import Any

from runplane_mcp.simulator.objects import Obj, list_object
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.resources import subscription_status
from runplane_mcp.simulator.resources.customer_balance import book
from runplane_mcp.simulator.resources.invoice_lines import add_up, line_of
from runplane_mcp.simulator.transaction import Transaction

#: How long after its creation Stripe finalizes a draft that advances by itself.
ADVANCES_AFTER = 3600


def invoice_object(
    id: str,
    *,
    customer: Obj,
    code: str,
    created: int,
    collection: str = "charge_automatically",
    description: str | None = None,
    auto_advance: bool = False,
    reason: str = "manual",
) -> Obj:
    """An empty draft."""
    return {
        "id": id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Alder Coffee Roasters",
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": auto_advance,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": created + ADVANCES_AFTER if auto_advance else None,
        "billing_reason": reason,
        "collection_method": collection,
        "created": created,
        "currency": code,
        "custom_fields": None,
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": description,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": list_object(f"/v1/invoices/{id}/lines", []),
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": None,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": created,
        "period_start": created,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": None,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "transfer_data": None,
        "webhooks_delivered_at": None,
    }


def take_in(tx: Transaction, invoice: Obj, items: list[Obj]) -> None:
    """Puts items on a draft."""
    for item in items:
        item["invoice"] = invoice["id"]
        tx.save(item)
        invoice["lines"]["data"].append(line_of(item, invoice["id"]))
    add_up(tx, invoice)


def pending_items(tx: Transaction, customer: str, code: str | None = None) -> list[Obj]:
    """Items of a customer that are on no invoice yet, oldest first, of one currency."""
    found = [item for item in tx.all("invoiceitem", "customer", customer) if item["invoice"] is None]
    return [item for item in reversed(found) if code in (None, item["currency"])]


def need(invoice: Obj, *statuses: str) -> None:
    """`invoice_not_editable` unless the invoice has one of these statuses."""
    if invoice["status"] not in statuses:
        raise Refusal(
            f"The invoice {invoice['id']} is {invoice['status']}; this needs one that is {' or '.join(statuses)}.",
            code="invoice_not_editable",
            param="invoice",
        )


def finalize(tx: Transaction, invoice: Obj) -> None:
    """A draft becomes open, and settles with the customer's balance. Where nothing is due then, it is paid."""
    need(invoice, "draft")
    before = _copied(invoice)
    add_up(tx, invoice)
    ending = min(invoice["total"] + invoice["starting_balance"], 0)
    if ending != invoice["starting_balance"]:
        customer = tx.require("customer", invoice["customer"], "customer")
        applied = ending - invoice["starting_balance"]
        book(tx, customer, applied, invoice["currency"], "applied_to_invoice", invoice=invoice["id"])
    invoice.update(
        status="open",
        ending_balance=ending,
        effective_at=tx.now,
        automatically_finalizes_at=None,
        number=f"{invoice['id'].removeprefix('in_')[:8].upper()}-0001",
        hosted_invoice_url=f"https://invoice.stripe.com/i/{tx.account}/test_{invoice['id']}",
        invoice_pdf=f"https://pay.stripe.com/invoice/{tx.account}/test_{invoice['id']}/pdf",
    )
    invoice["status_transitions"]["finalized_at"] = tx.now
    tx.save(invoice)
    tx.emit("invoice.finalized", invoice, before=before)
    if invoice["amount_due"] == 0:
        settle(tx, invoice)


def settle(tx: Transaction, invoice: Obj, **changes: Any) -> None:
    """An open invoice of which nothing remains is paid."""
    before = _copied(invoice)
    invoice.update(status="paid", amount_remaining=0, attempted=True, auto_advance=False, **changes)
    invoice["status_transitions"]["paid_at"] = tx.now
    tx.save(invoice)
    tx.emit("invoice.paid", invoice, before=before)
    subscription_status.invoice_paid(tx, invoice)


def void(tx: Transaction, invoice: Obj) -> None:
    """What remains is no longer owed; credit that was applied to it goes back to the customer."""
    need(invoice, "open", "uncollectible")
    if invoice["amount_paid"]:
        raise Refusal("An invoice that was paid in part cannot be voided.", param="invoice")
    before = _copied(invoice)
    applied = (invoice["ending_balance"] or 0) - invoice["starting_balance"]
    if applied:
        customer = tx.require("customer", invoice["customer"], "customer")
        book(tx, customer, -applied, invoice["currency"], "unapplied_from_invoice", invoice=invoice["id"])
    invoice.update(status="void", auto_advance=False)
    invoice["status_transitions"]["voided_at"] = tx.now
    tx.save(invoice)
    tx.emit("invoice.voided", invoice, before=before)
    subscription_status.invoice_voided(tx, invoice)


def give_up(tx: Transaction, invoice: Obj) -> None:
    """Marks an open invoice as uncollectible; it can still be paid."""
    need(invoice, "open")
    before = _copied(invoice)
    invoice.update(status="uncollectible", auto_advance=False)
    invoice["status_transitions"]["marked_uncollectible_at"] = tx.now
    tx.save(invoice)
    tx.emit("invoice.marked_uncollectible", invoice, before=before)
    subscription_status.invoice_given_up(tx, invoice)


def _copied(invoice: Obj) -> Obj:
    return {**invoice, "status_transitions": dict(invoice["status_transitions"])}
