"""Plans: recurring prices seen the old way. What is made here is a price too, and the other way round.

Source: https://docs.stripe.com/api/plans
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.simulator.lists import PAGING, Clause, equals, page
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata
from runplane_mcp.simulator.parameters import (
    Raw,
    Reader,
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
from runplane_mcp.simulator.resources.prices import INTERVAL, PACKAGES, TIERS, create_price, decimal
from runplane_mcp.simulator.resources.products import create_product
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction


def plan_of(price: Obj) -> Obj:
    """A recurring price as a plan."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": price["transform_quantity"],
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    }


def _require(tx: Transaction, params: Params) -> Obj:
    price = tx.require("price", params["plan"], "plan", status=404)
    if price["recurring"] is None:
        raise missing("plan", params["plan"], "plan", 404)
    return price


def _create(tx: Transaction, params: Params) -> Obj:
    if "id" in params and tx.find(params["id"]) is not None:
        raise Refusal(f"There is a plan '{params['id']}' already.", code="resource_already_exists", param="id")
    asked = params["product"]
    product = create_product(tx, asked) if isinstance(asked, dict) else tx.require("product", asked, "product")
    kept = ("billing_scheme", "currency", "metadata", "nickname", "tiers", "tiers_mode")
    wanted = {name: params[name] for name in kept if name in params}
    for name, old in (
        ("unit_amount", "amount"),
        ("unit_amount_decimal", "amount_decimal"),
        ("transform_quantity", "transform_usage"),
    ):
        if old in params:
            wanted[name] = params[old]
    wanted["recurring"] = {
        name: params[name] for name in ("interval", "interval_count", "trial_period_days") if name in params
    }
    price = create_price(tx, wanted, product["id"], id=params.get("id"), active=params.get("active", True))
    plan = plan_of(price)
    tx.emit("plan.created", plan)
    return plan


def _retrieve(tx: Transaction, params: Params) -> Obj:
    found = tx.find(params["plan"])
    if found is not None and found["object"] == "price" and found.get("deleted"):
        return {**found, "object": "plan"}
    return plan_of(_require(tx, params))


def _update(tx: Transaction, params: Params) -> Obj:
    price = _require(tx, params)
    before = plan_of(price)
    if "product" in params:
        price["product"] = tx.require("product", params["product"], "product")["id"]
    if "active" in params:
        price["active"] = params["active"]
    if "nickname" in params:
        price["nickname"] = params["nickname"] or None
    if "metadata" in params:
        price["metadata"] = merge_metadata(price["metadata"], params["metadata"])
    if "trial_period_days" in params:
        price["recurring"]["trial_period_days"] = params["trial_period_days"]
    tx.save(price)
    plan = plan_of(price)
    tx.emit("plan.updated", plan, before=before)
    return plan


def _delete(tx: Transaction, params: Params) -> Obj:
    """Nobody can subscribe to it any more; who did goes on paying."""
    price = _require(tx, params)
    gone = tx.delete(price)
    tx.emit("plan.deleted", plan_of(price))
    return {**gone, "object": "plan"}


def _list(tx: Transaction, params: Params) -> Obj:
    recurring: Clause = ("json_extract(body, '$.type') = 'recurring'", [])
    given = [equals(name, params[name]) for name in ("active", "product") if name in params]
    found = page(tx, "/v1/plans", "price", params, [recurring, *given])
    return {**found, "data": [plan_of(price) for price in found["data"]]}


def _product(value: Raw, name: str) -> Params | str:
    """An id, or what a new product is."""
    if isinstance(value, str):
        return word(value, name)
    if "name" not in value:
        raise invalid(f"'{name}[name]' is needed.", f"{name}[name]", "parameter_missing")
    read: Params = mapping({"active": boolean, "id": word, "metadata": metadata, "name": word, "unit_label": text})(
        value, name
    )
    return read


_TAKES: Mapping[str, Reader] = {
    **TIERS,
    "active": boolean,
    "amount": integer,
    "amount_decimal": decimal,
    "currency": currency,
    "id": word,
    "interval": INTERVAL,
    "interval_count": positive,
    "metadata": metadata,
    "nickname": text,
    "product": _product,
    "transform_usage": PACKAGES,
    "trial_period_days": positive,
    "usage_type": one_of("licensed"),
}

ROUTES = (
    Route("GET", "/v1/plans", _list, {**PAGING, "active": boolean, "product": word}),
    Route("POST", "/v1/plans", _create, _TAKES, required=("currency", "interval", "product")),
    Route("GET", "/v1/plans/{plan}", _retrieve),
    Route(
        "POST",
        "/v1/plans/{plan}",
        _update,
        {"active": boolean, "metadata": metadata, "nickname": text, "product": word, "trial_period_days": positive},
    ),
    Route("DELETE", "/v1/plans/{plan}", _delete),
)
