"""Stripe's test cards: what each one does, under its number, as a token and as a payment method.

Source: https://docs.stripe.com/testing. A payment method remembers its card by the fingerprint, so that what a card
does stays with it wherever it is saved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from runplane_mcp.simulator.objects import Obj
from runplane_mcp.simulator.refusal import declined


@dataclass(frozen=True, slots=True)
class Card:
    """A card. `decline`: the code and decline code of its bank's refusal. `authenticates`: its holder must agree first.

    `ready`: its money is available at once. `refunds` may be `pending` or `failing`, `dispute` the status of a dispute
    that follows each payment, `review`: a person is to look at it. `held_by`: the payment method it belongs to.
    """

    brand: str
    last4: str
    fingerprint: str
    country: str = "US"
    funding: str = "credit"
    decline: tuple[str, str | None] | None = None
    attaches: bool = True
    authenticates: bool = False
    ready: bool = False
    refunds: str | None = None
    dispute: str | None = None
    review: bool = False
    held_by: str | None = None

    @property
    def method(self) -> str:
        return self.held_by or f"pm_{self.fingerprint}"


#: Number, name and what it is.
_CARDS = (
    ("4242424242424242", "visa", Card("visa", "4242", "testvisa4242")),
    ("4000056655665556", "visa_debit", Card("visa", "5556", "testvisa5556", funding="debit")),
    ("5555555555554444", "mastercard", Card("mastercard", "4444", "testmc4444")),
    ("371449635398431", "amex", Card("amex", "8431", "testamex8431")),
    ("4000000000000077", "bypassPending", Card("visa", "0077", "testvisa0077", ready=True)),
    (
        "4000000000000002",
        "chargeDeclined",
        Card("visa", "0002", "testvisa0002", decline=("card_declined", "generic_decline"), attaches=False),
    ),
    (
        "4000000000009995",
        "chargeDeclinedInsufficientFunds",
        Card("visa", "9995", "testvisa9995", decline=("card_declined", "insufficient_funds"), attaches=False),
    ),
    (
        "4000000000000069",
        "chargeDeclinedExpiredCard",
        Card("visa", "0069", "testvisa0069", decline=("expired_card", None), attaches=False),
    ),
    (
        "4000000000000341",
        "chargeCustomerFail",
        Card("visa", "0341", "testvisa0341", decline=("card_declined", "generic_decline")),
    ),
    ("4000002500003155", "authenticationRequired", Card("visa", "3155", "testvisa3155", authenticates=True)),
    ("4000000000007726", "pendingRefund", Card("visa", "7726", "testvisa7726", refunds="pending")),
    ("4000000000005126", "refundFail", Card("visa", "5126", "testvisa5126", refunds="failing")),
    ("4000000000000259", "createDispute", Card("visa", "0259", "testvisa0259", dispute="needs_response")),
    (
        "4000000000001976",
        "createDisputeInquiry",
        Card("visa", "1976", "testvisa1976", dispute="warning_needs_response"),
    ),
    ("4000000000009235", "riskLevelElevated", Card("visa", "9235", "testvisa9235", review=True)),
)

#: The test card that is declined.
DECLINED_CARD = "pm_card_chargeDeclined"
TEST_CARDS = {f"pm_card_{name}": card for _, name, card in _CARDS}
CARD_TOKENS = {f"tok_{name}": card for _, name, card in _CARDS}
CARD_NUMBERS = {number: card for number, _, card in _CARDS}
_BY_FINGERPRINT = {card.fingerprint: card for _, _, card in _CARDS}


def card_of(held: Obj, method: str) -> Card:
    """The card whose details an object holds (`payment_method["card"]`, or a customer's old card)."""
    known = _BY_FINGERPRINT.get(held["fingerprint"])
    if known is None:
        known = Card(held["brand"].lower(), held["last4"], held["fingerprint"], held["country"], held["funding"])
    return replace(known, held_by=method or None)


def card_details(card: Card) -> Obj:
    """What Stripe shows of a card."""
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": card.country,
        "exp_month": 8,
        "exp_year": 2029,
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "last4": card.last4,
        "network": card.brand,
        "wallet": None,
    }


def card_of_number(number: str, param: str) -> Card:
    """The test card of a number. 402 for any other, as at Stripe in test mode."""
    if number not in CARD_NUMBERS:
        refusal = declined("That is not the number of a test card.", None, "incorrect_number", None)
        refusal.param = param
        raise refusal
    return CARD_NUMBERS[number]
