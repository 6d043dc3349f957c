"""Taking or letting go of money that a customer's card holds ready: capturing a payment intent, in whole or in part, and
canceling one. What is not captured is released, and cannot be captured any more.

Source: https://docs.stripe.com/api/payment_intents/capture and /cancel
"""

from __future__ import annotations

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

_HELD = "requires_capture"
#: States in which no money is held or on its way, so that canceling gives nothing up.
_NOTHING_YET = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
_OVER = frozenset({"succeeded", "canceled"})
_REDIRECTS = ("transfer_data", "application_fee_amount")


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The intent with its customer."""
    intent = classified.parameters["intent"]
    if looked or not o.is_id(intent):
        return ()
    return (o.look("payment_intent", "/v1/payment_intents/{intent}", intent=intent, expand=["customer"]),)


def capture_of(classified: Classified, looked: LookedUp) -> Effect:
    asked, intent = classified.parameters, o.seen(looked, "payment_intent")
    currency, held = o.currency_in(intent), o.number(intent, "amount_capturable")
    taken = amount_of(asked["amount_to_capture"]) if "amount_to_capture" in asked else held
    amount = o.money_of(taken, currency)
    final = asked.get("final_capture", "true") == "true"
    left = held - taken if held is not None and taken is not None and held >= taken else None
    released = o.money_of(left if final else 0, currency) if left is not None else None
    destination = destinations.passed_on(intent)
    facts: dict[str, FactValue] = {
        **_whose(classified, intent),
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "amount_on_object": released or UNKNOWN,
        "destination": destination,
        "redirects_funds": any(name in asked for name in _REDIRECTS),
        "reversible": released.amount == 0 if released else UNKNOWN,
        "url_hosts": hosts_in(asked),
    }
    if held and taken is not None:
        facts["share"] = Fraction(100 * taken, held)
    observed = _observed(intent, held)
    if destination is not UNKNOWN:
        observed["destination"] = destination if isinstance(destination, str) else "none"
    refusal = _refused(classified, looked, intent, _OVER | _NOTHING_YET, "captured")
    if refusal is None and held is not None and taken is not None and taken > held and currency is not None:
        refusal = Failure(
            "stripe.amount_too_large", f"Only {Money(held, currency)} can be captured.", "amount_to_capture"
        )
    lines: tuple[MoneyLine, ...] = ()
    if amount and released and currency and held is not None:
        rest = "Released for good" if final else "Can still be captured after it"
        lines = (
            MoneyLine("Held ready", Money(held, currency)),
            MoneyLine("This capture", amount),
            MoneyLine(rest, Money(held - amount.amount, currency)),
        )
    return Effect(
        sentence=_capture_sentence(classified, intent, amount, released, destination),
        facts=facts,
        undo=_capture_undo(released),
        to_whom=_to_whom(intent),
        fill={"amount_to_capture": amount.amount}
        if amount and amount.amount and "amount_to_capture" not in asked
        else {},
        preconditions=o.unchanged(observed),
        money_lines=lines,
        refusal=refusal,
        quoted=_quoted(intent),
        observed=observed,
    )


def cancel_of(classified: Classified, looked: LookedUp) -> Effect:
    intent = o.seen(looked, "payment_intent")
    currency, held, status = o.currency_in(intent), o.number(intent, "amount_capturable"), o.text(intent, "status")
    # Of a payment on its way, what is held says nothing.
    amount = o.money_of(held, currency) if status in _NOTHING_YET | {_HELD} else None
    whole = o.money_of(o.number(intent, "amount"), currency)
    facts: dict[str, FactValue] = {
        **_whose(classified, intent),
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "reversible": False,
    }
    if amount is None:
        given_up = "how much is given up could not be found out"
    else:
        given_up = f"{amount} held ready are given up" if amount.amount else "nothing is held yet"
    whose = f" of {who}" if (who := _to_whom(intent)) else ""
    observed = _observed(intent, held)
    return Effect(
        sentence=f"Cancel payment {o.shown(classified.parameters['intent'])}{f' over {whole}' if whole else ''}{whose}: "
        f"{given_up}.",
        facts=facts,
        undo="Cannot be undone: the customer would have to pay anew.",
        to_whom=_to_whom(intent),
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("Given up", amount),) if amount else (),
        refusal=_refused(classified, looked, intent, _OVER, "canceled"),
        quoted=_quoted(intent),
        observed=observed,
    )


def _whose(classified: Classified, intent: StripeObject | None) -> dict[str, FactValue]:
    """The intent and its customer. Somebody who pays without being a customer is none."""
    id = o.id_in(intent) if o.id_in(intent) == classified.parameters["intent"] else None
    customer: FactValue = o.id_in(intent, "customer") or (NONE if o.is_null(intent, "customer") else UNKNOWN)
    return {"object": id or UNKNOWN, "customer": customer}


def _observed(intent: StripeObject | None, held: int | None) -> dict[str, str | int]:
    found: dict[str, str | int | None] = {
        "status": o.text(intent, "status"),
        "capturable": held,
        "currency": o.currency_in(intent),
    }
    return {name: value for name, value in found.items() if value is not None}


def _refused(
    classified: Classified, looked: LookedUp, intent: StripeObject | None, impossible: frozenset[str], done: str
) -> Failure | None:
    if not o.is_id(classified.parameters["intent"]):
        return o.bad_id("intent")
    status = o.text(intent, "status")
    if status in impossible:
        return Failure(
            "stripe.payment_intent_unexpected_state", f"A payment that is {status} cannot be {done}.", param="intent"
        )
    return o.missing(looked, payment_intent="intent")


def _to_whom(intent: StripeObject | None) -> str | None:
    if customer := o.id_in(intent, "customer"):
        return f"customer {customer}"
    return "a guest" if o.is_null(intent, "customer") else None


def _capture_sentence(
    classified: Classified,
    intent: StripeObject | None,
    amount: Money | None,
    released: Money | None,
    destination: FactValue,
) -> str:
    what = str(amount) if amount else "an amount that could not be found out"
    whose = f" of {who}" if (who := _to_whom(intent)) else ""
    also = f", passing money on to account {destination}" if isinstance(destination, str) else ""
    changed = [name for name in _REDIRECTS if name in classified.parameters]
    also += f", with another {' and '.join(changed)}" if changed else ""
    if released is None:
        rest = "; how much is released could not be found out"
    else:
        rest = f"; {released} are released for good" if released.amount else ""
    return f"Capture {what} of payment {o.shown(classified.parameters['intent'])}{whose}{also}{rest}."


def _capture_undo(released: Money | None) -> str:
    if released is not None and released.amount == 0:
        return "What is captured can be refunded."
    return "What is captured can be refunded; what is released cannot be captured any more."


def _quoted(intent: StripeObject | None) -> tuple[tuple[str, str], ...]:
    return (
        *o.customer_quotes(o.child(intent, "customer")),
        *o.quotes(("payment description", o.text(intent, "description"))),
    )
