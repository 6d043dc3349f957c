"""The coupons and promotion codes that parameters name, and what they take off.

Source: https://docs.stripe.com/api/discounts. A code stands for its coupon. An amount off is a share only of a known sum;
what is made of other things than coupons and codes (prices of the moment, trials) has no share that could be told.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final, TypeAlias

from runplane_mcp.core.canonical import digest_of
from runplane_mcp.core.effect import LookedUp, Read, StripeObject
from runplane_mcp.core.effects import coupon as coupons
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects import pricing, revenue
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.told import Added
from runplane_mcp.core.wire import Text

#: As many as are looked up for one request; with more, it is unknown what they take off.
_MOST: Final = 10
_ALL: Final = Fraction(100)
#: A kind, `coupon` or `promotion_code`, and an id.
Named: TypeAlias = tuple[str, str]
_TEMPLATES: Final = {
    "coupon": ("/v1/coupons/{coupon}", {}),
    "promotion_code": ("/v1/promotion_codes/{promotion_code}", {"expand": ["promotion.coupon"]}),
}


def named_in(value: Text | None) -> tuple[Named, ...] | None:
    """What a list of discounts names; nothing for the empty text, which takes all away. None for what is neither coupon
    nor code: a discount that there is already, or what cannot be read."""
    if value is None or value == "":
        return ()
    found: list[Named] = []
    for entry in value if isinstance(value, list) else [value]:
        if not isinstance(entry, dict) or len(entry) != 1:
            return None
        [(kind, id)] = entry.items()
        if kind not in _TEMPLATES or not isinstance(id, str) or not o.is_id(id):
            return None
        found.append((kind, id))
    return tuple(found)


def looks(named: Iterable[Named]) -> tuple[Read, ...]:
    wanted = list(dict.fromkeys(named))
    if len(wanted) > _MOST:
        return ()
    return tuple(
        o.look(f"{kind}:{id}", _TEMPLATES[kind][0], **{kind: id}, **_TEMPLATES[kind][1]) for kind, id in wanted
    )


def coupon_of(named: Named, looked: LookedUp) -> StripeObject | None:
    """The coupon that was looked up, or that a looked-up code stands for."""
    kind, id = named
    found = o.seen(looked, f"{kind}:{id}")
    if found is None or kind == "coupon":
        return found
    return o.child(o.child(found, "promotion"), "coupon") or o.child(found, "coupon")


def taken(
    value: Text | None, looked: LookedUp, monthly: Money | None, interval: tuple[str, int] | None
) -> tuple[FactValue, Fraction | None]:
    """The discount in percent, and how much of a revenue a month it takes, as if it lasted; None where nobody can say.
    `interval`: how often an amount off is taken off."""
    named = named_in(value)
    if named is None:
        return UNKNOWN, None
    if not named:
        return NONE, Fraction(0)
    share, gone, unsure = Fraction(0), Fraction(0), False
    for each in named:
        found = coupon_of(each, looked)
        percent, off = coupons.percent_in(found), o.number(found, "amount_off")
        if percent is not None and monthly is not None:
            share += percent
            gone += monthly.amount * percent / 100
        elif off is not None and monthly is not None and interval and o.currency_in(found) == monthly.currency:
            unsure = unsure or not monthly.amount
            gone += off * revenue.in_a_month(interval)
            share += 100 * off * revenue.in_a_month(interval) / monthly.amount if monthly.amount else 0
        else:
            return UNKNOWN, None
    if unsure:
        return UNKNOWN, gone
    return min(share, _ALL), min(gone, Fraction(monthly.amount)) if monthly is not None else None


def reads(classified: Classified) -> tuple[Read, ...]:
    """The look-ups of all coupons and codes that stand anywhere among the parameters as discounts."""
    return looks(_everywhere(classified)[0])


def percent(classified: Classified, looked: LookedUp) -> FactValue:
    """The discount that parameters give, all that they name together; *none* where they only take some away. Unknown where
    the operation gives one whatever its parameters are."""
    if "discount_percent" in classified.operation.least.facts or not _giving(classified):
        return UNKNOWN
    named, whole = _everywhere(classified)
    shares = [coupons.percent_in(coupon_of(each, looked)) for each in named]
    known = [share for share in shares if share is not None]
    if not whole or len(known) != len(shares):
        return UNKNOWN
    return min(sum(known, Fraction(0)), _ALL) if known else NONE


def said(share: FactValue) -> str:
    """How much it takes off, as a sentence to follow; nothing where that is not known."""
    return f" That takes {float(share):g} % off." if isinstance(share, Fraction) else ""


def missing_in(looked: LookedUp) -> dict[str, str]:
    """The looked-up names of coupons and codes, each with a word for the parameter that named it."""
    return {name: "discounts" for name in looked if ":" in name and name.partition(":")[0] in _TEMPLATES}


def observe(looked: LookedUp) -> dict[str, str | int]:
    """What says what a coupon takes off: one that is made anew under the same id need not be the same."""
    observed: dict[str, str | int] = {}
    for name in missing_in(looked):
        kind, _, id = name.partition(":")
        if (found := coupon_of((kind, id), looked)) is not None:
            observed[name] = digest_of([*pricing.telling(found)])[:32]
    return observed


def _giving(classified: Classified) -> list[Added]:
    """The parameters that give a discount."""
    return [each for each in classified.added if "discount_percent" in each.addition.facts]


def _everywhere(classified: Classified) -> tuple[list[Named], bool]:
    """What parameters name, and whether that is all there is to the discount that they give."""
    found: list[Named] = []
    whole = True
    for each in _giving(classified):
        name = each.path.rpartition(".")[2]
        if name == "discounts":
            whole = whole and named_in(each.value) is not None
        elif name in _TEMPLATES and isinstance(each.value, str) and o.is_id(each.value):
            found.append((name, each.value))
        else:
            # An empty text takes away; trials, prices of the moment and the like have no share.
            whole = whole and each.value == "" and name in _TEMPLATES
    return list(dict.fromkeys(found)), whole
