"""What a number of units costs at a price: per unit, in packages, or in tiers.

Source: https://docs.stripe.com/products-prices/pricing-models
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from runplane_mcp.simulator.objects import Obj
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.transaction import Transaction


def amount_of(tx: Transaction, price: Obj, quantity: int) -> int:
    """Minor units for one period, or one sale, of `quantity` units; half a unit is rounded up.

    Refused where the payer chooses the amount.
    """
    units = _packages(price, quantity)
    if price["billing_scheme"] == "tiered":
        return rounded(_tiered(tiers_of(tx, price), price["tiers_mode"], units))
    if price["unit_amount_decimal"] is None:
        raise Refusal(f"The price {price['id']} has no amount: the payer chooses it.", param="price")
    return rounded(Decimal(price["unit_amount_decimal"]) * units)


def rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def tiers_of(tx: Transaction, price: Obj) -> list[Obj]:
    """A price's tiers: kept beside it, since Stripe shows them only when they are asked for."""
    held = tx.find(tiers_id(price["id"]))
    tiers: list[Obj] = [] if held is None else held["tiers"]
    return tiers


def tiers_id(price: str) -> str:
    return f"{price}/tiers"


def _packages(price: Obj, quantity: int) -> int:
    """With `transform_quantity` what counts is packages: begun ones, or full ones."""
    packed = price["transform_quantity"]
    if packed is None:
        return quantity
    full, begun = divmod(quantity, int(packed["divide_by"]))
    return full + (1 if begun and packed["round"] == "up" else 0)


def _tiered(tiers: list[Obj], mode: str, units: int) -> Decimal:
    """`volume`: all units at the price of the tier they reach. `graduated`: those of each tier at its own."""
    total, below = Decimal(0), 0
    for tier in tiers:
        top = tier["up_to"]
        last = top is None or units <= top
        if mode == "graduated":
            total += _of_tier(tier, (units if last else int(top)) - below)
            below = units if last else int(top)
        elif last:
            total = _of_tier(tier, units)
        if last:
            break
    return total


def _of_tier(tier: Obj, units: int) -> Decimal:
    each, flat = tier["unit_amount_decimal"], tier["flat_amount_decimal"]
    return Decimal(each or 0) * units + (Decimal(flat or 0) if units else 0)
