"""A checkout session: a page at which one payer pays, subscribes or leaves a card. What they pay is price × quantity as
looked up or made for the moment; where the payer chooses, or discounts, trials and shipping come in, nobody can tell.

Source: https://docs.stripe.com/api/checkout/sessions/create and /update
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import destinations, discounts
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects.addresses import hosts_in
from runplane_mcp.core.effects.lines import fingerprint, lines_of, price_reads, prices_in, quoted, refused, said, total
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.told import also_said
from runplane_mcp.core.wire import Text

#: With any of these the payer pays something else than the prices say.
_OTHERWISE = frozenset({"allow_promotion_codes", "currency", "discounts", "optional_items", "shipping_options"})
#: The same, inside of `subscription_data`: with trials and anchors the first bill is another.
_OTHERWISE_INSIDE = frozenset(
    {"billing_cycle_anchor", "billing_cycle_anchor_config", "proration_behavior", "trial_end", "trial_period_days"}
)
_CUSTOMERS = ("customer", "customer_account")
_CARD_ONLY = "setup"
#: Accounts that are looked up: the one that gets the money, and the one that sells.
_MOST_ACCOUNTS = 2


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """All prices at once, the customer, who gets the money, and what coupons and codes take off."""
    asked = classified.parameters
    if looked:
        return ()
    customer = asked.get("customer")
    named = isinstance(customer, str) and o.is_id(customer)
    who = (o.look("customer", "/v1/customers/{customer}", customer=str(customer)),) if named else ()
    accounts = (o.look(name, "/v1/accounts/{account}", account=id) for name, id in _accounts(classified).items())
    return (*who, *accounts, *price_reads(lines_of(asked.get("line_items"))), *discounts.reads(classified))


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    lines = lines_of(asked.get("line_items"))
    prices = prices_in(lines, looked)
    amount = _amount(asked, None if _changes_price(asked) else total(lines, prices))
    customer = _customer(asked)
    accounts = _accounts(classified)
    destination = destinations.named(classified.added)
    share = discounts.percent(classified, looked)
    off = share if "discount_percent" in classified.facts else NONE
    observed = discounts.observe(looked)
    if held := fingerprint(prices):
        observed["prices"] = held
    return Effect(
        sentence=_sentence(asked, said(lines), amount, customer, destination)
        + also_said(classified.added)
        + discounts.said(off),
        facts={
            "amount": amount,
            "currency": amount.currency if isinstance(amount, Money) else amount,
            "customer": customer,
            "destination": destination,
            "discount_percent": share,
            "redirects_funds": True,
            "reversible": True,
            "url_hosts": hosts_in(asked),
        },
        undo="The session can be closed until it is paid; what is paid can be refunded.",
        to_whom=f"customer {customer}" if isinstance(customer, str) else None,
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("To be paid", amount),) if isinstance(amount, Money) else (),
        refusal=_bad_customer(asked)
        or refused(looked, prices)
        or o.missing(
            looked, customer="customer", **dict.fromkeys(accounts, "destination"), **discounts.missing_in(looked)
        ),
        quoted=(
            *o.customer_quotes(o.seen(looked, "customer")),
            *(each for name in accounts for each in _account_quotes(name, o.seen(looked, name))),
            *quoted(prices),
        ),
        observed=observed,
    )


def update_reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The session, and all prices that it is to have."""
    session = classified.parameters["session"]
    if looked or not o.is_id(session):
        return ()
    read = o.look("session", "/v1/checkout/sessions/{session}", session=session)
    return (read, *price_reads(lines_of(classified.parameters.get("line_items"))))


