"""A quote's own steps: finalizing makes it an offer, accepting makes the subscription or invoice that it stands for.

Source: https://docs.stripe.com/api/quotes. What is in it was decided when it was made; by now only a look tells.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects import revenue
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure

#: Fields of a quote that send money on, or share it.
_REDIRECTS: Final = ("transfer_data", "on_behalf_of", "application_fee_amount", "application_fee_percent")
#: The statuses that a quote may have before each step.
_BEFORE: Final = {"accept": {"open"}, "finalize": {"draft"}, "cancel": {"draft", "open"}}
_STATUSES: Final = frozenset({"draft", "open", "accepted", "canceled"})


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The quote with its customer."""
    id = classified.parameters["quote"]
    if looked or not o.is_id(id):
        return ()
    return (o.look("quote", "/v1/quotes/{quote}", quote=id, expand=["customer"]),)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    quote, verb = o.seen(looked, "quote"), classified.action.rpartition(".")[2]
    customer, status = o.id_in(quote, "customer"), o.text(quote, "status")
    amount = o.money_of(o.number(quote, "amount_total"), o.currency_in(quote))
    refusal = o.missing(looked, quote="quote") if o.is_id(asked["quote"]) else o.bad_id("quote")
    if refusal is None and status in _STATUSES and status not in _BEFORE.get(verb, _STATUSES):
        refusal = Failure("stripe.quote_status", f"The quote is {status}: that cannot be done with it.", param="quote")
    redirects = _redirects(quote)
    observed: dict[str, str | int] = {}
    for name, value in (
        ("status", status),
        ("amount_total", amount.amount if amount else None),
        ("currency", amount.currency if amount else None),
        # Nowhere is something too: an account that is put in afterwards would get all of it.
        ("goes_to", (_goes_to(quote) or "none") if quote is not None else None),
        ("discount", o.number(o.child(quote, "total_details"), "amount_discount")),
    ):
        if value is not None:
            observed[name] = value
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": amount.currency if amount else UNKNOWN,
        "customer": customer or UNKNOWN,
        "object": o.id_in(quote) or UNKNOWN,
        "discount_percent": _discount(quote),
        "redirects_funds": redirects,
        "destination": NONE if redirects is False else _goes_to(quote) or UNKNOWN,
        "reversible": False,
    }
    whose = f" of customer {customer}" if customer else ""
    what = str(amount) if amount else "an amount that could not be found out"
    which = f"quote {o.shown(asked['quote'])}{whose}"
    sentence = {
        "accept": f"Accept {which}: {what} is billed{_recurring(quote)}{_to(quote)}.",
        "finalize": f"Finalize {which}: it becomes an offer of {what}{_recurring(quote)}{_to(quote)}.",
    }.get(verb, f"Cancel {which}: the offer of {what} ends.")
    undo = {
        "accept": "Cannot be undone; what it makes can be canceled or voided.",
        "finalize": "Cannot be changed any more; it can be canceled.",
    }.get(verb, "Cannot be undone; a new quote can be made from it.")
    return Effect(
        sentence=sentence,
        facts=facts,
        undo=undo,
        to_whom=f"customer {customer}" if customer else None,
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("Quoted", amount),) if amount else (),
        refusal=refusal,
        quoted=(
            *o.customer_quotes(o.child(quote, "customer")),
            *o.quotes(("quote description", o.text(quote, "description"))),
        ),
        observed=observed,
    )


def _redirects(quote: StripeObject | None) -> FactValue:
    """Whether somebody else gets the money, or a share of it."""
    if quote is None:
        return UNKNOWN
    if any(quote.get(name) is not None for name in _REDIRECTS):
        return True
    return False if all(name in quote for name in _REDIRECTS) else UNKNOWN


def _goes_to(quote: StripeObject | None) -> str | None:
    return o.id_in(o.child(quote, "transfer_data"), "destination") or o.id_in(quote, "on_behalf_of")


def _discount(quote: StripeObject | None) -> FactValue:
    """What is taken off, as a share of what it would cost. A trial takes off what no total tells."""
    off, total = o.number(o.child(quote, "total_details"), "amount_discount"), o.number(quote, "amount_subtotal")
    trial = o.child(quote, "subscription_data")
    if trial is not None and trial.get("trial_period_days") is not None:
        return UNKNOWN
    if off == 0:
        return NONE
    return Fraction(100 * off, total) if off is not None and total else UNKNOWN


def _recurring(quote: StripeObject | None) -> str:
    recurring = o.child(o.child(quote, "computed"), "recurring")
    money = o.money_of(o.number(recurring, "amount_total"), o.currency_in(quote))
    interval = revenue.interval_of({"recurring": recurring}) if recurring is not None else None
    if money is None or interval is None:
        return ""
    name, count = interval
    return f", and {money} every {name if count == 1 else f'{count} {name}s'}"


def _to(quote: StripeObject | None) -> str:
    account = _goes_to(quote)
    shares = quote is not None and any(quote.get(name) is not None for name in _REDIRECTS if "fee" in name)
    return (f"; the money is for account {account}" if account else "") + ("; a fee is taken of it" if shares else "")
