"""Capturing a charge: money that a card holds ready is taken, all of it if no amount is given. What is not taken is
released at once and cannot be captured any more.

Source: https://docs.stripe.com/api/charges/capture
"""

from __future__ import annotations

from fractions import Fraction

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The charge with its customer."""
    charge = classified.parameters["charge"]
    if looked or not o.is_id(charge):
        return ()
    return (o.look("charge", "/v1/charges/{charge}", charge=charge, expand=["customer"]),)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked, charge = classified.parameters, o.seen(looked, "charge")
    currency, held = o.currency_in(charge), _held(charge)
    taken = amount_of(asked["amount"]) if "amount" in asked else held
    amount = o.money_of(taken, currency)
    released = o.money_of(held - taken, currency) if held is not None and taken is not None and held >= taken else None
    customer: FactValue = o.id_in(charge, "customer") or (NONE if o.is_null(charge, "customer") else UNKNOWN)
    destination = _destination(charge)
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        # As for payment intents: what is given up of it.
        "amount_on_object": released or UNKNOWN,
        "currency": currency or UNKNOWN,
        "customer": customer,
        "destination": destination,
        "object": o.same_id(charge, asked["charge"]) or UNKNOWN,
        "redirects_funds": True,
        "reversible": released.amount == 0 if released else UNKNOWN,
    }
    if held and taken is not None:
        facts["share"] = Fraction(100 * taken, held)
    observed = _observed(charge, held, destination)
    lines: tuple[MoneyLine, ...] = ()
    if amount and released and held is not None:
        lines = (
            MoneyLine("Held ready", Money(held, amount.currency)),
            MoneyLine("This capture", amount),
            MoneyLine("Released for good", released),
        )
    return Effect(
        sentence=_sentence(classified, amount, released, customer, destination),
        facts=facts,
        undo="What is captured can be refunded."
        if released and not released.amount
        else "What is captured can be refunded; what is released cannot be captured any more.",
        to_whom=f"customer {customer}" if isinstance(customer, str) else None,
        fill={"amount": amount.amount} if amount and amount.amount and "amount" not in asked else {},
        preconditions=o.unchanged(observed),
        money_lines=lines,
        refusal=_refused(classified, charge, held, amount) or o.missing(looked, charge="charge"),
        quoted=(
            *o.customer_quotes(o.child(charge, "customer")),
            *o.quotes(("charge description", o.text(charge, "description"))),
        ),
        observed=observed,
    )


def _held(charge: StripeObject | None) -> int | None:
    """What can be captured: what was charged, less what was released or given back."""
    charged, given_back = o.number(charge, "amount"), o.number(charge, "amount_refunded")
    if charged is None or given_back is None or charged < given_back:
        return None
    return charged - given_back


def _destination(charge: StripeObject | None) -> FactValue:
    """The connected account that the captured money is passed on to, or is for, if any."""
    transfer = o.id_in(o.child(charge, "transfer_data"), "destination") or o.id_in(charge, "on_behalf_of")
    nothing = o.is_null(charge, "transfer_data") and o.is_null(charge, "on_behalf_of")
    return transfer or (NONE if nothing else UNKNOWN)


def _observed(charge: StripeObject | None, held: int | None, destination: FactValue) -> dict[str, str | int]:
    captured = o.flag(charge, "captured")
    found: dict[str, str | int | None] = {
        "capturable": held,
        "captured": None if captured is None else "yes" if captured else "no",
        "currency": o.currency_in(charge),
        "destination": destination if isinstance(destination, str) else "none" if destination is NONE else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _refused(
    classified: Classified, charge: StripeObject | None, held: int | None, amount: Money | None
) -> Failure | None:
    if not o.is_id(classified.parameters["charge"]):
        return o.bad_id("charge")
    if o.flag(charge, "captured") is True:
        return Failure("stripe.charge_already_captured", "The charge is captured already.", param="charge")
    if o.flag(charge, "refunded") is True:
        return Failure("stripe.charge_already_refunded", "What was held has been released.", param="charge")
    if held is not None and amount is not None and amount.amount > held:
        return Failure(
            "stripe.amount_too_large", f"Only {Money(held, amount.currency)} can be captured.", param="amount"
        )
    return None


def _sentence(
    classified: Classified, amount: Money | None, released: Money | None, customer: FactValue, destination: FactValue
) -> str:
    what = str(amount) if amount else "an amount that could not be found out"
    whose = f" of customer {customer}" if isinstance(customer, str) else ""
    also = f", passing money on to account {destination}" if isinstance(destination, str) else ""
    changed = [
        name for name in ("application_fee", "application_fee_amount", "transfer_data") if name in classified.parameters
    ]
    also += f", with another {' and '.join(changed)}" if changed else ""
    if released is None:
        rest = "; how much is released could not be found out"
    else:
        rest = f"; {released} are released for good" if released.amount else ""
    return f"Capture {what} of charge {o.shown(classified.parameters['charge'])}{whose}{also}{rest}."
