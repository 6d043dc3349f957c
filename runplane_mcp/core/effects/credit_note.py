"""A credit note: takes back a part of an invoice, as refund, as credit to the customer, or as paid back elsewhere.

Source: https://docs.stripe.com/api/credit_notes/create. Only plain amounts are summed up; lines, shipping and linked
refunds leave the amount unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.parameters import amount_of
from runplane_mcp.core.request import Precondition
from runplane_mcp.core.wire import Text

_PARTS = ("refund_amount", "credit_amount", "out_of_band_amount")
_NOT_SUMMED = frozenset({"lines", "shipping_cost", "refunds"})


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    invoice = classified.parameters.get("invoice")
    if looked or not isinstance(invoice, str) or not o.is_id(invoice):
        return ()
    return (o.look("invoice", "/v1/invoices/{invoice}", invoice=invoice, expand=["customer"]),)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    invoice = o.seen(looked, "invoice")
    refusal = o.missing(looked, invoice="invoice")
    if not o.is_id(asked.get("invoice")):
        refusal = o.bad_id("invoice")
    id = o.id_in(invoice) if o.id_in(invoice) == asked.get("invoice") else None
    currency, customer = o.currency_in(invoice), o.id_in(invoice, "customer")
    amount = o.money_of(_amount(asked), currency)
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "reversible": False,
        "customer": customer or UNKNOWN,
        "object": id or UNKNOWN,
    }
    observed: dict[str, str | int] = {}
    for name, value in (("currency", currency), ("invoice_status", o.text(invoice, "status"))):
        if value is not None:
            observed[name] = value
    what = str(amount) if amount else "an amount that could not be found out"
    whose = f" for customer {customer}" if customer else ""
    return Effect(
        sentence=f"Issue a credit note of {what} on invoice {o.shown(asked.get('invoice'))}{whose}.",
        facts=facts,
        undo="A refund made by it cannot be undone.",
        to_whom=f"customer {customer}" if customer else None,
        preconditions=tuple(Precondition(name, "equal", value) for name, value in observed.items()),
        money_lines=(MoneyLine("This credit note", amount),) if amount else (),
        refusal=refusal,
        quoted=o.customer_quotes(o.child(invoice, "customer")),
        observed=observed,
    )


def _amount(asked: Mapping[str, Text]) -> int | None:
    """The sum of the parts, or the plain amount; None where both are given and differ, or neither can be read."""
    if _NOT_SUMMED & asked.keys():
        return None
    parts = [amount_of(asked[name]) for name in _PARTS if name in asked]
    known = [part for part in parts if part is not None]
    if len(known) != len(parts):
        return None
    total = sum(known)
    if "amount" not in asked:
        return total or None
    plain = amount_of(asked["amount"])
    return plain if not parts or plain == total else None
