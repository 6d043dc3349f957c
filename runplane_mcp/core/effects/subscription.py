"""Subscriptions: ending one now (DELETE) or at its period's end, and every other change.

Source: https://docs.stripe.com/api/subscriptions/cancel and /update
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects import revenue
from runplane_mcp.core.effects import subscription_update as update
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified, EffectKind
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text

_ID = "subscription_exposed_id"
OVER = frozenset({"canceled", "incomplete_expired"})


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The subscription with its customer; items and prices come along. For a change also what it names, all at once; then
    the tiers of prices that have some."""
    id = classified.parameters[_ID]
    changes = classified.effect is EffectKind.SUBSCRIPTION_UPDATE
    if looked:
        if not {"mrr_lost", "amount"} & classified.facts:
            return ()
        return (*revenue.tier_reads([o.seen(looked, "subscription")], looked), *update.tier_reads(looked))
    named = update.reads(classified.parameters) if changes else ()
    return (look_at(id), *named)


def look_at(id: Text, *also: str) -> Read:
    """The subscription with its customer, and `also` what else is to come along."""
    return o.look("subscription", "/v1/subscriptions/{subscription}", subscription=id, expand=["customer", *also])


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    held = o.seen(looked, "subscription")
    subscription = revenue.with_tiers(held, looked) if held is not None else None
    refusal = o.missing(looked, subscription=_ID, **update.missing_in(looked)) or _refused(classified, subscription)
    id = o.id_in(subscription) if o.id_in(subscription) == asked[_ID] else None
    customer = o.id_in(subscription, "customer")
    facts: dict[str, FactValue] = {"object": id or UNKNOWN, "customer": customer or UNKNOWN}
    observed: dict[str, str | int] = {}
    for name, value in (
        ("status", o.text(subscription, "status")),
        ("items", revenue.fingerprint([subscription]) if subscription is not None else None),
    ):
        if value is not None:
            observed[name] = value
    whose = f" of customer {customer}" if customer else ""
    what = f"subscription {o.shown(asked[_ID])}{whose}"
    if classified.effect is EffectKind.SUBSCRIPTION_CANCEL:
        effect = _cancel(classified, subscription, facts, observed, what)
    else:
        effect = _update(classified, subscription, looked, facts, observed, what)
    return Effect(
        sentence=effect.sentence,
        facts=effect.facts,
        undo=effect.undo,
        to_whom=f"customer {customer}" if customer else None,
        preconditions=o.unchanged(observed),
        money_lines=effect.money_lines,
        refusal=refusal,
        quoted=(
            *o.customer_quotes(o.child(subscription, "customer")),
            *o.quotes(("subscription description", o.text(subscription, "description"))),
        ),
        observed=observed,
    )


def _refused(classified: Classified, subscription: StripeObject | None) -> Failure | None:
    asked = classified.parameters
    if "customer" in asked and (held := o.id_in(subscription, "customer")) and held != asked["customer"]:
        return Failure("stripe.resource_missing", "That customer has no such subscription.", param=_ID)
    # Stripe lets an ended one still have its metadata changed.
    if o.text(subscription, "status") in OVER and classified.groups:
        return Failure("stripe.subscription_already_canceled", "The subscription has already ended.", param=_ID)
    return None


def _cancel(
    classified: Classified,
    subscription: StripeObject | None,
    facts: dict[str, FactValue],
    observed: dict[str, str | int],
    what: str,
) -> Effect:
    lost = revenue.monthly([subscription]) if subscription is not None else None
    now = classified.wire.method == "DELETE"
    end = _period_end(subscription)
    facts |= {"mrr_lost": lost or UNKNOWN, "ends": "now" if now else "period_end", "reversible": not now}
    if not now and end is not None:
        # Approved after a renewal it would end one period later than people were told.
        observed["period_end"] = end
    when = "now" if now else f"at the end of its period{f', {day}' if (day := o.day(end)) else ''}"
    ends = f"{lost} of monthly revenue ends" if lost else "how much revenue ends could not be found out"
    also = [f" `{name}` is asked for too." for name in ("prorate", "invoice_now") if _true(classified.parameters, name)]
    return Effect(
        sentence=f"Cancel {what} {when}: {ends}.{''.join(also)}",
        facts=facts,
        undo="Cannot be undone: the customer would have to subscribe again." if now else "Can be undone until then.",
        money_lines=(MoneyLine("Monthly revenue lost", lost),) if lost else (),
    )


def _update(
    classified: Classified,
    subscription: StripeObject | None,
    looked: LookedUp,
    facts: dict[str, FactValue],
    observed: dict[str, str | int],
    what: str,
) -> Effect:
    """What is not found out is unknown; what parameters rule out is not."""
    asked = classified.parameters
    narrow = not {"amount", "mrr_lost"} & classified.facts
    if narrow:
        observed.pop("items", None)
        doing = ", ".join(sorted(name for name in asked if name not in classified.operation.path_parameters))
        changes = f"Change {doing} of" if doing else "Change nothing of"
        if {"cancel_at_period_end", "pause_collection"} & asked.keys():
            changes = "Let run on, and charge again,"
        return Effect(sentence=f"{changes} {what}.", facts=facts | {"reversible": True}, undo="Can be changed back.")
    observed |= update.observe(looked)
    redirects = update.redirects(asked)
    in_path = classified.operation.path_parameters
    found = update.change({name: text for name, text in asked.items() if name not in in_path}, subscription, looked)
    facts |= {
        "reversible": UNKNOWN,
        "redirects_funds": redirects,
        "destination": update.destination(asked) if redirects else NONE,
        "mrr_lost": found.lost,
        "amount": found.moved,
        "currency": o.currency_in(subscription) or UNKNOWN,
        "discount_percent": found.discount,
        "ends": found.ends,
    }
    most = f"; at most {found.moved} is charged or credited for it" if isinstance(found.moved, Money) else ""
    to = facts["destination"]
    other = f" The money is for {f'account {to}' if isinstance(to, str) else 'an account that could not be found out'}."
    return Effect(
        sentence=f"Change {what}: {found.doing}{most}.{other if redirects else ''}",
        facts=facts,
        undo="Can partly be changed back; what was billed stays billed.",
        money_lines=found.lines,
    )


def _period_end(subscription: StripeObject | None) -> int | None:
    """The earliest end of what is paid: kept per item in current API versions."""
    items = (revenue.items_of(subscription) if subscription is not None else None) or ()
    ends = [o.number(item, "current_period_end") for item in items]
    known = [end for end in ends if end is not None]
    return min(known) if known and len(known) == len(ends) else o.number(subscription, "current_period_end")


def _true(asked: Mapping[str, Text], name: str) -> bool:
    return asked.get(name, "false") != "false"
