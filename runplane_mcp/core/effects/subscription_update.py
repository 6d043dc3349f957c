"""Changing a subscription: what revenue a month is lost by new items, discounts, trials, pauses and ends, and the most that
is charged or credited for the period that runs.

Source: https://docs.stripe.com/api/subscriptions/update and https://docs.stripe.com/billing/subscriptions/prorations.
Items and prices are looked up and the change is done on paper; what does not come out plainly is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from runplane_mcp.core.amounts import number_of
from runplane_mcp.core.canonical import digest_of
from runplane_mcp.core.effect import LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import discounts, phases, pricing, revenue
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.wire import Text

#: Parameters that change whose money it is, and those that do with this inside.
_REDIRECTS: Final = frozenset({"transfer_data", "on_behalf_of", "application_fee_percent"})
_MAY_REDIRECT: Final = {"invoice_settings": "issuer", "automatic_tax": "liability"}
#: What an item of `items` may say without making its price and quantity unclear.
_ITEM = frozenset({"id", "price", "quantity", "deleted", "metadata", "clear_usage", "tax_rates", "billing_thresholds"})
#: Parameters that may end, defer or take off revenue in ways that only Stripe knows.
_UNCLEAR = frozenset({"trial_from_plan", "billing_schedules"})
#: Parameters that put money on a bill that no item of the subscription tells of.
_BILLS = frozenset({"add_invoice_items", "trial_from_plan", "billing_schedules", "pending_invoice_item_interval"})


def reads(asked: Mapping[str, Text]) -> tuple[Read, ...]:
    """Every price, coupon and promotion code that the parameters name, at once."""
    prices = _named(asked.get("items"), "price")
    wanted = [o.look(f"price:{id}", "/v1/prices/{price}", price=id) for id in prices]
    return (
        *(wanted if len(wanted) <= pricing.MOST else ()),
        *discounts.looks(discounts.named_in(asked.get("discounts")) or ()),
    )


def tier_reads(looked: LookedUp) -> tuple[Read, ...]:
    """The tiers of the prices that were looked up, where they have some."""
    return pricing.tier_reads([o.seen(looked, name) for name in looked if name.startswith("price:")], looked)


@dataclass(frozen=True, slots=True)
class Change:
    """What an update does to the money: `lost` a month, `moved` at most now, `discount` in percent, `ends`, each as a fact
    has it; `doing` in words."""

    lost: FactValue
    moved: FactValue
    discount: FactValue
    ends: FactValue
    doing: str
    lines: tuple[MoneyLine, ...]


def change(asked: Mapping[str, Text], subscription: StripeObject | None, looked: LookedUp) -> Change:
    """`asked` without what stands in the path."""
    now = revenue.monthly([subscription]) if subscription is not None else None
    after = _after(asked, subscription, looked)
    then = revenue.monthly([after]) if after is not None else None
    gone = after is not None and revenue.items_of(after) == ()
    discount, taken = _discounts(asked, looked, after, then)
    lost = _lost(asked, now, then, taken, gone=gone)
    return Change(
        lost=lost,
        moved=_moved(asked, subscription, after),
        discount=discount,
        ends=_ends(asked),
        doing=_doing(asked, now, then, lost),
        lines=tuple(
            MoneyLine(label, money)
            for label, money in (
                ("Monthly revenue now", now),
                ("Monthly revenue after it", then if "items" in asked else None),
                ("Monthly revenue lost", lost),
            )
            if isinstance(money, Money)
        ),
    )


def redirects(asked: Mapping[str, Text]) -> bool:
    """Whether the money would be another account's."""
    for name, inner in _MAY_REDIRECT.items():
        value = asked.get(name, {})
        if not isinstance(value, dict) or inner in value:
            return True
    return bool(_REDIRECTS & asked.keys())


def destination(asked: Mapping[str, Text]) -> FactValue:
    """The one account that the money would be for; unknown among several, and where none is named."""
    transfer = asked.get("transfer_data")
    named = {transfer.get("destination") if isinstance(transfer, dict) else None} if transfer is not None else set()
    named |= {asked["on_behalf_of"]} if isinstance(asked.get("on_behalf_of"), str) else set()
    only = named.pop() if len(named) == 1 else None
    return only if isinstance(only, str) and o.is_id(only) else UNKNOWN


def missing_in(looked: LookedUp) -> dict[str, str]:
    """The looked-up names of prices, coupons and codes, each with the parameter that named it."""
    prices = {name: "items" for name in looked if name.startswith("price:")}
    return {**prices, **discounts.missing_in(looked)}


def observe(looked: LookedUp) -> dict[str, str | int]:
    """What says what prices and coupons cost or take off."""
    observed = discounts.observe(looked)
    for name, price in looked.items():
        if name.startswith("price:") and isinstance(price, Mapping):
            observed[name] = digest_of([*pricing.telling(price)])[:32]
    return observed


def _named(entries: Text | None, field: str) -> list[str]:
    """The ids that a list of objects has in one field, each once."""
    found: dict[str, None] = {}
    for entry in entries if isinstance(entries, list) else []:
        id = entry.get(field) if isinstance(entry, dict) else None
        if isinstance(id, str) and o.is_id(id):
            found[id] = None
    return list(found)


