"""The phases of a subscription schedule: what each holds, from when to when, and what entering one changes.

Source: https://docs.stripe.com/billing/subscriptions/subscription-schedules
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from runplane_mcp.simulator.clockwork import next_period
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata
from runplane_mcp.simulator.parameters import (
    Reader,
    array,
    boolean,
    currency,
    mapping,
    metadata,
    one_of,
    text,
    word,
)
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources import subscription_changes as changes
from runplane_mcp.simulator.resources.discounts import DISCOUNTS
from runplane_mcp.simulator.resources.item_changes import ADDED, ITEM, price_of
from runplane_mcp.simulator.resources.prices import RHYTHM, inline_price
from runplane_mcp.simulator.resources.subscription_bills import bill_later, collect
from runplane_mcp.simulator.resources.subscription_starts import begin
from runplane_mcp.simulator.transaction import Transaction

_WAYS = ("coupon", "discount", "promotion_code")


def read_phases(tx: Transaction, asked: list[Params], start: int, code: str | None) -> list[Obj]:
    """Phases that follow one another without a gap, the first at `start`; prices that are described are made."""
    if not asked:
        raise invalid("A schedule has at least one phase.", "phases", "parameter_missing")
    phases: list[Obj] = []
    for number, each in enumerate(asked):
        param = f"phases[{number}]"
        began = each.get("start_date", start)
        if number and began != start:
            raise Refusal("A phase begins when the one before it ends.", param=f"{param}[start_date]")
        start = tx.now if began == "now" else int(began)
        phase = _phase(tx, each, start, code, param)
        code, start = phase["currency"], phase["end_date"]
        phases.append(phase)
    return phases


def _phase(tx: Transaction, asked: Params, start: int, code: str | None, param: str) -> Obj:
    if not asked["items"]:
        raise invalid("A phase has at least one item.", f"{param}[items]", "parameter_missing")
    items, rhythm = [], None
    for entry in asked["items"]:
        price = price_of(tx, entry, code, f"{param}[items]")
        if price is None:
            raise invalid("An item needs a price.", f"{param}[items]", "parameter_missing")
        if entry.get("quantity", 1) < 0:
            raise invalid("'quantity' must be zero or more.", f"{param}[items]", "parameter_invalid_integer")
        code, rhythm = price["currency"], rhythm or price["recurring"]
        items.append(
            {
                "billing_thresholds": None,
                "discounts": [_named(each) for each in entry.get("discounts", [])],
                "metadata": merge_metadata({}, entry.get("metadata", {})),
                "plan": price["id"],
                "price": price["id"],
                "quantity": entry.get("quantity", 1),
                "tax_rates": [],
            }
        )
    end = _end(tx, asked, start, rhythm or {}, param)
    return {
        "add_invoice_items": [
            _once(tx, each, code, f"{param}[add_invoice_items]") for each in asked.get("add_invoice_items", [])
        ],
        "application_fee_percent": None,
        "billing_cycle_anchor": asked.get("billing_cycle_anchor"),
        "billing_thresholds": None,
        "collection_method": asked.get("collection_method"),
        "currency": asked.get("currency", code),
        "default_payment_method": asked.get("default_payment_method"),
        "default_tax_rates": [],
        "description": asked.get("description") or None,
        "discounts": [_named(each) for each in asked.get("discounts", [])],
        "end_date": end,
        "invoice_settings": None,
        "items": items,
        "metadata": merge_metadata({}, asked.get("metadata", {})),
        "on_behalf_of": None,
        "proration_behavior": asked.get("proration_behavior", "create_prorations"),
        "start_date": start,
        "transfer_data": None,
        "trial_end": end if asked.get("trial") else asked.get("trial_end"),
    }


def _once(tx: Transaction, asked: Params, code: str | None, param: str) -> Obj:
    """What is paid once when the phase begins."""
    if ("price" in asked) == ("price_data" in asked):
        raise invalid("Give a price or price data, and only one.", param, "parameter_missing")
    if "price" in asked:
        price = tx.require("price", asked["price"], param)
    else:
        price = inline_price(tx, asked["price_data"], f"{param}[price_data]")
    if price["recurring"] is not None or price["currency"] != code:
        raise Refusal("What is added is paid once, in the schedule's currency.", param=param)
    return {
        "discounts": [_named(each) for each in asked.get("discounts", [])],
        "metadata": merge_metadata({}, asked.get("metadata", {})),
        "price": price["id"],
        "quantity": asked.get("quantity", 1),
        "tax_rates": [],
    }


def _named(discount: Params) -> Obj:
    return {name: discount.get(name) for name in _WAYS}


def _end(tx: Transaction, asked: Params, start: int, rhythm: Obj, param: str) -> int:
    """An end that is given, a duration, or one interval of the first price."""
    if "end_date" in asked and "duration" in asked:
        raise invalid("Give an end date or a duration, not both.", f"{param}[end_date]")
    if "end_date" in asked:
        end = tx.now if asked["end_date"] == "now" else int(asked["end_date"])
    else:
        end = next_period(start, {"interval_count": 1, **asked.get("duration", rhythm)})
    if end <= start:
        raise Refusal("A phase ends after it begins.", param=f"{param}[end_date]")
    return end


def phase_of(subscription: Obj) -> Obj:
    """A subscription as it is, as the first phase of a schedule: until the end of its period."""
    items = subscription["items"]["data"]
    return {
        "add_invoice_items": [],
        "application_fee_percent": subscription["application_fee_percent"],
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": subscription["currency"],
        "default_payment_method": subscription["default_payment_method"],
        "default_tax_rates": [],
        "description": subscription["description"],
        "discounts": [_named({"discount": id}) for id in subscription["discounts"]],
        "end_date": min(item["current_period_end"] for item in items),
        "invoice_settings": None,
        "items": [
            {
                "billing_thresholds": None,
                "discounts": [_named({"discount": id}) for id in item["discounts"]],
                "metadata": item["metadata"],
                "plan": item["price"]["id"],
                "price": item["price"]["id"],
                "quantity": item["quantity"],
                "tax_rates": [],
            }
            for item in items
        ],
        "metadata": subscription["metadata"],
        "on_behalf_of": subscription["on_behalf_of"],
        "proration_behavior": "create_prorations",
        "start_date": min(item["current_period_start"] for item in items),
        "transfer_data": subscription["transfer_data"],
        "trial_end": subscription["trial_end"] if subscription["status"] == "trialing" else None,
    }


def wanted(phase: Obj, settings: Obj) -> Params:
    """What a phase asks of its subscription, as parameters of one; the schedule's own settings where it says nothing."""
    asked: Params = {
        "add_invoice_items": [
            {**each, "agreed": True, "discounts": [_asked(one) for one in each["discounts"]]}
            for each in phase["add_invoice_items"]
        ],
        "discounts": [_asked(each) for each in phase["discounts"]],
        "items": [
            {
                "agreed": True,
                "price": item["price"],
                "quantity": item["quantity"],
                "metadata": item["metadata"],
                "discounts": [_asked(each) for each in item["discounts"]],
            }
            for item in phase["items"]
        ],
        "metadata": phase["metadata"],
        "proration_behavior": phase["proration_behavior"],
    }
    for name in ("collection_method", "default_payment_method", "description"):
        value = phase[name] or settings[name]
        if value is not None:
            asked[name] = value
    if asked.get("collection_method") == "send_invoice":
        asked["days_until_due"] = settings["invoice_settings"]["days_until_due"] or 30
    return asked


