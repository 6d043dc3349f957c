"""Invoice items: what will be on a customer's next invoice, or is on a draft. Below zero an item is a credit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from runplane_mcp.simulator.lists import Clause, list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import Reader, boolean, currency, integer, mapping, metadata, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources import invoice_states as states
from runplane_mcp.simulator.resources.discounts import DISCOUNTS, redeem_all
from runplane_mcp.simulator.resources.invoice_lines import add_up, item_of, line_of, priced_by
from runplane_mcp.simulator.resources.prices import PRICE_DATA, decimal, inline_price
from runplane_mcp.simulator.resources.pricing import amount_of, rounded
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_WAYS = frozenset({"amount", "pricing", "price_data", "unit_amount_decimal"})


def item_object(
    id: str,
    *,
    customer: str,
    amount: int,
    code: str,
    created: int,
    description: str | None = None,
    quantity: int = 1,
    price: Obj | None = None,
    proration: bool = False,
) -> Obj:
    """`amount` is the whole of it. With a `price`, its unit amount times the quantity."""
    return {
        "id": id,
        "object": "invoiceitem",
        "amount": amount,
        "currency": code,
        "customer": customer,
        "date": created,
        "description": description,
        "discountable": amount > 0 and not proration,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": amount,
        "parent": None,
        "period": {"end": created, "start": created},
        "pricing": None if price is None else priced_by(price),
        "proration": proration,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "tax_rates": [],
        "test_clock": None,
    }


def priced(tx: Transaction, params: Params, code: str | None = None) -> tuple[int, str, Obj | None]:
    """Amount, currency and price of what is asked. `code`: the currency where none is said."""
    quantity = params.get("quantity", 1)
    if quantity < 0:
        raise invalid("'quantity' must be zero or more.", "quantity", "parameter_invalid_integer")
    if len(_WAYS & set(params)) != 1:
        raise invalid("Give an amount, a price or price data, and only one.", "amount", "parameter_missing")
    code = params.get("currency", code)
    if "pricing" in params or "price_data" in params:
        if "pricing" in params:
            price = tx.require("price", params["pricing"]["price"], "pricing[price]")
        else:
            price = inline_price(tx, params["price_data"], "price_data")
        if price["recurring"] is not None:
            raise Refusal("Only a price that is paid once can be an invoice item.", param="pricing[price]")
        if code not in (None, price["currency"]):
            raise Refusal("The price has another currency.", param="currency")
        return amount_of(tx, price, quantity), price["currency"], price
    if code is None:
        raise invalid("An amount needs a currency.", "currency", "parameter_missing")
    if "unit_amount_decimal" in params:
        return rounded(Decimal(params["unit_amount_decimal"]) * quantity), code, None
    if "quantity" in params:
        raise invalid("A quantity goes with a price, not with an amount.", "quantity")
    return params["amount"], code, None


def make_item(tx: Transaction, customer: Obj, params: Params, code: str | None = None) -> Obj:
    """An item of the customer that waits for an invoice."""
    amount, currency_of, price = priced(tx, params, code)
    item = item_object(
        new_id("ii"),
        customer=customer["id"],
        amount=amount,
        code=currency_of,
        created=tx.now,
        description=params.get("description") or None,
        quantity=params.get("quantity", 1),
        price=price,
    )
    if "subscription" in params:
        held = tx.require("subscription", params["subscription"], "subscription")
        if held["customer"] != customer["id"]:
            raise Refusal("The subscription is another customer's.", param="subscription")
        of = {"subscription": held["id"], "subscription_item": None}
        item["parent"] = {"subscription_details": of, "type": "subscription_details"}
    _describe(tx, item, params)
    tx.insert(item)
    tx.emit("invoiceitem.created", item)
    return item


def _describe(tx: Transaction, item: Obj, params: Params) -> None:
    for name in ("discountable", "period"):
        if name in params:
            item[name] = params[name]
    if "description" in params:
        item["description"] = params["description"] or None
    if "metadata" in params:
        item["metadata"] = merge_metadata(item["metadata"], params["metadata"])
    if "discounts" in params:
        item["discounts"] = redeem_all(
            tx, params["discounts"], customer=item["customer"], amount=item["amount"], invoice_item=item["id"]
        )


def _create(tx: Transaction, params: Params) -> Obj:
    invoice = tx.require("invoice", params["invoice"], "invoice") if "invoice" in params else None
    named = params.get("customer") or (invoice["customer"] if invoice is not None else None)
    if named is None:
        raise invalid("An invoice item needs a customer.", "customer", "parameter_missing")
    customer = tx.require("customer", named, "customer")
    if invoice is not None:
        states.need(invoice, "draft")
    item = make_item(tx, customer, params)
    if invoice is not None:
        if invoice["customer"] != customer["id"] or invoice["currency"] != item["currency"]:
            raise Refusal("The invoice is of another customer or currency.", param="invoice")
        states.take_in(tx, invoice, [item])
    return item


def _update(tx: Transaction, params: Params) -> Obj:
    item = tx.require("invoiceitem", params["invoiceitem"], "invoiceitem", status=404)
    before = dict(item)
    change_item(tx, item, params)
    tx.emit("invoiceitem.updated", item, before=before)
    return item


def change_item(tx: Transaction, item: Obj, params: Params) -> None:
    """Changes an item that waits, or that is on a draft, which is then worked out anew."""
    invoice = None if item["invoice"] is None else tx.require("invoice", item["invoice"], "invoice")
    if invoice is not None and set(params) - {"invoiceitem", "metadata", "expand"}:
        states.need(invoice, "draft")
    if _WAYS & set(params):
        amount, code, price = priced(tx, params, item["currency"])
        if code != item["currency"]:
            raise Refusal("An item keeps its currency.", param="currency")
        quantity = params.get("quantity", 1)
        item.update(amount=amount, net_amount=amount, quantity=quantity, quantity_decimal=str(quantity))
        item.update(pricing=None if price is None else priced_by(price), discountable=amount > 0)
    elif "quantity" in params:
        if item["pricing"] is None or params["quantity"] < 0:
            raise invalid("A quantity goes with a price.", "quantity", "parameter_invalid_integer")
        price = tx.require("price", item["pricing"]["price_details"]["price"], "quantity")
        amount = amount_of(tx, price, params["quantity"])
        item.update(amount=amount, net_amount=amount, quantity=params["quantity"])
        item["quantity_decimal"] = str(params["quantity"])
    _describe(tx, item, params)
    tx.save(item)
    if invoice is not None and invoice["status"] == "draft":
        invoice["lines"]["data"] = [
            {**line_of(item, invoice["id"]), "id": line["id"]} if item_of(line) == item["id"] else line
            for line in invoice["lines"]["data"]
        ]
        add_up(tx, invoice)


def _delete(tx: Transaction, params: Params) -> Obj:
    item = tx.require("invoiceitem", params["invoiceitem"], "invoiceitem", status=404)
    if item["invoice"] is not None:
        invoice = tx.require("invoice", item["invoice"], "invoice")
        states.need(invoice, "draft")
        take_out(tx, invoice, item["id"])
    gone = tx.delete(item)
    tx.emit("invoiceitem.deleted", item)
    return gone


def take_out(tx: Transaction, invoice: Obj, item: str) -> None:
    """The draft without the line of an item."""
    invoice["lines"]["data"] = [line for line in invoice["lines"]["data"] if item_of(line) != item]
    add_up(tx, invoice)


def _wanted(_tx: Transaction, params: Params) -> Iterable[Clause]:
    if "pending" in params:
        yield f"json_extract(body, '$.invoice') IS {'' if params['pending'] else 'NOT '}NULL", []


CHANGES: Mapping[str, Reader] = {
    "amount": integer,
    "description": text,
    "discountable": boolean,
    "discounts": DISCOUNTS,
    "metadata": metadata,
    "period": mapping({"end": integer, "start": integer}, required=("end", "start")),
    "price_data": PRICE_DATA,
    "pricing": mapping({"price": word}, required=("price",)),
    "quantity": integer,
    "unit_amount_decimal": decimal,
}

ROUTES = (
    list_route(
        "/v1/invoiceitems",
        "invoiceitem",
        {"customer": word, "invoice": word},
        special={"pending": boolean},
        clauses=_wanted,
    ),
    Route(
        "POST",
        "/v1/invoiceitems",
        _create,
        {**CHANGES, "currency": currency, "customer": word, "invoice": word, "subscription": word},
    ),
    retrieve_route("/v1/invoiceitems/{invoiceitem}", "invoiceitem"),
    Route("POST", "/v1/invoiceitems/{invoiceitem}", _update, CHANGES),
    Route("DELETE", "/v1/invoiceitems/{invoiceitem}", _delete),
)
