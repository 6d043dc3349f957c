"""Paying an invoice with a customer's card, and which payments an invoice was paid by."""

from __future__ import annotations

from decimal import Decimal

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, new_id
from runplane_mcp.simulator.parameters import mapping, one_of, word
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.resources.cards import TEST_CARDS
from runplane_mcp.simulator.resources.confirming import confirm
from runplane_mcp.simulator.resources.invoice_states import finalize, need, settle
from runplane_mcp.simulator.resources.payment_methods import named_method
from runplane_mcp.simulator.resources.payments import payment_intent_object
from runplane_mcp.simulator.resources.pricing import rounded
from runplane_mcp.simulator.resources.subscription_status import invoice_unpaid, subscription_of
from runplane_mcp.simulator.routes import retrieve_route
from runplane_mcp.simulator.transaction import Transaction


def method_of(tx: Transaction, invoice: Obj, named: str | None = None) -> str | None:
    """What an invoice would be paid with: the method named, its own, or its customer's."""
    customer = tx.require("customer", invoice["customer"], "customer")
    found: str | None = (
        named or invoice["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    )
    return found


def require_method(tx: Transaction, id: str, customer: str, param: str) -> None:
    """Refused unless it is a payment method that the customer can be charged with."""
    if id not in TEST_CARDS:
        named_method(tx, id, customer, param)


def pay(tx: Transaction, invoice: Obj, *, method: str | None = None, elsewhere: bool = False) -> None:
    """Charges what remains; a draft is finalized first. `elsewhere`: marks it as paid outside of Stripe instead.

    A declined card is 402 and leaves its payment intent behind; the invoice stays open.
    """
    if invoice["status"] == "paid":
        raise Refusal("The invoice is already paid.", param="invoice")
    need(invoice, "draft", "open", "uncollectible")
    if invoice["status"] == "draft":
        finalize(tx, invoice)
        if invoice["status"] == "paid":
            return
    due = invoice["amount_remaining"]
    if elsewhere:
        settle(tx, invoice, amount_paid=invoice["amount_paid"] + due, amount_paid_off_stripe=due)
        return
    chosen = method_of(tx, invoice, method)
    if chosen is None:
        raise Refusal("The customer has no default payment method, and none was given.", param="payment_method")
    require_method(tx, chosen, invoice["customer"], "payment_method")
    intent = payment_intent_object(
        new_id("pi"),
        amount=due,
        code=invoice["currency"],
        created=tx.now,
        customer=invoice["customer"],
        description=f"Invoice {invoice['number']}",
    )
    intent.update(payment_method=chosen, **_shared_out(tx, invoice))
    tx.insert(intent)
    tx.emit("payment_intent.created", intent)
    invoice.update(attempt_count=invoice["attempt_count"] + 1, attempted=True)
    try:
        confirm(tx, intent, off_session=True, fails_on_action=True)
    except Refusal as refusal:
        if refusal.left is not None:
            tx.save(invoice)
            tx.emit("invoice.payment_failed", invoice)
            invoice_unpaid(tx, invoice)
        raise
    tx.insert(payment_object(tx, invoice, due, intent=intent["id"]))
    settle(tx, invoice, amount_paid=invoice["amount_paid"] + due)
    tx.emit("invoice.payment_succeeded", invoice)


def _shared_out(tx: Transaction, invoice: Obj) -> Obj:
    """Who else gets of the payment: what the invoice says, and the platform's percentage of its subscription."""
    named = subscription_of(invoice)
    percent = None if named is None else tx.require("subscription", named, "subscription")["application_fee_percent"]
    fee = None if percent is None else rounded(Decimal(str(percent)) * invoice["total"] / 100)
    return {
        "application_fee_amount": fee or None,
        "on_behalf_of": invoice["on_behalf_of"],
        "transfer_data": invoice["transfer_data"],
    }


def charge_for(tx: Transaction, invoice: Obj) -> Obj | None:
    """The newest charge that an invoice was paid with."""
    for payment in tx.all("invoice_payment", "invoice", invoice["id"]):
        intent = tx.require("payment_intent", payment["payment"]["payment_intent"], "invoice")
        return tx.require("charge", intent["latest_charge"], "invoice")
    return None


def payment_object(tx: Transaction, invoice: Obj, amount: int, *, intent: str, id: str | None = None) -> Obj:
    """That a payment intent paid `amount` of an invoice."""
    return {
        "id": id or new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": amount,
        "amount_requested": amount,
        "created": tx.now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent, "type": "payment_intent"},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": tx.now},
    }


ROUTES = (
    list_route(
        "/v1/invoice_payments",
        "invoice_payment",
        {"invoice": word, "status": one_of("canceled", "open", "paid")},
        special={"payment": mapping({"payment_intent": word, "type": word})},
    ),
    retrieve_route("/v1/invoice_payments/{invoice_payment}", "invoice_payment"),
)
