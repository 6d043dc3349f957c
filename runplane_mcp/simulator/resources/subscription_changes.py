"""Changing a subscription: items and their prorations, discounts, trials, pauses and ends.

What is left of a paid period is credited for what goes and charged for what comes, in proportion to the time, on the next
invoice or on one of its own. Source: https://docs.stripe.com/billing/subscriptions/prorations
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from runplane_mcp.simulator.clockwork import next_period, period_end
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import (
    Raw,
    Reader,
    array,
    boolean,
    integer,
    mapping,
    metadata,
    one_of,
    text,
    word,
)
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.resources.coupons import redeem
from runplane_mcp.simulator.resources.invoice_items import item_object
from runplane_mcp.simulator.resources.invoice_states import pending_items
from runplane_mcp.simulator.resources.invoices import collect_at_once, create_invoice
from runplane_mcp.simulator.transaction import Transaction

#: Makes a subscription item: subscription id, created, period start, trial end, item id, price, quantity.
MakeItem = Callable[[str, int, int, int | None, str, Obj, int], Obj]


def change_items(tx: Transaction, subscription: Obj, params: Params, make_item: MakeItem) -> None:
    """Replaces, adds and removes items, and bills the rest of the period as `proration_behavior` says."""
    held = {item["id"]: item for item in subscription["items"]["data"]}
    before = deepcopy(held)
    items = dict(held)
    start = min(item["current_period_start"] for item in held.values())
    for asked in params["items"]:
        id = asked.get("id")
        if id is not None and id not in items:
            raise missing("subscription item", id, "items")
        if asked.get("deleted"):
            if id is None:
                raise invalid("Only an item with an id can be deleted.", "items", "parameter_missing")
            del items[id]
            continue
        price = _price(tx, subscription, asked) if "price" in asked else None
        if id is None:
            if price is None:
                raise invalid("A new item needs a price.", "items", "parameter_missing")
            id = new_id("si")
            trial = subscription["trial_end"] if subscription["status"] == "trialing" else None
            quantity = int(asked.get("quantity", 1))
            items[id] = make_item(subscription["id"], tx.now, start, trial, id, price, quantity)
        else:
            items[id] = _changed(items[id], price, asked, make_item)
        if "metadata" in asked:
            items[id]["metadata"] = merge_metadata(items[id]["metadata"], asked["metadata"])
    _refuse_impossible(items)
    subscription["items"]["data"] = list(items.values())
    restarted = _restart(tx, before, items)
    behavior = params.get("proration_behavior", "create_prorations")
    if subscription["status"] == "trialing":
        return
    if behavior != "none":
        _prorate(tx, subscription, before, items, restarted)
    elif restarted:
        _bill(tx, subscription, [(items[id], 1.0, 1) for id in restarted])
    if restarted or behavior == "always_invoice":
        invoice_now(tx, subscription)


def _price(tx: Transaction, subscription: Obj, asked: Params) -> Obj:
    price = tx.require("price", asked["price"], "items")
    if not price["active"] or price["recurring"] is None or price["unit_amount"] is None:
        raise Refusal("The price is archived, is paid only once, or is no whole amount.", param="items")
    if price["currency"] != subscription["currency"]:
        raise Refusal("The price has another currency than the subscription.", param="items")
    return price


def _changed(item: Obj, price: Obj | None, asked: Params, make_item: MakeItem) -> Obj:
    """Another price sets the quantity to one unless it is given, as at Stripe."""
    kept: int = item["quantity"] if price is None else 1
    quantity: int = asked.get("quantity", kept)
    changed = make_item(
        item["subscription"],
        item["created"],
        item["current_period_start"],
        None,
        item["id"],
        price or item["price"],
        quantity,
    )
    return {**item, "plan": changed["plan"], "price": changed["price"], "quantity": quantity}


def _refuse_impossible(items: dict[str, Obj]) -> None:
    if not items:
        raise Refusal("A subscription keeps at least one item; cancel it instead.", param="items")
    prices = [item["price"]["id"] for item in items.values()]
    if len(set(prices)) != len(prices):
        raise Refusal("Two items of a subscription cannot have the same price.", param="items")
    if any(item["quantity"] < 0 for item in items.values()):
        raise invalid("'quantity' must be zero or more.", "items", "parameter_invalid_integer")


def _restart(tx: Transaction, before: dict[str, Obj], items: dict[str, Obj]) -> list[str]:
    """Items that recur at another interval than before: their period begins now. Returns their ids."""
    restarted = []
    for id, item in items.items():
        held = before.get(id)
        if held is not None and _rhythm(held) != _rhythm(item):
            item["current_period_start"] = tx.now
            item["current_period_end"] = next_period(tx.now, item["price"]["recurring"])
            restarted.append(id)
    return restarted


def _rhythm(item: Obj) -> tuple[str, int]:
    recurring = item["price"]["recurring"]
    return recurring["interval"], recurring["interval_count"]


def _prorate(
    tx: Transaction, subscription: Obj, before: dict[str, Obj], items: dict[str, Obj], restarted: list[str]
) -> None:
    entries = []
    for id in {**before, **items}:
        old, new = before.get(id), items.get(id)
        if old is not None and new is not None and (_cost(old), _rhythm(old)) == (_cost(new), _rhythm(new)):
            continue
        if old is not None:
            entries.append((old, _left(tx, old), -1))
        if new is not None:
            entries.append((new, 1.0 if id in restarted else _left(tx, new), 1))
    _bill(tx, subscription, entries)


def _cost(item: Obj) -> int:
    return int(item["price"]["unit_amount"]) * int(item["quantity"])


def _left(tx: Transaction, item: Obj) -> float:
    """How much of the item's period is still to come."""
    start, end = int(item["current_period_start"]), int(item["current_period_end"])
    return max(0.0, min(1.0, (end - tx.now) / (end - start)))