def update_of(classified: Classified, looked: LookedUp) -> Effect:
    asked, session = classified.parameters, o.seen(looked, "session")
    lines = lines_of(asked.get("line_items"))
    prices = prices_in(lines, looked)
    before = o.money_of(o.number(session, "amount_total"), o.currency_in(session))
    # Shipping, and what was there of codes and taxes, comes on top of the lines.
    after = total(lines, prices) if "shipping_options" not in asked and _plain(session) else None
    customer: FactValue = o.id_in(session, "customer") or (NONE if o.is_null(session, "customer") else UNKNOWN)
    observed: dict[str, str | int] = {}
    if before is not None:
        observed["asked_for"] = before.amount
    if held := fingerprint(prices):
        observed["prices"] = held
    changed = "what is to be paid for" if "line_items" in asked else "the words or the shipping of"
    what = f"{changed} checkout session {o.shown(asked['session'])}"
    over = f" over {before}" if before else ""
    new = f" to {said(lines)}, together {after or 'an amount that could not be found out'}" if lines else ""
    return Effect(
        sentence=f"Change {what}{over}{new}.{also_said(classified.added)}",
        facts={
            "amount": after or UNKNOWN,
            "currency": after.currency if after else UNKNOWN,
            "customer": customer,
            "discount_percent": _less(before, after),
            "object": o.same_id(session, asked["session"]) or UNKNOWN,
            "reversible": True,
        },
        undo="Can be changed back until it is paid.",
        to_whom=f"customer {customer}" if isinstance(customer, str) else None,
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("To be paid before", before), MoneyLine("To be paid after it", after))
        if before and after
        else (),
        refusal=_not_open(asked, session) or refused(looked, prices) or o.missing(looked, session="session"),
        quoted=quoted(prices),
        observed=observed,
    )


def _changes_price(asked: Mapping[str, Text]) -> bool:
    subscription = asked.get("subscription_data", {})
    inside = not isinstance(subscription, dict) or bool(_OTHERWISE_INSIDE & subscription.keys())
    return inside or bool(_OTHERWISE & asked.keys()) or "automatic_tax" in asked


def _amount(asked: Mapping[str, Text], paid: Money | None) -> Money | FactValue:
    """What is paid; nothing where only a card is left, which is charged later by a request of its own."""
    if asked.get("mode") == _CARD_ONLY:
        return NONE if "line_items" not in asked else UNKNOWN
    return paid or UNKNOWN


def _customer(asked: Mapping[str, Text]) -> FactValue:
    given = next((asked[name] for name in _CUSTOMERS if name in asked), None)
    if given is None:
        return NONE
    return given if isinstance(given, str) and o.is_id(given) else UNKNOWN


def _accounts(classified: Classified) -> dict[str, str]:
    """The connected accounts that the parameters name, wherever they do, each by the name of its look-up."""
    named = [
        each.value.get("destination") if isinstance(each.value, dict) else each.value
        for each in classified.added
        if "destination" in each.addition.facts
    ]
    ids = dict.fromkeys(id for id in named if isinstance(id, str) and o.is_id(id))
    return {f"account {id}": id for id in list(ids)[:_MOST_ACCOUNTS]}


def _account_quotes(name: str, account: StripeObject | None) -> tuple[tuple[str, str], ...]:
    return o.quotes((f"{name} name", o.text(o.child(account, "business_profile"), "name")))


def _bad_customer(asked: Mapping[str, Text]) -> Failure | None:
    return next((o.bad_id(name) for name in _CUSTOMERS if name in asked and not o.is_id(asked[name])), None)


def _plain(session: StripeObject | None) -> bool:
    """Whether a session has nothing that comes on top of its lines or off them."""
    details = o.child(session, "total_details")
    return details is not None and all(
        details.get(f"amount_{name}") in (0, None) for name in ("discount", "shipping", "tax")
    )


def _less(before: Money | None, after: Money | None) -> FactValue:
    if before is None or after is None or before.currency != after.currency or not before.amount:
        return UNKNOWN
    return Fraction(100 * max(before.amount - after.amount, 0), before.amount)


def _not_open(asked: Mapping[str, Text], session: StripeObject | None) -> Failure | None:
    if not o.is_id(asked["session"]):
        return o.bad_id("session")
    status = o.text(session, "status")
    if status in {"complete", "expired"}:
        return Failure("stripe.unexpected_state", f"The session is {status}: it cannot be changed.", param="session")
    return None


def _sentence(
    asked: Mapping[str, Text], lines: str, amount: Money | FactValue, customer: FactValue, destination: FactValue
) -> str:
    whom = f" for customer {customer}" if isinstance(customer, str) else ""
    to = f", which goes to account {destination}" if isinstance(destination, str) else ""
    if amount is NONE:
        return f"Make a page{whom} at which a card or an account is saved, to be charged later{to}."
    pays = str(amount) if isinstance(amount, Money) else "an amount that could not be found out"
    how = "subscribes" if asked.get("mode") == "subscription" else "pays"
    return f"Make a page{whom} at which whoever opens it {how}, {lines or 'lines that could not be read'}: {pays}{to}."
