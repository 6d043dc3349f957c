"""Editing the lines of a draft, and counting a payment that was made elsewhere towards an open invoice.

Source: https://docs.stripe.com/api/invoice-line-item/invoices
"""

from __future__ import annotations

from runplane_mcp.simulator.lists import PARTS, part_of
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata
from runplane_mcp.simulator.parameters import array, mapping, metadata, one_of, word
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.resources import invoice_states as states
from runplane_mcp.simulator.resources.customer_balance import book
from runplane_mcp.simulator.resources.discounts import redeem_all
from runplane_mcp.simulator.resources.invoice_items import CHANGES, change_item, make_item, take_out
from runplane_mcp.simulator.resources.invoice_lines import add_up, item_of
from runplane_mcp.simulator.resources.invoice_payments import payment_object
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction


def _draft(tx: Transaction, params: Params) -> Obj:
    invoice = tx.require("invoice", params["invoice"], "invoice", status=404)
    states.need(invoice, "draft")
    return invoice


def _done(tx: Transaction, invoice: Obj, params: Params, before: Obj) -> Obj:
    """The draft as it is after its lines changed, with the metadata that came along."""
    invoice = tx.require("invoice", invoice["id"], "invoice")
    if "invoice_metadata" in params:
        invoice["metadata"] = merge_metadata(invoice["metadata"], params["invoice_metadata"])
        tx.save(invoice)
    tx.emit("invoice.updated", invoice, before=before)
    return invoice


def _add(tx: Transaction, params: Params) -> Obj:
    """New lines, or items of the customer that wait."""
    invoice = _draft(tx, params)
    before = dict(invoice)
    customer = tx.require("customer", invoice["customer"], "customer")
    for asked in params["lines"]:
        if "invoice_item" in asked:
            if len(asked) > 1:
                raise invalid("An item that there is comes as it is.", "lines")
            item = tx.require("invoiceitem", asked["invoice_item"], "lines")
            if item["invoice"] is not None or item["customer"] != customer["id"]:
                raise Refusal("The item is on an invoice already, or another customer's.", param="lines")
        else:
            item = make_item(tx, customer, asked, invoice["currency"])
        if item["currency"] != invoice["currency"]:
            raise Refusal("The invoice has another currency.", param="lines")
        states.take_in(tx, invoice, [item])
    return _done(tx, invoice, params, before)


def _line(invoice: Obj, id: str, status: int = 400) -> Obj:
    for line in invoice["lines"]["data"]:
        if line["id"] == id:
            found: Obj = line
            return found
    raise missing("line", id, "lines", status)


def _change_line(tx: Transaction, invoice: Obj, line: Obj, asked: Params) -> None:
    """What a line of a subscription costs follows from the subscription; only its words and discounts change here."""
    item = item_of(line)
    if item is not None:
        change_item(tx, tx.require("invoiceitem", item, "lines"), asked)
        return
    if set(asked) - {"description", "discountable", "discounts", "metadata"}:
        raise Refusal("What a subscription costs is changed with the subscription.", param="lines")
    for name in ("description", "discountable"):
        if name in asked:
            line[name] = asked[name]
    if "metadata" in asked:
        line["metadata"] = merge_metadata(line["metadata"], asked["metadata"])
    if "discounts" in asked:
        line["discounts"] = redeem_all(tx, asked["discounts"], customer=invoice["customer"], invoice=invoice["id"])
    add_up(tx, invoice)


def _update(tx: Transaction, params: Params) -> Obj:
    invoice = _draft(tx, params)
    before = dict(invoice)
    for asked in params["lines"]:
        # Each change works the invoice out anew.
        invoice = tx.require("invoice", invoice["id"], "invoice")
        rest = {name: value for name, value in asked.items() if name != "id"}
        _change_line(tx, invoice, _line(invoice, asked["id"]), rest)
    return _done(tx, invoice, params, before)


def _update_one(tx: Transaction, params: Params) -> Obj:
    invoice = _draft(tx, params)
    before = dict(invoice)
    asked = {name: params[name] for name in CHANGES if name in params}
    _change_line(tx, invoice, _line(invoice, params["line"], 404), asked)
    return _line(_done(tx, invoice, {}, before), params["line"])


