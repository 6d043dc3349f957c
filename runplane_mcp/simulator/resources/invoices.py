"""Invoices: made as drafts, finalized, paid, voided. A draft that advances is finalized and charged in an hour."""

from __future__ import annotations

from collections.abc import Iterable

from runplane_mcp.simulator import clockwork
from runplane_mcp.simulator.lists import PAGING, Clause, equals, list_route
from runplane_mcp.simulator.objects import Obj, Params, list_object, merge_metadata, new_id
from runplane_mcp.simulator.parameters import (
    array,
    boolean,
    currency,
    integer,
    mapping,
    metadata,
    one_of,
    positive,
    text,
    word,
)
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources import invoice_states as states
from runplane_mcp.simulator.resources.coupons import redeem
from runplane_mcp.simulator.resources.invoice_payments import method_of, pay
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_DAY = 86_400
_STATUSES = ("draft", "open", "paid", "uncollectible", "void")


def create_invoice(
    tx: Transaction,
    customer: Obj,
    code: str,
    items: list[Obj],
    *,
    reason: str = "manual",
    auto_advance: bool = False,
    collection: str = "charge_automatically",
    description: str | None = None,
) -> Obj:
    """A draft with these items on it."""
    invoice = states.invoice_object(
        new_id("in"),
        customer=customer,
        code=code,
        created=tx.now,
        collection=collection,
        description=description,
        auto_advance=auto_advance,
        reason=reason,
    )
    tx.insert(invoice)
    states.take_in(tx, invoice, items)
    return invoice


def collect_at_once(tx: Transaction, invoice: Obj) -> bool:
    """Finalizes an invoice and charges it, as for a subscription. False where there is nothing to charge with."""
    states.finalize(tx, invoice)
    if invoice["status"] == "paid":
        return True
    if method_of(tx, invoice) is None:
        return False
    pay(tx, invoice)
    return True


def _require(tx: Transaction, params: Params) -> Obj:
    return tx.require("invoice", params["invoice"], "invoice", status=404)


def _create(tx: Transaction, params: Params) -> Obj:
    if "customer" not in params:
        raise invalid("An invoice needs a customer.", "customer", "parameter_missing")
    customer = tx.require("customer", params["customer"], "customer")
    collection = params.get("collection_method", "charge_automatically")
    if collection == "charge_automatically" and {"days_until_due", "due_date"} & set(params):
        raise invalid("Only an invoice that is sent has a due date.", "days_until_due")
    include = params.get("pending_invoice_items_behavior") == "include"
    code = params.get("currency") or customer["currency"]
    items = states.pending_items(tx, customer["id"], code) if include else []
    if code is None:
        code = items[0]["currency"] if items else "usd"
        items = [item for item in items if item["currency"] == code]
    invoice = create_invoice(
        tx,
        customer,
        code,
        items,
        auto_advance=params.get("auto_advance", False),
        collection=collection,
        description=params.get("description") or None,
    )
    _apply(tx, invoice, params)
    tx.emit("invoice.created", invoice)
    if invoice["auto_advance"]:
        tx.schedule(invoice["automatically_finalizes_at"], invoice["id"])
    return invoice


def _apply(tx: Transaction, invoice: Obj, params: Params) -> None:
    for name in ("description", "footer", "statement_descriptor", "on_behalf_of", "default_payment_method"):
        if name in params:
            invoice[name] = params[name] or None
    if "metadata" in params:
        invoice["metadata"] = merge_metadata(invoice["metadata"], params["metadata"])
    if "transfer_data" in params:
        tx.require("account", params["transfer_data"]["destination"], "transfer_data[destination]", account=tx.platform)
        invoice["transfer_data"] = {"amount": params["transfer_data"].get("amount"), **params["transfer_data"]}
    if "days_until_due" in params:
        invoice["due_date"] = tx.now + params["days_until_due"] * _DAY
    if "due_date" in params:
        invoice["due_date"] = params["due_date"]
    if "discounts" in params:
        invoice["discounts"] = [
            redeem(tx, each["coupon"], "discounts", customer=invoice["customer"], invoice=invoice["id"])["id"]
            for each in params["discounts"]
        ]
    states.add_up(tx, invoice)


def _update(tx: Transaction, params: Params) -> Obj:
    invoice = _require(tx, params)
    before = dict(invoice)
    if set(params) & set(_CHANGES) - {"metadata", "auto_advance"}:
        states.need(invoice, "draft")
        _apply(tx, invoice, params)
    elif "metadata" in params:
        invoice["metadata"] = merge_metadata(invoice["metadata"], params["metadata"])
    if "auto_advance" in params:
        _advance(tx, invoice, advances=params["auto_advance"])
    tx.save(invoice)
    tx.emit("invoice.updated", invoice, before=before)
    return invoice


def _advance(tx: Transaction, invoice: Obj, *, advances: bool) -> None:
    invoice["auto_advance"] = advances
    if invoice["status"] == "draft":
        invoice["automatically_finalizes_at"] = tx.now + states.ADVANCES_AFTER if advances else None
    if advances and invoice["status"] in ("draft", "open"):
        tx.schedule(tx.now + states.ADVANCES_AFTER, invoice["id"])


