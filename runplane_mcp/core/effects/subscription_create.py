"""A new subscription: what its first period costs, and what discounts take of its revenue from then on.

Source: https://docs.stripe.com/api/subscriptions/create. Nothing that was there is lost by it. Trials, prices of the moment
and bills of other periods leave the amounts unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from runplane_mcp.core.amounts import number_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import destinations, discounts, phases, pricing, revenue
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects import subscription_update as update
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.told import also_said
from runplane_mcp.core.wire import Text

#: Parameters that bill for another time than one period, or something else than the prices say.
_BILLS: Final = frozenset(
    "automatic_tax backdate_start_date billing_schedules default_tax_rates pending_invoice_item_interval".split()
)
_TRIALS: Final = ("trial_end", "trial_period_days", "trial_from_plan")
_IDS: Final = ("customer", "customer_account")


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The customer, prices, coupons and codes that are named, all at once; then the tiers of prices that have some."""
    asked = classified.parameters
    if _refused_as_asked(asked) is not None:
        return ()
    if looked:
        return update.tier_reads(looked)
    wanted: list[Read] = []
    if "customer" in asked:
        wanted.append(o.look("customer", "/v1/customers/{customer}", customer=asked["customer"]))
    lines = [*phases.entries(asked.get("items")), *phases.entries(asked.get("add_invoice_items"))]
    return (*wanted, *update.reads({"items": lines}), *discounts.reads(classified))


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    person = o.seen(looked, "customer")
    customer = o.id_in(person) if o.id_in(person) == asked.get("customer") else None
    after = phases.after(asked, looked)
    monthly = revenue.monthly([after]) if after is not None else None
    first = _first(asked, looked, after)
    if not o.is_null(person, "currency") and first is not None and o.currency_in(person) not in {None, first.currency}:
        # Stripe bills a customer in their own currency, at what the price says in that.
        monthly, first = None, None
    share, taken = discounts.taken(asked.get("discounts"), looked, monthly, phases.interval(after))
    percent = discounts.percent(classified, looked)
    facts: dict[str, FactValue] = {
        "amount": first or UNKNOWN,
        "currency": first.currency if first else UNKNOWN,
        "object": NONE,
        "customer": customer or UNKNOWN,
        "mrr_lost": _lost(monthly, taken),
        "discount_percent": share if percent is UNKNOWN and _only_discounts(classified) else percent,
        "ends": _ends(asked),
        "destination": destinations.named(classified.added),
        "redirects_funds": True,
        # What is charged at once stays charged.
        "reversible": UNKNOWN,
    }
    observed = update.observe(looked)
    whose = (
        f"customer {o.shown(asked['customer'])}" if "customer" in asked else "a customer that could not be found out"
    )
    a_month = f"{monthly} a month" if monthly else "an amount that could not be found out"
    # What a trial defers is not billed now.
    now = f"; at most {first} is billed at once" if first and not any(name in asked for name in _TRIALS) else ""
    off = facts["discount_percent"]
    also = f"{destinations.said(classified)}{also_said(classified.added)}{discounts.said(off)}"
    return Effect(
        sentence=f"Subscribe {whose} to {_what(asked)}: {a_month}{now}.{also}",
        facts=facts,
        undo="Can be canceled; what was charged stays charged.",
        to_whom=f"customer {customer}" if customer else None,
        preconditions=o.unchanged(observed),
        money_lines=tuple(
            MoneyLine(label, money) for label, money in (("Monthly revenue", monthly), ("First period", first)) if money
        ),
        refusal=_refused_as_asked(asked) or o.missing(looked, customer="customer", **update.missing_in(looked)),
        quoted=o.customer_quotes(person),
        observed=observed,
    )


def _first(asked: Mapping[str, Text], looked: LookedUp, after: StripeObject | None) -> Money | None:
    """What the first period costs at most, with what is put on the first invoice beside it; a trial defers no more."""
    period = revenue.a_period(after) if after is not None else None
    if period is None or _BILLS & asked.keys():
        return None
    total = Fraction(period.amount)
    for line in phases.entries(asked.get("add_invoice_items")):
        price = o.seen(looked, f"price:{line['price']}") if isinstance(line, dict) and "price" in line else None
        price = pricing.with_tiers(price, looked)
        plain = isinstance(line, dict) and line.keys() <= {"price", "quantity", "metadata"}
        quantity = number_of(line.get("quantity", "1")) if isinstance(line, dict) else None
        cost = pricing.cost(price, quantity) if plain and quantity is not None and quantity >= 0 else None
        if cost is None or o.currency_in(price) != period.currency:
            return None
        total += cost
    amount = math.ceil(total)
    return Money(amount, period.currency) if amount <= LARGEST_AMOUNT else None


def _lost(monthly: Money | None, taken: Fraction | None) -> FactValue:
    """What discounts take of the new revenue each month."""
    if taken == 0:
        return NONE
    if monthly is None or taken is None:
        return UNKNOWN
    return Money(math.ceil(taken), monthly.currency)


def _only_discounts(classified: Classified) -> bool:
    """Whether nothing but the subscription's own discounts gives one: then an amount off is a share of what it costs."""
    giving = [each.path for each in classified.added if "discount_percent" in each.addition.facts]
    return all(path == "discounts" or path.startswith("discounts.") for path in giving)


def _ends(asked: Mapping[str, Text]) -> FactValue:
    at = asked.get("cancel_at", "")
    if asked.get("cancel_at_period_end", "false") != "false" or at in ("min_period_end", "max_period_end"):
        return "period_end"
    return NONE if at == "" else UNKNOWN


def _what(asked: Mapping[str, Text]) -> str:
    named = []
    for line in phases.entries(asked.get("items")):
        price = line.get("price") if isinstance(line, dict) else None
        quantity = number_of(line.get("quantity", "1")) if isinstance(line, dict) else None
        named.append(f"{quantity if quantity is not None else '?'} × {o.shown(price) if price else 'a new price'}")
    return (
        ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "") or "nothing that can be read"
    )


def _refused_as_asked(asked: Mapping[str, Text]) -> Failure | None:
    return next((o.bad_id(name) for name in _IDS if name in asked and not o.is_id(asked[name])), None)
