"""What time does to a subscription: its periods end and are billed, its trial, its pause and itself may end.

Source: https://docs.stripe.com/billing/subscriptions/overview
"""

from __future__ import annotations

from copy import deepcopy

from runplane_mcp.simulator import clockwork
from runplane_mcp.simulator.clockwork import end_subscription, next_period, period_end
from runplane_mcp.simulator.objects import Obj
from runplane_mcp.simulator.resources import invoice_states as states
from runplane_mcp.simulator.resources.subscription_bills import bill_later, draft_for, whole
from runplane_mcp.simulator.resources.subscription_schedules import advance
from runplane_mcp.simulator.transaction import Transaction

_RUNNING = ("active", "trialing", "past_due")


def _on_time(tx: Transaction, subscription: Obj) -> None:
    if subscription["status"] == "incomplete":
        _give_up_start(tx, subscription)
        return
    pause = subscription["pause_collection"]
    if pause is not None and pause["resumes_at"] is not None and pause["resumes_at"] <= tx.now:
        before = dict(subscription)
        subscription["pause_collection"] = None
        tx.save(subscription)
        tx.emit("customer.subscription.updated", subscription, before=before)
    if subscription.get("schedule") is not None:
        # At the end of a phase the next one says what the new period costs.
        advance(tx, tx.require("subscription_schedule", subscription["schedule"], "schedule"))
        subscription = tx.require("subscription", subscription["id"], "subscription")
    if subscription["status"] not in _RUNNING:
        return
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= tx.now:
        end_subscription(tx, subscription, canceled_at=subscription["canceled_at"])
        return
    ended = [item for item in subscription["items"]["data"] if item["current_period_end"] <= tx.now]
    # Where none has, the period was moved since: another trial, another price.
    if ended and not (subscription["status"] == "trialing" and _ended_with_trial(tx, subscription)):
        _renew(tx, subscription, ended)


def _renew(tx: Transaction, subscription: Obj, ended: list[Obj]) -> None:
    before = deepcopy(subscription)
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    for item in ended:
        item["current_period_start"] = tx.now
        item["current_period_end"] = next_period(tx.now, item["price"]["recurring"])
    tx.schedule(period_end(subscription), subscription["id"])
    tx.save(subscription)
    invoice = renewal(tx, subscription, ended)
    bill_later(tx, subscription, invoice)
    subscription = tx.require("subscription", subscription["id"], "subscription")
    tx.emit("customer.subscription.updated", subscription, before=before)


def renewal(tx: Transaction, subscription: Obj, begun: list[Obj]) -> Obj:
    """The draft for the periods of these items that begin now, with what waited for the next bill."""
    draft = draft_for(tx, subscription, [whole(item) for item in begun], reason="subscription_cycle")
    assert draft is not None
    return draft


def _ended_with_trial(tx: Transaction, subscription: Obj) -> bool:
    """Whether a trial that ends without anything to charge ends, or pauses, the subscription."""
    customer = tx.require("customer", subscription["customer"], "customer")
    if subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]:
        return False
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if behavior == "cancel":
        end_subscription(tx, subscription, canceled_at=tx.now)
    elif behavior == "pause":
        before = dict(subscription)
        subscription["status"] = "paused"
        tx.save(subscription)
        tx.emit("customer.subscription.paused", subscription, before=before)
    return bool(behavior != "create_invoice")


def _give_up_start(tx: Transaction, subscription: Obj) -> None:
    """The first invoice was not paid in time: it is void, and the subscription never began."""
    invoice = tx.find(subscription["latest_invoice"])
    if invoice is not None and invoice["status"] == "open":
        states.void(tx, invoice)


clockwork.on_time("subscription", _on_time)
ROUTES = ()
