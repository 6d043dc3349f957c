"""Taking a discount away from a subscription or a customer: they pay that much more a month, while it would have lasted.

Source: https://docs.stripe.com/api/discounts/subscription_delete. What a coupon applies to is not looked at, so that the
amount is the most; a customer's discount counts for all their subscriptions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from runplane_mcp.core.canonical import digest_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import discounts, phases, revenue, subscription
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure

_SUBSCRIPTION = "subscription_exposed_id"


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The subscription with its discounts, or the customer and their subscriptions; then the coupons, and the tiers of
    prices that have some."""
    asked = classified.parameters
    param = _param(classified)
    if not o.is_id(asked[param]):
        return ()
    if looked:
        coupons = tuple(read for read in discounts.looks(_named(looked) or ()) if read.name not in looked)
        return (*coupons, *revenue.tier_reads(_subscriptions(looked) or (), looked))
    if param == _SUBSCRIPTION:
        return (subscription.look_at(asked[param], "discounts"),)
    return (
        o.look("customer", "/v1/customers/{customer}", customer=asked["customer"]),
        o.look("subscriptions", "/v1/subscriptions", customer=asked["customer"], limit=100),
    )


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked, param = classified.parameters, _param(classified)
    held, person = o.seen(looked, "subscription"), o.seen(looked, "customer")
    customer = o.id_in(held, "customer") or o.id_in(person)
    found = held if param == _SUBSCRIPTION else person
    refusal = o.missing(looked, subscription=_SUBSCRIPTION, customer="customer", subscriptions="customer")
    if not o.is_id(asked[param]):
        refusal = o.bad_id(param)
    named = _named(looked)
    if refusal is None and named == ():
        refusal = Failure("stripe.resource_missing", "There is no discount to take away.", param=param)
    amount = _more(looked)
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": amount.currency if amount else UNKNOWN,
        "customer": customer or UNKNOWN,
        "object": o.id_in(found) or UNKNOWN,
        "reversible": UNKNOWN,
    }
    observed = discounts.observe(looked)
    if named is not None:
        observed["discounts"] = digest_of([list(each) for each in named])[:32]
    what = f"subscription {o.shown(asked[param])}" if param == _SUBSCRIPTION else f"customer {o.shown(asked[param])}"
    whose = f" of customer {customer}" if customer and param == _SUBSCRIPTION else ""
    pays = f"at most {amount} more is billed a month" if amount else "how much more is billed could not be found out"
    return Effect(
        sentence=f"Take the discount of {what}{whose} away: {pays}.",
        facts=facts,
        undo="Can be given again while the coupon can be redeemed.",
        to_whom=f"customer {customer}" if customer else None,
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("More a month", amount),) if amount else (),
        refusal=refusal,
        quoted=o.customer_quotes(person or o.child(held, "customer")),
        observed=observed,
    )


def _param(classified: Classified) -> str:
    return _SUBSCRIPTION if _SUBSCRIPTION in classified.operation.path_parameters else "customer"


def _named(looked: LookedUp) -> tuple[discounts.Named, ...] | None:
    """The coupons of the discounts that there are; None where one cannot be told."""
    held, person = o.seen(looked, "subscription"), o.seen(looked, "customer")
    if held is not None:
        listed = held.get("discounts")
        given = list(listed) if isinstance(listed, list | tuple) else [None]
    elif person is not None:
        given = [] if o.is_null(person, "discount") else [person.get("discount")]
    else:
        return None
    found = [_coupon_in(each) for each in given]
    known = [each for each in found if each is not None]
    return tuple(("coupon", each) for each in known) if len(known) == len(found) else None


def _coupon_in(discount: object) -> str | None:
    held = discount if isinstance(discount, dict) else None
    return o.id_in(o.child(held, "source"), "coupon") or o.id_in(held, "coupon")


def _subscriptions(looked: LookedUp) -> Sequence[StripeObject] | None:
    held, several = o.seen(looked, "subscription"), o.seen(looked, "subscriptions")
    if held is not None:
        return (held,)
    return o.listed(several) if o.complete(several) else None


def _more(looked: LookedUp) -> Money | None:
    """What the discounts take off a month, all of them together."""
    named, several = _named(looked), _subscriptions(looked)
    if not named or not several:
        return None
    found: list[Money] = []
    for each in several:
        held = revenue.with_tiers(each, looked)
        monthly = revenue.monthly([held])
        _, taken = discounts.taken([{kind: id} for kind, id in named], looked, monthly, phases.interval(held))
        if monthly is None or taken is None:
            return None
        found.append(Money(math.ceil(taken), monthly.currency))
    total = sum(each.amount for each in found)
    same = len({each.currency for each in found}) == 1
    return Money(total, found[0].currency) if same and total <= LARGEST_AMOUNT else None
