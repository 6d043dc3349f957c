"""Subscriptions: what customers pay every month or year, and the two ways to end it (at once, or with the period).

What else can change is in `subscription_changes`, how one begins in `subscription_starts`."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

from runplane_mcp.simulator.clockwork import end_subscription, period_end
from runplane_mcp.simulator.lists import Clause, equals, list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata
from runplane_mcp.simulator.parameters import Raw, boolean, mapping, metadata, one_of, text, word
from runplane_mcp.simulator.refusal import Refusal, missing
from runplane_mcp.simulator.resources import subscription_changes as changes
from runplane_mcp.simulator.resources.proration import credit_unused
from runplane_mcp.simulator.resources.subscription_bills import collect, draft_for
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_FEEDBACK = (
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
)
_DETAILS = mapping({"comment": text, "feedback": one_of("", *_FEEDBACK)})
_STATUSES = ("active", "canceled", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid")
_OVER = ("canceled", "incomplete_expired")


def require_subscription(tx: Transaction, params: Params) -> Obj:
    """The one in the path."""
    return tx.require("subscription", params["subscription"], "id", status=404)


def _details(subscription: Obj, params: Params, reason: str | None) -> None:
    details = subscription["cancellation_details"]
    for name, value in params.get("cancellation_details", {}).items():
        details[name] = value or None
    if reason is not None:
        details["reason"] = reason


def _update(tx: Transaction, params: Params) -> Obj:
    return update(tx, require_subscription(tx, params), params)


def update(tx: Transaction, subscription: Obj, params: Params) -> Obj:
    """Changes a subscription, and bills at once what the change says so of. Returns it as it then is."""
    if subscription["status"] in _OVER and set(params) - _ALWAYS:
        raise Refusal("Only the metadata and cancellation details of a canceled subscription can change.")
    if "items" in params and subscription["status"] == "incomplete":
        raise Refusal("The first invoice of this subscription is not paid yet: its items cannot change.", param="items")
    before = deepcopy(subscription)
    draft = change(tx, subscription, params)
    tx.save(subscription)
    if draft is not None:
        subscription = collect(tx, subscription, draft, params.get("payment_behavior", "allow_incomplete"))
    tx.emit("customer.subscription.updated", subscription, before=before)
    return subscription


def change(tx: Transaction, subscription: Obj, params: Params) -> Obj | None:
    """Everything an update may ask for. Returns the draft to collect now."""
    ends = params.get("cancel_at_period_end", subscription["cancel_at_period_end"])
    if ends and not subscription["cancel_at_period_end"]:
        subscription.update(cancel_at_period_end=True, cancel_at=period_end(subscription), canceled_at=tx.now)
        _details(subscription, params, "cancellation_requested")
    elif not ends and subscription["cancel_at_period_end"]:
        subscription.update(cancel_at_period_end=False, cancel_at=None, canceled_at=None)
        subscription["cancellation_details"] = {"comment": None, "feedback": None, "reason": None}
    else:
        _details(subscription, params, None)
    if "metadata" in params:
        subscription["metadata"] = merge_metadata(subscription["metadata"], params["metadata"])
    if subscription["status"] in _OVER:
        return None
    return changes.change(tx, subscription, params)


def _cancel(tx: Transaction, params: Params) -> Obj:
    """Ends it at once. One that is canceled already is not there any more: 404."""
    subscription = require_subscription(tx, params)
    if subscription["status"] in _OVER:
        raise missing("subscription", subscription["id"], "id", 404)
    _details(subscription, params, "cancellation_requested")
    return cancel(tx, subscription, prorate=params.get("prorate", False), invoice_now=params.get("invoice_now", False))


def cancel(tx: Transaction, subscription: Obj, *, prorate: bool, invoice_now: bool) -> Obj:
    """Ends it now, with credit for unused time and a last invoice where they are asked for."""
    if prorate and subscription["status"] != "trialing":
        credit_unused(tx, subscription)
    draft = draft_for(tx, subscription, [], reason="subscription_update") if invoice_now else None
    if draft is not None:
        subscription = collect(tx, subscription, draft)
    end_subscription(tx, subscription, canceled_at=tx.now)
    return subscription


def _wanted(_tx: Transaction, params: Params) -> Iterable[Clause]:
    """Canceled ones only when asked for by status: `canceled`, `ended` or `all`."""
    status = params.get("status")
    # A plan's id is its price's.
    for name in ("price", "plan"):
        if name in params:
            yield (
                "EXISTS (SELECT 1 FROM json_each(body, '$.items.data') WHERE json_extract(value, '$.price.id') = ?)",
                [params[name]],
            )
    if status is None:
        yield "json_extract(body, '$.status') NOT IN ('canceled', 'incomplete_expired')", []
    elif status == "ended":
        yield "json_extract(body, '$.status') IN ('canceled', 'incomplete_expired')", []
    elif status != "all":
        yield equals("status", status)


def _migrate(tx: Transaction, params: Params) -> Obj:
    """To the flexible way of billing, from which there is no way back. All subscriptions of this world bill so."""
    subscription = require_subscription(tx, params)
    if subscription["status"] in _OVER:
        raise Refusal("A canceled subscription cannot be migrated.", param="subscription")
    if subscription["billing_mode"]["type"] == "flexible":
        raise Refusal("This subscription bills in the flexible mode already.", param="billing_mode")
    before = dict(subscription)
    subscription["billing_mode"] = {"type": "flexible"}
    tx.save(subscription)
    tx.emit("customer.subscription.updated", subscription, before=before)
    return subscription


def _flexible(value: Raw, name: str) -> Params:
    read: Params = mapping({"type": one_of("flexible")}, required=("type",))(value, name)
    return read


_CHANGES = {**changes.READERS, "cancel_at_period_end": boolean, "cancellation_details": _DETAILS, "metadata": metadata}
_ENDING = {"cancellation_details": _DETAILS, "invoice_now": boolean, "prorate": boolean}
#: What may be said of a subscription that has ended, and the names in the path.
_ALWAYS = frozenset({"subscription", "cancellation_details", "expand", "metadata"})

ROUTES = (
    list_route(
        "/v1/subscriptions",
        "subscription",
        {"customer": word, "collection_method": word},
        special={"plan": word, "price": word, "status": one_of("all", "ended", *_STATUSES)},
        clauses=_wanted,
    ),
    retrieve_route("/v1/subscriptions/{subscription}", "subscription"),
    Route("POST", "/v1/subscriptions/{subscription}", _update, _CHANGES),
    Route("DELETE", "/v1/subscriptions/{subscription}", _cancel, _ENDING),
    Route(
        "POST",
        "/v1/subscriptions/{subscription}/migrate",
        _migrate,
        {"billing_mode": _flexible},
        required=("billing_mode",),
    ),
)