def _asked(discount: Obj) -> Params:
    return {name: value for name, value in discount.items() if value is not None}


def open_first(tx: Transaction, schedule: Obj, phase: Obj) -> tuple[Obj, Obj | None]:
    """The subscription that a schedule begins, and its first draft, which can be changed for an hour."""
    asked = {**wanted(phase, schedule["default_settings"]), "customer": schedule["customer"]}
    if phase["trial_end"] is not None and phase["trial_end"] > tx.now:
        asked["trial_end"] = phase["trial_end"]
    subscription, draft = begin(tx, asked)
    subscription["schedule"] = schedule["id"]
    tx.save(subscription)
    if draft is not None:
        bill_later(tx, subscription, draft)
    tx.emit("customer.subscription.created", subscription)
    return subscription, draft


def enter(tx: Transaction, schedule: Obj, phase: Obj, behavior: str | None = None) -> None:
    """The subscription becomes what the phase says; `behavior` where another proration than the phase's is asked for."""
    subscription = tx.require("subscription", schedule["subscription"], "subscription")
    before = deepcopy(subscription)
    asked = wanted(phase, schedule["default_settings"])
    asked["items"] = _in_place(subscription, asked["items"])
    asked["proration_behavior"] = behavior or asked["proration_behavior"]
    if phase["billing_cycle_anchor"] == "phase_start":
        asked["billing_cycle_anchor"] = {"type": "now"}
    if phase["trial_end"] is not None and phase["trial_end"] > tx.now:
        asked["trial_end"] = phase["trial_end"]
    if phase["metadata"]:
        subscription["metadata"] = merge_metadata(subscription["metadata"], phase["metadata"])
    draft = changes.change(tx, subscription, asked)
    tx.save(subscription)
    if draft is not None:
        subscription = collect(tx, subscription, draft)
    tx.emit("customer.subscription.updated", subscription, before=before)


def _in_place(subscription: Obj, items: list[Params]) -> list[Params]:
    """Items of the phase in the place of those that there are: of the same price first, then any other."""
    held = {item["price"]["id"]: item["id"] for item in subscription["items"]["data"]}
    free = [id for price, id in held.items() if price not in {item["price"] for item in items}]
    asked: list[Params] = []
    for item in items:
        if item["price"] in held:
            rest = {name: value for name, value in item.items() if name != "price"}
            asked.append({"id": held[item["price"]], **rest})
        else:
            asked.append({"id": free.pop(0), **item} if free else item)
    return [*asked, *({"id": id, "deleted": True} for id in free)]


#: A phase of a new schedule: when it begins follows from the one before it.
_NEW: Mapping[str, Reader] = {
    "add_invoice_items": ADDED,
    "billing_cycle_anchor": one_of("automatic", "phase_start"),
    "collection_method": one_of("charge_automatically", "send_invoice"),
    "currency": currency,
    "default_payment_method": word,
    "description": text,
    "discounts": DISCOUNTS,
    "duration": RHYTHM,
    "end_date": changes.at_or("now"),
    "items": array(mapping(ITEM), most=20),
    "metadata": metadata,
    "proration_behavior": changes.PRORATION_BEHAVIOR,
    "trial": boolean,
    "trial_end": changes.at_or(),
}
NEW_PHASE = mapping(_NEW, required=("items",))
PHASE = mapping({**_NEW, "start_date": changes.at_or("now")}, required=("items",))
