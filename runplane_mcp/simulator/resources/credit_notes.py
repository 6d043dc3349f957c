"""Credit notes: a part of an invoice is taken back. Never more than was invoiced, nor than was paid.

Before the payment less is owed. Afterwards the money goes back as a refund, as the customer's credit, or elsewhere.
Source: https://docs.stripe.com/invoicing/dashboard/credit-notes
"""

from __future__ import annotations

from runplane_mcp.simulator.lists import PARTS, list_route, part_of
from runplane_mcp.simulator.objects import Obj, Params, list_object, merge_metadata, new_id
from runplane_mcp.simulator.parameters import array, integer, mapping, metadata, one_of, positive, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources.customer_balance import book
from runplane_mcp.simulator.resources.invoice_payments import charge_for
from runplane_mcp.simulator.resources.invoice_states import need, settle
from runplane_mcp.simulator.resources.refunds import give_back, refund_object
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_PARTS = ("refund_amount", "credit_amount", "out_of_band_amount")


def _note(tx: Transaction, params: Params, id: str) -> Obj:
    """The credit note as it would be, with nothing done yet. Refused where Stripe would."""
    invoice = tx.require("invoice", params["invoice"], "invoice")
    need(invoice, "open", "paid")
    lines = [_line(invoice, each) for each in params.get("lines", [])]
    linked = [_linked(tx, invoice, each) for each in params.get("refunds", [])]
    parts = {name: params.get(name, 0) for name in _PARTS}
    asked = sum(parts.values()) + sum(each["amount_refunded"] for each in linked)
    amount = params.get("amount") or sum(line["amount"] for line in lines) or asked
    if lines and amount != sum(line["amount"] for line in lines):
        raise Refusal("The amount is another than that of the lines.", param="amount")
    if amount <= 0:
        raise invalid("Give an amount, or lines.", "amount", "parameter_missing")
    paid = invoice["status"] == "paid"
    if paid and asked != amount:
        raise Refusal("The refund, the credit and what is out of band must come to the amount.", param="amount")
    if not paid and asked:
        raise Refusal("The invoice is not paid yet: there is nothing to give back.", param="refund_amount")
    _refuse_too_much(tx, invoice, amount, params.get("refund_amount", 0))
    kind = "post_payment" if paid else "pre_payment"
    return {
        "id": id,
        "object": "credit_note",
        "amount": amount,
        "amount_shipping": 0,
        "created": tx.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": params.get("effective_at", tx.now),
        "invoice": invoice["id"],
        "lines": list_object(f"/v1/credit_notes/{id}/lines", lines),
        "livemode": False,
        "memo": params.get("memo") or None,
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "number": f"{invoice['number']}-CN-{len(tx.all('credit_note', 'invoice', invoice['id'])) + 1:02d}",
        "out_of_band_amount": parts["out_of_band_amount"] or None,
        "pdf": f"https://pay.stripe.com/credit_notes/{tx.account}/test_{id}/pdf",
        "post_payment_amount": amount if paid else 0,
        "pre_payment_amount": 0 if paid else amount,
        "pretax_credit_amounts": [],
        "reason": params.get("reason"),
        "refunds": linked,
        "shipping_cost": None,
        "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "total_taxes": [],
        "type": kind,
        "voided_at": None,
    }


def _refuse_too_much(tx: Transaction, invoice: Obj, amount: int, refund: int) -> None:
    left = invoice["amount_remaining"]
    if invoice["status"] == "paid":
        left = (
            invoice["total"] - invoice["pre_payment_credit_notes_amount"] - invoice["post_payment_credit_notes_amount"]
        )
    if amount > left:
        raise Refusal(f"Only {max(left, 0)} of the invoice can still be credited.", param="amount")
    charge = charge_for(tx, invoice) if refund else None
    if refund and (charge is None or refund > charge["amount"] - charge["amount_refunded"]):
        raise Refusal("The invoice has no payment that could be refunded so far.", param="refund_amount")


