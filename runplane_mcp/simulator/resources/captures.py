"""Taking or letting go of money that a card holds ready: once, in whole or in part; what is not taken is released."""

from __future__ import annotations

from runplane_mcp.core.money import Money
from runplane_mcp.simulator.clockwork import release
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata
from runplane_mcp.simulator.parameters import boolean, mapping, metadata, one_of, positive, text
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.resources.payments import book
from runplane_mcp.simulator.resources.terms import SHARING, check_sharing, set_sharing
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction


def _capture(tx: Transaction, params: Params) -> Obj:
    intent = tx.require("payment_intent", params["intent"], "intent", status=404)
    if intent["status"] != "requires_capture":
        raise _unexpected(intent, "captured")
    held, code = int(intent["amount_capturable"]), intent["currency"]
    amount = int(params.get("amount_to_capture", held))
    if amount > held:
        raise Refusal(
            f"{Money(amount, code)} is more than the {Money(held, code)} that can be captured.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    if not params.get("final_capture", True):
        raise Refusal("This payment can be captured once only.", param="final_capture")
    charge = tx.require("charge", intent["latest_charge"], "charge")
    before = dict(intent)
    for name in ("statement_descriptor", "statement_descriptor_suffix"):
        if name in params:
            intent[name] = charge[name] = params[name] or None
    if "metadata" in params:
        intent["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    set_sharing(tx, intent, params)
    charge.update({name: intent[name] for name in SHARING})
    take(tx, charge, amount)
    intent.update(status="succeeded", amount_capturable=0, amount_received=amount)
    tx.save(intent)
    tx.emit("payment_intent.succeeded", intent, before=before)
    return intent


def take(tx: Transaction, charge: Obj, amount: int) -> None:
    """Captures `amount` of a charge that is held ready. What is not taken is let go: Stripe counts it as given back."""
    before = dict(charge)
    check_sharing(tx, charge, amount)
    charge.update(amount_captured=amount, amount_refunded=charge["amount"] - amount, captured=True)
    book(tx, charge, at=tx.now)
    tx.save(charge)
    tx.emit("charge.captured", charge, before=before)


def _cancel(tx: Transaction, params: Params) -> Obj:
    intent = tx.require("payment_intent", params["intent"], "intent", status=404)
    if intent["status"] in ("succeeded", "canceled"):
        raise _unexpected(intent, "canceled")
    release(tx, intent, reason=params.get("cancellation_reason"))
    return intent


def _unexpected(intent: Obj, done: str) -> Refusal:
    return Refusal(
        f"The payment intent {intent['id']} is {intent['status']} and cannot be {done}.",
        code="payment_intent_unexpected_state",
        param="intent",
    )


ROUTES = (
    Route(
        "POST",
        "/v1/payment_intents/{intent}/capture",
        _capture,
        {
            "amount_to_capture": positive,
            "application_fee_amount": SHARING["application_fee_amount"],
            "final_capture": boolean,
            "metadata": metadata,
            "statement_descriptor": text,
            "statement_descriptor_suffix": text,
            "transfer_data": mapping({"amount": positive}),
        },
    ),
    Route(
        "POST",
        "/v1/payment_intents/{intent}/cancel",
        _cancel,
        {"cancellation_reason": one_of("abandoned", "duplicate", "fraudulent", "requested_by_customer")},
    ),
)
