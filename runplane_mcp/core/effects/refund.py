"""A refund: by charge or by payment intent, which is its latest charge. Without an amount it is all that remains.

Source: https://docs.stripe.com/api/refunds/create
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure, Precondition
from runplane_mcp.core.wire import Text

_UNDO = "Cannot be undone: money that was refunded does not come back."


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The charge with its customer, or the intent with both; one read, two where Stripe did not expand."""
    asked = classified.parameters
    if _from_balance(asked) or _refused_as_asked(asked) is not None:
        return ()
    intent, charge = asked.get("payment_intent"), asked.get("charge")
    if isinstance(intent, str):
        if "payment_intent" not in looked:
            expand = ["latest_charge.customer"]
            return (o.look("payment_intent", "/v1/payment_intents/{intent}", intent=intent, expand=expand),)
        found = o.seen(looked, "payment_intent")
        charge = o.id_in(found, "latest_charge") if o.child(found, "latest_charge") is None else None
    if isinstance(charge, str) and "charge" not in looked:
        return (o.look("charge", "/v1/charges/{charge}", charge=charge, expand=["customer"]),)
    return ()


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    if _from_balance(asked) and not _names_payment(asked):
        return _of_customer_balance(asked)
    refusal = _refused_as_asked(asked) or o.missing(looked, payment_intent="payment_intent", charge="charge")
    intent = o.seen(looked, "payment_intent")
    if refusal is None and o.is_null(intent, "latest_charge"):
        refusal = Failure(
            "stripe.payment_intent_unexpected_state", "The payment intent has no charge to refund.", "payment_intent"
        )
    charge = o.child(intent, "latest_charge") or o.seen(looked, "charge")
    return _of_charge(asked, charge, refusal)


def _from_balance(asked: Mapping[str, Text]) -> bool:
    """A refund of a customer's cash balance, which no charge tells about."""
    return "origin" in asked


def _names_payment(asked: Mapping[str, Text]) -> bool:
    return "charge" in asked or "payment_intent" in asked


def _refused_as_asked(asked: Mapping[str, Text]) -> Failure | None:
    if "reader" in asked and not o.is_id(asked["reader"]):
        return o.bad_id("reader")
    if _from_balance(asked) and _names_payment(asked):
        # Which of the two it would be is Stripe's choice: another customer, and another currency for the same number.
        return Failure("parameter.conflict", "Give `origin` or a payment to be refunded, not both.", param="origin")
    given = [name for name in ("charge", "payment_intent") if name in asked]
    if not given:
        return Failure("parameter.missing", "Give `payment_intent` or `charge`: what is to be refunded.")
    if len(given) == 2:
        return Failure("parameter.conflict", "Give `payment_intent` or `charge`, not both.", param="charge")
    return None if o.is_id(asked[given[0]]) else o.bad_id(given[0])


def _of_charge(asked: Mapping[str, Text], charge: StripeObject | None, refusal: Failure | None) -> Effect:
    charge_id, currency = o.id_in(charge), o.currency_in(charge)
    charged, before = o.number(charge, "amount"), o.number(charge, "amount_refunded")
    if "currency" in asked and o.currency_of(asked["currency"]) != currency:
        currency = None
    remaining = charged - before if charged is not None and before is not None and charged >= before else None
    number = amount_of(asked["amount"]) if "amount" in asked else remaining
    amount = o.money_of(number, currency)
    refusal = refusal or _refused_by_charge(charge, remaining, amount)
    customer, guest = _whose(charge)
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "reversible": False,
        "customer": customer,
        "guest": guest,
        "object": charge_id or UNKNOWN,
        # Where a payment method takes no refunds, Stripe mails instructions: then that address decides who is paid.
        "destination": UNKNOWN if "instructions_email" in asked else NONE,
        "platform_loss": _platform_loss(asked, charge, amount),
    }
    disputed = o.flag(charge, "disputed")
    if disputed is not None:
        facts["disputed"] = disputed
    lines: tuple[MoneyLine, ...] = ()
    fill: dict[str, int] = {}
    preconditions: list[Precondition] = []
    observed: dict[str, str | int] = {}
    if amount and charge_id and charged and before is not None and remaining is not None:
        facts["amount_on_object"] = Money(before + amount.amount, amount.currency)
        facts["share"] = Fraction(100 * amount.amount, charged)
        if "amount" not in asked and amount.amount > 0:
            fill["amount"] = amount.amount
        observed = {
            "remaining": remaining,
            "currency": amount.currency,
            "charge": charge_id,
            "transfer_destination": _transfer_destination(charge) or "none",
        }
        if disputed is not None:
            observed["disputed"] = "yes" if disputed else "no"
        preconditions = [Precondition("remaining", "at_least", amount.amount)]
        preconditions += o.unchanged(observed, but="remaining")
        lines = (
            MoneyLine("Charged", Money(charged, amount.currency)),
            MoneyLine("Refunded before", Money(before, amount.currency)),
            MoneyLine("This refund", amount),
            MoneyLine("Left after it", Money(max(remaining - amount.amount, 0), amount.currency)),
        )
    whom = _to_whom(customer, guest)
    return Effect(
        sentence=_sentence(asked, charge_id, amount, o.money_of(remaining, currency), whom),
        facts=facts,
        undo=_UNDO,
        to_whom=whom,
        fill=fill,
        preconditions=tuple(preconditions),
        money_lines=lines,
        refusal=refusal,
        quoted=_quoted(asked, charge),
        observed=observed,
    )


