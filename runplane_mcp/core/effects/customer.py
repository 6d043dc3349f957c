"""Deleting a customer: for good, and their subscriptions end at once.

Source: https://docs.stripe.com/api/customers/delete
"""

from __future__ import annotations

from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects import revenue
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The customer and their subscriptions that have not ended, both at once; then the tiers of their prices."""
    id = classified.parameters["customer"]
    if not o.is_id(id):
        return ()
    if looked:
        return revenue.tier_reads(o.listed(o.seen(looked, "subscriptions")) or (), looked)
    return (
        o.look("customer", "/v1/customers/{customer}", customer=id),
        o.look("subscriptions", "/v1/subscriptions", customer=id, limit=100),
    )


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters["customer"]
    customer, held = o.seen(looked, "customer"), o.seen(looked, "subscriptions")
    id = o.id_in(customer) if o.id_in(customer) == asked else None
    refusal = o.missing(looked, customer="customer", subscriptions="customer")
    if not o.is_id(asked):
        refusal = o.bad_id("customer")
    elif o.flag(customer, "deleted"):
        refusal = Failure("stripe.resource_missing", "The customer has already been deleted.", param="customer")
    subscriptions = o.listed(held) if o.complete(held) else None
    facts: dict[str, FactValue] = {"object": id or UNKNOWN, "customer": id or UNKNOWN, "reversible": False}
    observed: dict[str, str | int] = {}
    lost = None
    if subscriptions is not None:
        subscriptions = tuple(revenue.with_tiers(each, looked) for each in subscriptions)
        lost = revenue.monthly(subscriptions)
        facts["mrr_lost"] = (lost or UNKNOWN) if subscriptions else NONE
        facts["ends"] = "now" if subscriptions else NONE
        if fingerprint := revenue.fingerprint(subscriptions):
            observed["subscriptions"] = fingerprint
    ending = f", {lost} of monthly revenue" if lost else ""
    return Effect(
        sentence=f"Delete customer {o.shown(asked)} for good; {_how_many(subscriptions)} now{ending}.",
        facts=facts,
        undo="Cannot be undone.",
        to_whom=f"customer {o.shown(asked)}",
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("Monthly revenue lost", lost),) if lost else (),
        refusal=refusal,
        quoted=o.customer_quotes(customer),
        observed=observed,
    )


def _how_many(subscriptions: tuple[StripeObject, ...] | None) -> str:
    if subscriptions is None:
        return "an unknown number of subscriptions ends"
    count = len(subscriptions)
    return "1 subscription ends" if count == 1 else f"{count or 'no'} subscriptions end"