def _bill(tx: Transaction, subscription: Obj, entries: list[tuple[Obj, float, int]]) -> None:
    """A pending invoice item for each entry: an item, the share of its price, and whether it is charged or credited."""
    for item, share, sign in entries:
        amount = sign * round(_cost(item) * share)
        if amount == 0:
            continue
        pending = item_object(
            new_id("ii"),
            customer=subscription["customer"],
            amount=amount,
            code=subscription["currency"],
            created=tx.now,
            description=f"{'Unused' if sign < 0 else 'Remaining'} time on {item['price']['id']}",
            quantity=item["quantity"],
            proration=True,
        )
        pending["parent"] = {
            "subscription_details": {"subscription": subscription["id"], "subscription_item": item["id"]},
            "type": "subscription_details",
        }
        tx.insert(pending)
        tx.emit("invoiceitem.created", pending)


def credit_unused(tx: Transaction, subscription: Obj) -> None:
    """Credit for what is left of every item's period, on the next invoice."""
    _bill(tx, subscription, [(item, _left(tx, item), -1) for item in subscription["items"]["data"]])


def invoice_now(tx: Transaction, subscription: Obj) -> None:
    """Invoices what is pending for the customer and charges it. Where that cannot be, the subscription is past due."""
    customer = tx.require("customer", subscription["customer"], "customer")
    items = pending_items(tx, customer["id"], subscription["currency"])
    if not items:
        return
    invoice = create_invoice(tx, customer, subscription["currency"], items, reason="subscription_update")
    invoice["parent"] = {
        "quote_details": None,
        "subscription_details": {"metadata": {}, "subscription": subscription["id"]},
        "type": "subscription_details",
    }
    tx.save(invoice)
    tx.emit("invoice.created", invoice)
    if not collect_at_once(tx, invoice) and subscription["status"] == "active":
        subscription["status"] = "past_due"
    subscription["latest_invoice"] = invoice["id"]


def change_rest(tx: Transaction, subscription: Obj, params: Params) -> None:
    """Discounts, trial, pause and end."""
    if "discounts" in params:
        owner, id = subscription["customer"], subscription["id"]
        subscription["discounts"] = [
            redeem(tx, each["coupon"], "discounts", customer=owner, subscription=id)["id"]
            for each in params["discounts"]
        ]
    if "trial_end" in params:
        _change_trial(tx, subscription, params["trial_end"])
    if "pause_collection" in params:
        asked = params["pause_collection"]
        subscription["pause_collection"] = {"resumes_at": None, **asked} if asked else None
    if "cancel_at" in params:
        _change_end(tx, subscription, params["cancel_at"])


def _change_trial(tx: Transaction, subscription: Obj, end: int | str) -> None:
    """`now` ends a trial: the first period begins and is charged. A later end defers all charges until then."""
    items = subscription["items"]["data"]
    if end == "now":
        if subscription["status"] != "trialing":
            return
        subscription.update(status="active", trial_end=tx.now, billing_cycle_anchor=tx.now)
        for item in items:
            item["current_period_start"] = tx.now
            item["current_period_end"] = next_period(tx.now, item["price"]["recurring"])
        _bill(tx, subscription, [(item, 1.0, 1) for item in items])
        invoice_now(tx, subscription)
    else:
        if int(end) <= tx.now:
            raise Refusal("A trial ends in the future.", param="trial_end")
        subscription.update(status="trialing", trial_end=int(end), billing_cycle_anchor=int(end))
        subscription["trial_start"] = subscription["trial_start"] or tx.now
        for item in items:
            item["current_period_start"], item["current_period_end"] = tx.now, int(end)
    tx.schedule(period_end(subscription), subscription["id"])


def _change_end(tx: Transaction, subscription: Obj, at: int | str) -> None:
    if at == "":
        subscription.update(cancel_at=None, cancel_at_period_end=False, canceled_at=None)
        return
    ends = [int(item["current_period_end"]) for item in subscription["items"]["data"]]
    moment = {"min_period_end": min(ends), "max_period_end": max(ends)}.get(str(at), at)
    if int(moment) <= tx.now:
        raise Refusal("A subscription is canceled in the future, or at once by deleting it.", param="cancel_at")
    subscription.update(cancel_at=int(moment), canceled_at=tx.now)
    tx.schedule(int(moment), subscription["id"])


def _moment(*words: str) -> Reader:
    """A time in seconds, or one of these words."""

    def read(value: Raw, name: str) -> int | str:
        return value if isinstance(value, str) and value in words else integer(value, name)

    return read


def _or_unset(reader: Reader) -> Reader:
    def read(value: Raw, name: str) -> object:
        return None if value == "" else reader(value, name)

    return read


READERS = {
    "cancel_at": _moment("", "min_period_end", "max_period_end"),
    "discounts": array(mapping({"coupon": word}, required=("coupon",))),
    "items": array(
        mapping({"deleted": boolean, "id": word, "metadata": metadata, "price": word, "quantity": integer}), most=20
    ),
    "off_session": boolean,
    "pause_collection": _or_unset(
        mapping(
            {"behavior": one_of("keep_as_draft", "mark_uncollectible", "void"), "resumes_at": integer},
            required=("behavior",),
        )
    ),
    "payment_behavior": one_of(
        "allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"
    ),
    "proration_behavior": one_of("always_invoice", "create_prorations", "none"),
    "trial_end": _moment("now"),
    "description": text,
}
