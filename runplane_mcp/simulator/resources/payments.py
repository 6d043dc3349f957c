"""Payment intents and charges: money that customers paid.

With `capture_method=manual` a confirmed payment only holds the money ready, for seven days: then it is captured, in whole
or in part, or released. Creating one takes Stripe's test payment methods, `pm_card_visa` and the like;
`pm_card_chargeDeclined` is refused with 402 and, as at Stripe, leaves its payment intent behind.
"""

from __future__ import annotations

from dataclasses import dataclass

from runplane_mcp.core.money import WHOLE_UNITS_ONLY, exponent
from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.parameters import boolean, currency, metadata, one_of, positive, text, word
from runplane_mcp.simulator.refusal import declined, invalid, missing
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

LARGEST_CHARGE = 99_999_999
#: Money from a card is available after two days.
SETTLES_AFTER = 2 * 86400
#: How long a card holds money ready.
HELD_FOR = 7 * 86400


@dataclass(frozen=True, slots=True)
class Card:
    brand: str
    last4: str
    fingerprint: str
    country: str = "US"

    @property
    def method(self) -> str:
        return f"pm_{self.fingerprint}"


#: Test cards of Stripe, and the one that is declined.
DECLINED_CARD = "pm_card_chargeDeclined"
TEST_CARDS = {
    "pm_card_visa": Card("visa", "4242", "testvisa4242"),
    "pm_card_mastercard": Card("mastercard", "4444", "testmc4444"),
    "pm_card_amex": Card("amex", "8431", "testamex8431"),
    DECLINED_CARD: Card("visa", "0002", "testvisa0002"),
}


def processing_fee(amount: int, code: str) -> int:
    """What Stripe keeps of a card payment: 2.9 % and thirty cents."""
    return amount * 29 // 1000 + (30 if exponent(code) == 2 else 30 * 10 ** exponent(code) // 100)


def payment_intent_object(
    id: str, *, amount: int, code: str, created: int, customer: str | None, description: str | None = None
) -> Obj:
    return {
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{id}_secret_simulator",
        "confirmation_method": "automatic",
        "created": created,
        "currency": code,
        "customer": customer,
        "description": description,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def charge_object(id: str, *, intent: Obj, card: Card, name: str | None, email: str | None) -> Obj:
    """A successful card charge of the whole intent."""
    return {
        "id": id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": {"address": None, "email": email, "name": name, "phone": None, "tax_id": None},
        "calculated_statement_descriptor": "ALDER COFFEE",
        "captured": True,
        "created": intent["created"],
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": {
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "risk_score": 12,
            "seller_message": "Payment complete.",
            "type": "authorized",
        },
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": card.method,
        "payment_method_details": {
            "card": {
                "brand": card.brand,
                "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
                "country": card.country,
                "exp_month": 8,
                "exp_year": 2029,
                "fingerprint": card.fingerprint,
                "funding": "credit",
                "last4": card.last4,
                "network": card.brand,
                "wallet": None,
            },
            "type": "card",
        },
        "receipt_email": email,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


def collect(tx: Transaction, intent: Obj, charge: Obj, *, transaction: str | None = None) -> None:
    """The charge succeeds: both objects are stored, the money is booked, available two days after the charge."""
    charge["balance_transaction"] = tx.post(
        "charge",
        charge["id"],
        charge["amount"],
        charge["currency"],
        fee=processing_fee(charge["amount"], charge["currency"]),
        available_on=charge["created"] + SETTLES_AFTER,
        description=charge["description"],
        created=charge["created"],
        id=transaction,
    )
    intent.update(
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        payment_method=charge["payment_method"],
    )
    tx.insert(intent)
    tx.insert(charge)


def hold(tx: Transaction, intent: Obj, charge: Obj) -> None:
    """The card holds the money ready: both objects are stored, nothing is booked yet."""
    charge.update(amount_captured=0, captured=False)
    intent.update(
        status="requires_capture",
        amount_capturable=intent["amount"],
        capture_method="manual",
        latest_charge=charge["id"],
        payment_method=charge["payment_method"],
    )
    tx.insert(intent)
    tx.insert(charge)
    tx.schedule(intent["created"] + HELD_FOR, intent["id"])


def _create(tx: Transaction, params: Params) -> Obj:
    amount, code = params["amount"], params["currency"]
    if amount > LARGEST_CHARGE:
        raise invalid("The amount is larger than one payment may be.", "amount", "amount_too_large")
    if code in WHOLE_UNITS_ONLY and amount % 100:
        raise invalid(f"An amount in {code} is a multiple of 100.", "amount", "parameter_invalid_integer")
    customer = params.get("customer")
    payer: Obj = tx.require("customer", customer, "customer") if customer else {}
    intent = payment_intent_object(
        new_id("pi"),
        amount=amount,
        code=code,
        created=tx.now,
        customer=customer,
        description=params.get("description") or None,
    )
    intent["capture_method"] = params.get("capture_method", intent["capture_method"])
    intent["metadata"] = {key: value for key, value in params.get("metadata", {}).items() if value}
    method = params.get("payment_method")
    if method is not None and method not in TEST_CARDS:
        raise missing("payment_method", method, "payment_method")
    if method is None or not params.get("confirm"):
        if params.get("confirm"):
            raise invalid("There is no payment method to confirm with.", "payment_method", "parameter_missing")
        intent.update(payment_method=method, status="requires_confirmation" if method else intent["status"])
        tx.insert(intent)
        tx.emit("payment_intent.created", intent)
        return intent
    if tx.declined or method == DECLINED_CARD:
        return _decline(tx, intent)
    charge = charge_object(
        new_id("ch"), intent=intent, card=TEST_CARDS[method], name=payer.get("name"), email=payer.get("email")
    )
    if intent["capture_method"] == "manual":
        hold(tx, intent, charge)
        tx.emit("payment_intent.created", intent)
        tx.emit("charge.succeeded", charge)
        tx.emit("payment_intent.amount_capturable_updated", intent)
        return intent
    collect(tx, intent, charge)
    tx.emit("payment_intent.created", intent)
    tx.emit("charge.succeeded", charge)
    tx.emit("payment_intent.succeeded", intent)
    return intent


def _decline(tx: Transaction, intent: Obj) -> Obj:
    message = "The card was declined."
    intent["last_payment_error"] = {
        "code": "card_declined",
        "decline_code": "generic_decline",
        "message": message,
        "type": "card_error",
    }
    tx.insert(intent)
    tx.emit("payment_intent.created", intent)
    tx.emit("payment_intent.payment_failed", intent)
    raise declined(message, intent)


ROUTES = (
    list_route("/v1/payment_intents", "payment_intent", {"customer": word}),
    Route(
        "POST",
        "/v1/payment_intents",
        _create,
        {
            "amount": positive,
            "capture_method": one_of("automatic", "automatic_async", "manual"),
            "currency": currency,
            "confirm": boolean,
            "customer": word,
            "description": text,
            "metadata": metadata,
            "off_session": boolean,
            "payment_method": word,
        },
        required=("amount", "currency"),
        leaves_failed=True,
    ),
    retrieve_route("/v1/payment_intents/{intent}", "payment_intent"),
    list_route("/v1/charges", "charge", {"customer": word, "payment_intent": word, "transfer_group": word}),
    retrieve_route("/v1/charges/{charge}", "charge"),
)
