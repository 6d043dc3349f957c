"""Payment intents and charges as objects, and how a payment is booked: what the card pays, what Stripe keeps of it, what
a connected account gets and what the platform earns.

With `capture_method=manual` a confirmed payment only holds the money ready, for seven days: then it is captured, in whole
or in part, or released.
"""

from __future__ import annotations

from runplane_mcp.core.money import WHOLE_UNITS_ONLY, exponent
from runplane_mcp.simulator.objects import Obj, new_id
from runplane_mcp.simulator.refusal import invalid
from runplane_mcp.simulator.resources.application_fees import collect_fee
from runplane_mcp.simulator.resources.cards import DECLINED_CARD, TEST_CARDS, Card, card_details
from runplane_mcp.simulator.resources.transfers import pay_out_transfer, transfer_object
from runplane_mcp.simulator.transaction import Transaction

__all__ = ["DECLINED_CARD", "TEST_CARDS", "Card"]

LARGEST_CHARGE = 99_999_999
#: Money from a card is available after two days.
SETTLES_AFTER = 2 * 86400
#: How long a card holds money ready.
HELD_FOR = 7 * 86400


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
    """A successful card charge of the whole intent. It takes over what the intent says of connected accounts."""
    return {
        "id": id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": intent["application_fee_amount"],
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
        "on_behalf_of": intent["on_behalf_of"],
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
            "card": card_details(card),
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
        "transfer_data": intent["transfer_data"],
        "transfer_group": intent["transfer_group"],
    }


def collect(tx: Transaction, intent: Obj, charge: Obj, *, ready: bool = False, transaction: str | None = None) -> None:
    """The charge succeeds: both objects are stored, the money is booked, available two days after the charge or, where
    it is `ready`, at once."""
    book(tx, charge, at=charge["created"], ready=ready, transaction=transaction)
    intent.update(
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        payment_method=charge["payment_method"],
    )
    tx.put(intent)
    tx.put(charge)


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
    tx.put(intent)
    tx.put(charge)
    tx.schedule(charge["created"] + HELD_FOR, intent["id"])


def book(tx: Transaction, charge: Obj, *, at: int, ready: bool = False, transaction: str | None = None) -> None:
    """Books what a charge has captured, and shares it out as the charge says. The charge still has to be stored.

    `ready`: the money is available at once.
    """
    amount, code = charge["amount_captured"], charge["currency"]
    direct = tx.account != tx.platform
    kept = charge["application_fee_amount"] or 0
    available_on = at if ready else at + SETTLES_AFTER
    charge["balance_transaction"] = tx.post(
        "charge",
        charge["id"],
        amount,
        code,
        fee=processing_fee(amount, code),
        application_fee=kept if direct else 0,
        available_on=available_on,
        description=charge["description"],
        created=at,
        id=transaction,
    )
    if direct and kept:
        charge["application_fee"] = collect_fee(
            tx, account=tx.account, charge=charge["id"], amount=kept, code=code, ready=available_on
        )
    elif charge["transfer_data"] is not None:
        _pass_on(tx, charge, amount, kept, available_on)


def _pass_on(tx: Transaction, charge: Obj, amount: int, kept: int, ready: int) -> None:
    """A destination charge: the connected account gets all of it or the amount that was said, and pays the fee of it."""
    data = charge["transfer_data"]
    charge["transfer_group"] = charge["transfer_group"] or f"group_{charge['payment_intent'] or charge['id']}"
    transfer = transfer_object(
        new_id("tr"),
        amount=min(data["amount"] or amount, amount),
        code=charge["currency"],
        destination=data["destination"],
        created=tx.now,
        source=charge["id"],
        payment=new_id("py"),
    )
    transfer["transfer_group"] = charge["transfer_group"]
    payment = pay_out_transfer(tx, transfer, ready=ready, fee=kept)
    tx.emit("transfer.created", transfer)
    charge["transfer"] = transfer["id"]
    if kept:
        charge["application_fee"] = collect_fee(
            tx,
            account=data["destination"],
            charge=payment["id"],
            amount=kept,
            code=charge["currency"],
            ready=ready,
            origin=charge["id"],
        )


def check_amount(amount: int, code: str) -> None:
    """Refuses an amount that no payment may have."""
    if amount > LARGEST_CHARGE:
        raise invalid("The amount is larger than one payment may be.", "amount", "amount_too_large")
    if code in WHOLE_UNITS_ONLY and amount % 100:
        raise invalid(f"An amount in {code} is a multiple of 100.", "amount", "parameter_invalid_integer")