def _line(invoice: Obj, asked: Params) -> Obj:
    """One of the invoice's lines, whole, in part or by quantity; or a line of its own."""
    line: Obj = {}
    if asked["type"] == "invoice_line_item":
        held = {line["id"]: line for line in invoice["lines"]["data"]}
        named = asked.get("invoice_line_item", "")
        if named not in held:
            raise Refusal(f"The invoice has no line '{named}'.", code="resource_missing", param="lines")
        line = held[named]
        whole = line["amount"]
        quantity = asked.get("quantity", line["quantity"])
        amount = asked.get("amount", whole * quantity // (line["quantity"] or 1))
        if amount > whole:
            raise Refusal("A credit note line is at most as large as its line.", param="lines")
    else:
        quantity = asked.get("quantity", 1)
        amount = asked.get("unit_amount", 0) * quantity
    return {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": asked.get("description") or line.get("description"),
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": line.get("id"),
        "livemode": False,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": quantity,
        "tax_rates": [],
        "taxes": [],
        "type": asked["type"],
        "unit_amount": asked.get("unit_amount"),
        "unit_amount_decimal": None,
    }


def _linked(tx: Transaction, invoice: Obj, asked: Params) -> Obj:
    """A refund that was made before, and counts for this credit note."""
    refund = tx.require("refund", asked["refund"], "refunds")
    charge = charge_for(tx, invoice)
    if charge is None or refund["charge"] != charge["id"]:
        raise Refusal("The refund is of another payment.", param="refunds")
    amount = asked.get("amount_refunded", refund["amount"])
    if amount > refund["amount"]:
        raise Refusal("The refund was smaller.", param="refunds")
    return {"amount_refunded": amount, "payment_record_refund": None, "refund": refund["id"], "type": "refund"}


def _preview(tx: Transaction, params: Params) -> Obj:
    return _note(tx, params, new_id("cn"))


def _create(tx: Transaction, params: Params) -> Obj:
    return issue(tx, params, new_id("cn"))


def issue(tx: Transaction, params: Params, id: str) -> Obj:
    """Makes the credit note, and gives back what it says."""
    note = _note(tx, params, id)
    invoice = tx.require("invoice", note["invoice"], "invoice")
    before = dict(invoice)
    if note["type"] == "pre_payment":
        invoice["pre_payment_credit_notes_amount"] += note["amount"]
        invoice["amount_due"] -= note["amount"]
        invoice["amount_remaining"] -= note["amount"]
        tx.save(invoice)
        if invoice["amount_remaining"] == 0:
            settle(tx, invoice)
    else:
        invoice["post_payment_credit_notes_amount"] += note["amount"]
        tx.save(invoice)
        _give_back(tx, note, invoice, params)
    tx.insert(note)
    tx.emit("invoice.updated", invoice, before=before)
    tx.emit("credit_note.created", note)
    return note


def _give_back(tx: Transaction, note: Obj, invoice: Obj, params: Params) -> None:
    refund_amount, credit = params.get("refund_amount", 0), params.get("credit_amount", 0)
    if refund_amount:
        charge = charge_for(tx, invoice)
        assert charge is not None
        before = dict(charge)
        refund = refund_object(new_id("re"), charge=charge, amount=refund_amount, created=tx.now, reason=None)
        give_back(tx, charge, refund)
        tx.emit("charge.refunded", charge, before=before)
        tx.emit("refund.created", refund)
        note["refunds"].append(
            {
                "amount_refunded": refund_amount,
                "payment_record_refund": None,
                "refund": refund["id"],
                "type": "refund",
            }
        )
    if credit:
        customer = tx.require("customer", note["customer"], "customer")
        booked = book(
            tx, customer, -credit, note["currency"], "credit_note", invoice=invoice["id"], credit_note=note["id"]
        )
        note["customer_balance_transaction"] = booked["id"]


def _update(tx: Transaction, params: Params) -> Obj:
    note = tx.require("credit_note", params["id"], "id", status=404)
    before = dict(note)
    if "memo" in params:
        note["memo"] = params["memo"] or None
    if "metadata" in params:
        note["metadata"] = merge_metadata(note["metadata"], params["metadata"])
    tx.save(note)
    tx.emit("credit_note.updated", note, before=before)
    return note


def _void(tx: Transaction, params: Params) -> Obj:
    """What it took off is owed again. Only while the invoice is open: what was given back stays given."""
    note = tx.require("credit_note", params["id"], "id", status=404)
    if note["status"] == "void":
        raise Refusal("The credit note is void already.", param="id")
    invoice = tx.require("invoice", note["invoice"], "invoice")
    if note["type"] != "pre_payment" or invoice["status"] != "open":
        raise Refusal("Only a credit note of an invoice that is still open can be voided.", param="id")
    before, earlier = dict(note), dict(invoice)
    invoice["pre_payment_credit_notes_amount"] -= note["amount"]
    invoice["amount_due"] += note["amount"]
    invoice["amount_remaining"] += note["amount"]
    tx.save(invoice)
    note.update(status="void", voided_at=tx.now)
    tx.save(note)
    tx.emit("invoice.updated", invoice, before=earlier)
    tx.emit("credit_note.voided", note, before=before)
    return note


def _lines(tx: Transaction, params: Params) -> Obj:
    note = tx.require("credit_note", params["credit_note"], "credit_note", status=404)
    return part_of(note["lines"]["url"], note["lines"]["data"], params)


def _preview_lines(tx: Transaction, params: Params) -> Obj:
    paging = {name: params.pop(name) for name in PARTS if name in params}
    return part_of("/v1/credit_notes/preview/lines", _note(tx, params, new_id("cn"))["lines"]["data"], paging)


_LINE = mapping(
    {
        "amount": positive,
        "description": text,
        "invoice_line_item": word,
        "quantity": positive,
        "type": one_of("invoice_line_item", "custom_line_item"),
        "unit_amount": integer,
    },
    required=("type",),
)
_TAKES = {
    "amount": positive,
    **dict.fromkeys(_PARTS, positive),
    "effective_at": integer,
    "email_type": one_of("credit_note", "none"),
    "invoice": word,
    "lines": array(_LINE),
    "memo": text,
    "metadata": metadata,
    "reason": one_of("duplicate", "fraudulent", "order_change", "product_unsatisfactory"),
    "refunds": array(mapping({"amount_refunded": positive, "refund": word}, required=("refund",))),
}

ROUTES = (
    list_route("/v1/credit_notes", "credit_note", {"customer": word, "invoice": word}),
    Route("POST", "/v1/credit_notes", _create, _TAKES, required=("invoice",)),
    Route("GET", "/v1/credit_notes/preview", _preview, _TAKES, required=("invoice",)),
    retrieve_route("/v1/credit_notes/{id}", "credit_note"),
    Route("POST", "/v1/credit_notes/{id}", _update, {"memo": text, "metadata": metadata}),
    Route("POST", "/v1/credit_notes/{id}/void", _void),
    Route("GET", "/v1/credit_notes/{credit_note}/lines", _lines, PARTS),
    Route("GET", "/v1/credit_notes/preview/lines", _preview_lines, {**_TAKES, **PARTS}, required=("invoice",)),
)
