"""The phases of a subscription schedule: those that are planned already, and those that parameters give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from runplane_mcp.core.amounts import number_of
from runplane_mcp.core.effect import LookedUp, Read, StripeObject
from runplane_mcp.core.effects import discounts, pricing, revenue
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.wire import Text

#: What an item of a phase may say without making its price and quantity unclear.
_ITEM: Final = frozenset({"price", "quantity", "metadata", "tax_rates", "billing_thresholds"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What the phases come to: `lost` a month at the worst, `most` for one period, `discount` in percent."""

    lost: FactValue
    most: Money | None
    discount: FactValue


def plan_of(asked: Mapping[str, Text], looked: LookedUp, now: Money | None, *, new: bool, ends: bool) -> Plan:
    if "phases" not in asked:
        lost: FactValue = NONE if not ends else now or UNKNOWN
        return Plan(lost, None, NONE)
    phases = given(asked)
    worst, most, share = Fraction(0), None, Fraction(0)
    if phases is None or not (new or now is not None):
        return Plan(UNKNOWN, None, UNKNOWN)
    unknown = False
    for phase in phases:
        would = after(phase, looked)
        then = revenue.monthly([would]) if would is not None else None
        period = revenue.a_period(would) if would is not None else None
        stops = _true(phase, "trial") or "trial_end" in phase
        percent, taken = discounts.taken(phase.get("discounts", phase.get("coupon")), looked, then, interval(would))
        if then is None or period is None or taken is None or "add_invoice_items" in phase:
            unknown = True
            continue
        before = now.amount if now is not None else then.amount
        unknown = unknown or (now is not None and then.currency != now.currency) or percent is UNKNOWN
        worst = max(worst, Fraction(before) if stops else before - then.amount + taken)
        most = period if most is None or period.amount > most.amount else most
        share = max(share, percent) if isinstance(percent, Fraction) else share
    currency = now.currency if now is not None else most.currency if most is not None else None
    if unknown or currency is None:
        return Plan(UNKNOWN, None, UNKNOWN)
    worst = max(worst, Fraction(now.amount)) if ends and now is not None else worst
    amount = math.ceil(worst)
    return Plan(Money(amount, currency) if amount > 0 else NONE, most, share or NONE)


def after(phase: Mapping[str, Text], looked: LookedUp) -> StripeObject | None:
    """A subscription as it would be in this phase; None where that cannot be said."""
    items: list[StripeObject] = []
    for entry in entries(phase.get("items")):
        if not isinstance(entry, dict) or not entry.keys() <= _ITEM:
            return None
        price = pricing.with_tiers(o.seen(looked, f"price:{entry.get('price')}"), looked)
        if price is None or o.id_in(price) != entry.get("price"):
            return None
        items.append({"price": price, "quantity": number_of(entry.get("quantity", "1"))})
    own = {"currency": phase["currency"]} if "currency" in phase else {}
    return revenue.with_items({"id": "phase", **own}, items) if items else None


def interval(subscription: StripeObject | None) -> tuple[str, int] | None:
    """How often it is billed, where all items say the same."""
    items = (revenue.items_of(subscription) if subscription is not None else None) or ()
    found = {revenue.interval_of(o.child(item, "price")) for item in items}
    return found.pop() if len(found) == 1 else None


def prices_planned(looked: LookedUp) -> tuple[Read, ...]:
    """The reads of the prices of all planned phases."""
    items = [item for phase in planned(looked) for item in items_of(phase) or ()]
    ids = dict.fromkeys(o.id_in(item, "price") for item in items)
    wanted = [id for id in ids if id is not None and f"price:{id}" not in looked]
    if len(wanted) > pricing.MOST:
        return ()
    return tuple(o.look(f"price:{id}", "/v1/prices/{price}", price=id) for id in wanted)


def best(looked: LookedUp) -> Money | None:
    """The most that any planned phase brings a month; None where one cannot be said."""
    found: list[Money] = []
    for phase in planned(looked):
        told = []
        for item in items_of(phase) or ():
            price = o.seen(looked, f"price:{o.id_in(item, 'price')}")
            told.append({**item, "price": pricing.with_tiers(price, looked)})
        each = revenue.monthly([revenue.with_items({"id": "phase"}, told)])
        if each is None:
            return None
        found.append(each)
    return max(found, key=lambda each: each.amount) if len({each.currency for each in found}) == 1 else None


def planned(looked: LookedUp) -> Sequence[StripeObject]:
    phases = (o.seen(looked, "schedule") or {}).get("phases")
    return [each for each in phases if isinstance(each, Mapping)] if isinstance(phases, list | tuple) else []


def items_of(phase: StripeObject) -> Sequence[StripeObject] | None:
    items = phase.get("items")
    whole = isinstance(items, list | tuple) and all(isinstance(each, Mapping) for each in items)
    return items if whole and isinstance(items, list | tuple) else None


def given(asked: Mapping[str, Text]) -> list[dict[str, Text]] | None:
    """The phases that parameters give; None where they cannot be read."""
    phases = asked.get("phases")
    if not isinstance(phases, list) or not phases or not all(isinstance(each, dict) for each in phases):
        return None
    return [each for each in phases if isinstance(each, dict)]


def entries(value: Text | None) -> list[Text]:
    return value if isinstance(value, list) else []


def _true(asked: Mapping[str, Text], name: str) -> bool:
    return asked.get(name, "false") != "false"
