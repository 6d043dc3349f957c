"""Pausing a subscription, so that no period passes and nothing is billed, and resuming it.

Pausing only its collection is `pause_collection`, another thing. Source: https://docs.stripe.com/billing/subscriptions/pause
"""

from __future__ import annotations

from copy import deepcopy

from runplane_mcp.simulator.clockwork import next_period, period_end
from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.parameters import integer, mapping, one_of
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.resources.proration import credit_unused, moment, prorate
from runplane_mcp.simulator.resources.subscription_bills import Billed, collect, draft_for, whole
from runplane_mcp.simulator.resources.subscription_changes import PRORATION_BEHAVIOR
from runplane_mcp.simulator.resources.subscription_status import wait_to_resume
from runplane_mcp.simulator.resources.subscriptions import require_subscription
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction


def _pause(tx: Transaction, params: Params) -> Obj:
    subscription = require_subscription(tx, params)
    if subscription["status"] not in ("active", "trialing", "past_due"):
        raise Refusal(f"A subscription that is {subscription['status']} cannot be paused.", param="subscription")
    if subscription["schedule"] is not None:
        raise Refusal("A subscription with a schedule cannot be paused.", param="subscription")
    if subscription["collection_method"] != "charge_automatically":
        raise Refusal("Only a subscription that is charged automatically can be paused.", param="subscription")
    before = deepcopy(subscription)
    credited = params.get("bill_for", {}).get("unused_time_from", {}).get("type", "now")
    if credited != "none" and subscription["status"] != "trialing":
        credit_unused(tx, subscription, whole=credited == "item_current_period_start")
    subscription["status"] = "paused"
    subscription["status_details"] = {
        "paused": {"subscription": {"type": "pause_requested"}, "transitioned_at": tx.now, "type": "subscription"}
    }
    tx.save(subscription)
    if params.get("invoicing_behavior") == "invoice":
        draft = draft_for(tx, subscription, [], reason="subscription_update")
        if draft is not None:
            subscription = collect(tx, subscription, draft)
    tx.emit("customer.subscription.paused", subscription, before=before)
    return subscription


def _resume(tx: Transaction, params: Params) -> Obj:
    """A new period begins and is charged; or, with the anchor unchanged, what is left of the current one."""
    subscription = require_subscription(tx, params)
    if subscription["status"] != "paused":
        raise Refusal("Only a paused subscription can be resumed.", param="subscription")
    before = deepcopy(subscription)
    behavior = params.get("proration_behavior", "create_prorations")
    if params.get("billing_cycle_anchor", {}).get("type", "now") == "now":
        subscription["billing_cycle_anchor"] = tx.now
        billed = _begin_anew(tx, subscription)
    else:
        billed = _go_on(tx, subscription, params, behavior)
    tx.schedule(period_end(subscription), subscription["id"])
    tx.save(subscription)
    draft = draft_for(tx, subscription, billed, reason="subscription_update") if billed or _now(behavior) else None
    if draft is None or params.get("payment_behavior") != "resume_on_payment_success":
        subscription.update(status="active", status_details=None)
        tx.save(subscription)
    else:
        wait_to_resume(tx, subscription, draft)
    if draft is not None:
        subscription = collect(tx, subscription, draft)
    if subscription["status"] != "paused":
        tx.emit("customer.subscription.resumed", subscription, before=before)
    return subscription


def _now(behavior: str) -> bool:
    return behavior == "always_invoice"


def _begin_anew(tx: Transaction, subscription: Obj) -> list[Billed]:
    items = subscription["items"]["data"]
    for item in items:
        item["current_period_start"] = tx.now
        item["current_period_end"] = next_period(tx.now, item["price"]["recurring"])
    return [whole(item) for item in items]


def _go_on(tx: Transaction, subscription: Obj, params: Params, behavior: str) -> list[Billed]:
    """The periods that passed meanwhile are free; of the current one the rest is charged."""
    items = subscription["items"]["data"]
    for item in items:
        while item["current_period_end"] <= tx.now:
            item["current_period_start"] = item["current_period_end"]
            item["current_period_end"] = next_period(item["current_period_end"], item["price"]["recurring"])
    if behavior != "none":
        at = moment(tx, subscription, params.get("proration_date"))
        prorate(tx, subscription, {}, {item["id"]: item for item in items}, at=at)
    return []


_FROM = mapping({"type": one_of("item_current_period_start", "none", "now")}, required=("type",))
_THROUGH = mapping({"type": one_of("none", "now")}, required=("type",))

ROUTES = (
    Route(
        "POST",
        "/v1/subscriptions/{subscription}/pause",
        _pause,
        {
            "bill_for": mapping({"outstanding_usage_through": _THROUGH, "unused_time_from": _FROM}),
            "invoicing_behavior": one_of("invoice", "pending_invoice_item"),
            "type": one_of("subscription"),
        },
    ),
    Route(
        "POST",
        "/v1/subscriptions/{subscription}/resume",
        _resume,
        {
            "billing_cycle_anchor": mapping({"type": one_of("now", "unchanged")}, required=("type",)),
            "payment_behavior": one_of("resume_on_payment_attempt", "resume_on_payment_success"),
            "proration_behavior": PRORATION_BEHAVIOR,
            "proration_date": integer,
        },
    ),
)
