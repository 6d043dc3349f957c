"""Transfers to connected accounts, and their reversals: money that moves between two balances of the same world."""

from __future__ import annotations

from runplane_mcp.core.money import Money
from runplane_mcp.simulator.expansion import complete
from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import boolean, currency, metadata, one_of, positive, text, word
from runplane_mcp.simulator.refusal import Refusal, missing
from runplane_mcp.simulator.resources.application_fees import refund_fee_of
from runplane_mcp.simulator.resources.terms import able
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction


def transfer_object(
    id: str, *, amount: int, code: str, destination: str, created: int, source: str | None, payment: str
) -> Obj:
    return {
        "id": id,
        "object": "transfer",
        "amount": amount,
        "amount_reversed": 0,
        "balance_transaction": None,
        "created": created,
        "currency": code,
        "description": None,
        "destination": destination,
        "destination_payment": payment,
        "livemode": False,
        "metadata": {},
        "reversed": False,
        "source_transaction": source,
        "source_type": "card",
        "transfer_group": None,
    }


def pay_out_transfer(
    tx: Transaction, transfer: Obj, *, transaction: str | None = None, ready: int | None = None, fee: int = 0
) -> Obj:
    """Books a transfer on both sides: out of this partition's balance, into the destination's as a payment.

    `ready`: when the money of its charge is available, where it comes from one. `fee`: what the destination pays of it
    to the platform. Returns the destination's payment.
    """
    when = transfer["created"]
    transfer["balance_transaction"] = tx.post(
        "transfer",
        transfer["id"],
        -transfer["amount"],
        transfer["currency"],
        available_on=ready,
        created=when,
        id=transaction,
    )
    tx.insert(transfer)
    payment: Obj = {
        "id": transfer["destination_payment"],
        "object": "charge",
        "amount": transfer["amount"],
        "amount_captured": transfer["amount"],
        "amount_refunded": 0,
        "application_fee": None,
        "application_fee_amount": fee or None,
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        "captured": True,
        "created": when,
        "currency": transfer["currency"],
        "customer": None,
        "description": None,
        "disputed": False,
        "livemode": False,
        "metadata": {},
        "paid": True,
        "payment_intent": None,
        "payment_method": None,
        "payment_method_details": {"stripe_account": {}, "type": "stripe_account"},
        "refunded": False,
        "source_transfer": transfer["id"],
        "status": "succeeded",
    }
    there = transfer["destination"]
    payment["balance_transaction"] = tx.post(
        "payment",
        payment["id"],
        transfer["amount"],
        transfer["currency"],
        application_fee=fee,
        available_on=ready,
        created=when,
        account=there,
    )
    tx.insert(payment, account=there)
    tx.emit("payment.created", payment, account=there)
    return payment


def _create(tx: Transaction, params: Params) -> Obj:
    destination = able(tx, params["destination"], "destination")["id"]
    source = params.get("source_transaction")
    amount = params.get("amount")
    if source is not None:
        amount = _amount_of_source(tx, source, amount, params["currency"])
    elif amount is None:
        raise Refusal("'amount' is needed.", code="parameter_missing", param="amount", remembered=False)
    else:
        tx.need(amount, params["currency"])
    transfer = transfer_object(
        new_id("tr"),
        amount=amount,
        code=params["currency"],
        destination=destination,
        created=tx.now,
        source=source,
        payment=new_id("py"),
    )
    transfer.update(
        description=params.get("description") or None,
        metadata=merge_metadata({}, params.get("metadata", {})),
        transfer_group=params.get("transfer_group"),
    )
    pay_out_transfer(tx, transfer)
    tx.emit("transfer.created", transfer)
    return transfer


def _amount_of_source(tx: Transaction, source: str, amount: int | None, code: str) -> int:
    """What a transfer from one charge moves: the whole charge unless said, never more than is left of it."""
    charge = tx.require("charge", source, "source_transaction")
    if charge["currency"] != code:
        raise Refusal("The transfer must be in the currency of its charge.", param="currency")
    moved = sum(held["amount"] for held in tx.all("transfer", "source_transaction", source))
    if not charge["captured"]:
        raise Refusal(f"The charge {source} is not captured: there is nothing to transfer.", param="source_transaction")
    wanted = int(charge["amount_captured"]) if amount is None else amount
    left = int(charge["amount_captured"]) - moved
    if wanted > left:
        raise Refusal(
            f"A transfer of {Money(wanted, code)} is more than the {Money(left, code)} left of its charge.",
            param="amount",
        )
    return wanted


def _reverse(tx: Transaction, params: Params) -> Obj:
    transfer = tx.require("transfer", params["id"], "transfer", status=404)
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = params.get("amount", left)
    if left == 0:
        raise Refusal(f"The transfer {transfer['id']} is reversed already.", param="amount")
    if amount > left:
        code = transfer["currency"]
        raise Refusal(
            f"A reversal of {Money(amount, code)} is more than the {Money(left, code)} left of this transfer.",
            param="amount",
        )
    tx.need(amount, transfer["currency"], account=transfer["destination"])
    if params.get("refund_application_fee"):
        _refund_fee(tx, transfer, amount)
    return _take_back(tx, transfer, amount, metadata=merge_metadata({}, params.get("metadata", {})))


