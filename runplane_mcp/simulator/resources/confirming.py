"""Confirming a payment intent: the card pays, holds the money ready, is declined, or its holder has to agree first.

A declined card is 402 and, as at Stripe, leaves the payment intent and a failed charge behind.
"""

from __future__ import annotations

from runplane_mcp.simulator.objects import Obj, new_id
from runplane_mcp.simulator.refusal import Refusal, declined
from runplane_mcp.simulator.resources.cards import Card
from runplane_mcp.simulator.resources.disputes import open_dispute
from runplane_mcp.simulator.resources.payment_methods import attach, charged_card, named_method
from runplane_mcp.simulator.resources.payments import charge_object, collect, hold
from runplane_mcp.simulator.resources.reviews import open_review
from runplane_mcp.simulator.transaction import Transaction

_DECLINED = "The card was declined."
_AUTHENTICATE = "The card's holder has to agree to this payment first."


def confirm(tx: Transaction, intent: Obj, *, off_session: bool = False, fails_on_action: bool = False) -> Obj:
    """Charges the intent's payment method. `off_session`: its holder is not there to agree to anything.

    `fails_on_action`: where the holder would have to, the payment fails instead of waiting.
    """
    method = named_method(tx, intent["payment_method"], intent["customer"])
    card = charged_card(method)
    if method["type"] == "multibanco" and intent["currency"] != "eur":
        raise Refusal("Multibanco pays in euros only.", param="payment_method")
    charge = _attempt(tx, intent, method, card)
    moto = intent["payment_method_options"].get("card", {}).get("moto", False)
    if tx.declined:
        _fail(tx, intent, charge, method, ("card_declined", "generic_decline"), _DECLINED)
    if card.decline is not None:
        _fail(tx, intent, charge, method, card.decline, _DECLINED)
    if card.authenticates and not moto:
        if off_session or fails_on_action:
            _fail(tx, intent, charge, method, ("authentication_required", "authentication_required"), _AUTHENTICATE)
        return _wait_for_holder(tx, intent)
    if intent["capture_method"] == "manual":
        _hold(tx, intent, charge)
    else:
        before = dict(intent)
        collect(tx, intent, charge, ready=card.ready)
        tx.emit("charge.succeeded", charge)
        tx.emit("payment_intent.succeeded", intent, before=before)
    _afterwards(tx, intent, charge, method, card)
    return intent


def _attempt(tx: Transaction, intent: Obj, method: Obj, card: Card) -> Obj:
    """The charge that is tried: not stored yet."""
    payer = tx.require("customer", intent["customer"], "customer") if intent["customer"] else {}
    billing = method["billing_details"]
    charge = charge_object(
        new_id("ch"),
        intent={**intent, "created": tx.now},
        card=card,
        name=billing["name"] or payer.get("name"),
        email=billing["email"] or payer.get("email"),
    )
    charge["payment_method"] = method["id"]
    if method["type"] != "card":
        charge["payment_method_details"] = {method["type"]: {}, "type": method["type"]}
    elif intent["payment_method_options"].get("card", {}).get("request_incremental_authorization") == "if_available":
        charge["payment_method_details"]["card"]["incremental_authorization"] = {"status": "available"}
    return charge


def _hold(tx: Transaction, intent: Obj, charge: Obj) -> None:
    before = dict(intent)
    hold(tx, intent, charge)
    tx.emit("charge.succeeded", charge)
    tx.emit("payment_intent.amount_capturable_updated", intent, before=before)


def _afterwards(tx: Transaction, intent: Obj, charge: Obj, method: Obj, card: Card) -> None:
    """What follows a payment: the method is kept, a person is asked to look at it, the customer takes it back."""
    if intent["setup_future_usage"] and intent["customer"] and method["customer"] is None:
        attach(tx, method, intent["customer"])
    if card.review:
        intent["review"] = open_review(tx, charge, intent)
        tx.save(intent)
    if card.dispute is not None and charge["captured"]:
        open_dispute(tx, charge, status=card.dispute)


def _wait_for_holder(tx: Transaction, intent: Obj) -> Obj:
    before = dict(intent)
    intent.update(status="requires_action", next_action={"type": "use_stripe_sdk", "use_stripe_sdk": {}})
    tx.put(intent)
    tx.emit("payment_intent.requires_action", intent, before=before)
    return intent


def _fail(
    tx: Transaction, intent: Obj, charge: Obj, method: Obj, decline: tuple[str, str | None], message: str
) -> None:
    """Leaves the failed charge and the intent, which needs another payment method now."""
    code, why = decline
    before = dict(intent)
    charge.update(
        amount_captured=0,
        captured=False,
        failure_code=code,
        failure_message=message,
        paid=False,
        status="failed",
    )
    charge["outcome"].update(
        network_status="declined_by_network", reason=why or code, seller_message=message, type="issuer_declined"
    )
    error = {
        "charge": charge["id"],
        "code": code,
        **({"decline_code": why} if why else {}),
        "message": message,
        "payment_method": method,
        "type": "card_error",
    }
    intent.update(
        last_payment_error=error, latest_charge=charge["id"], payment_method=None, status="requires_payment_method"
    )
    tx.put(intent)
    tx.insert(charge)
    tx.emit("charge.failed", charge)
    tx.emit("payment_intent.payment_failed", intent, before=before)
    raise declined(message, intent, code, why)
