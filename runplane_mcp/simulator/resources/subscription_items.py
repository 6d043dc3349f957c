"""Subscription items by themselves: the same changes of a subscription, one item at a time.

Source: https://docs.stripe.com/api/subscription_items
"""

from __future__ import annotations

from runplane_mcp.simulator.lists import PARTS, part_of
from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.parameters import boolean, integer, word
from runplane_mcp.simulator.refusal import missing
from runplane_mcp.simulator.resources.item_changes import ITEM
from runplane_mcp.simulator.resources.subscription_changes import PAYMENT_BEHAVIOR, PRORATION_BEHAVIOR
from runplane_mcp.simulator.resources.subscriptions import update
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction


def _of(tx: Transaction, id: str) -> tuple[Obj, Obj]:
    """The subscription that has an item, and the item."""
    clause = "EXISTS (SELECT 1 FROM json_each(body, '$.items.data') WHERE json_extract(value, '$.id') = ?)"
    for subscription in tx.select(["kind = 'subscription'", clause], [id], "DESC", 1):
        return subscription, next(item for item in subscription["items"]["data"] if item["id"] == id)
    raise missing("subscription_item", id, "item", 404)


def _change(tx: Transaction, subscription: Obj, item: Params, params: Params) -> Obj:
    rest = {name: params[name] for name in _HOW if name in params}
    return update(tx, subscription, {**rest, "items": [item]})


def _create(tx: Transaction, params: Params) -> Obj:
    subscription = tx.require("subscription", params["subscription"], "subscription")
    held = {item["id"] for item in subscription["items"]["data"]}
    asked = {name: params[name] for name in ITEM if name in params}
    changed = _change(tx, subscription, asked, params)
    return next(item for item in changed["items"]["data"] if item["id"] not in held)


def _retrieve(tx: Transaction, params: Params) -> Obj:
    return _of(tx, params["item"])[1]


def _update(tx: Transaction, params: Params) -> Obj:
    subscription, item = _of(tx, params["item"])
    asked = {"id": item["id"], **{name: params[name] for name in ITEM if name in params}}
    changed = _change(tx, subscription, asked, params)
    return next(each for each in changed["items"]["data"] if each["id"] == item["id"])


def _delete(tx: Transaction, params: Params) -> Obj:
    subscription, item = _of(tx, params["item"])
    _change(tx, subscription, {"id": item["id"], "deleted": True}, params)
    return {"id": item["id"], "object": "subscription_item", "deleted": True}


def _list(tx: Transaction, params: Params) -> Obj:
    subscription = tx.require("subscription", params["subscription"], "subscription")
    return part_of("/v1/subscription_items", subscription["items"]["data"], params)


_HOW = {"payment_behavior": PAYMENT_BEHAVIOR, "proration_behavior": PRORATION_BEHAVIOR, "proration_date": integer}

ROUTES = (
    Route(
        "GET",
        "/v1/subscription_items",
        _list,
        {**PARTS, "subscription": word},
        required=("subscription",),
    ),
    Route(
        "POST",
        "/v1/subscription_items",
        _create,
        {**ITEM, **_HOW, "subscription": word},
        required=("subscription",),
    ),
    Route("GET", "/v1/subscription_items/{item}", _retrieve),
    Route("POST", "/v1/subscription_items/{item}", _update, {**ITEM, **_HOW, "off_session": boolean}),
    Route("DELETE", "/v1/subscription_items/{item}", _delete, {**_HOW, "clear_usage": boolean}),
)
