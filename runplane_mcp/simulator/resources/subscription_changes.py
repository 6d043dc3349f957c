"""Changing a subscription: items and their prorations, discounts, trials, collection and ends.

What a change costs waits for the next invoice, or is billed by one of its own. Source:
https://docs.stripe.com/billing/subscriptions/change
"""

from __future__ import annotations

from copy import deepcopy

from runplane_mcp.simulator.clockwork import next_period, period_end
from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.parameters import (
    Raw,
    Reader,
    array,
    boolean,
    integer,
    mapping,
    metadata,
    one_of,
    positive,
    text,
    word,
)
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources.discounts import DISCOUNTS, end_discount, redeem_all
from runplane_mcp.simulator.resources.invoice_payments import require_method
from runplane_mcp.simulator.resources.item_changes import ADDED, ITEM, add_once, change_item, refuse_impossible
from runplane_mcp.simulator.resources.pricing import amount_of
from runplane_mcp.simulator.resources.proration import credit_unused, moment, prorate
from runplane_mcp.simulator.resources.subscription_bills import Billed, draft_for, whole
from runplane_mcp.simulator.resources.tax_rates import TAX_RATES, tax_rates
from runplane_mcp.simulator.transaction import Transaction


def change(tx: Transaction, subscription: Obj, params: Params) -> Obj | None:
    """Changes what was asked. Returns the draft that is to be collected now, or None where nothing is."""
    behavior = params.get("proration_behavior", "create_prorations")
    if "discounts" in params:
        change_discounts(tx, subscription, params["discounts"])
    for extra in params.get("add_invoice_items", []):
        add_once(tx, subscription, extra)
    billed: list[Billed] = []
    if "items" in params or params.get("billing_cycle_anchor", {}).get("type") == "now":
        billed += _change_items(tx, subscription, params, behavior)
    if "trial_end" in params:
        billed += _change_trial(tx, subscription, params["trial_end"], behavior)
    change_collection(tx, subscription, params)
    if "pause_collection" in params:
        asked = params["pause_collection"]
        subscription["pause_collection"] = {"resumes_at": None, **asked} if asked else None
    if "cancel_at" in params:
        change_end(tx, subscription, params["cancel_at"])
    tx.schedule(period_end(subscription), subscription["id"])
    now = behavior == "always_invoice" and subscription["status"] != "trialing"
    return draft_for(tx, subscription, billed, reason="subscription_update") if billed or now else None


def _change_items(tx: Transaction, subscription: Obj, params: Params, behavior: str) -> list[Billed]:
    """Replaces, adds and removes items; prorates them as `behavior` says. Returns the periods that begin now."""
    held = {item["id"]: item for item in subscription["items"]["data"]}
    before = deepcopy(held)
    items = dict(held)
    for asked in params.get("items", []):
        change_item(tx, subscription, items, asked)
    refuse_impossible(items)
    at = moment(tx, subscription, params.get("proration_date"))
    subscription["items"]["data"] = list(items.values())
    restarted = _restart(
        tx, subscription, before, items, everything=params.get("billing_cycle_anchor", {}).get("type") == "now"
    )
    if subscription["status"] == "trialing":
        return []
    if behavior != "none":
        prorate(tx, subscription, before, items, at=at, charged=restarted)
    return [whole(items[id]) for id in restarted]


def _restart(
    tx: Transaction, subscription: Obj, before: dict[str, Obj], items: dict[str, Obj], *, everything: bool
) -> list[str]:
    """Items that recur at another interval than before begin their period now, or all do. Returns their ids."""
    if subscription["status"] == "trialing":
        return []
    if everything:
        subscription["billing_cycle_anchor"] = tx.now
    restarted = []
    for id, item in items.items():
        held = before.get(id)
        if everything or (held is not None and _rhythm(held) != _rhythm(item)):
            item["current_period_start"] = tx.now
            item["current_period_end"] = next_period(tx.now, item["price"]["recurring"])
            restarted.append(id)
    return restarted


def _rhythm(item: Obj) -> tuple[str, int]:
    recurring = item["price"]["recurring"]
    return recurring["interval"], recurring["interval_count"]


def change_discounts(tx: Transaction, subscription: Obj, asked: list[Params]) -> None:
    """Other discounts than before: those that are not named again end."""
    kept = {each["discount"] for each in asked if "discount" in each}
    for discount in subscription["discounts"]:
        if discount not in kept:
            end_discount(tx, discount)
    worth = sum(amount_of(tx, item["price"], item["quantity"]) for item in subscription["items"]["data"])
    subscription["discounts"] = redeem_all(
        tx, asked, customer=subscription["customer"], amount=worth, subscription=subscription["id"]
    )


