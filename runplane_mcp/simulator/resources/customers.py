"""Customers. Deleting one ends its subscriptions and cannot be undone."""

from __future__ import annotations

from runplane_mcp.simulator.clockwork import end_subscription
from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import integer, mapping, metadata, text, word
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"), text)
_TEXTS = ("description", "email", "name", "phone")
_WRITABLE = {
    **dict.fromkeys(_TEXTS, text),
    "address": mapping(_ADDRESS),
    "balance": integer,
    "metadata": metadata,
}


def customer_object(id: str, *, created: int, name: str | None = None, email: str | None = None) -> Obj:
    return {
        "id": id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "email": email,
        "invoice_prefix": id.removeprefix("cus_")[:8].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": name,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def _apply(customer: Obj, params: Params) -> None:
    for name in _TEXTS:
        if name in params:
            customer[name] = params[name] or None
    if "address" in params:
        customer["address"] = {name: params["address"].get(name) or None for name in _ADDRESS}
    if "balance" in params:
        customer["balance"] = params["balance"]
    if "metadata" in params:
        customer["metadata"] = merge_metadata(customer["metadata"], params["metadata"])


def _create(tx: Transaction, params: Params) -> Obj:
    customer = customer_object(new_id("cus"), created=tx.now)
    _apply(customer, params)
    tx.insert(customer)
    tx.emit("customer.created", customer)
    return customer


def _update(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "id", status=404)
    before = {**customer, "metadata": dict(customer["metadata"])}
    _apply(customer, params)
    tx.save(customer)
    tx.emit("customer.updated", customer, before=before)
    return customer


def _delete(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "id", status=404)
    for subscription in tx.all("subscription", "customer", customer["id"]):
        if subscription["status"] != "canceled":
            end_subscription(tx, subscription, canceled_at=tx.now)
    gone = tx.delete(customer)
    tx.emit("customer.deleted", customer)
    return gone


ROUTES = (
    list_route("/v1/customers", "customer", {"email": word}),
    Route("POST", "/v1/customers", _create, _WRITABLE),
    retrieve_route("/v1/customers/{customer}", "customer"),
    Route("POST", "/v1/customers/{customer}", _update, _WRITABLE),
    Route("DELETE", "/v1/customers/{customer}", _delete),
)
