"""Subscriptions: what customers pay every month or year, and the two ways to end it (at once, or with the period).

What else can change is in `subscription_changes`."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

from runplane_mcp.simulator.clockwork import end_subscription, next_period, period_end
from runplane_mcp.simulator.lists import Clause, equals, list_route
from runplane_mcp.simulator.objects import Obj, Params, list_object, merge_metadata
from runplane_mcp.simulator.parameters import boolean, mapping, metadata, one_of, text, word
from runplane_mcp.simulator.refusal import Refusal, missing
from runplane_mcp.simulator.resources import subscription_changes as changes
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


def subscription_object(
    id: str,
    *,
    customer: str,
    items: list[tuple[str, Obj, int]],
    created: int,
    period_start: int,
    trial_end: int | None = None,
) -> Obj:
    """`items`: an item's id, its price and its quantity. A trial's period is the trial itself."""
    return {
        "id": id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": period_start,
        "billing_mode": {"type": "flexible"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": created,
        "currency": items[0][1]["currency"],
        "customer": customer,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": list_object(
            f"/v1/subscription_items?subscription={id}",
            [_item(id, created, period_start, trial_end, *item) for item in items],
        ),
        "latest_invoice": None,
        "livemode": False,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": created,
        "status": "active" if trial_end is None else "trialing",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None if trial_end is None else created,
    }


def _item(
    subscription: str, created: int, start: int, trial_end: int | None, id: str, price: Obj, quantity: int
) -> Obj:
    return {
        "id": id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": created,
        "current_period_end": trial_end or next_period(start, price["recurring"]),
        "current_period_start": start,
        "discounts": [],
        "metadata": {},
        "plan": {
            "id": price["id"],
            "object": "plan",
            "active": True,
            "amount": price["unit_amount"],
            "billing_scheme": "per_unit",
            "created": price["created"],
            "currency": price["currency"],
            "interval": price["recurring"]["interval"],
            "interval_count": price["recurring"]["interval_count"],
            "livemode": False,
            "metadata": {},
            "product": price["product"],
            "usage_type": "licensed",
        },
        "price": price,
        "quantity": quantity,
        "subscription": subscription,
        "tax_rates": [],
    }


def start(tx: Transaction, subscription: Obj) -> None:
    """Stores a subscription and has its period end in time."""
    tx.insert(subscription)
    tx.schedule(period_end(subscription), subscription["id"])


def _details(subscription: Obj, params: Params, reason: str | None) -> None:
    details = subscription["cancellation_details"]
    for name, value in params.get("cancellation_details", {}).items():
        details[name] = value or None
    if reason is not None:
        details["reason"] = reason


def _update(tx: Transaction, params: Params) -> Obj:
    subscription = tx.require("subscription", params["subscription"], "id", status=404)
    before = deepcopy(subscription)
    if subscription["status"] == "canceled" and set(params) - _ALWAYS:
        raise Refusal("Only the metadata and cancellation details of a canceled subscription can change.")
    ends = params.get("cancel_at_period_end", subscription["cancel_at_period_end"])
    if ends and not subscription["cancel_at_period_end"]:
        subscription.update(cancel_at_period_end=True, cancel_at=period_end(subscription), canceled_at=tx.now)
        _details(subscription, params, "cancellation_requested")
    elif not ends and subscription["cancel_at_period_end"]:
        subscription.update(cancel_at_period_end=False, cancel_at=None, canceled_at=None)
        subscription["cancellation_details"] = {"comment": None, "feedback": None, "reason": None}
    else:
        _details(subscription, params, None)
    if "description" in params:
        subscription["description"] = params["description"] or None
    if "metadata" in params:
        subscription["metadata"] = merge_metadata(subscription["metadata"], params["metadata"])
    if "items" in params:
        changes.change_items(tx, subscription, params, _item)
        tx.schedule(period_end(subscription), subscription["id"])
    changes.change_rest(tx, subscription, params)
    tx.save(subscription)
    tx.emit("customer.subscription.updated", subscription, before=before)
    return subscription


def _cancel(tx: Transaction, params: Params) -> Obj:
    """Ends it at once. One that is canceled already is not there any more: 404."""
    id = params["subscription"]
    subscription = tx.require("subscription", id, "id", status=404)
    if subscription["status"] == "canceled":
        raise missing("subscription", id, "id", 404)
    if params.get("prorate"):
        changes.credit_unused(tx, subscription)
    if params.get("invoice_now"):
        changes.invoice_now(tx, subscription)
    _details(subscription, params, "cancellation_requested")
    end_subscription(tx, subscription, canceled_at=tx.now)
    return subscription


def _wanted(_tx: Transaction, params: Params) -> Iterable[Clause]:
    """Canceled ones only when asked for by status: `canceled`, `ended` or `all`."""
    status = params.get("status")
    if "price" in params:
        yield (
            "EXISTS (SELECT 1 FROM json_each(body, '$.items.data') WHERE json_extract(value, '$.price.id') = ?)",
            [params["price"]],
        )
    if status is None:
        yield "json_extract(body, '$.status') NOT IN ('canceled', 'incomplete_expired')", []
    elif status == "ended":
        yield "json_extract(body, '$.status') IN ('canceled', 'incomplete_expired')", []
    elif status != "all":
        yield equals("status", status)


_CHANGES = {
    **changes.READERS,
    "cancel_at_period_end": boolean,
    "cancellation_details": _DETAILS,
    "metadata": metadata,
}
#: What may be said of a subscription that has ended, and the names in the path.
_ALWAYS = frozenset({"subscription", "cancellation_details", "expand", "metadata"})

ROUTES = (
    list_route(
        "/v1/subscriptions",
        "subscription",
        {"customer": word, "collection_method": word},
        special={"status": one_of("all", "ended", *_STATUSES), "price": word},
        clauses=_wanted,
    ),
    retrieve_route("/v1/subscriptions/{subscription}", "subscription"),
    Route("POST", "/v1/subscriptions/{subscription}", _update, _CHANGES),
    Route(
        "DELETE",
        "/v1/subscriptions/{subscription}",
        _cancel,
        {"cancellation_details": _DETAILS, "invoice_now": boolean, "prorate": boolean},
    ),
)
