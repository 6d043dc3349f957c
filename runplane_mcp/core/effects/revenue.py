"""What a subscription brings in a month: what each item costs a period, each interval brought to a month.

Discounts and trials are left out, so that revenue is rather over- than understated. What cannot be said exactly is None:
metered use, several currencies, more items than Stripe showed, tiers that nobody looked up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction

from runplane_mcp.core.canonical import Json, digest_of
from runplane_mcp.core.effect import LookedUp, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects import pricing
from runplane_mcp.core.money import LARGEST_AMOUNT, Money

#: Intervals in one month; a year has 365 days.
_A_MONTH = {"day": Fraction(365, 12), "week": Fraction(365, 84), "month": Fraction(1), "year": Fraction(1, 12)}


def monthly(subscriptions: Iterable[StripeObject]) -> Money | None:
    """Their revenue a month together, rounded up to a minor unit; None where it cannot be said. None for no subscription
    too: nothing has no currency."""
    return _total(subscriptions, _monthly)


def a_period(subscription: StripeObject) -> Money | None:
    """What all its items cost together, each for one period of its own; None where it cannot be said."""
    return _total((subscription,), _a_period)


def _total(subscriptions: Iterable[StripeObject], of: Callable[[StripeObject], Fraction | None]) -> Money | None:
    """What `of` says of all items together, rounded up; None where the items of one are not known, or it has none."""
    total, currencies = Fraction(0), set[str]()
    for subscription in subscriptions:
        items = items_of(subscription)
        if not items:
            return None
        for item in items:
            share, currency = of(item), o.currency_in(o.child(item, "price"))
            if share is None or currency is None:
                return None
            total += share
            currencies.add(currency)
        currencies |= _own_currency(subscription)
    amount = math.ceil(total)
    if len(currencies) != 1 or amount > LARGEST_AMOUNT:
        return None
    return o.money_of(amount, o.currency_of(currencies.pop()))


def items_of(subscription: StripeObject) -> tuple[StripeObject, ...] | None:
    """All items; None where there may be more than Stripe showed."""
    held = o.child(subscription, "items")
    return o.listed(held) if o.complete(held) else None


def tier_reads(subscriptions: Iterable[StripeObject | None], looked: LookedUp) -> tuple[Read, ...]:
    """The reads of the tiers that prices of these subscriptions have and do not show."""
    items = [item for each in subscriptions if each is not None for item in items_of(each) or ()]
    return pricing.tier_reads([o.child(item, "price") for item in items], looked)


def with_tiers(subscription: StripeObject, looked: LookedUp) -> StripeObject:
    """The subscription with the tiers of its prices, as far as they were looked up."""
    items = items_of(subscription)
    if items is None:
        return subscription
    told = [{**item, "price": pricing.with_tiers(o.child(item, "price"), looked)} for item in items]
    return with_items(subscription, told)


def with_items(subscription: StripeObject, items: Iterable[StripeObject]) -> StripeObject:
    return {**subscription, "items": {"object": "list", "data": list(items), "has_more": False}}


def fingerprint(subscriptions: Iterable[StripeObject]) -> str | None:
    """Equal as long as ids, prices, quantities and amounts are: what a precondition compares."""
    found: list[Json] = []
    for subscription in subscriptions:
        items = items_of(subscription)
        if items is None:
            return None
        for item in items:
            price = o.child(item, "price")
            found.append([o.id_in(subscription), o.number(item, "quantity"), *pricing.telling(price or {})])
    return digest_of(found)[:32]


def _own_currency(subscription: StripeObject) -> set[str]:
    """What it is billed in: a price may have an amount of its own in that currency, which is not looked at."""
    own = subscription.get("currency")
    return {o.currency_of(own) or "unknown"} if own is not None else set()


def interval_of(price: StripeObject | None) -> tuple[str, int] | None:
    """How often a price recurs."""
    recurring = o.child(price, "recurring")
    interval, count = o.text(recurring, "interval"), o.number(recurring, "interval_count")
    return (interval, count) if interval in _A_MONTH and count else None


def in_a_month(interval: tuple[str, int]) -> Fraction:
    """How many such intervals there are in a month."""
    return _A_MONTH[interval[0]] / interval[1]


def _monthly(item: StripeObject) -> Fraction | None:
    interval, amount = interval_of(o.child(item, "price")), _a_period(item)
    return None if interval is None or amount is None else amount * in_a_month(interval)


def _a_period(item: StripeObject) -> Fraction | None:
    """What an item costs for one period; None for metered use, whatever it was so far."""
    price, quantity = o.child(item, "price"), o.number(item, "quantity")
    if o.text(o.child(price, "recurring"), "usage_type") != "licensed":
        return None
    return pricing.cost(price, quantity)
