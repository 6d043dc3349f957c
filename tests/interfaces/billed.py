"""What Stripe answers in billing, for the golden files: by name, the action, the tool and the object."""

from __future__ import annotations

from typing import TypeAlias

from runplane_mcp.core.canonical import Json

Done: TypeAlias = tuple[str, str, dict[str, Json]]


def _done(action: str, tool: str, **result: Json) -> Done:
    return action, tool, result


INVOICE: dict[str, Json] = {
    "id": "in_1",
    "object": "invoice",
    "amount_due": 48000,
    "amount_paid": 0,
    "amount_remaining": 48000,
    "auto_advance": False,
    "currency": "usd",
    "status": "open",
}
PAID: dict[str, Json] = {**INVOICE, "amount_paid": 48000, "amount_remaining": 0, "status": "paid"}
NOTE: dict[str, Json] = {"id": "cn_1", "object": "credit_note", "amount": 6000, "currency": "usd", "status": "issued"}
#: What was billed, and what was changed of it.
BILLED: dict[str, Done] = {
    "succeeded_invoice": _done("invoice.create", "create_invoice", **{**INVOICE, "status": "draft"}),
    "succeeded_invoice_that_charges_by_itself": _done(
        "invoice.create", "create_invoice", **{**INVOICE, "status": "draft", "auto_advance": True}
    ),
    "succeeded_invoice_item": _done(
        "invoiceitem.create", "create_invoice_item", id="ii_1", object="invoiceitem", amount=3600, currency="usd"
    ),
    "succeeded_invoice_credit": _done(
        "invoiceitem.create", "create_invoice_item", id="ii_1", object="invoiceitem", amount=-3600, currency="usd"
    ),
    "succeeded_invoice_finalized": _done("invoice.finalize", "finalize_invoice", **INVOICE),
    "succeeded_invoice_finalized_with_nothing_due": _done(
        "invoice.finalize", "finalize_invoice", **{**INVOICE, "amount_due": 0, "status": "paid"}
    ),
    "succeeded_invoice_paid": _done("invoice.pay", "pay_invoice", **PAID),
    "succeeded_invoice_paid_elsewhere": _done("invoice.pay", "pay_invoice", **PAID, amount_paid_off_stripe=48000),
    "succeeded_invoice_paid_with_nothing_due": _done("invoice.pay", "pay_invoice", **{**PAID, "amount_paid": 0}),
    "succeeded_but_the_invoice_is_not_paid_yet": _done("invoice.pay", "pay_invoice", **INVOICE),
    "succeeded_invoice_voided": _done("invoice.void", "void_invoice", **{**INVOICE, "status": "void"}),
    "succeeded_credit_note_refunded": _done(
        "credit_note.create",
        "create_credit_note",
        **NOTE,
        type="post_payment",
        refunds=[{"refund": "re_1", "amount_refunded": 5000}],
    ),
    "succeeded_credit_note_as_credit": _done(
        "credit_note.create", "create_credit_note", **NOTE, type="post_payment", refunds=[]
    ),
    "succeeded_credit_note_before_payment": _done(
        "credit_note.create", "create_credit_note", **NOTE, type="pre_payment", refunds=[]
    ),
    "succeeded_coupon": _done("coupon.create", "create_coupon", id="SPRING", object="coupon", valid=True),
    "succeeded_product": _done("product.create", "create_product", id="prod_1", object="product"),
    "succeeded_price": _done(
        "price.create", "create_price", id="price_1", object="price", unit_amount=1450, currency="usd"
    ),
    "succeeded_price_that_is_free": _done(
        "price.create", "create_price", id="price_1", object="price", unit_amount=0, currency="jpy"
    ),
    "succeeded_subscription_changed": _done(
        "subscription.update", "update_subscription", id="sub_1", object="subscription", status="active"
    ),
    "succeeded_subscription_changed_and_ending": _done(
        "subscription.update",
        "update_subscription",
        id="sub_1",
        object="subscription",
        status="active",
        cancel_at_period_end=True,
    ),
    "succeeded_subscription_paused": _done(
        "subscription.update",
        "update_subscription",
        id="sub_1",
        object="subscription",
        status="active",
        pause_collection={"behavior": "void", "resumes_at": None},
    ),
}
