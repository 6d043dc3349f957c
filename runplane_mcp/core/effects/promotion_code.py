"""A promotion code: a word that customers type in to get the discount of a coupon. What it is worth is what the coupon is.

Source: https://docs.stripe.com/api/promotion_codes. Switching one on again gives the same discount anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runplane_mcp.core.amounts import number_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import coupon as coupons
from runplane_mcp.core.effects import discounts
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text

_HOW_LONG: Final = {"once": "once", "forever": "for ever", "repeating": "for some months"}


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The coupon, or the code with its coupon; and the customer whom alone it is for."""
    asked = classified.parameters
    if looked or _refused_as_asked(classified) is not None:
        return ()
    wanted = list(discounts.looks(_named(classified)))
    if "customer" in asked:
        wanted.append(o.look("customer", "/v1/customers/{customer}", customer=asked["customer"]))
    return tuple(wanted)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    named = _named(classified)
    found = discounts.coupon_of(named[0], looked) if named else None
    code = o.seen(looked, f"promotion_code:{asked.get('promotion_code')}")
    share, amount = coupons.percent_in(found), _amount(found)
    customer = _customer(asked, looked, code)
    refusal = _refused_as_asked(classified) or o.missing(
        looked, customer="customer", **{f"{kind}:{id}": _param(classified) for kind, id in named}
    )
    if refusal is None and o.flag(found, "valid") is False and asked.get("active", "true") != "false":
        refusal = Failure("stripe.coupon_expired", "The coupon can no longer be redeemed.", param=_param(classified))
    facts: dict[str, FactValue] = {
        "object": (o.id_in(code) or UNKNOWN) if "promotion_code" in asked else o.id_in(found) or UNKNOWN,
        "customer": customer,
        "amount": amount or (NONE if share is not None else UNKNOWN),
        "currency": amount.currency if amount else NONE if share is not None else UNKNOWN,
        "discount_percent": share if share is not None else UNKNOWN,
        "reversible": True,
    }
    observed = discounts.observe(looked)
    return Effect(
        sentence=_sentence(classified, found, customer),
        facts=facts,
        undo="Can be switched off; discounts that were given with it stay." if classified.groups else "Can be undone.",
        to_whom=f"customer {customer}" if isinstance(customer, str) else None,
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("One redemption", amount),) if amount else (),
        refusal=refusal,
        quoted=o.quotes(
            ("code", _plain(asked.get("code")) or o.text(code, "code")), ("coupon name", o.text(found, "name"))
        ),
        observed=observed,
    )


def _param(classified: Classified) -> str:
    return "promotion_code" if "promotion_code" in classified.parameters else "promotion"


def _coupon_id(classified: Classified) -> Text | None:
    promotion = classified.parameters.get("promotion")
    return promotion.get("coupon") if isinstance(promotion, dict) else None


def _named(classified: Classified) -> tuple[discounts.Named, ...]:
    """The coupon that a new code is for, or the code."""
    code = classified.parameters.get("promotion_code")
    kind, id = ("coupon", _coupon_id(classified)) if code is None else ("promotion_code", code)
    return ((kind, id),) if isinstance(id, str) and o.is_id(id) else ()


def _refused_as_asked(classified: Classified) -> Failure | None:
    asked = classified.parameters
    for name in ("customer", "promotion_code"):
        if name in asked and not o.is_id(asked[name]):
            return o.bad_id(name)
    if "promotion" in asked and not o.is_id(_coupon_id(classified)):
        return o.bad_id("promotion.coupon")
    return None


def _customer(asked: Mapping[str, Text], looked: LookedUp, code: StripeObject | None) -> FactValue:
    """Whom alone it is for; *none* where anybody may use it."""
    if "customer" in asked:
        return o.id_in(o.seen(looked, "customer")) or UNKNOWN
    if code is not None:
        return NONE if o.is_null(code, "customer") else o.id_in(code, "customer") or UNKNOWN
    return NONE


def _amount(coupon: StripeObject | None) -> Money | None:
    """What one redemption takes off over its whole duration; for ever has no amount."""
    off, months = o.number(coupon, "amount_off"), 1
    match o.text(coupon, "duration"):
        case "once":
            pass
        case "repeating":
            months = o.number(coupon, "duration_in_months") or 0
        case _:
            return None
    total = off * months if off is not None else 0
    return o.money_of(total, o.currency_in(coupon)) if 0 < total <= LARGEST_AMOUNT else None


def _sentence(classified: Classified, coupon: StripeObject | None, customer: FactValue) -> str:
    asked = classified.parameters
    share = coupons.percent_in(coupon)
    off = o.money_of(o.number(coupon, "amount_off"), o.currency_in(coupon))
    worth = f"{float(share):g} % off" if share is not None else f"{off} off" if off else "an unknown discount"
    duration = _HOW_LONG.get(o.text(coupon, "duration") or "", "for an unknown time")
    whom = "anybody" if customer is NONE else "a customer that could not be found out"
    whom = f"customer {customer}" if isinstance(customer, str) else whom
    if "promotion_code" not in asked:
        most = number_of(asked.get("max_redemptions"))
        often = f"at most {most} times" if most is not None and most > 0 else "as often as they like"
        off_now = " It is switched off for now." if asked.get("active") == "false" else ""
        return f"Create a promotion code that gives {whom} {worth} {duration}, {often}.{off_now}"
    which = f"promotion code {o.shown(asked['promotion_code'])}"
    if not classified.groups:
        return f"Switch off {which}." if asked.get("active") == "false" else f"Change the labels of {which}."
    names = ", ".join(sorted(asked.keys() - {"promotion_code", "expand"}))
    return f"Change {names} of {which}: {whom} can get {worth} {duration}."


def _plain(text: Text | None) -> str | None:
    return text if isinstance(text, str) and text else None
