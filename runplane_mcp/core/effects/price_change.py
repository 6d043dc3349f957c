"""Changing prices and products that there are: which price something sells at from then on.

Source: https://docs.stripe.com/api/prices/update and https://docs.stripe.com/api/products/update. The amount of a price
never changes; but a lookup key moved to a cheaper price, or a cheaper default price, sells everything by that cheaper.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from runplane_mcp.core.canonical import digest_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects import pricing, revenue
from runplane_mcp.core.effects.addresses import hosts_in
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The price or product itself, and the prices between which the change is; all at once."""
    asked = classified.parameters
    if looked or _refused_as_asked(asked) is not None:
        return ()
    if "price" in asked:
        wanted = [o.look("new", "/v1/prices/{price}", price=asked["price"])]
        if asked.get("lookup_key"):
            # By the key, the price that has it now.
            wanted.append(o.look("sold", "/v1/prices", lookup_keys=[asked["lookup_key"]], limit=2))
        return tuple(wanted)
    wanted = [o.look("product", "/v1/products/{id}", id=asked["id"], expand=["default_price"])]
    if asked.get("default_price"):
        wanted.append(o.look("new", "/v1/prices/{price}", price=asked["default_price"]))
    return tuple(wanted)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    new, product = o.seen(looked, "new"), o.seen(looked, "product")
    of_price = "price" in asked
    param = "price" if of_price else "id"
    found = new if of_price else product
    refusal = _refused_as_asked(asked) or o.missing(looked, product="id", new="price" if of_price else "default_price")
    if refusal is None and not of_price and new is not None and o.id_in(new, "product") not in {None, asked["id"]}:
        refusal = Failure("stripe.parameter_invalid", "The price is another product's.", param="default_price")
    share = _cheaper(classified, looked)
    facts: dict[str, FactValue] = {
        "object": (o.id_in(found) if o.id_in(found) == asked[param] else None) or UNKNOWN,
        "discount_percent": share,
        "url_hosts": hosts_in(asked),
        "bulk": True,
        "reversible": True,
    }
    observed: dict[str, str | int] = {}
    for name in ("new", "sold", "product"):
        if (seen := o.seen(looked, name)) is not None and "discount_percent" in classified.facts:
            observed[name] = digest_of(_telling(seen))[:32]
    names = sorted(name for name in asked if name not in {param, "expand"})
    what = f"{'price' if of_price else 'product'} {o.shown(asked[param])}"
    less = (
        f"; what it sells is {float(share):.0f} % cheaper from then on" if isinstance(share, Fraction) and share else ""
    )
    less = "; how much cheaper it sells from then on could not be found out" if share is UNKNOWN else less
    money = o.money_of(o.number(new, "unit_amount"), o.currency_in(new))
    return Effect(
        sentence=f"{_doing(asked, names)} {what}{less if 'discount_percent' in classified.facts else ''}.",
        facts=facts,
        undo="Can be changed back; what was sold meanwhile stays sold.",
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("Price from then on", money),)
        if money and "discount_percent" in classified.facts
        else (),
        refusal=refusal,
        quoted=o.quotes(
            ("product name", o.text(product, "name")),
            ("price nickname", o.text(new, "nickname")),
            *((f"new {name}", _plain(asked.get(name))) for name in ("name", "description", "nickname")),
        ),
        observed=observed,
    )


def _doing(asked: Mapping[str, Text], names: list[str]) -> str:
    if names == ["active"]:
        return "Archive" if asked["active"] == "false" else "Sell again"
    return f"Change {', '.join(names) or 'nothing'} of"


def _cheaper(classified: Classified, looked: LookedUp) -> FactValue:
    """By how many percent the price from then on is below that of now; *none* where it is not below, or there is none."""
    asked = classified.parameters
    giving = {each.path.partition(".")[0] for each in classified.added if "discount_percent" in each.addition.facts}
    if not giving:
        return NONE
    if giving <= {"default_price"}:
        product = o.seen(looked, "product")
        if o.is_null(product, "default_price"):
            return NONE
        return _below(o.child(product, "default_price"), o.seen(looked, "new"))
    if giving <= {"lookup_key", "transfer_lookup_key"} and asked.get("lookup_key"):
        held = o.listed(o.seen(looked, "sold"))
        if held is None or len(held) > 1:
            return UNKNOWN
        return _below(held[0], o.seen(looked, "new")) if held else NONE
    return UNKNOWN


def _below(old: StripeObject | None, new: StripeObject | None) -> FactValue:
    """Only plain prices in one currency and rhythm compare."""
    before, after = pricing.cost(old, 1), pricing.cost(new, 1)
    same = o.currency_in(old) == o.currency_in(new) and revenue.interval_of(old) == revenue.interval_of(new)
    packaged = any(each is not None and each.get("transform_quantity") is not None for each in (old, new))
    if before is None or after is None or not same or packaged:
        return UNKNOWN
    return 100 * (before - after) / before if before > after else NONE


def _telling(found: StripeObject) -> list[str]:
    if (listed := o.listed(found)) is not None:
        return [text for each in listed for text in pricing.telling(each)]
    default = o.child(found, "default_price")
    return [*pricing.telling(found), *(pricing.telling(default) if default is not None else [])]


def _refused_as_asked(asked: Mapping[str, Text]) -> Failure | None:
    for name in ("price", "id", "default_price"):
        if asked.get(name, "") != "" and not o.is_id(asked[name]):
            return o.bad_id(name)
    return None


def _plain(text: Text | None) -> str | None:
    return text if isinstance(text, str) and text else None
