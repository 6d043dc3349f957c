"""Changing a payment intent before it is paid: how much it asks for, of whom, and for whom. Whoever lowers it lets somebody
pay less.

Source: https://docs.stripe.com/api/payment_intents/update
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import destinations
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects.addresses import hosts_in
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.told import also_said
from runplane_mcp.core.wire import Text

#: States in which nothing but words and labels can be changed.
_OVER = frozenset({"succeeded", "canceled"})
_MONEY = ("amount", "currency", "customer", "payment_method", "transfer_data")


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The intent with its customer, and the customer that it is to be of."""
    if looked or not o.is_id(classified.parameters["intent"]):
        return ()
    intent = classified.parameters["intent"]
    found = [o.look("payment_intent", "/v1/payment_intents/{intent}", intent=intent, expand=["customer"])]
    customer = classified.parameters.get("customer")
    if isinstance(customer, str) and o.is_id(customer):
        found.append(o.look("customer", "/v1/customers/{customer}", customer=customer))
    return tuple(found)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked, intent = classified.parameters, o.seen(looked, "payment_intent")
    before = o.money_of(o.number(intent, "amount"), o.currency_in(intent))
    after = _after(asked, intent)
    customer = _customer(asked, intent)
    facts: dict[str, FactValue] = {
        "amount": after or UNKNOWN,
        "currency": after.currency if after else UNKNOWN,
        "customer": customer,
        "destination": destinations.passed_on(intent),
        "discount_percent": _less(before, after),
        "object": o.same_id(intent, asked["intent"]) or UNKNOWN,
        "redirects_funds": True,
        "reversible": True,
        "url_hosts": hosts_in(asked),
    }
    observed = _observed(intent)
    return Effect(
        sentence=f"{_sentence(asked, before, after)}{also_said(classified.added)}",
        facts=facts,
        undo="Can be changed back until it is paid.",
        to_whom=f"customer {customer}" if isinstance(customer, str) else None,
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("Asked for before", before), MoneyLine("Asked for after it", after))
        if before and after and before != after
        else (),
        refusal=_refused(classified, intent) or o.missing(looked, payment_intent="intent", customer="customer"),
        quoted=(
            *o.customer_quotes(o.seen(looked, "customer") or o.child(intent, "customer")),
            *o.quotes(("payment description", o.text(intent, "description"))),
        ),
        observed=observed,
    )


def _after(asked: Mapping[str, Text], intent: StripeObject | None) -> Money | None:
    number = amount_of(asked["amount"]) if "amount" in asked else o.number(intent, "amount")
    currency = o.currency_of(asked["currency"]) if "currency" in asked else o.currency_in(intent)
    return o.money_of(number, currency)


def _less(before: Money | None, after: Money | None) -> FactValue:
    """By how many percent somebody pays less: 0 where they do not."""
    if before is None or after is None or before.currency != after.currency or not before.amount:
        return UNKNOWN
    return Fraction(100 * max(before.amount - after.amount, 0), before.amount)


def _customer(asked: Mapping[str, Text], intent: StripeObject | None) -> FactValue:
    for name in ("customer", "customer_account"):
        if name in asked:
            given = asked[name]
            return given if isinstance(given, str) and o.is_id(given) else UNKNOWN
    held = o.id_in(intent, "customer") or o.id_in(intent, "customer_account")
    return held or (NONE if o.is_null(intent, "customer") else UNKNOWN)


def _observed(intent: StripeObject | None) -> dict[str, str | int]:
    customer = "none" if o.is_null(intent, "customer") else o.id_in(intent, "customer")
    found: dict[str, str | int | None] = {
        "amount": o.number(intent, "amount"),
        "currency": o.currency_in(intent),
        "customer": customer,
        "destination": "none" if o.is_null(intent, "transfer_data") else _goes_to(intent),
        "status": _word(o.text(intent, "status")),
    }
    return {name: value for name, value in found.items() if value is not None}


def _goes_to(intent: StripeObject | None) -> str | None:
    return o.id_in(o.child(intent, "transfer_data"), "destination")


def _word(text: str | None) -> str | None:
    return text if o.is_id(text) else None


def _refused(classified: Classified, intent: StripeObject | None) -> Failure | None:
    asked = classified.parameters
    for name in ("intent", "customer", "customer_account"):
        if name in asked and not o.is_id(asked[name]):
            return o.bad_id(name)
    status = o.text(intent, "status")
    if status in _OVER and any(name in asked for name in _MONEY):
        return Failure(
            "stripe.payment_intent_unexpected_state", f"A payment that is {status} cannot be changed.", param="intent"
        )
    return None


def _sentence(asked: Mapping[str, Text], before: Money | None, after: Money | None) -> str:
    what = f"payment {o.shown(asked['intent'])}"
    if "amount" in asked or "currency" in asked:
        old, new = before or "an amount that could not be found out", after or "an amount that could not be found out"
        return f"Change what {what} asks for from {old} to {new}."
    return f"Change {what}{f' over {before}' if before else ''}."