def _refused_by_charge(charge: StripeObject | None, remaining: int | None, amount: Money | None) -> Failure | None:
    if o.text(charge, "status") == "failed":
        return Failure("stripe.charge_not_refundable", "The charge failed: there is nothing to refund.", "charge")
    if remaining == 0:
        return Failure("stripe.charge_already_refunded", "The charge has already been refunded in full.", "charge")
    if remaining is not None and amount is not None and amount.amount > remaining:
        left = Money(remaining, amount.currency)
        return Failure("stripe.amount_too_large", f"Only {left} of the charge is left to refund.", "amount")
    return None


def _whose(charge: StripeObject | None) -> tuple[FactValue, FactValue]:
    """Customer and guest. Who paid without being a customer is told apart by the fingerprint of what they paid with."""
    if customer := o.id_in(charge, "customer"):
        return customer, NONE
    if not o.is_null(charge, "customer"):
        return UNKNOWN, UNKNOWN
    paid_with = o.child(charge, "payment_method_details")
    method = o.text(paid_with, "type") or "card"
    return NONE, o.text(o.child(paid_with, method), "fingerprint") or NONE


def _transfer_destination(charge: StripeObject | None) -> str | None:
    return o.id_in(o.child(charge, "transfer_data"), "destination") or o.id_in(charge, "destination")


def _platform_loss(asked: Mapping[str, Text], charge: StripeObject | None, amount: Money | None) -> FactValue:
    """A destination charge has passed its money on. Unless the refund takes the transfer back, the platform pays."""
    if charge is None:
        return UNKNOWN
    passed_on = any(charge.get(name) is not None for name in ("transfer", "transfer_data", "destination"))
    if not passed_on or asked.get("reverse_transfer") == "true":
        return NONE
    return amount or UNKNOWN


def _to_whom(customer: FactValue, guest: FactValue) -> str | None:
    if isinstance(customer, str):
        return f"customer {customer}"
    if customer is NONE:
        return f"a guest (fingerprint {o.shown(guest)})" if isinstance(guest, str) else "a guest"
    return None


def _sentence(
    asked: Mapping[str, Text], charge_id: str | None, amount: Money | None, remaining: Money | None, whom: str | None
) -> str:
    what = f"charge {charge_id}" if charge_id else f"{o.shown(asked.get('charge') or asked.get('payment_intent'))}"
    to = f" to {whom}" if whom else ""
    to += f" at reader {o.shown(asked['reader'])}" if "reader" in asked else ""
    if amount is None:
        return f"Refund an amount that could not be found out, of {what}{to}."
    if remaining is None or amount == remaining:
        rest = ": all that remains" if amount == remaining else ""
    else:
        rest = f", of {remaining} that remain"
    return f"Refund {amount} of {what}{to}{rest}."


def _quoted(asked: Mapping[str, Text], charge: StripeObject | None) -> tuple[tuple[str, str], ...]:
    email = asked.get("instructions_email")
    billing = o.child(charge, "billing_details")
    return (
        *o.customer_quotes(o.child(charge, "customer")),
        *o.quotes(
            ("charge description", o.text(charge, "description")),
            ("billing name", o.text(billing, "name")),
            ("billing email", o.text(billing, "email")),
            ("refund instructions go to", email if isinstance(email, str) else None),
        ),
    )


def _of_customer_balance(asked: Mapping[str, Text]) -> Effect:
    currency = o.currency_of(asked.get("currency"))
    amount = o.money_of(amount_of(asked.get("amount")), currency)
    customer = asked.get("customer")
    sound = isinstance(customer, str) and o.is_id(customer)
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "reversible": False,
        "customer": customer if isinstance(customer, str) and sound else UNKNOWN,
        "guest": NONE,
    }
    what = str(amount) if amount else "an amount that could not be found out"
    sentence = f"Refund {what} of the cash balance of customer {o.shown(customer)}."
    # Nothing is looked up here, so what is no id would come before people as the agent wrote it.
    refusal = None if sound else o.bad_id("customer")
    return Effect(sentence=sentence, facts=facts, undo=_UNDO, refusal=refusal)
