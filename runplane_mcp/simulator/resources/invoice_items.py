"""Invoice items: what will be on a customer's next invoice, or is on a draft. Below zero an item is a credit."""

from __future__ import annotations

from collections.abc import Iterable

from runplane_mcp.simulator.lists import Clause, list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import boolean, currency, integer, mapping, metadata, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources import invoice_states as states
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction


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
    pricing = None
    if price is not None:
        pricing = {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
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
        "pricing": pricing,
        "proration": proration,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "tax_rates": [],
        "test_clock": None,
    }


def _priced(tx: Transaction, params: Params) -> tuple[int, str, Obj | None]:
    """Amount, currency and price of what is asked."""
    quantity = params.get("quantity", 1)
    if quantity < 0:
        raise invalid("'quantity' must be zero or more.", "quantity", "parameter_invalid_integer")
    ways = {"amount", "pricing", "price_data"} & set(params)
    if len(ways) != 1:
        raise invalid("Give an amount, a price or price data, and only one.", "amount", "parameter_missing")
    if "pricing" in params:
        price = tx.require("price", params["pricing"]["price"], "pricing[price]")
        if price["recurring"] is not None:
            raise Refusal("Only a price that is paid once can be an invoice item.", param="pricing[price]")
        if params.get("currency", price["currency"]) != price["currency"]:
            raise Refusal("The price has another currency.", param="currency")
        return price["unit_amount"] * quantity, price["currency"], price
    if "price_data" in params:
        data = params["price_data"]
        tx.require("product", data["product"], "price_data[product]")
        return data["unit_amount"] * quantity, data["currency"], None
    if "currency" not in params:
        raise invalid("An amount needs a currency.", "currency", "parameter_missing")
    if "quantity" in params:
        raise invalid("A quantity goes with a price, not with an amount.", "quantity")
    return params["amount"], params["currency"], None


def _create(tx: Transaction, params: Params) -> Obj:
    invoice = tx.require("invoice", params["invoice"], "invoice") if "invoice" in params else None
    named = params.get("customer") or (invoice["customer"] if invoice is not None else None)
    if named is None:
        raise invalid("An invoice item needs a customer.", "customer", "parameter_missing")
    customer = tx.require("customer", named, "customer")
    amount, code, price = _priced(tx, params)
    if invoice is not None:
        states.need(invoice, "draft")
        if invoice["customer"] != customer["id"] or invoice["currency"] != code:
            raise Refusal("The invoice is of another customer or currency.", param="invoice")
    item = item_object(
        new_id("ii"),
        customer=customer["id"],
        amount=amount,
        code=code,
        created=tx.now,
        description=params.get("description") or None,
        quantity=params.get("quantity", 1),
        price=price,
    )
    item["discountable"] = params.get("discountable", item["discountable"])
    item["metadata"] = merge_metadata({}, params.get("metadata", {}))
    tx.insert(item)
    if invoice is not None:
        states.take_in(tx, invoice, [item])
    tx.emit("invoiceitem.created", item)
    return item


def _delete(tx: Transaction, params: Params) -> Obj:
    item = tx.require("invoiceitem", params["invoiceitem"], "invoiceitem", status=404)
    if item["invoice"] is not None:
        invoice = tx.require("invoice", item["invoice"], "invoice")
        states.need(invoice, "draft")
        invoice["lines"]["data"] = [
            line
            for line in invoice["lines"]["data"]
            if line["parent"]["invoice_item_details"]["invoice_item"] != item["id"]
        ]
        states.add_up(tx, invoice)
    gone = tx.delete(item)
    tx.emit("invoiceitem.deleted", item)
    return gone


def _wanted(_tx: Transaction, params: Params) -> Iterable[Clause]:
    if "pending" in params:
        yield f"json_extract(body, '$.invoice') IS {'' if params['pending'] else 'NOT '}NULL", []


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
        {
            "amount": integer,
            "currency": currency,
            "customer": word,
            "description": text,
            "discountable": boolean,
            "invoice": word,
            "metadata": metadata,
            "price_data": mapping(
                {"currency": currency, "product": word, "unit_amount": integer},
                required=("currency", "product", "unit_amount"),
            ),
            "pricing": mapping({"price": word}, required=("price",)),
            "quantity": integer,
        },
    ),
    retrieve_route("/v1/invoiceitems/{invoiceitem}", "invoiceitem"),
    Route("DELETE", "/v1/invoiceitems/{invoiceitem}", _delete),
)