def _after(asked: Mapping[str, Text], subscription: StripeObject | None, looked: LookedUp) -> StripeObject | None:
    """The subscription with the items it would have; None where that cannot be said."""
    held = revenue.items_of(subscription) if subscription is not None else None
    if subscription is None or held is None:
        return None
    if "items" not in asked:
        return subscription
    entries = asked["items"]
    items: dict[str, StripeObject] = {}
    for number, item in enumerate(held):
        items[o.id_in(item) or f"#{number}"] = item
    if not isinstance(entries, list) or len(items) != len(held):
        return None
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not entry.keys() <= _ITEM:
            return None
        id = entry.get("id")
        if id is not None and not (isinstance(id, str) and id in items):
            return None
        key = id if isinstance(id, str) else f"+{number}"
        if entry.get("deleted", "false") != "false":
            if id is None:
                return None
            del items[key]
            continue
        changed = _item_after(entry, items.get(key), looked)
        if changed is None:
            return None
        items[key] = changed
    return revenue.with_items(subscription, items.values())


def _item_after(entry: Mapping[str, Text], item: StripeObject | None, looked: LookedUp) -> StripeObject | None:
    changed: dict[str, object] = dict(item or {})
    if "price" in entry:
        price = pricing.with_tiers(o.seen(looked, f"price:{entry['price']}"), looked)
        if o.id_in(price) != entry["price"]:
            return None
        # Stripe sets the quantity to one with another price, unless it is said.
        changed |= {"price": price, "quantity": 1}
    elif item is None:
        return None
    if "quantity" in entry:
        changed["quantity"] = number_of(entry["quantity"])
    return changed


def _discounts(
    asked: Mapping[str, Text], looked: LookedUp, after: StripeObject | None, then: Money | None
) -> tuple[FactValue, Fraction | None]:
    """The discount in percent, and how much of the revenue a month it takes; None where that cannot be said. Every
    discount counts as if it lasted."""
    if {"add_invoice_items"} & asked.keys() or _items_discounted(asked):
        return UNKNOWN, None
    return discounts.taken(asked.get("discounts"), looked, then, phases.interval(after))


def _items_discounted(asked: Mapping[str, Text]) -> bool:
    items = asked.get("items")
    return isinstance(items, list) and any(not isinstance(each, dict) or "discounts" in each for each in items)


def _lost(
    asked: Mapping[str, Text], now: Money | None, then: Money | None, taken: Fraction | None, *, gone: bool
) -> FactValue:
    """Revenue a month that is lost. A trial, a pause, an end or another account lose all of it, for however long."""
    if _UNCLEAR & asked.keys() or now is None:
        return UNKNOWN
    if _stops(asked) or gone or redirects(asked):
        return now
    if then is None or taken is None or then.currency != now.currency:
        return UNKNOWN
    lost = math.ceil(now.amount - then.amount + taken)
    return Money(lost, now.currency) if lost > 0 else NONE


def _stops(asked: Mapping[str, Text]) -> bool:
    return (
        asked.get("trial_end", "now") != "now"
        or asked.get("pause_collection", "") != ""
        or asked.get("cancel_at", "") != ""
        or asked.get("cancel_at_period_end", "false") != "false"
    )


def _moved(asked: Mapping[str, Text], subscription: StripeObject | None, after: StripeObject | None) -> FactValue:
    """The most that can be charged or credited for the period that runs: no more than a period costs before or after."""
    if _BILLS & asked.keys() or redirects(asked) or _items_discounted(asked) or not _plain_anchor(asked):
        return UNKNOWN
    if not _bills(asked, subscription, after):
        return NONE
    if subscription is None or after is None:
        return UNKNOWN
    costs = [revenue.a_period(subscription), *([revenue.a_period(after)] if revenue.items_of(after) else [])]
    known = [cost for cost in costs if cost is not None]
    if len(known) != len(costs) or len({cost.currency for cost in known}) != 1:
        return UNKNOWN
    most = max(cost.amount for cost in known)
    return Money(most, known[0].currency) if most <= LARGEST_AMOUNT else UNKNOWN


def _plain_anchor(asked: Mapping[str, Text]) -> bool:
    return asked.get("billing_cycle_anchor", "now") in ("now", "unchanged")


def _bills(asked: Mapping[str, Text], subscription: StripeObject | None, after: StripeObject | None) -> bool:
    """Whether money for the period that runs may move. Without prorations it does not while the period stays."""
    if {"trial_end", "cancel_at", "collection_method"} & asked.keys() or asked.get("pause_collection") == "":
        return True
    if asked.get("billing_cycle_anchor", "unchanged") != "unchanged" or "payment_behavior" in asked:
        return True
    if "items" not in asked:
        return False
    stays = phases.interval(subscription) is not None and phases.interval(subscription) == phases.interval(after)
    return asked.get("proration_behavior", "create_prorations") != "none" or not stays


def _ends(asked: Mapping[str, Text]) -> FactValue:
    at = asked.get("cancel_at", "")
    if asked.get("cancel_at_period_end", "false") != "false" or at in ("min_period_end", "max_period_end"):
        return "period_end"
    return NONE if at == "" else UNKNOWN


def _doing(asked: Mapping[str, Text], now: Money | None, then: Money | None, lost: FactValue) -> str:
    """What changes, for the sentence: the parameters' names, and the revenue before and after."""
    names = sorted(asked)
    if "items" in asked and now is not None and then is not None and now != then:
        return f"{', '.join(names)}: monthly revenue goes from {now} to {then}"
    if isinstance(lost, Money):
        return f"{', '.join(names)}: {lost} of monthly revenue is lost or deferred"
    return ", ".join(names)
