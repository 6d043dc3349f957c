"""What a subscription brings in a month: unit amount × quantity over its items, each interval brought to a month.

Discounts are left out, so that revenue is rather over- than understated. What cannot be said exactly is None: tiers,
metered use, packages, several currencies, more items than Stripe showed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fractions import Fraction

from runplane_mcp.core.canonical import Json, digest_of
from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.money import LARGEST_AMOUNT, Money

#: Intervals in one month; a year has 365 days.
_A_MONTH = {"day": Fraction(365, 12), "week": Fraction(365, 84), "month": Fraction(1), "year": Fraction(1, 12)}
_DECIMAL = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,12})?")


def monthly(subscriptions: Iterable[StripeObject]) -> Money | None:
    """Their revenue a month together, rounded up to a minor unit; None where it cannot be said. None for no subscription
    too: nothing has no currency."""
    total, currencies = Fraction(0), set[str]()
    for subscription in subscriptions:
        items = items_of(subscription)
        if not items:
            return None
        for item in items:
            share, currency = _monthly(item), o.currency_in(o.child(item, "price"))
            if share is None or currency is None:
                return None
            total += share
            currencies.add(currency)
        own = subscription.get("currency")
        currencies |= {o.currency_of(own) or "unknown"} if own is not None else set()
    amount = math.ceil(total)
    if len(currencies) != 1 or amount > LARGEST_AMOUNT:
        return None
    return o.money_of(amount, o.currency_of(currencies.pop()))


def items_of(subscription: StripeObject) -> tuple[StripeObject, ...] | None:
    """All items; None where there may be more than Stripe showed."""
    held = o.child(subscription, "items")
    return o.listed(held) if o.complete(held) else None


def fingerprint(subscriptions: Iterable[StripeObject]) -> str | None:
    """Equal as long as ids, prices, quantities and amounts are: what a precondition compares."""
    found: list[Json] = []
    for subscription in subscriptions:
        items = items_of(subscription)
        if items is None:
            return None
        for item in items:
            price = o.child(item, "price")
            found.append(
                [
                    o.id_in(subscription),
                    o.id_in(price),
                    o.number(item, "quantity"),
                    o.number(price, "unit_amount"),
                    ascii(o.text(price, "unit_amount_decimal"))[:40],
                ]
            )
    return digest_of(found)[:32]


def a_period(subscription: StripeObject) -> Money | None:
    """What all its items cost together, each for one period of its own; None where it cannot be said."""
    total, currencies = Fraction(0), set[str]()
    for item in items_of(subscription) or ():
        share, currency = _a_period(item), o.currency_in(o.child(item, "price"))
        if share is None or currency is None:
            return None
        total += share
        currencies.add(currency)
    amount = math.ceil(total)
    if len(currencies) != 1 or amount > LARGEST_AMOUNT:
        return None
    return o.money_of(amount, currencies.pop())


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
    """Unit amount × quantity of an item that is plain: no tiers, no metering, no packages."""
    price, quantity = o.child(item, "price"), o.number(item, "quantity")
    amount = _unit_amount(price)
    plain = (
        o.text(price, "billing_scheme") == "per_unit"
        and o.text(o.child(price, "recurring"), "usage_type") == "licensed"
        and (price is not None and price.get("transform_quantity") is None)
    )
    return amount * quantity if plain and quantity is not None and amount is not None else None


def _unit_amount(price: StripeObject | None) -> Fraction | None:
    if (whole := o.number(price, "unit_amount")) is not None:
        return Fraction(whole)
    written = o.text(price, "unit_amount_decimal")
    return Fraction(written) if written and _DECIMAL.fullmatch(written) else None