def _remove(tx: Transaction, params: Params) -> Obj:
    """`unassign` leaves the item waiting for another invoice."""
    invoice = _draft(tx, params)
    before = dict(invoice)
    for asked in params["lines"]:
        line = _line(invoice, asked["id"])
        item = item_of(line)
        if item is None:
            raise Refusal("A line of a subscription cannot be removed.", param="lines")
        take_out(tx, invoice, item)
        held = tx.require("invoiceitem", item, "lines")
        if asked["behavior"] == "delete":
            tx.delete(held)
            tx.emit("invoiceitem.deleted", held)
        else:
            held["invoice"] = None
            tx.save(held)
            tx.emit("invoiceitem.updated", held)
    return _done(tx, invoice, params, before)


def _lines(tx: Transaction, params: Params) -> Obj:
    invoice = tx.require("invoice", params["invoice"], "invoice", status=404)
    return part_of(invoice["lines"]["url"], invoice["lines"]["data"], params)


def _attach(tx: Transaction, params: Params) -> Obj:
    """A payment that succeeded counts towards the invoice; what it is too much becomes the customer's credit."""
    invoice = tx.require("invoice", params["invoice"], "invoice", status=404)
    states.need(invoice, "open")
    intent = tx.require("payment_intent", params["payment_intent"], "payment_intent")
    if intent["customer"] != invoice["customer"] or intent["currency"] != invoice["currency"]:
        raise Refusal("The payment is another customer's, or of another currency.", param="payment_intent")
    if intent["status"] != "succeeded":
        raise Refusal("Only a payment that succeeded can be attached here.", param="payment_intent")
    if tx.all("invoice_payment", "payment.payment_intent", intent["id"]):
        raise Refusal("This payment belongs to an invoice already.", param="payment_intent")
    before = dict(invoice)
    paid = min(int(intent["amount_received"]), int(invoice["amount_remaining"]))
    over = int(intent["amount_received"]) - paid
    payment = payment_object(tx, invoice, int(intent["amount_received"]), intent=intent["id"])
    payment["is_default"] = False
    tx.insert(payment)
    tx.emit("invoice_payment.paid", payment)
    invoice["amount_paid"] += paid
    invoice["amount_remaining"] -= paid
    invoice["amount_overpaid"] += over
    tx.save(invoice)
    if over:
        customer = tx.require("customer", invoice["customer"], "customer")
        book(tx, customer, -over, invoice["currency"], "invoice_overpaid", invoice=invoice["id"])
    if invoice["amount_remaining"] == 0:
        states.settle(tx, invoice)
    tx.emit("invoice.updated", invoice, before=before)
    return invoice


#: Lines say what items do, but for a decimal price of one unit.
_LINE = {name: reader for name, reader in CHANGES.items() if name != "unit_amount_decimal"}
_NEW = mapping({**_LINE, "invoice_item": word})
_PATH = "/v1/invoices/{invoice}"

ROUTES = (
    Route("GET", f"{_PATH}/lines", _lines, PARTS),
    Route("POST", f"{_PATH}/lines/{{line}}", _update_one, _LINE),
    Route(
        "POST", f"{_PATH}/add_lines", _add, {"invoice_metadata": metadata, "lines": array(_NEW)}, required=("lines",)
    ),
    Route(
        "POST",
        f"{_PATH}/update_lines",
        _update,
        {"invoice_metadata": metadata, "lines": array(mapping({**_LINE, "id": word}, required=("id",)))},
        required=("lines",),
    ),
    Route(
        "POST",
        f"{_PATH}/remove_lines",
        _remove,
        {
            "invoice_metadata": metadata,
            "lines": array(
                mapping({"behavior": one_of("delete", "unassign"), "id": word}, required=("behavior", "id"))
            ),
        },
        required=("lines",),
    ),
    Route("POST", f"{_PATH}/attach_payment", _attach, {"payment_intent": word}, required=("payment_intent",)),
)
