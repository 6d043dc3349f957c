"""Products and prices."""

from __future__ import annotations

import re
from collections.abc import Iterable

from runplane_mcp.simulator.lists import Clause, among, equals, list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import (
    Raw,
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
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")


def decimal(value: Raw, name: str) -> str:
    given = word(value, name)
    if _DECIMAL.fullmatch(given) is None:
        raise invalid(f"'{given}' is not a decimal.", name)
    return given


def product_object(id: str, *, name: str, created: int, description: str | None = None) -> Obj:
    return {
        "id": id,
        "object": "product",
        "active": True,
        "created": created,
        "default_price": None,
        "description": description,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": created,
        "url": None,
    }


def price_object(
    id: str, *, product: str, amount: int | None, code: str, created: int, interval: str | None, count: int = 1
) -> Obj:
    """A price per unit; with an `interval` (day, week, month, year) it recurs every `count` of them."""
    recurring = {
        "interval": interval,
        "interval_count": count,
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }
    return {
        "id": id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": code,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product,
        "recurring": recurring if interval else None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if interval else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }


def _create_product(tx: Transaction, params: Params) -> Obj:
    id = params.get("id") or new_id("prod")
    if tx.find(id) is not None:
        raise Refusal(f"There is a product '{id}' already.", code="resource_already_exists", param="id")
    product = product_object(id, name=params["name"], created=tx.now, description=params.get("description") or None)
    product["active"] = params.get("active", True)
    for name in ("statement_descriptor", "unit_label"):
        product[name] = params.get(name) or None
    product["metadata"] = merge_metadata({}, params.get("metadata", {}))
    tx.insert(product)
    tx.emit("product.created", product)
    if "default_price_data" in params:
        price = _create_price(tx, {**params["default_price_data"], "product": id})
        product["default_price"] = price["id"]
        tx.save(product)
    return product


def _create_price(tx: Transaction, params: Params) -> Obj:
    if ("product" in params) == ("product_data" in params):
        raise invalid("Name a product, or describe a new one, and not both.", "product", "parameter_missing")
    if params.get("unit_amount", -1) < 0:
        raise invalid("'unit_amount' must be zero or more.", "unit_amount", "parameter_invalid_integer")
    if ("unit_amount" in params) == ("unit_amount_decimal" in params):
        raise invalid("Give 'unit_amount' or 'unit_amount_decimal', and only one.", "unit_amount", "parameter_missing")
    if "lookup_key" in params:
        _free_lookup_key(tx, params["lookup_key"], transfer=params.get("transfer_lookup_key", False))
    if "product_data" in params:
        product = _create_product(tx, params["product_data"])
    else:
        product = tx.require("product", params["product"], "product")
    recurring = params.get("recurring", {})
    written = params.get("unit_amount_decimal")
    if written is not None and written.isdecimal():
        params = {**params, "unit_amount": int(written)}
    price = price_object(
        new_id("price"),
        product=product["id"],
        amount=params.get("unit_amount"),
        code=params["currency"],
        created=tx.now,
        interval=recurring.get("interval"),
        count=recurring.get("interval_count", 1),
    )
    price.update(
        active=params.get("active", True),
        lookup_key=params.get("lookup_key"),
        nickname=params.get("nickname") or None,
        tax_behavior=params.get("tax_behavior", "unspecified"),
        unit_amount_decimal=params.get("unit_amount_decimal", str(params.get("unit_amount"))),
        metadata=merge_metadata({}, params.get("metadata", {})),
    )
    tx.insert(price)
    tx.emit("price.created", price)
    return price


def _free_lookup_key(tx: Transaction, key: str, *, transfer: bool) -> None:
    """One price has a lookup key: another takes it only if it is told to."""
    for holder in tx.all("price", "lookup_key", key):
        if not transfer:
            raise Refusal(f"The price {holder['id']} has this lookup key.", param="lookup_key")
        holder["lookup_key"] = None
        tx.save(holder)
        tx.emit("price.updated", holder)


def _products(_tx: Transaction, params: Params) -> Iterable[Clause]:
    if "ids" in params:
        yield among("id", params["ids"])


def _prices(_tx: Transaction, params: Params) -> Iterable[Clause]:
    if "lookup_keys" in params:
        yield among("lookup_key", params["lookup_keys"])
    for name, value in params.get("recurring", {}).items():
        yield equals(f"recurring.{name}", value)


_INTERVAL = one_of("day", "week", "month", "year")
_PRODUCT = {"active": boolean, "description": text, "id": word, "metadata": metadata, "name": word}
_RECURRING = mapping({"interval": _INTERVAL, "interval_count": positive}, required=("interval",))
_AMOUNT = {"unit_amount": integer, "unit_amount_decimal": decimal}
_DEFAULT_PRICE = mapping({"currency": currency, "recurring": _RECURRING, **_AMOUNT}, required=("currency",))

ROUTES = (
    list_route("/v1/products", "product", {"active": boolean}, special={"ids": array(word)}, clauses=_products),
    Route(
        "POST",
        "/v1/products",
        _create_product,
        {**_PRODUCT, "default_price_data": _DEFAULT_PRICE, "statement_descriptor": text, "unit_label": text},
        required=("name",),
    ),
    retrieve_route("/v1/products/{id}", "product"),
    list_route(
        "/v1/prices",
        "price",
        {"active": boolean, "currency": currency, "product": word, "type": one_of("one_time", "recurring")},
        special={"lookup_keys": array(word, most=10), "recurring": mapping({"interval": _INTERVAL})},
        clauses=_prices,
    ),
    Route(
        "POST",
        "/v1/prices",
        _create_price,
        {
            "active": boolean,
            "currency": currency,
            "lookup_key": word,
            "metadata": metadata,
            "nickname": text,
            "product": word,
            "product_data": mapping(_PRODUCT, required=("name",)),
            "recurring": _RECURRING,
            "tax_behavior": one_of("exclusive", "inclusive", "unspecified"),
            "transfer_lookup_key": boolean,
            **_AMOUNT,
        },
        required=("currency",),
    ),
    retrieve_route("/v1/prices/{price}", "price"),
)
