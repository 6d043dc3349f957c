"""What accepting a quote makes: a subscription where something recurs, else an invoice; both drafts for an hour."""

from __future__ import annotations

from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.resources.discounts import redeem_all
from runplane_mcp.simulator.resources.invoice_items import item_object
from runplane_mcp.simulator.resources.invoice_lines import add_up
from runplane_mcp.simulator.resources.invoices import create_invoice
from runplane_mcp.simulator.resources.pricing import amount_of
from runplane_mcp.simulator.resources.subscription_bills import bill_later
from runplane_mcp.simulator.resources.subscription_starts import begin
from runplane_mcp.simulator.transaction import Transaction

_DAY = 86_400


def accept(tx: Transaction, quote: Obj, lines: list[Obj]) -> None:
    """Makes it, and notes it in the quote."""
    discounts = asked_again(tx, quote)
    if any(line["price"]["recurring"] for line in lines):
        _subscribe(tx, quote, lines, discounts)
    else:
        _invoice(tx, quote, lines, discounts)


def asked_again(tx: Transaction, quote: Obj) -> list[Params]:
    """The discounts of a quote as they were asked for: by coupon or by code."""
    asked: list[Params] = []
    for id in quote["discounts"]:
        discount = tx.require("discount", id, "discounts")
        code = discount["promotion_code"]
        asked.append({"promotion_code": code} if code else {"coupon": discount["source"]["coupon"]})
    return asked


def _subscribe(tx: Transaction, quote: Obj, lines: list[Obj], discounts: list[Params]) -> None:
    data = quote["subscription_data"]
    asked: Params = {
        "customer": quote["customer"],
        "collection_method": quote["collection_method"],
        "items": [_entry(line) for line in lines if line["price"]["recurring"]],
        "add_invoice_items": [_entry(line) for line in lines if not line["price"]["recurring"]],
        "metadata": data["metadata"],
    }
    if quote["collection_method"] == "send_invoice":
        asked["days_until_due"] = quote["invoice_settings"]["days_until_due"]
    if discounts:
        asked["discounts"] = discounts
    for name in ("description", "trial_period_days"):
        if data[name] is not None:
            asked[name] = data[name]
    if quote["transfer_data"] is not None:
        kept = ("amount_percent", "destination")
        asked["transfer_data"] = {name: quote["transfer_data"][name] for name in kept if name in quote["transfer_data"]}
    if quote["on_behalf_of"] is not None:
        asked["on_behalf_of"] = quote["on_behalf_of"]
    subscription, draft = begin(tx, asked)
    if draft is not None:
        bill_later(tx, subscription, draft)
        quote["invoice"] = draft["id"]
    tx.emit("customer.subscription.created", subscription)
    quote["subscription"] = subscription["id"]


def _entry(line: Obj) -> Params:
    return {"agreed": True, "price": line["price"]["id"], "quantity": line["quantity"]}


def _invoice(tx: Transaction, quote: Obj, lines: list[Obj], discounts: list[Params]) -> None:
    customer = tx.require("customer", quote["customer"], "customer")
    items = []
    for line in lines:
        item = item_object(
            new_id("ii"),
            customer=customer["id"],
            amount=amount_of(tx, line["price"], line["quantity"]),
            code=quote["currency"],
            created=tx.now,
            description=line["description"],
            quantity=line["quantity"],
            price=line["price"],
        )
        tx.insert(item)
        items.append(item)
    invoice = create_invoice(
        tx, customer, quote["currency"], items, auto_advance=True, collection=quote["collection_method"]
    )
    invoice["parent"] = {"quote_details": {"quote": quote["id"]}, "subscription_details": None, "type": "quote_details"}
    if quote["collection_method"] == "send_invoice":
        invoice["due_date"] = tx.now + quote["invoice_settings"]["days_until_due"] * _DAY
    invoice.update(on_behalf_of=quote["on_behalf_of"], transfer_data=quote["transfer_data"])
    invoice["discounts"] = redeem_all(
        tx, discounts, customer=customer["id"], amount=invoice["subtotal"], invoice=invoice["id"]
    )
    add_up(tx, invoice)
    tx.emit("invoice.created", invoice)
    tx.schedule(invoice["automatically_finalizes_at"], invoice["id"])
    quote["invoice"] = invoice["id"]