def change_collection(tx: Transaction, subscription: Obj, params: Params) -> None:
    """How it is paid, and by whom."""
    method = params.get("collection_method", subscription["collection_method"])
    days = params.get("days_until_due", subscription["days_until_due"])
    if method == "send_invoice" and days is None:
        raise invalid("An invoice that is sent has days until it is due.", "days_until_due", "parameter_missing")
    if method == "charge_automatically" and "days_until_due" in params:
        raise invalid("Only an invoice that is sent has days until it is due.", "days_until_due")
    subscription.update(collection_method=method, days_until_due=days if method == "send_invoice" else None)
    if params.get("default_payment_method"):
        require_method(tx, params["default_payment_method"], subscription["customer"], "default_payment_method")
    for name in ("default_payment_method", "description"):
        if name in params:
            subscription[name] = params[name] or None
    for name, account in (
        ("on_behalf_of", params.get("on_behalf_of")),
        ("transfer_data[destination]", (params.get("transfer_data") or {}).get("destination")),
    ):
        if account:
            tx.require("account", account, name, account=tx.platform)
    if "on_behalf_of" in params:
        subscription["on_behalf_of"] = params["on_behalf_of"] or None
    if "transfer_data" in params:
        asked = params["transfer_data"]
        subscription["transfer_data"] = {"amount_percent": None, **asked} if asked else None
    if "default_tax_rates" in params:
        subscription["default_tax_rates"] = tax_rates(tx, params["default_tax_rates"])
    if "application_fee_percent" in params:
        subscription["application_fee_percent"] = params["application_fee_percent"]
    if "trial_settings" in params:
        subscription["trial_settings"] = params["trial_settings"]
    if "payment_settings" in params:
        subscription["payment_settings"] = {**subscription["payment_settings"], **params["payment_settings"]}


def _change_trial(tx: Transaction, subscription: Obj, end: int | str, behavior: str) -> list[Billed]:
    """`now` ends a trial: the first period begins and is charged. A later end defers all charges until then, and what
    was paid for that time is credited."""
    items = subscription["items"]["data"]
    if end == "now":
        if subscription["status"] != "trialing":
            return []
        subscription.update(status="active", trial_end=tx.now, billing_cycle_anchor=tx.now)
        for item in items:
            item["current_period_start"] = tx.now
            item["current_period_end"] = next_period(tx.now, item["price"]["recurring"])
        return [whole(item) for item in items]
    if int(end) <= tx.now:
        raise Refusal("A trial ends in the future.", param="trial_end")
    if subscription["status"] != "trialing" and behavior != "none":
        credit_unused(tx, subscription)
    subscription.update(status="trialing", trial_end=int(end), billing_cycle_anchor=int(end))
    subscription["trial_start"] = subscription["trial_start"] or tx.now
    for item in items:
        item["current_period_start"], item["current_period_end"] = tx.now, int(end)
    return []


def change_end(tx: Transaction, subscription: Obj, at: int | str) -> None:
    if at == "":
        subscription.update(cancel_at=None, cancel_at_period_end=False, canceled_at=None)
        return
    ends = [int(item["current_period_end"]) for item in subscription["items"]["data"]]
    when = {"min_period_end": min(ends), "max_period_end": max(ends)}.get(str(at), at)
    if int(when) <= tx.now:
        raise Refusal("A subscription is canceled in the future, or at once by deleting it.", param="cancel_at")
    subscription.update(cancel_at=int(when), canceled_at=tx.now)
    tx.schedule(int(when), subscription["id"])


def at_or(*words: str) -> Reader:
    """A time in seconds, or one of these words."""

    def read(value: Raw, name: str) -> int | str:
        return value if isinstance(value, str) and value in words else integer(value, name)

    return read


def or_unset(reader: Reader) -> Reader:
    def read(value: Raw, name: str) -> object:
        return None if value == "" else reader(value, name)

    return read


def percent_of(value: Raw, name: str) -> float | None:
    """0 to 100 with two decimals; `""` unsets it."""
    given = text(value, name)
    try:
        share = float(given or 0)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 100:
        raise invalid(f"'{name}' must be between 0 and 100.", name)
    return round(share, 2) if given else None


PAYMENT_BEHAVIOR = one_of("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete")
PRORATION_BEHAVIOR = one_of("always_invoice", "create_prorations", "none")
ANCHOR = mapping({"type": one_of("now", "unchanged")}, required=("type",))
TRANSFER_DATA = mapping({"amount_percent": percent_of, "destination": word}, required=("destination",))
#: How a subscription is paid for, and by what, whether it is new or changed.
COLLECTION = {
    "add_invoice_items": ADDED,
    "application_fee_percent": percent_of,
    "collection_method": one_of("charge_automatically", "send_invoice"),
    "days_until_due": positive,
    "default_payment_method": text,
    "default_tax_rates": TAX_RATES,
    "description": text,
    "discounts": DISCOUNTS,
    "metadata": metadata,
    "off_session": boolean,
    "on_behalf_of": text,
    "payment_behavior": PAYMENT_BEHAVIOR,
    "payment_settings": mapping({"save_default_payment_method": one_of("off", "on_subscription")}),
    "proration_behavior": PRORATION_BEHAVIOR,
    "transfer_data": or_unset(TRANSFER_DATA),
    "trial_end": at_or("now"),
    "trial_settings": mapping(
        {
            "end_behavior": mapping(
                {"missing_payment_method": one_of("cancel", "create_invoice", "pause")},
                required=("missing_payment_method",),
            )
        },
        required=("end_behavior",),
    ),
}
READERS = {
    **COLLECTION,
    "billing_cycle_anchor": ANCHOR,
    "cancel_at": at_or("", "min_period_end", "max_period_end"),
    "items": array(mapping({**ITEM, "clear_usage": boolean, "deleted": boolean, "id": word}), most=20),
    "pause_collection": or_unset(
        mapping(
            {"behavior": one_of("keep_as_draft", "mark_uncollectible", "void"), "resumes_at": integer},
            required=("behavior",),
        )
    ),
    "proration_date": integer,
}
