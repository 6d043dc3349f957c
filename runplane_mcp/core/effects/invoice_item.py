"""An invoice item: one more charge on a customer's next or named invoice, or, below zero, a credit.

Source: https://docs.stripe.com/api/invoiceitems/create. Prices made on the spot, discounts and decimal amounts leave the
amount unknown where they do not say it plainly.
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.amounts import number_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import invoice as invoices
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """All at once: the customer, the price and the invoice, each where it is named."""
    asked = classified.parameters
    if looked or _refused_as_asked(asked) is not None:
        return ()
    wanted = []
    if "customer" in asked:
        wanted.append(o.look("customer", "/v1/customers/{customer}", customer=asked["customer"]))
    if "invoice" in asked:
        wanted.append(invoices.look_at(asked["invoice"]))
    if (price := _price(asked)) is not None:
        wanted.append(o.look("price", "/v1/prices/{price}", price=price))
    return tuple(wanted)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    person, invoice, price = o.seen(looked, "customer"), o.seen(looked, "invoice"), o.seen(looked, "price")
    customer = (o.id_in(person) if o.id_in(person) == asked.get("customer") else None) or (
        o.id_in(invoice, "customer") if "customer" not in asked else None
    )
    number, currency = _amount(asked, price), _currency(asked, price, invoice)
    amount = o.money_of(abs(number) if number is not None else None, currency)
    refusal = (
        _refused_as_asked(asked)
        or o.missing(looked, customer="customer", invoice="invoice", price="pricing")
        or _refused_by_invoice(asked, invoice)
        or _refused_by_price(price)
    )
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "customer": customer or UNKNOWN,
        "object": NONE if "invoice" not in asked else o.id_in(invoice) or UNKNOWN,
        "discount_percent": UNKNOWN if "discounts" in asked else NONE,
        # On a draft or pending it can be deleted; a draft that Stripe finalizes by itself soon cannot be waited for.
        "reversible": UNKNOWN if invoices.advancing({}, invoice) else True,
    }
    observed: dict[str, str | int] = {}
    if invoice is not None:
        observed |= invoices.observe(invoice)
    if price is not None and number is not None and currency is not None:
        observed |= {"price_amount": abs(number), "price_currency": currency}
    whose = f"customer {customer}" if customer else "a customer that could not be found out"
    what = str(amount) if amount else "an amount that could not be found out"
    where = f"invoice {o.shown(asked['invoice'])} of {whose}" if "invoice" in asked else f"the next invoice of {whose}"
    verb = "Credit" if number is not None and number < 0 else "Add"
    less = ", with discounts" if "discounts" in asked else ""
    return Effect(
        sentence=f"{verb} {what} on {where}{less}.",
        facts=facts,
        undo="Can be deleted until its invoice is finalized.",
        to_whom=whose if customer else None,
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("Credited" if verb == "Credit" else "Charged", amount),) if amount else (),
        refusal=refusal,
        quoted=(*o.customer_quotes(person), *invoices.quoted(invoice)),
        observed=observed,
    )


def _price(asked: Mapping[str, Text]) -> str | None:
    pricing = asked.get("pricing")
    price = pricing.get("price") if isinstance(pricing, dict) and pricing.keys() == {"price"} else None
    return price if isinstance(price, str) and o.is_id(price) else None


def _refused_as_asked(asked: Mapping[str, Text]) -> Failure | None:
    for name in ("customer", "invoice"):
        if name in asked and not o.is_id(asked[name]):
            return o.bad_id(name)
    pricing = asked.get("pricing")
    if isinstance(pricing, dict) and "price" in pricing and not o.is_id(pricing["price"]):
        return o.bad_id("pricing")
    return None


def _refused_by_invoice(asked: Mapping[str, Text], invoice: StripeObject | None) -> Failure | None:
    status = o.text(invoice, "status")
    if status in {"open", "paid", "void", "uncollectible"}:
        return Failure(
            "stripe.invoice_not_editable", f"The invoice is {status}: only a draft can be changed.", "invoice"
        )
    owner = o.id_in(invoice, "customer")
    if "customer" in asked and owner is not None and owner != asked["customer"]:
        return Failure("stripe.resource_missing", "That customer has no such invoice.", param="invoice")
    return None


def _refused_by_price(price: StripeObject | None) -> Failure | None:
    if o.text(price, "type") == "recurring":
        return Failure(
            "stripe.parameter_invalid", "The price recurs: an invoice item takes one that is paid once.", "pricing"
        )
    return None


def _amount(asked: Mapping[str, Text], price: StripeObject | None) -> int | None:
    """Minor units, below zero for a credit: the amount given, or the price times the quantity, and only one of them."""
    ways = [name for name in ("amount", "pricing", "price_data", "unit_amount_decimal") if name in asked]
    if len(ways) != 1 or "quantity_decimal" in asked:
        return None
    if ways == ["amount"]:
        return number_of(asked["amount"]) if "quantity" not in asked else None
    quantity = number_of(asked.get("quantity", "1"))
    if ways == ["pricing"]:
        plain = o.text(price, "billing_scheme") == "per_unit" and o.is_null(price, "transform_quantity")
        unit = o.number(price, "unit_amount") if plain and o.id_in(price) == _price(asked) else None
    elif ways == ["price_data"]:
        data = asked["price_data"]
        unit = number_of(data.get("unit_amount")) if isinstance(data, dict) else None
    else:
        unit = number_of(asked["unit_amount_decimal"])
    if unit is None or quantity is None or quantity < 0 or abs(unit * quantity) > LARGEST_AMOUNT:
        return None
    return unit * quantity


def _currency(asked: Mapping[str, Text], price: StripeObject | None, invoice: StripeObject | None) -> str | None:
    """The currency it is in, where all that names one names the same."""
    data = asked.get("price_data")
    named = [asked["currency"]] if "currency" in asked else []
    if isinstance(data, dict):
        named.append(data.get("currency", ""))
    found = {o.currency_of(each) for each in named}
    if _price(asked) is not None:
        found.add(o.currency_in(price))
    if "invoice" in asked:
        found.add(o.currency_in(invoice))
    return found.pop() if len(found) == 1 else None
