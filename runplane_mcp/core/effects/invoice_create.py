"""A new invoice: a draft, empty or with the customer's pending items, that Stripe may charge by itself.

Source: https://docs.stripe.com/api/invoices/create. A draft alone moves nothing; finalizing and paying it are requests of
their own, unless `auto_advance` is set. Subscriptions, other invoices and shipping leave the amount unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.wire import Text, Value

_REDIRECTS = ("transfer_data", "on_behalf_of", "application_fee_amount", "issuer", "automatic_tax")
#: Parameters that bring amounts of their own.
_NOT_SUMMED = frozenset({"subscription", "from_invoice", "shipping_cost", "discounts", "default_tax_rates"})


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The customer, and their pending items where the invoice takes them in."""
    asked = classified.parameters
    customer = asked.get("customer")
    if looked or not isinstance(customer, str) or not o.is_id(customer):
        return ()
    wanted = [o.look("customer", "/v1/customers/{customer}", customer=customer)]
    if _takes_pending(asked):
        wanted.append(o.look("pending", "/v1/invoiceitems", customer=customer, pending=True, limit=100))
    return tuple(wanted)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    given, found = asked.get("customer"), o.seen(looked, "customer")
    customer = o.id_in(found) if o.id_in(found) == given else None
    refusal = o.missing(looked, customer="customer", pending="customer")
    if "customer" in asked and not o.is_id(given):
        refusal = o.bad_id("customer")
    amount = _amount(asked, looked)
    charges = asked.get("auto_advance", "false") != "false"
    redirects = any(name in asked for name in _REDIRECTS)
    facts: dict[str, FactValue] = {
        "amount": amount,
        "currency": amount.currency if isinstance(amount, Money) else NONE if amount is NONE else UNKNOWN,
        "customer": customer or UNKNOWN,
        "object": NONE,
        "destination": UNKNOWN if redirects else NONE,
        "redirects_funds": redirects,
        "discount_percent": UNKNOWN if "discounts" in asked else NONE,
        "reversible": False if charges else UNKNOWN if "from_invoice" in asked else True,
    }
    observed: dict[str, str | int] = {}
    if isinstance(amount, Money):
        observed = {"pending": amount.amount, "currency": amount.currency}
    what = (
        f" of {amount}"
        if isinstance(amount, Money)
        else " of an amount that could not be found out"
        if amount is UNKNOWN
        else ""
    )
    then = "Stripe charges or sends it by itself" if charges else "nothing is charged yet"
    also = [name for name in (*_REDIRECTS, *sorted(_NOT_SUMMED)) if name in asked]
    with_ = f" With {', '.join(also)}." if also else ""
    return Effect(
        sentence=f"Create a draft invoice{what} for customer {o.shown(given)}; {then}.{with_}",
        facts=facts,
        undo="A draft can be deleted." if not charges else "Can be deleted until it is finalized, then only voided.",
        to_whom=f"customer {customer}" if customer else None,
        fill=_fill(asked) if customer else {},
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("On this invoice", amount),) if isinstance(amount, Money) else (),
        refusal=refusal,
        quoted=o.customer_quotes(found),
        observed=observed,
    )


def _fill(asked: Mapping[str, Text]) -> dict[str, Value]:
    """Stripe's defaults, said: whatever an account's own are, what runs is what was decided."""
    defaults: dict[str, Value] = {"auto_advance": False, "pending_invoice_items_behavior": "exclude"}
    if "subscription" in asked or "from_invoice" in asked:
        # Stripe takes no pending_invoice_items_behavior with these.
        del defaults["pending_invoice_items_behavior"]
    return {name: value for name, value in defaults.items() if name not in asked}


def _takes_pending(asked: Mapping[str, Text]) -> bool:
    return asked.get("pending_invoice_items_behavior", "exclude") != "exclude"


def _amount(asked: Mapping[str, Text], looked: LookedUp) -> FactValue:
    """What is on it from the start. *None* for an empty draft: what is put on it later is a request of its own."""
    if (_NOT_SUMMED | {"automatic_tax"}) & asked.keys():
        return UNKNOWN
    if not _takes_pending(asked):
        return NONE
    held = o.seen(looked, "pending")
    items = o.listed(held) if o.complete(held) else None
    if items is None:
        return UNKNOWN
    wanted = o.currency_of(asked["currency"]) if "currency" in asked else None
    total, currencies = 0, set[str]()
    for item in items:
        amount, currency = o.signed(item, "amount"), o.currency_in(item)
        if amount is None or currency is None:
            return UNKNOWN
        if wanted is None or currency == wanted:
            total += amount
            currencies.add(currency)
    if not currencies:
        return NONE
    if len(currencies) > 1 or abs(total) > LARGEST_AMOUNT:
        return UNKNOWN
    return Money(abs(total), currencies.pop())