def _refund_fee(tx: Transaction, transfer: Obj, amount: int) -> None:
    """Gives back the reversal's share of what the destination paid of this transfer."""
    payment = transfer["destination_payment"]
    fees = tx.all("application_fee", "charge", payment)
    if not fees:
        raise Refusal("There is no application fee of this transfer to refund.", param="refund_application_fee")
    whole = transfer["amount"]
    refund_fee_of(
        tx, {"application_fee": fees[0]["id"], "amount": whole, "amount_refunded": transfer["amount_reversed"]}, amount
    )


def _take_back(
    tx: Transaction, transfer: Obj, amount: int, *, refund: str | None = None, metadata: dict[str, str] | None = None
) -> Obj:
    before = dict(transfer)
    code, there = transfer["currency"], transfer["destination"]
    id, returned = new_id("trr"), new_id("pyr")
    reversal: Obj = {
        "id": id,
        "object": "transfer_reversal",
        "amount": amount,
        "balance_transaction": tx.post("transfer_refund", id, amount, code, category="transfer_reversal"),
        "created": tx.now,
        "currency": code,
        "destination_payment_refund": returned,
        "metadata": metadata or {},
        "source_refund": refund,
        "transfer": transfer["id"],
    }
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    tx.insert(reversal)
    _give_back_there(tx.on(there), transfer, returned, reversal)
    tx.save(transfer)
    shown = complete(tx, {**transfer})
    tx.emit("transfer.reversed", shown, before={**before, "reversals": shown["reversals"]})
    return reversal


def _give_back_there(there: Transaction, transfer: Obj, id: str, reversal: Obj) -> None:
    """What the destination sees of a reversal: a refund of the payment that it got."""
    amount, code = reversal["amount"], reversal["currency"]
    payment = there.require("charge", transfer["destination_payment"], "charge")
    payment.update(amount_refunded=transfer["amount_reversed"], refunded=transfer["reversed"])
    there.save(payment)
    refund: Obj = {
        "id": id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": there.post("payment_refund", id, -amount, code),
        "charge": payment["id"],
        "created": there.now,
        "currency": code,
        "customer": None,
        "metadata": {},
        "payment_intent": None,
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": reversal["id"],
        "status": "succeeded",
        "transfer_reversal": None,
    }
    there.insert(refund)


def reverse_for_refund(tx: Transaction, charge: Obj, refund: Obj) -> str | None:
    """Takes back the transfer's share of a refund: in proportion, or all that is left with the last of the charge.

    Returns the reversal's id, None where nothing is left to take back. The connected balance may fall below zero.
    """
    transfer = tx.require("transfer", charge["transfer"], "reverse_transfer")
    left = transfer["amount"] - transfer["amount_reversed"]
    last = charge["amount_refunded"] + refund["amount"] == charge["amount"]
    share = left if last else min(left, refund["amount"] * transfer["amount"] // charge["amount"])
    return None if share == 0 else str(_take_back(tx, transfer, share, refund=refund["id"])["id"])


def _update(tx: Transaction, params: Params) -> Obj:
    transfer = tx.require("transfer", params["transfer"], "transfer", status=404)
    before = dict(transfer)
    if "metadata" in params:
        transfer["metadata"] = merge_metadata(transfer["metadata"], params["metadata"])
    if "description" in params:
        transfer["description"] = params["description"] or None
    tx.save(transfer)
    tx.emit("transfer.updated", transfer, before=before)
    return transfer


def _update_reversal(tx: Transaction, params: Params) -> Obj:
    transfer = tx.require("transfer", params["transfer"], "transfer", status=404)
    reversal = tx.require("transfer_reversal", params["id"], "id", status=404)
    if reversal["transfer"] != transfer["id"]:
        raise missing("transfer_reversal", reversal["id"], "id", 404)
    if "metadata" in params:
        reversal["metadata"] = merge_metadata(reversal["metadata"], params["metadata"])
    tx.save(reversal)
    return reversal


ROUTES = (
    Route(
        "POST",
        "/v1/transfers",
        _create,
        {
            "amount": positive,
            "currency": currency,
            "description": text,
            "destination": word,
            "metadata": metadata,
            "source_transaction": word,
            "source_type": one_of("card"),
            "transfer_group": word,
        },
        required=("currency", "destination"),
    ),
    list_route("/v1/transfers", "transfer", {"destination": word, "transfer_group": word}),
    retrieve_route("/v1/transfers/{transfer}", "transfer"),
    Route("POST", "/v1/transfers/{transfer}", _update, {"description": text, "metadata": metadata}),
    Route(
        "POST",
        "/v1/transfers/{id}/reversals",
        _reverse,
        {"amount": positive, "description": text, "metadata": metadata, "refund_application_fee": boolean},
    ),
    list_route("/v1/transfers/{transfer}/reversals", "transfer_reversal"),
    retrieve_route("/v1/transfers/{transfer}/reversals/{id}", "transfer_reversal"),
    Route("POST", "/v1/transfers/{transfer}/reversals/{id}", _update_reversal, {"metadata": metadata}),
)
