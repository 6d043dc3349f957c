"""Customers. Deleting one ends its subscriptions and cannot be undone."""

from __future__ import annotations

from runplane_mcp.simulator.clockwork import end_subscription
from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import array, integer, mapping, metadata, one_of, text, word
from runplane_mcp.simulator.resources.customer_balance import book
from runplane_mcp.simulator.resources.invoice_payments import require_method
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"), text)
_SHIPPING = mapping({"address": mapping(_ADDRESS), "name": text, "phone": text}, required=("address", "name"))
_TEXTS = ("description", "email", "name", "phone")
_WRITABLE = {
    **dict.fromkeys(_TEXTS, text),
    "address": mapping(_ADDRESS),
    "balance": integer,
    "invoice_settings": mapping({"default_payment_method": text, "footer": text}),
    "metadata": metadata,
    "preferred_locales": array(word, most=20),
    "shipping": _SHIPPING,
    "tax_exempt": one_of("", "exempt", "none", "reverse"),
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
        "discount": None,
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


def _apply(tx: Transaction, customer: Obj, params: Params) -> None:
    for name in _TEXTS:
        if name in params:
            customer[name] = params[name] or None
    if "address" in params:
        customer["address"] = _address(params["address"])
    if "shipping" in params:
        shipping = params["shipping"]
        customer["shipping"] = {
            "address": _address(shipping["address"]),
            "name": shipping["name"],
            "phone": shipping.get("phone") or None,
        }
    if "preferred_locales" in params:
        customer["preferred_locales"] = params["preferred_locales"]
    if "tax_exempt" in params:
        customer["tax_exempt"] = params["tax_exempt"] or "none"
    if "invoice_settings" in params:
        asked = params["invoice_settings"]
        if asked.get("default_payment_method"):
            require_method(
                tx, asked["default_payment_method"], customer["id"], "invoice_settings[default_payment_method]"
            )
        for name, value in asked.items():
            customer["invoice_settings"][name] = value or None
    if "metadata" in params:
        customer["metadata"] = merge_metadata(customer["metadata"], params["metadata"])


def _address(given: Params) -> Obj:
    return {name: given.get(name) or None for name in _ADDRESS}


def _create(tx: Transaction, params: Params) -> Obj:
    customer = customer_object(new_id("cus"), created=tx.now)
    _apply(tx, customer, params)
    tx.insert(customer)
    tx.emit("customer.created", customer)
    if params.get("balance"):
        _settle_on(tx, customer, params["balance"], "initial")
    return customer


def _update(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "id", status=404)
    before = {**customer, "metadata": dict(customer["metadata"])}
    _apply(tx, customer, params)
    tx.save(customer)
    if params.get("balance", customer["balance"]) != customer["balance"]:
        _settle_on(tx, customer, params["balance"], "adjustment")
    else:
        tx.emit("customer.updated", customer, before=before)
    return customer


def _settle_on(tx: Transaction, customer: Obj, balance: int, type: str) -> None:
    """Another balance is a transaction of it. The first money of a customer settles their currency: the account's."""
    own = tx.require("account", tx.account, "account", account=tx.platform)["default_currency"]
    book(tx, customer, balance - customer["balance"], customer["currency"] or own, type)


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
