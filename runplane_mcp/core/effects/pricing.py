"""What so many of a price cost: per unit, in packages, or by tiers. Tiers are not in a price unless they are asked for.

Source: https://docs.stripe.com/products-prices/pricing-models (graduated: each tier for what falls into it; volume: the
tier that all fall into, for all of them).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final

from runplane_mcp.core.effect import LookedUp, Read, StripeObject
from runplane_mcp.core.effects import objects as o

#: As many prices as are looked up for one request; with more, it is unknown what they cost.
MOST: Final = 20
_DECIMAL = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,12})?")


def cost(price: StripeObject | None, quantity: int | None) -> Fraction | None:
    """Minor units for `quantity` of a price; None where the payer chooses, or tiers are not known."""
    if price is None or quantity is None or price.get("custom_unit_amount") is not None:
        return None
    match o.text(price, "billing_scheme"):
        case "per_unit":
            amount, counted = amount_in(price, "unit_amount"), _packages(price, quantity)
            return amount * counted if amount is not None and counted is not None else None
        case "tiered" if price.get("transform_quantity") is None:
            return _by_tiers(price, quantity)
        case _:
            return None


def amount_in(obj: StripeObject | None, name: str) -> Fraction | None:
    """An amount in minor units, or with fractions of them in its field beside."""
    if (whole := o.number(obj, name)) is not None:
        return Fraction(whole)
    written = o.text(obj, f"{name}_decimal")
    return Fraction(written) if written and _DECIMAL.fullmatch(written) else None


def tier_reads(prices: Iterable[StripeObject | None], looked: LookedUp) -> tuple[Read, ...]:
    """The reads of the tiers that these prices have and do not show."""
    ids = dict.fromkeys(o.id_in(price) for price in prices if _hides_tiers(price))
    wanted = [id for id in ids if id is not None and _name(id) not in looked]
    if len(wanted) > MOST:
        return ()
    return tuple(o.look(_name(id), "/v1/prices/{price}", price=id, expand=["tiers"]) for id in wanted)


def with_tiers(price: StripeObject | None, looked: LookedUp) -> StripeObject | None:
    """The price as it was looked up for its tiers, where it was; else as it is."""
    found = o.seen(looked, _name(o.id_in(price) or ""))
    return found if found is not None and o.id_in(found) == o.id_in(price) else price


def telling(price: Mapping[str, object]) -> list[str]:
    """What says what a price or a coupon costs or takes off, to see whether it is still the same."""
    return [ascii(price.get(field))[:400] for field in _TELLING]


_TELLING = (
    "id", "unit_amount", "unit_amount_decimal", "currency", "percent_off", "amount_off", "duration", "billing_scheme",
    "tiers_mode", "tiers", "transform_quantity", "recurring", "custom_unit_amount",
)  # fmt: skip


def _name(id: str) -> str:
    return f"tiers:{id}"


def _hides_tiers(price: StripeObject | None) -> bool:
    return o.text(price, "billing_scheme") == "tiered" and (price is None or price.get("tiers") is None)


def _packages(price: StripeObject, quantity: int) -> int | None:
    """How many units are paid for: of packages each begun one, or each full one."""
    if price.get("transform_quantity") is None:
        return quantity
    transform = o.child(price, "transform_quantity")
    size = o.number(transform, "divide_by")
    if not size:
        return None
    match o.text(transform, "round"):
        case "up":
            return -(-quantity // size)
        case "down":
            return quantity // size
        case _:
            return None


def _by_tiers(price: StripeObject, quantity: int) -> Fraction | None:
    tiers = price.get("tiers")
    mode = o.text(price, "tiers_mode")
    if not isinstance(tiers, list | tuple) or not tiers or mode not in {"graduated", "volume"}:
        return None
    total, before = Fraction(0), 0
    for tier in tiers:
        each = _tier(tier)
        if each is None:
            return None
        up_to, unit, flat = each
        if up_to is not None and up_to <= before:
            return None
        last = up_to is None or quantity <= up_to
        if quantity == 0:
            # Whether the first flat fee is billed for none at all is not written anywhere.
            return None if flat else Fraction(0)
        if mode == "volume" and last:
            return unit * quantity + flat
        if mode == "graduated":
            total += unit * ((quantity if up_to is None else min(quantity, up_to)) - before) + flat
            if last:
                return total
        before = up_to or 0
    return None


def _tier(tier: object) -> tuple[int | None, Fraction, Fraction] | None:
    """Up to how many, for how much each, and for how much beside; None where it is no tier that can be read."""
    if not isinstance(tier, Mapping):
        return None
    up_to = None if o.is_null(tier, "up_to") else o.number(tier, "up_to")
    if up_to is None and not o.is_null(tier, "up_to"):
        return None
    unit, flat = (
        amount_in(tier, name) if tier.get(name) is not None or tier.get(f"{name}_decimal") is not None else Fraction(0)
        for name in ("unit_amount", "flat_amount")
    )
    return (up_to, unit, flat) if unit is not None and flat is not None else None
