"""Invoices: made as drafts, finalized, paid, voided. A draft that advances is finalized and charged in an hour."""

from __future__ import annotations

from collections.abc import Iterable

from runplane_mcp.simulator import clockwork
from runplane_mcp.simulator.lists import Clause, equals, list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import (
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
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.resources import invoice_states as states
from runplane_mcp.simulator.resources.discounts import DISCOUNTS, redeem_all
from runplane_mcp.simulator.resources.invoice_lines import add_up
from runplane_mcp.simulator.resources.invoice_payments import method_of, pay
from runplane_mcp.simulator.resources.subscription_status import invoice_unpaid, of_subscription, subscription_of
from runplane_mcp.simulator.resources.tax_rates import TAX_RATES, tax_rates
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
    if "subscription" in params:
        items, code = _waiting_for(tx, customer, params)
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
    if "subscription" in params:
        invoice["parent"] = of_subscription(params["subscription"])
    _apply(tx, invoice, params)
    tx.emit("invoice.created", invoice)
    if invoice["auto_advance"]:
        tx.schedule(invoice["automatically_finalizes_at"], invoice["id"])
    return invoice


def _waiting_for(tx: Transaction, customer: Obj, params: Params) -> tuple[list[Obj], str]:
    """What waits for the next bill of a subscription."""
    subscription = tx.require("subscription", params["subscription"], "subscription")
    if subscription["customer"] != customer["id"]:
        raise missing("subscription", subscription["id"], "subscription")
    items = states.pending_items(tx, customer["id"], subscription["currency"])
    if not items:
        raise Refusal("Nothing waits to be invoiced for this subscription.", code="invoice_no_subscription_line_items")
    return items, subscription["currency"]


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
        invoice["discounts"] = redeem_all(
            tx, params["discounts"], customer=invoice["customer"], amount=invoice["subtotal"], invoice=invoice["id"]
        )
    if "default_tax_rates" in params:
        invoice["default_tax_rates"] = tax_rates(tx, params["default_tax_rates"])
    add_up(tx, invoice)


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
    """Only a draft, and none of a subscription. Its items go with it."""
    invoice = _require(tx, params)
    states.need(invoice, "draft")
    if subscription_of(invoice) is not None:
        raise Refusal("The invoice of a subscription is voided, not deleted.", param="invoice")
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
    if invoice["status"] != "open" or invoice["collection_method"] != "charge_automatically":
        return
    if method_of(tx, invoice) is None:
        invoice_unpaid(tx, invoice)
        return
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
    "default_tax_rates": TAX_RATES,
    "discounts": DISCOUNTS,
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
            "subscription": word,
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
)
