"""Products, and the way to make a price together with its product."""

from __future__ import annotations

from collections.abc import Iterable

from runplane_mcp.simulator.lists import Clause, among, list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import array, boolean, currency, mapping, metadata, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources.prices import AMOUNT, PRICE, RHYTHM, create_price
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_WORDS = ("description", "statement_descriptor", "tax_code", "unit_label", "url")


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


def create_product(tx: Transaction, params: Params) -> Obj:
    """Makes a product, with its default price where one is described."""
    id = params.get("id") or new_id("prod")
    if tx.find(id) is not None:
        raise Refusal(f"There is a product '{id}' already.", code="resource_already_exists", param="id")
    product = product_object(id, name=params["name"], created=tx.now)
    _apply(product, params)
    tx.insert(product)
    tx.emit("product.created", product)
    if "default_price_data" in params:
        product["default_price"] = create_price(tx, params["default_price_data"], id)["id"]
        tx.save(product)
    return product


def _apply(product: Obj, params: Params) -> None:
    for name in ("active", "name", "shippable"):
        if name in params:
            product[name] = params[name]
    for name in _WORDS:
        if name in params:
            product[name] = params[name] or None
    if "images" in params:
        product["images"] = params["images"]
    if "metadata" in params:
        product["metadata"] = merge_metadata(product["metadata"], params["metadata"])


def _update(tx: Transaction, params: Params) -> Obj:
    product = tx.require("product", params["id"], "id", status=404)
    before = dict(product)
    if params.get("default_price"):
        price = tx.require("price", params["default_price"], "default_price")
        if price["product"] != product["id"]:
            raise Refusal("The default price is a price of another product.", param="default_price")
        if not price["active"]:
            raise Refusal("The default price of a product is an active one.", param="default_price")
    if "default_price" in params:
        product["default_price"] = params["default_price"] or None
    _apply(product, params)
    product["updated"] = tx.now
    tx.save(product)
    tx.emit("product.updated", product, before=before)
    return product


def _delete(tx: Transaction, params: Params) -> Obj:
    """Only a product without prices can go; one that has any is archived instead."""
    product = tx.require("product", params["id"], "id", status=404)
    if tx.all("price", "product", product["id"]):
        raise Refusal("This product has prices: it can be archived, not deleted.", param="id")
    gone = tx.delete(product)
    tx.emit("product.deleted", product)
    return gone


def _create_price(tx: Transaction, params: Params) -> Obj:
    if ("product" in params) == ("product_data" in params):
        raise invalid("Name a product, or describe a new one, and not both.", "product", "parameter_missing")
    if "product_data" in params:
        product = create_product(tx, params["product_data"])
    else:
        product = tx.require("product", params["product"], "product")
    return create_price(tx, params, product["id"], active=params.get("active", True))


def _products(_tx: Transaction, params: Params) -> Iterable[Clause]:
    if "ids" in params:
        yield among("id", params["ids"])


_NEW = {
    "active": boolean,
    "description": text,
    "id": word,
    "metadata": metadata,
    "name": word,
    "statement_descriptor": text,
    "tax_code": text,
    "unit_label": text,
}
_CHANGES = {
    **{name: reader for name, reader in _NEW.items() if name != "id"},
    "images": array(word, most=8),
    "shippable": boolean,
    "url": text,
}
_DEFAULT_PRICE = mapping(
    {"currency": currency, "metadata": metadata, "recurring": RHYTHM, **AMOUNT}, required=("currency",)
)

ROUTES = (
    list_route("/v1/products", "product", {"active": boolean}, special={"ids": array(word)}, clauses=_products),
    Route(
        "POST",
        "/v1/products",
        create_product,
        {**_NEW, **_CHANGES, "default_price_data": _DEFAULT_PRICE},
        required=("name",),
    ),
    retrieve_route("/v1/products/{id}", "product"),
    Route("POST", "/v1/products/{id}", _update, {**_CHANGES, "default_price": text}),
    Route("DELETE", "/v1/products/{id}", _delete),
    Route(
        "POST",
        "/v1/prices",
        _create_price,
        {**PRICE, "product": word, "product_data": mapping(_NEW, required=("name",))},
        required=("currency",),
    ),
)