def _delete(tx: Transaction, params: Params) -> Obj:
    """Only a draft. Its items go with it."""
    invoice = _require(tx, params)
    states.need(invoice, "draft")
    for item in tx.all("invoiceitem", "invoice", invoice["id"]):
        tx.delete(item)
    gone = tx.delete(invoice)
    tx.emit("invoice.deleted", invoice)
    return gone


def _finalize(tx: Transaction, params: Params) -> Obj:
    invoice = _require(tx, params)
    states.finalize(tx, invoice)
    if "auto_advance" in params and invoice["status"] == "open":
        _advance(tx, invoice, advances=params["auto_advance"])
    elif invoice["auto_advance"] and invoice["status"] == "open":
        _advance(tx, invoice, advances=True)
    tx.save(invoice)
    return invoice


def _pay(tx: Transaction, params: Params) -> Obj:
    invoice = _require(tx, params)
    if params.get("paid_out_of_band") and "payment_method" in params:
        raise invalid("What is paid elsewhere needs no payment method.", "payment_method")
    pay(tx, invoice, method=params.get("payment_method"), elsewhere=params.get("paid_out_of_band", False))
    return invoice


def _void(tx: Transaction, params: Params) -> Obj:
    invoice = _require(tx, params)
    states.void(tx, invoice)
    return invoice


def _mark_uncollectible(tx: Transaction, params: Params) -> Obj:
    invoice = _require(tx, params)
    states.give_up(tx, invoice)
    return invoice


def _send(tx: Transaction, params: Params) -> Obj:
    invoice = _require(tx, params)
    states.need(invoice, "draft", "open")
    if invoice["status"] == "draft":
        states.finalize(tx, invoice)
    tx.emit("invoice.sent", invoice)
    return invoice


def _lines(tx: Transaction, params: Params) -> Obj:
    invoice = _require(tx, params)
    lines, limit = invoice["lines"]["data"], params.get("limit", 10)
    start = 0
    if "starting_after" in params:
        ids = [line["id"] for line in lines]
        if params["starting_after"] not in ids:
            raise Refusal("There is no such line.", code="resource_missing", param="starting_after", remembered=False)
        start = ids.index(params["starting_after"]) + 1
    return list_object(invoice["lines"]["url"], lines[start : start + limit], has_more=len(lines) > start + limit)


def _wanted(_tx: Transaction, params: Params) -> Iterable[Clause]:
    if "subscription" in params:
        yield equals("parent.subscription_details.subscription", params["subscription"])


def _on_time(tx: Transaction, invoice: Obj) -> None:
    """What Stripe does by itself with an invoice that advances: finalize it, then charge it."""
    if not invoice["auto_advance"] or invoice["status"] not in ("draft", "open"):
        return
    if invoice["status"] == "draft":
        if invoice["automatically_finalizes_at"] > tx.now:
            return
        states.finalize(tx, invoice)
    method = method_of(tx, invoice)
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically" and method is not None:
        try:
            pay(tx, invoice)
        except Refusal:
            # A declined card leaves the invoice open: nobody asked who could be told.
            return


clockwork.on_time("invoice", _on_time)

_CHANGES = {
    "auto_advance": boolean,
    "days_until_due": positive,
    "default_payment_method": word,
    "description": text,
    "discounts": array(mapping({"coupon": word}, required=("coupon",))),
    "due_date": integer,
    "footer": text,
    "metadata": metadata,
    "on_behalf_of": word,
    "statement_descriptor": text,
    "transfer_data": mapping({"amount": positive, "destination": word}, required=("destination",)),
}

ROUTES = (
    list_route(
        "/v1/invoices",
        "invoice",
        {"collection_method": word, "customer": word, "status": one_of(*_STATUSES)},
        special={"subscription": word},
        clauses=_wanted,
    ),
    Route(
        "POST",
        "/v1/invoices",
        _create,
        {
            **_CHANGES,
            "collection_method": one_of("charge_automatically", "send_invoice"),
            "currency": currency,
            "customer": word,
            "pending_invoice_items_behavior": one_of("exclude", "include"),
        },
    ),
    retrieve_route("/v1/invoices/{invoice}", "invoice"),
    Route("POST", "/v1/invoices/{invoice}", _update, _CHANGES),
    Route("DELETE", "/v1/invoices/{invoice}", _delete),
    Route("POST", "/v1/invoices/{invoice}/finalize", _finalize, {"auto_advance": boolean}),
    Route(
        "POST",
        "/v1/invoices/{invoice}/pay",
        _pay,
        {"forgive": boolean, "off_session": boolean, "paid_out_of_band": boolean, "payment_method": word},
        leaves_failed=True,
    ),
    Route("POST", "/v1/invoices/{invoice}/void", _void),
    Route("POST", "/v1/invoices/{invoice}/mark_uncollectible", _mark_uncollectible),
    Route("POST", "/v1/invoices/{invoice}/send", _send),
    Route("GET", "/v1/invoices/{invoice}/lines", _lines, {name: PAGING[name] for name in ("limit", "starting_after")}),
)
