"""Prices: per unit, in packages, in tiers, or chosen by the payer; paid once or again every interval.

Source: https://docs.stripe.com/api/prices
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from runplane_mcp.simulator.lists import Clause, among, equals, list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import (
    Raw,
    Reader,
    array,
    boolean,
    currency,
    integer,
    mapping,
    metadata,
    one_of,
    positive,
    text,
    word,
)
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources.pricing import tiers_id
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")


def decimal(value: Raw, name: str) -> str:
    given = word(value, name)
    if _DECIMAL.fullmatch(given) is None:
        raise invalid(f"'{given}' is not a decimal.", name)
    return given


def price_object(
    id: str, *, product: str, amount: int | None, code: str, created: int, interval: str | None, count: int = 1
) -> Obj:
    """A price per unit; with an `interval` (day, week, month, year) it recurs every `count` of them."""
    recurring = {
        "interval": interval,
        "interval_count": count,
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }
    return {
        "id": id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": code,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product,
        "recurring": recurring if interval else None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if interval else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": None if amount is None else str(amount),
    }


def create_price(tx: Transaction, params: Params, product: str, *, id: str | None = None, active: bool = True) -> Obj:
    """Makes a price of a product from what was asked, its amount with it; `id` where a plan names its own."""
    scheme = params.get("billing_scheme", "per_unit")
    ways = [name for name in ("unit_amount", "unit_amount_decimal", "custom_unit_amount", "tiers") if name in params]
    if len(ways) != 1 or (ways == ["tiers"]) != (scheme == "tiered"):
        raise invalid("Give one amount, or tiers with the billing scheme 'tiered'.", "unit_amount", "parameter_missing")
    if ways == ["tiers"] and "tiers_mode" not in params:
        raise invalid("Tiers need a 'tiers_mode'.", "tiers_mode", "parameter_missing")
    recurring = params.get("recurring", {})
    if "custom_unit_amount" in params and recurring:
        raise invalid("A payer chooses only what is paid once.", "custom_unit_amount")
    if "lookup_key" in params:
        free_lookup_key(tx, params["lookup_key"], transfer=params.get("transfer_lookup_key", False))
    amount, written = _amount(params)
    price = price_object(
        id or new_id("price"),
        product=product,
        amount=amount,
        code=params["currency"],
        created=tx.now,
        interval=recurring.get("interval"),
        count=recurring.get("interval_count", 1),
    )
    price.update(
        active=active,
        billing_scheme=scheme,
        custom_unit_amount=_chosen(params),
        lookup_key=params.get("lookup_key"),
        metadata=merge_metadata({}, params.get("metadata", {})),
        nickname=params.get("nickname") or None,
        tax_behavior=params.get("tax_behavior", "unspecified"),
        tiers_mode=params.get("tiers_mode") if scheme == "tiered" else None,
        transform_quantity=params.get("transform_quantity"),
        unit_amount_decimal=written,
    )
    if price["recurring"] is not None:
        price["recurring"]["trial_period_days"] = recurring.get("trial_period_days")
    if scheme == "tiered":
        tx.insert({"id": tiers_id(price["id"]), "object": "price_tiers", "tiers": _tiers(params["tiers"])})
    tx.insert(price)
    tx.emit("price.created", price)
    return price


def _amount(params: Params, name: str = "unit_amount") -> tuple[int | None, str | None]:
    """A unit amount as an integer, where it is one, and as a decimal."""
    if name in params:
        if params[name] < 0:
            raise invalid(f"'{name}' must be zero or more.", name, "parameter_invalid_integer")
        return params[name], str(params[name])
    written = params.get(f"{name}_decimal")
    return (int(written) if written is not None and written.isdecimal() else None), written


def _chosen(params: Params) -> Obj | None:
    """What the payer may choose."""
    asked = params.get("custom_unit_amount")
    if asked is None or not asked["enabled"]:
        return None
    return {name: asked.get(name) for name in ("maximum", "minimum", "preset")}


def _tiers(asked: list[Params]) -> list[Obj]:
    """Tiers in rising order, of which the last has no end."""
    tiers: list[Obj] = []
    for number, tier in enumerate(asked):
        top = None if tier["up_to"] == "inf" else tier["up_to"]
        before = tiers[-1]["up_to"] if tiers else 0
        if (top is None) != (number == len(asked) - 1) or (top is not None and top <= before):
            raise invalid("Tiers rise, and the last one goes up to 'inf'.", "tiers", "parameter_invalid_integer")
        (amount, each), (flat, whole) = _amount(tier), _amount(tier, "flat_amount")
        if each is None and whole is None:
            raise invalid("A tier has a unit amount or a flat one.", "tiers", "parameter_missing")
        tiers.append(
            {
                "flat_amount": flat,
                "flat_amount_decimal": whole,
                "unit_amount": amount,
                "unit_amount_decimal": each,
                "up_to": top,
            }
        )
    return tiers


def free_lookup_key(tx: Transaction, key: str, *, transfer: bool) -> None:
    """One price has a lookup key: another takes it only if it is told to."""
    for holder in tx.all("price", "lookup_key", key):
        if not transfer:
            raise Refusal(f"The price {holder['id']} has this lookup key.", param="lookup_key")
        before = dict(holder)
        holder["lookup_key"] = None
        tx.save(holder)
        tx.emit("price.updated", holder, before=before)


def inline_price(tx: Transaction, data: Params, param: str) -> Obj:
    """A price described where it is used, of a product that there is: made, and archived as Stripe keeps such ones."""
    if data.get("unit_amount", 0) < 0:
        raise invalid(f"'{param}[unit_amount]' must be zero or more.", param, "parameter_invalid_integer")
    if ("unit_amount" in data) == ("unit_amount_decimal" in data):
        raise invalid("Give a unit amount, and only one.", f"{param}[unit_amount]", "parameter_missing")
    product = tx.require("product", data["product"], f"{param}[product]")
    return create_price(tx, data, product["id"], active=False)


def _update(tx: Transaction, params: Params) -> Obj:
    """What a price costs never changes; whether it is sold, and what it is called, does."""
    price = tx.require("price", params["price"], "price", status=404)
    before = dict(price)
    if "lookup_key" in params and params["lookup_key"] != price["lookup_key"]:
        if params["lookup_key"]:
            free_lookup_key(tx, params["lookup_key"], transfer=params.get("transfer_lookup_key", False))
        price["lookup_key"] = params["lookup_key"] or None
    if "tax_behavior" in params and params["tax_behavior"] != price["tax_behavior"]:
        if price["tax_behavior"] != "unspecified":
            raise Refusal("A price keeps the tax behavior it once has.", param="tax_behavior")
        price["tax_behavior"] = params["tax_behavior"]
    if "active" in params:
        price["active"] = params["active"]
    if "nickname" in params:
        price["nickname"] = params["nickname"] or None
    if "metadata" in params:
        price["metadata"] = merge_metadata(price["metadata"], params["metadata"])
    tx.save(price)
    tx.emit("price.updated", price, before=before)
    return price


def _prices(_tx: Transaction, params: Params) -> Iterable[Clause]:
    if "lookup_keys" in params:
        yield among("lookup_key", params["lookup_keys"])
    for name, value in params.get("recurring", {}).items():
        yield equals(f"recurring.{name}", value)


def _up_to(value: Raw, name: str) -> int | str:
    return "inf" if value == "inf" else positive(value, name)


INTERVAL = one_of("day", "week", "month", "year")
TAX_BEHAVIOR = one_of("exclusive", "inclusive", "unspecified")
AMOUNT: Mapping[str, Reader] = {"unit_amount": integer, "unit_amount_decimal": decimal}
TIERS: Mapping[str, Reader] = {
    "billing_scheme": one_of("per_unit", "tiered"),
    "tiers": array(
        mapping(
            {**AMOUNT, "flat_amount": integer, "flat_amount_decimal": decimal, "up_to": _up_to}, required=("up_to",)
        )
    ),
    "tiers_mode": one_of("graduated", "volume"),
}
PACKAGES = mapping({"divide_by": positive, "round": one_of("down", "up")}, required=("divide_by", "round"))
RHYTHM = mapping({"interval": INTERVAL, "interval_count": positive}, required=("interval",))
RECURRING = mapping(
    {"interval": INTERVAL, "interval_count": positive, "trial_period_days": positive, "usage_type": one_of("licensed")},
    required=("interval",),
)
#: A price for whatever is sold once; a price for what recurs.
PRICE_DATA = mapping(
    {**AMOUNT, "currency": currency, "product": word, "tax_behavior": TAX_BEHAVIOR}, required=("currency", "product")
)
RECURRING_PRICE_DATA = mapping(
    {
        **AMOUNT,
        "currency": currency,
        "product": word,
        "recurring": RHYTHM,
        "tax_behavior": TAX_BEHAVIOR,
    },
    required=("currency", "product", "recurring"),
)
#: What a new price may say of itself, besides whose it is.
PRICE: Mapping[str, Reader] = {
    **AMOUNT,
    **TIERS,
    "active": boolean,
    "currency": currency,
    "custom_unit_amount": mapping(
        {"enabled": boolean, "maximum": positive, "minimum": positive, "preset": positive}, required=("enabled",)
    ),
    "lookup_key": word,
    "metadata": metadata,
    "nickname": text,
    "recurring": RECURRING,
    "tax_behavior": TAX_BEHAVIOR,
    "transfer_lookup_key": boolean,
    "transform_quantity": PACKAGES,
}

ROUTES = (
    list_route(
        "/v1/prices",
        "price",
        {"active": boolean, "currency": currency, "product": word, "type": one_of("one_time", "recurring")},
        special={"lookup_keys": array(word, most=10), "recurring": mapping({"interval": INTERVAL})},
        clauses=_prices,
    ),
    retrieve_route("/v1/prices/{price}", "price"),
    Route(
        "POST",
        "/v1/prices/{price}",
        _update,
        {
            "active": boolean,
            "lookup_key": text,
            "metadata": metadata,
            "nickname": text,
            "tax_behavior": TAX_BEHAVIOR,
            "transfer_lookup_key": boolean,
        },
    ),
)
