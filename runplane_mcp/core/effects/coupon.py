"""A coupon: a discount that whoever redeems it gets, as a share or as an amount, once, for months, or for ever.

Source: https://docs.stripe.com/api/coupons/create. The amount is that of one redemption over its whole duration; for ever
has no amount. A share of a price that nobody knows yet is told by its percent alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from runplane_mcp.core.amounts import number_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, NotThere, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text

_DECIMAL = re.compile(r"(?:100|[0-9]{1,2})(?:\.[0-9]{1,6})?")


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """Whether the id that was chosen is taken."""
    id = classified.parameters.get("id")
    if looked or not isinstance(id, str) or not o.is_id(id):
        return ()
    return (o.look("taken", "/v1/coupons/{coupon}", coupon=id),)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    share, amount = percent_of(asked.get("percent_off")), _amount(asked)
    refusal = _refused_as_asked(asked)
    if refusal is None and o.id_in(o.seen(looked, "taken")) == asked.get("id", ""):
        refusal = Failure("stripe.resource_already_exists", "There is a coupon with this id.", param="id")
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": o.currency_of(asked.get("currency")) or UNKNOWN,
        "discount_percent": share if share is not None else UNKNOWN,
        "reversible": True,
    }
    observed: dict[str, str | int] = {"coupon_id": "free"} if isinstance(looked.get("taken"), NotThere) else {}
    return Effect(
        sentence=f"Create a coupon: {_worth(asked, share)} {_how_long(asked)}, {_how_often(asked)}.",
        facts=facts,
        undo="Can be deleted; discounts that were given with it stay.",
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("One redemption", amount),) if amount else (),
        refusal=refusal,
        observed=observed,
    )


def percent_of(text: Text | None) -> Fraction | None:
    """A share over zero and up to a hundred, exactly as written."""
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        return None
    share = Fraction(text)
    return share if 0 < share <= 100 else None


def percent_in(coupon: StripeObject | None) -> Fraction | None:
    """The share that a coupon of Stripe's takes off; None where it takes an amount, or nobody can tell."""
    value = coupon.get("percent_off") if coupon is not None else None
    if type(value) is int:
        return percent_of(str(value))
    # As Stripe writes it: 12.5 is a float only because JSON has no other numbers.
    return percent_of(repr(value)) if type(value) is float else None


def _refused_as_asked(asked: Mapping[str, Text]) -> Failure | None:
    if "id" in asked and not o.is_id(asked["id"]):
        return o.bad_id("id")
    if ("percent_off" in asked) == ("amount_off" in asked):
        return Failure("parameter.conflict", "Give `percent_off` or `amount_off`, and only one.", param="percent_off")
    if "percent_off" in asked and percent_of(asked["percent_off"]) is None:
        return Failure("parameter.range", "`percent_off` is over 0 and at most 100.", param="percent_off")
    if "amount_off" in asked and "currency" not in asked:
        return Failure("parameter.missing", "`amount_off` needs a `currency`.", param="currency")
    return None


def _amount(asked: Mapping[str, Text]) -> Money | None:
    off, months = number_of(asked.get("amount_off")), 1
    if "currency_options" in asked or off is None or off < 0:
        return None
    match asked.get("duration", "once"):
        case "once":
            pass
        case "repeating":
            months = number_of(asked.get("duration_in_months")) or 0
        case _:
            return None
    total = off * months
    return o.money_of(total, o.currency_of(asked.get("currency"))) if 0 < total <= LARGEST_AMOUNT else None


def _worth(asked: Mapping[str, Text], share: Fraction | None) -> str:
    if share is not None:
        return f"{asked['percent_off']} % off"
    off = number_of(asked.get("amount_off"))
    money = o.money_of(off if off is not None and off > 0 else None, o.currency_of(asked.get("currency")))
    others = asked.get("currency_options")
    also = (
        f" (and in {', '.join(o.shown(each) for each in sorted(others))} other amounts)"
        if isinstance(others, dict)
        else ""
    )
    return f"{money} off{also}" if money else "a discount that could not be read"


def _how_long(asked: Mapping[str, Text]) -> str:
    match asked.get("duration", "once"):
        case "once":
            return "once"
        case "forever":
            return "for ever"
        case _:
            months = number_of(asked.get("duration_in_months"))
            return f"for {months} months" if months is not None and months > 0 else "for an unknown time"


def _how_often(asked: Mapping[str, Text]) -> str:
    most = number_of(asked.get("max_redemptions"))
    return f"at most {most} times" if most is not None and most > 0 else "as often as it is redeemed"
