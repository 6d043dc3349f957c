"""Pausing a subscription, and letting a paused one run on.

Source: https://docs.stripe.com/api/subscriptions/pause and /resume. A pause has no end of its own, so that all of its
revenue counts as lost. What is billed on the way is no more than a period costs.
"""

from __future__ import annotations

from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects import revenue, subscription
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.operation import Classified, EffectKind
from runplane_mcp.core.request import Failure

_ID = "subscription"


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The subscription with its customer; then the tiers of prices that have some."""
    id = classified.parameters[_ID]
    if not o.is_id(id):
        return ()
    return revenue.tier_reads([o.seen(looked, "subscription")], looked) if looked else (subscription.look_at(id),)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    found = o.seen(looked, "subscription")
    held = revenue.with_tiers(found, looked) if found is not None else None
    customer, status = o.id_in(held, "customer"), o.text(held, "status")
    monthly = revenue.monthly([held]) if held is not None else None
    period = revenue.a_period(held) if held is not None else None
    refusal = o.missing(looked, subscription=_ID) if o.is_id(asked[_ID]) else o.bad_id(_ID)
    if refusal is None and status in subscription.OVER:
        refusal = Failure("stripe.subscription_already_canceled", "The subscription has already ended.", param=_ID)
    observed: dict[str, str | int] = {}
    for name, value in (("status", status), ("items", revenue.fingerprint([held]) if held is not None else None)):
        if value is not None:
            observed[name] = value
    pauses = classified.effect is EffectKind.SUBSCRIPTION_PAUSE
    facts: dict[str, FactValue] = {
        "object": o.id_in(held) or UNKNOWN,
        "customer": customer or UNKNOWN,
        "mrr_lost": monthly or UNKNOWN,
        "ends": NONE,
        "amount": period or UNKNOWN,
        "currency": o.currency_in(held) or UNKNOWN,
        "reversible": True if pauses else UNKNOWN,
    }
    whose = f" of customer {customer}" if customer else ""
    what = f"subscription {o.shown(asked[_ID])}{whose}"
    a_month = f"{monthly} of monthly revenue" if monthly else "revenue that could not be found out"
    if pauses:
        sentence, undo = f"Pause {what}: {a_month} stops until it is resumed.", "Can be resumed."
    else:
        most = f"at most {period} is billed" if period else "how much is billed could not be found out"
        sentence, undo = f"Resume {what}: {most} for the period that begins.", "Can be paused again; a bill stays."
    return Effect(
        sentence=sentence,
        facts=facts,
        undo=undo,
        to_whom=f"customer {customer}" if customer else None,
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("Monthly revenue lost" if pauses else "Monthly revenue", monthly),) if monthly else (),
        refusal=refusal,
        quoted=o.customer_quotes(o.child(held, "customer")),
        observed=observed,
    )
