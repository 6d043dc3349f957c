"""Refunds. What is left of a charge never falls below zero.

Most succeed at once. Those to a test card may be pending for a day, or fail after one; where the customer's bank details
are needed first (Multibanco), the refund waits for them and can be canceled. One that comes to nothing is booked back.
"""

from __future__ import annotations

from runplane_mcp.core.money import Money
from runplane_mcp.simulator.clockwork import on_time
from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import boolean, metadata, one_of, positive, text, word
from runplane_mcp.simulator.refusal import Refusal, declined, invalid
from runplane_mcp.simulator.resources.application_fees import refund_fee_of
from runplane_mcp.simulator.resources.cards import card_of
from runplane_mcp.simulator.resources.disputes import INQUIRIES
from runplane_mcp.simulator.resources.reviews import close_review
from runplane_mcp.simulator.resources.transfers import reverse_for_refund
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

#: Where the money of a lost or open dispute already went back, a refund would be a second payment.
_REFUNDABLE_DISPUTES = INQUIRIES | {"won"}


def refund_object(id: str, *, charge: Obj, amount: int, created: int, reason: str | None) -> Obj:
    return {
        "id": id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "destination_details": {
            "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
            "type": "card",
        },
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def give_back(tx: Transaction, charge: Obj, refund: Obj, *, transaction: str | None = None) -> None:
    """Books a refund that succeeded and lowers what is left of its charge. The balance may fall below zero."""
    refund["balance_transaction"] = tx.post(
        "refund",
        refund["id"],
        -refund["amount"],
        refund["currency"],
        description="REFUND FOR CHARGE",
        created=refund["created"],
        id=transaction,
    )
    charge["amount_refunded"] += refund["amount"]
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    tx.insert(refund)
    tx.save(charge)


def undo(tx: Transaction, refund: Obj, *, status: str, why: str | None = None) -> None:
    """The money of a refund comes back: the charge can be refunded again."""
    charge = tx.require("charge", refund["charge"], "charge")
    before = dict(refund)
    refund["status"] = status
    if why is not None:
        refund["failure_reason"] = why
    refund["failure_balance_transaction"] = tx.post(
        "refund_failure", refund["id"], refund["amount"], refund["currency"], description="REFUND FAILURE"
    )
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    tx.save(refund)
    tx.save(charge)
    tx.emit("refund.failed" if status == "failed" else "refund.updated", refund, before=before)


def _in_time(tx: Transaction, refund: Obj) -> None:
    """What a test card's refund becomes after a day."""
    if refund["status"] == "pending":
        before = dict(refund)
        refund["status"] = "succeeded"
        tx.save(refund)
        tx.emit("refund.updated", refund, before=before)
    elif refund["status"] == "succeeded":
        undo(tx, refund, status="failed", why="lost_or_stolen_card")


on_time("refund", _in_time)


def _begin(tx: Transaction, charge: Obj, refund: Obj, params: Params) -> None:
    """What state a refund begins in."""
    details = charge["payment_method_details"]
    if details["type"] == "multibanco":
        if not params.get("instructions_email"):
            raise invalid(
                "The customer is asked for a bank account at 'instructions_email'.",
                "instructions_email",
                "parameter_missing",
            )
        sent = {"email_sent_at": tx.now, "email_sent_to": params["instructions_email"]}
        refund.update(
            destination_details={"multibanco": {"reference": None, "reference_status": None}, "type": "multibanco"},
            instructions_email=params["instructions_email"],
            next_action={"display_details": {"email_sent": sent, "expires_at": tx.now + 45 * 86400}},
            status="requires_action",
        )
    elif details["type"] == "card":
        later = card_of(details["card"], "").refunds
        if later == "pending":
            refund.update(status="pending", pending_reason="processing")
        if later is not None:
            tx.schedule(tx.now + 86400, refund["id"])


def _charge_to_refund(tx: Transaction, params: Params) -> Obj:
    if ("charge" in params) == ("payment_intent" in params):
        given = "charge" if "charge" in params else "payment_intent"
        raise invalid(
            "Name the charge or the payment intent to refund, and only one of them.",
            given,
            None if given in params else "parameter_missing",
        )
    if "charge" in params:
        return tx.require("charge", params["charge"], "charge", status=404)
    intent = tx.require("payment_intent", params["payment_intent"], "payment_intent", status=404)
    if intent["latest_charge"] is None or intent["status"] != "succeeded":
        raise Refusal(
            f"The payment intent {intent['id']} has no successful charge.",
            code="payment_intent_unexpected_state",
            param="payment_intent",
        )
    return tx.require("charge", intent["latest_charge"], "charge", status=404)


def _refuse_impossible(tx: Transaction, charge: Obj, params: Params) -> None:
    if not charge["captured"]:
        raise Refusal(
            f"The charge {charge['id']} is not captured: cancel its payment intent instead.",
            code="payment_intent_unexpected_state",
            param="charge",
        )
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise Refusal(f"The charge {charge['id']} is refunded already.", code="charge_already_refunded")
    if charge["disputed"]:
        for dispute in tx.all("dispute", "charge", charge["id"]):
            if dispute["status"] not in _REFUNDABLE_DISPUTES:
                raise Refusal(f"The charge {charge['id']} is charged back.", code="charge_disputed")
    amount = params.get("amount", left)
    if amount > left:
        asked, remaining = Money(amount, charge["currency"]), Money(left, charge["currency"])
        raise Refusal(f"A refund of {asked} is more than the {remaining} left of this charge.", param="amount")
    if params.get("reverse_transfer") and charge.get("transfer") is None:
        raise Refusal("This charge has no transfer to reverse.", param="reverse_transfer")
    if params.get("refund_application_fee") and charge["application_fee"] is None:
        raise Refusal("This charge has no application fee to refund.", param="refund_application_fee")


def _create(tx: Transaction, params: Params) -> Obj:
    charge = _charge_to_refund(tx, params)
    _refuse_impossible(tx, charge, params)
    before = dict(charge)
    amount = params.get("amount", charge["amount"] - charge["amount_refunded"])
    refund = refund_object(new_id("re"), charge=charge, amount=amount, created=tx.now, reason=params.get("reason"))
    refund["metadata"] = merge_metadata({}, params.get("metadata", {}))
    if tx.declined:
        refund.update(status="failed", failure_reason="declined")
        tx.insert(refund)
        tx.emit("refund.failed", refund)
        raise declined("The card's bank refused the refund.", refund)
    _begin(tx, charge, refund, params)
    if params.get("reverse_transfer"):
        refund["transfer_reversal"] = reverse_for_refund(tx, charge, refund)
    if params.get("refund_application_fee"):
        refund_fee_of(tx, charge, amount)
    give_back(tx, charge, refund)
    tx.emit("charge.refunded", charge, before=before)
    tx.emit("refund.created", refund)
    close_review(tx, charge.get("review"), "refunded")
    return refund


def _update(tx: Transaction, params: Params) -> Obj:
    refund = tx.require("refund", params["refund"], "refund", status=404)
    before = dict(refund)
    if "metadata" in params:
        refund["metadata"] = merge_metadata(refund["metadata"], params["metadata"])
    tx.save(refund)
    tx.emit("refund.updated", refund, before=before)
    return refund


def _cancel(tx: Transaction, params: Params) -> Obj:
    """Only while the customer has not said where the money is to go."""
    refund = tx.require("refund", params["refund"], "refund", status=404)
    if refund["status"] != "requires_action":
        raise Refusal(f"A refund that is {refund['status']} cannot be canceled.", param="refund")
    undo(tx, refund, status="canceled")
    return refund


_OPTIONS = {
    "amount": positive,
    "instructions_email": text,
    "metadata": metadata,
    "reason": one_of("duplicate", "fraudulent", "requested_by_customer"),
    "refund_application_fee": boolean,
    "reverse_transfer": boolean,
}

ROUTES = (
    Route("POST", "/v1/refunds", _create, {**_OPTIONS, "charge": word, "payment_intent": word}, leaves_failed=True),
    list_route("/v1/refunds", "refund", {"charge": word, "payment_intent": word}),
    retrieve_route("/v1/refunds/{refund}", "refund"),
    Route("POST", "/v1/refunds/{refund}", _update, {"metadata": metadata}),
    Route("POST", "/v1/refunds/{refund}/cancel", _cancel),
)
