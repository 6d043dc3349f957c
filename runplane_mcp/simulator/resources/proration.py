"""Prorations: what is left of a paid period, as credit for what goes and a charge for what comes, in proportion to time.

They are invoice items that wait for the next invoice. Amounts are after the discounts of the subscription.
Source: https://docs.stripe.com/billing/subscriptions/prorations
"""

from __future__ import annotations

from collections.abc import Iterable

from runplane_mcp.simulator.objects import Obj, new_id
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.resources.invoice_items import item_object
from runplane_mcp.simulator.resources.invoice_lines import priced_by
from runplane_mcp.simulator.resources.subscription_bills import costs
from runplane_mcp.simulator.transaction import Transaction


def left_of(item: Obj, at: int) -> float:
    """How much of the item's period is still to come."""
    start, end = int(item["current_period_start"]), int(item["current_period_end"])
    return max(0.0, min(1.0, (end - at) / (end - start)))


def moment(tx: Transaction, subscription: Obj, asked: int | None) -> int:
    """The time prorations are worked out for: a `proration_date` lies in the current period."""
    if asked is None:
        return tx.now
    items = subscription["items"]["data"]
    start = min(int(item["current_period_start"]) for item in items)
    if not start <= asked <= max(int(item["current_period_end"]) for item in items):
        raise Refusal("A proration date lies in the current period.", param="proration_date")
    return asked


def prorate(
    tx: Transaction,
    subscription: Obj,
    before: dict[str, Obj],
    items: dict[str, Obj],
    *,
    at: int,
    charged: Iterable[str] = (),
) -> None:
    """Credits what changed or went and charges what came instead. `charged`: items whose whole period is billed."""
    changed = [id for id in {**before, **items} if not same(before.get(id), items.get(id))]
    old = [before[id] for id in before]
    new = [items[id] for id in items]
    was = dict(zip(before, costs(tx, subscription, old, at_start=True), strict=True))
    becomes = dict(zip(items, costs(tx, subscription, new, at_start=False), strict=True))
    for id in changed:
        if id in before:
            _add(tx, subscription, before[id], -round(was[id] * left_of(before[id], at)), at)
        if id in items and id not in set(charged):
            _add(tx, subscription, items[id], round(becomes[id] * left_of(items[id], at)), at)


def credit_unused(tx: Transaction, subscription: Obj, *, whole: bool = False) -> None:
    """Credit for what is left of every item's period, or for the `whole` of it."""
    items = subscription["items"]["data"]
    for item, cost in zip(items, costs(tx, subscription, items, at_start=True), strict=True):
        _add(tx, subscription, item, -round(cost * (1.0 if whole else left_of(item, tx.now))), tx.now)


def same(old: Obj | None, new: Obj | None) -> bool:
    """Whether an item costs what it did, over the same period."""
    if old is None or new is None:
        return False
    return all(
        was == becomes
        for was, becomes in (
            (old["price"]["id"], new["price"]["id"]),
            (old["quantity"], new["quantity"]),
            (old["current_period_start"], new["current_period_start"]),
        )
    )


def _add(tx: Transaction, subscription: Obj, item: Obj, amount: int, at: int) -> None:
    if amount == 0:
        return
    pending = item_object(
        new_id("ii"),
        customer=subscription["customer"],
        amount=amount,
        code=subscription["currency"],
        created=tx.now,
        description=f"{'Unused' if amount < 0 else 'Remaining'} time on {item['price']['id']}",
        quantity=item["quantity"],
        proration=True,
    )
    pending["pricing"] = priced_by(item["price"])
    pending["period"] = {"end": item["current_period_end"], "start": at}
    pending["parent"] = {
        "subscription_details": {"subscription": subscription["id"], "subscription_item": item["id"]},
        "type": "subscription_details",
    }
    tx.insert(pending)
    tx.emit("invoiceitem.created", pending)
