"""What a subscription and its items look like."""

from __future__ import annotations

from runplane_mcp.simulator.clockwork import next_period
from runplane_mcp.simulator.objects import Obj, list_object
from runplane_mcp.simulator.resources.plans import plan_of


def subscription_object(
    id: str,
    *,
    customer: str,
    items: list[tuple[str, Obj, int]],
    created: int,
    period_start: int,
    trial_end: int | None = None,
    code: str | None = None,
) -> Obj:
    """`items`: an item's id, its price and its quantity. A trial's period is the trial itself. `code`: its currency,
    where no item says it yet."""
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
        "currency": code or items[0][1]["currency"],
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
            [item_object(id, created, period_start, trial_end, *item) for item in items],
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
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None if trial_end is None else created,
    }


def item_object(
    subscription: str, created: int, start: int, end: int | None, id: str, price: Obj, quantity: int
) -> Obj:
    """An item of a subscription; its period lasts until `end`, or for one interval of its price."""
    return {
        "id": id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": created,
        "current_period_end": end or next_period(start, price["recurring"]),
        "current_period_start": start,
        "discounts": [],
        "metadata": {},
        "plan": plan_of(price),
        "price": price,
        "quantity": quantity,
        "subscription": subscription,
        "tax_rates": [],
    }
