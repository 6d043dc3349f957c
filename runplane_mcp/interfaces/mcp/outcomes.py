"""The first words about a success: what was done, and whether money moved, by the action and by what Stripe answered.

An action without a row of its own is not guessed about. Money is said to have moved only where Stripe's object says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeGuard

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.money import CURRENCIES, Money
from runplane_mcp.interfaces.mcp import outcomes_billing

_Result: TypeAlias = Mapping[str, Json]
#: The first words, and the sentence for the user.
Said: TypeAlias = tuple[str, str]


_UNTOLD: Final[Said] = "DONE. Stripe carried it out; whether money moved was not told.", "This was done."


def outcome_of(action: str, result: _Result) -> Said:
    """What to say about a write that Stripe has carried out. `result` is Stripe's object, empty where only its traces were
    found."""
    say = _SAYS.get(action)
    return say(result) if say is not None and result else _UNTOLD


def _sent(result: _Result) -> Said:
    """A refund, payout or transfer: money that left."""
    kind, status = result.get("object"), result.get("status")
    if kind not in {"refund", "payout", "transfer"}:
        # The oldest way to refund answers with the charge.
        return _UNTOLD
    money = _money(result, "amount")
    if status in {"failed", "canceled"}:
        return f"ACCEPTED BY STRIPE, BUT {str(status).upper()}. No money moved.", f"The {kind} did not go through."
    if status in {"pending", "requires_action", "in_transit"}:
        return f"DONE. Money is on its way: {kind} of {money}.", f"A {kind} of {money} is on its way."
    return f"DONE. Money moved: {kind} of {money}.", f"A {kind} of {money} was made."


def _payout_canceled(result: _Result) -> Said:
    money = _money(result, "amount")
    if result.get("status") != "canceled":
        return (
            "DONE, but Stripe does not say that the payout is canceled. Money may be on its way.",
            "Look again later.",
        )
    return (
        f"DONE. Payout canceled; its money stays in the balance: {money}.",
        f"The payout of {money} is canceled; the money stays in the balance.",
    )


def _reversed(result: _Result) -> Said:
    money = _money(result, "amount")
    return (
        f"DONE. Money moved back into the balance: {money} of a transfer.",
        f"{money} of the transfer were taken back.",
    )


def _captured(result: _Result) -> Said:
    money = _money(result, "amount_received")
    amount, received, still = result.get("amount"), result.get("amount_received"), result.get("amount_capturable")
    rest = ""
    if _whole(amount) and _whole(received) and amount > received:
        left = Money(amount - received, str(result.get("currency"))) if result.get("currency") in CURRENCIES else None
        if left is not None:
            rest = f"; {left} can still be captured" if _whole(still) and still > 0 else f"; {left} were released"
    return f"DONE. Money moved: {money} captured from the customer{rest}.", f"{money} were captured{rest}."


def _intent_canceled(result: _Result) -> Said:
    if result.get("status") != "canceled":
        return "DONE, but Stripe does not say that the payment is canceled. No money moved.", "Look again later."
    return "DONE. Payment canceled; no money was taken from the customer.", "The payment is canceled."


def _subscription_canceled(result: _Result) -> Said:
    if result.get("status") == "canceled":
        return "DONE. Subscription canceled; no money was paid out.", "The subscription is canceled."
    if result.get("cancel_at_period_end") is True:
        return (
            "DONE. Subscription ends with its paid period; no money moved.",
            "The subscription ends with its paid period.",
        )
    return _UNTOLD


def _customer_changed(result: _Result) -> Said:
    balance = result.get("balance")
    if _whole(balance) and balance < 0 and result.get("currency") in CURRENCIES:
        credit = Money(-balance, str(result.get("currency")))
        return f"DONE. Customer changed; no money moved, their credit is {credit}.", "The customer was changed."
    return "DONE. Customer changed; no money moved.", "The customer was changed."


def _dispute_answered(result: _Result) -> Said:
    if str(result.get("status")).endswith("needs_response"):
        return (
            "DONE. Dispute changed, nothing submitted to the bank yet; no money moved.",
            "The dispute was changed; it is not submitted yet.",
        )
    return (
        "DONE. Dispute answered: the evidence is with the bank; no money moved by it.",
        "The evidence was submitted to the bank.",
    )


def _payment_link(_result: _Result) -> Said:
    return (
        "DONE. Payment link made; no money moved. Its address is in result and in the text after this.",
        "The payment link is made.",
    )


def _plain(what: str, user: str) -> Callable[[_Result], Said]:
    return lambda _result: (f"DONE. {what}; no money moved.", user)


_SAYS: Final[Mapping[str, Callable[[_Result], Said]]] = {
    "refund.create": _sent,
    "payout.create": _sent,
    "payout.cancel": _payout_canceled,
    "transfer.create": _sent,
    "transfer_reversal.create": _reversed,
    "payment_intent.capture": _captured,
    "payment_intent.cancel": _intent_canceled,
    "subscription.cancel": _subscription_canceled,
    "customer.create": _plain("Customer created", "The customer was created."),
    "customer.update": _customer_changed,
    "customer.delete": _plain("Customer deleted for good", "The customer was deleted."),
    "dispute.update": _dispute_answered,
    "payment_link.create": _payment_link,
    **outcomes_billing.SAYS,
}


def _whole(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _money(result: _Result, name: str) -> str:
    amount, currency = result.get(name), result.get("currency")
    if _whole(amount) and currency in CURRENCIES:
        return str(Money(amount, str(currency)))
    return "an amount that Stripe does not show"
