"""Products and prices. A product is only a name; a price on a product that is sold already may undercut what is paid now.

Source: https://docs.stripe.com/api/prices/create and https://docs.stripe.com/api/products/create. Prices never change and
sell nothing by themselves: whoever puts one into a subscription, an invoice or a link makes a request of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from runplane_mcp.core.amounts import number_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text


def product_reads(_classified: Classified, _looked: LookedUp) -> tuple[Read, ...]:
    return ()


def product_effect(classified: Classified, _looked: LookedUp) -> Effect:
    data = classified.parameters.get("default_price_data")
    priced = f" at {_shown_price(data)}" if isinstance(data, dict) else ""
    return Effect(
        sentence=f"Create a product{priced}; nothing is sold by it yet.",
        facts={"reversible": True},
        undo="Can be archived.",
        quoted=o.quotes(("product name", _plain(classified.parameters.get("name")))),
    )


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The product, and the prices it is sold at."""
    product = _asked(classified).get("product")
    if looked or not isinstance(product, str) or not o.is_id(product):
        return ()
    return (
        o.look("product", "/v1/products/{id}", id=product),
        o.look("prices", "/v1/prices", product=product, active=True, limit=100),
    )


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = _asked(classified)
    found = o.seen(looked, "product")
    given = asked.get("product")
    refusal = o.missing(looked, product="product", prices="product") or _refused_as_asked(asked)
    facts: dict[str, FactValue] = {
        "object": NONE if given is None else (o.id_in(found) if o.id_in(found) == given else None) or UNKNOWN,
        "discount_percent": _cheaper(asked, looked),
        "reversible": UNKNOWN if "transfer_lookup_key" in asked else True,
    }
    share = facts["discount_percent"]
    less = f", {_percent(share)} % below the highest like it" if isinstance(share, Fraction) and share else ""
    moved = " Whatever sells by its lookup key sells at it." if asked.get("transfer_lookup_key") == "true" else ""
    data = asked.get("product_data")
    of = f"product {o.shown(given)}" if given is not None else "a new product"
    money = o.money_of(number_of(asked.get("unit_amount")), o.currency_of(asked.get("currency")))
    return Effect(
        sentence=f"Create a price of {_shown_price(asked)} for {of}{less}.{moved}",
        facts=facts,
        undo="Can be archived; a lookup key that was moved stays moved." if moved else "Can be archived.",
        money_lines=(MoneyLine("Price", money),) if money else (),
        refusal=refusal,
        quoted=o.quotes(
            ("product name", o.text(found, "name")),
            ("product name", _plain(data.get("name")) if isinstance(data, dict) else None),
            ("price nickname", _plain(asked.get("nickname"))),
        ),
    )


#: What a plan calls the same as a price does.
_OF_A_PLAN: Final = {
    "amount": "unit_amount",
    "amount_decimal": "unit_amount_decimal",
    "transform_usage": "transform_quantity",
}


def _asked(classified: Classified) -> Mapping[str, Text]:
    """The parameters as a price has them; a plan is a price of the older kind."""
    asked = classified.parameters
    if not classified.operation.path.startswith("/v1/plans"):
        return asked
    found: dict[str, Text] = {_OF_A_PLAN.get(name, name): value for name, value in asked.items()}
    rhythm = ("interval", "interval_count", "usage_type", "meter")
    recurring: dict[str, Text] = {name: found.pop(name) for name in rhythm if name in found}
    if isinstance(found.get("product"), dict):
        found["product_data"] = found.pop("product")
    return {**found, "recurring": recurring}


def _refused_as_asked(asked: Mapping[str, Text]) -> Failure | None:
    if ("product" in asked) == ("product_data" in asked):
        return Failure("parameter.conflict", "Give `product` or `product_data`, and only one.", param="product")
    return o.bad_id("product") if "product" in asked and not o.is_id(asked["product"]) else None


def _cheaper(asked: Mapping[str, Text], looked: LookedUp) -> FactValue:
    """By how many percent it is below the highest price of its product that is paid as often in the same currency.
    *None* where there is none to compare it with."""
    if "product" not in asked:
        return UNKNOWN if "transfer_lookup_key" in asked else NONE
    held = o.seen(looked, "prices")
    prices = o.listed(held) if o.complete(held) else None
    amount, currency = number_of(asked.get("unit_amount")), o.currency_of(asked.get("currency"))
    plain = not asked.keys() & {"tiers", "tiers_mode", "transform_quantity", "custom_unit_amount", "currency_options"}
    if prices is None or amount is None or amount < 0 or currency is None or not plain:
        return UNKNOWN
    highest = 0
    for price in prices:
        if o.currency_in(price) != currency or _rhythm(price) != _asked_rhythm(asked):
            continue
        other = o.number(price, "unit_amount")
        if other is None:
            return UNKNOWN
        highest = max(highest, other)
    return Fraction(100 * (highest - amount), highest) if highest > amount else NONE


def _rhythm(price: StripeObject) -> tuple[str, int] | None:
    recurring = o.child(price, "recurring")
    if recurring is None:
        return None
    return o.text(recurring, "interval") or "", o.number(recurring, "interval_count") or 0


def _asked_rhythm(asked: Mapping[str, Text]) -> tuple[str, int] | None:
    recurring = asked.get("recurring")
    if not isinstance(recurring, dict):
        return None
    return _plain(recurring.get("interval")) or "", number_of(recurring.get("interval_count", "1")) or 0


def _shown_price(asked: Mapping[str, Text]) -> str:
    """`$5.00 USD every month`; what is not plain is only said to be a price."""
    number, currency = number_of(asked.get("unit_amount")), o.currency_of(asked.get("currency"))
    money = Money(number, currency) if number is not None and number >= 0 and currency is not None else None
    rhythm = _asked_rhythm(asked)
    what = str(money) if money else "an amount that is not one number"
    if rhythm is None:
        return what
    interval, count = rhythm
    if interval not in {"day", "week", "month", "year"} or count < 1:
        return f"{what} every so often"
    return f"{what} every {interval}" if count == 1 else f"{what} every {count} {interval}s"


def _percent(share: Fraction) -> str:
    return f"{float(share):.0f}"


def _plain(text: Text | None) -> str | None:
    return text if isinstance(text, str) and text else None
