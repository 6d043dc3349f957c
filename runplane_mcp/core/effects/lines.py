"""What is sold, line by line: price × quantity, as looked up or as the parameters make it for the moment. Where the payer
chooses, or a tier, a package or the use decides, nobody can tell.

Source: https://docs.stripe.com/api/checkout/sessions/create (line_items)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from runplane_mcp.core.amounts import amount_of, number_of
from runplane_mcp.core.canonical import Json, digest_of
from runplane_mcp.core.effect import LookedUp, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text

#: As many as a payment link takes, and as many look-ups. More are not counted.
MOST_LINES: Final = 20
#: Lines that a sentence names.
_MOST_SAID: Final = 3

Prices: TypeAlias = Mapping[str, StripeObject | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the id of a price, or a price made for the moment (`price` None, `made` what one costs, None where that
    cannot be read), and how many of it; None where the payer may choose."""

    price: str | None
    made: Money | None
    quantity: int | None


def lines_of(given: Text | None) -> tuple[Line, ...] | None:
    """The lines as asked for; None where they are none that can be read."""
    if not isinstance(given, list) or not 0 < len(given) <= MOST_LINES:
        return None
    found: list[Line] = []
    for line in given:
        price = line.get("price") if isinstance(line, dict) else None
        if not isinstance(line, dict) or (price is not None and not isinstance(price, str)):
            return None
        quantity = amount_of(line.get("quantity"))
        adjustable = line.get("adjustable_quantity")
        fixed = adjustable is None or (isinstance(adjustable, dict) and adjustable.get("enabled") == "false")
        made = line.get("price_data")
        found.append(Line(None if "price_data" in line else price, _made(made, price), quantity if fixed else None))
    return tuple(found)


def price_reads(lines: tuple[Line, ...] | None) -> tuple[Read, ...]:
    """All prices at once."""
    ids = dict.fromkeys(line.price for line in lines or () if line.price is not None)
    return tuple(o.look(_name(id), "/v1/prices/{price}", price=id) for id in ids if o.is_id(id))


def prices_in(lines: tuple[Line, ...] | None, looked: LookedUp) -> Prices:
    return {line.price: o.seen(looked, _name(line.price)) for line in lines or () if line.price is not None}


def total(lines: tuple[Line, ...] | None, prices: Prices) -> Money | None:
    """What all lines come to, of the first period where it recurs; None where a line cannot be told, or two currencies
    have no sum."""
    if lines is None:
        return None
    sum_, currencies = 0, set[str]()
    for line in lines:
        each = _each(line, prices)
        if each is None or line.quantity is None:
            return None
        sum_ += each.amount * line.quantity
        currencies.add(each.currency)
    return Money(sum_, currencies.pop()) if len(currencies) == 1 and sum_ <= LARGEST_AMOUNT else None


def price_of_one(price: StripeObject | None, id: str | None) -> Money | None:
    """The price of one, where it is a plain one that neither the payer chooses nor a tier or a package changes."""
    if price is None or o.id_in(price) != id:
        return None
    plain = all(o.is_null(price, name) for name in ("custom_unit_amount", "transform_quantity"))
    recurring = o.child(price, "recurring")
    metered = recurring is not None and o.text(recurring, "usage_type") != "licensed"
    if not plain or metered or o.text(price, "billing_scheme") != "per_unit":
        return None
    return o.money_of(o.number(price, "unit_amount"), o.currency_in(price))


def fingerprint(prices: Prices) -> str | None:
    """Equal as long as each price is what people saw."""
    found: list[Json] = []
    for id, price in sorted(prices.items()):
        if price is None:
            return None
        found.append([id, o.number(price, "unit_amount"), o.currency_in(price), o.flag(price, "active")])
    return digest_of(found)[:32] if found else None


def refused(looked: LookedUp, prices: Prices) -> Failure | None:
    """Stripe's definite no to any of the prices."""
    for id, price in prices.items():
        if not o.is_id(id):
            return o.bad_id("line_items")
        if o.flag(price, "active") is False:
            return Failure("stripe.price_inactive", f"The price {id} is not active.", param="line_items")
    return o.missing(looked, **{_name(id): "line_items" for id in prices})


def said(lines: tuple[Line, ...] | None) -> str:
    """The lines for a sentence; empty where there are none that can be read."""
    named = [
        f"{line.quantity if line.quantity is not None else '?'} × {o.shown(line.price) if line.price else 'a new price'}"
        for line in lines or ()
    ]
    more = f" and {len(named) - _MOST_SAID} more" if len(named) > _MOST_SAID else ""
    return ", ".join(named[:_MOST_SAID]) + more


def quoted(prices: Prices) -> tuple[tuple[str, str], ...]:
    return o.quotes(*((f"price {o.shown(id)}", o.text(price, "nickname")) for id, price in prices.items()))


def _name(price: str) -> str:
    return f"price {price}"


def _each(line: Line, prices: Prices) -> Money | None:
    return price_of_one(prices.get(line.price), line.price) if line.price is not None else line.made


def _made(made: Text | None, price: Text | None) -> Money | None:
    """What one costs at a price made for the moment. With a price of Stripe's beside it nobody can tell which counts."""
    if not isinstance(made, dict) or price is not None:
        return None
    number = number_of(made.get("unit_amount"))
    return o.money_of(number, o.currency_of(made.get("currency"))) if number is not None and number >= 0 else None
