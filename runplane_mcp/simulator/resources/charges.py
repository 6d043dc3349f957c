"""Charges, the older way to take a payment: from a token or from what a customer is known to pay with."""

from __future__ import annotations

from typing import Final

from runplane_mcp.core.money import Money
from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.parameters import boolean, currency, mapping, one_of, positive, text, word
from runplane_mcp.simulator.refusal import Refusal, declined, invalid
from runplane_mcp.simulator.resources.bank_accounts import spend
from runplane_mcp.simulator.resources.captures import take
from runplane_mcp.simulator.resources.cards import CARD_TOKENS, Card, card_of
from runplane_mcp.simulator.resources.disputes import open_dispute
from runplane_mcp.simulator.resources.payments import (
    HELD_FOR,
    book,
    charge_object,
    check_amount,
    payment_intent_object,
)
from runplane_mcp.simulator.resources.reviews import open_review
from runplane_mcp.simulator.resources.sources import of_customer
from runplane_mcp.simulator.resources.terms import SHARING, WORDS, natural, set_sharing, set_words
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

#: Parameters of long ago and what they are called now.
_OLD_NAMES: Final = (("application_fee", "application_fee_amount"), ("destination", "transfer_data"))


def _card(tx: Transaction, params: Params) -> Card:
    """What is charged: the source named, a token, or the customer's default one."""
    source, customer = params.get("source"), params.get("customer")
    if customer is None:
        if source is None:
            raise invalid("Give a source or a customer to charge.", "source", "parameter_missing")
        if source in CARD_TOKENS:
            return CARD_TOKENS[source]
        return card_of(spend(tx, source, "card", "source"), "")
    payer = tx.require("customer", customer, "customer")
    chosen = source or payer["default_source"]
    if chosen is None:
        raise Refusal(
            f"The customer {customer} has no card to charge.",
            status=402,
            type="card_error",
            code="missing",
            param="card",
        )
    found = of_customer(tx, customer, chosen, "source")
    if found["object"] != "card":
        raise Refusal("Only a card can be charged here.", param="source")
    return card_of(found, found["id"])


def _create(tx: Transaction, params: Params) -> Obj:
    for old, new in _OLD_NAMES:
        if old in params and new in params:
            raise invalid(f"'{old}' is the old name of '{new}': give only one of them.", old)
        if old in params:
            params[new] = params.pop(old)
    if "transfer_data" in params and "account" in params["transfer_data"]:
        params["transfer_data"]["destination"] = params["transfer_data"].pop("account")
    amount, code, customer = params["amount"], params["currency"], params.get("customer")
    check_amount(amount, code)
    card = _card(tx, params)
    terms = payment_intent_object("", amount=amount, code=code, created=tx.now, customer=customer) | {"id": None}
    set_words(terms, params)
    set_sharing(tx, terms, params)
    payer = tx.require("customer", customer, "customer") if customer else {}
    charge = charge_object(new_id("ch"), intent=terms, card=card, name=payer.get("name"), email=payer.get("email"))
    charge.update({name: terms[name] for name in ("receipt_email", "shipping", "statement_descriptor")})
    charge["statement_descriptor_suffix"] = terms["statement_descriptor_suffix"]
    if tx.declined or card.decline is not None or card.authenticates:
        _decline(tx, charge, card)
    if not params.get("capture", True):
        charge.update(amount_captured=0, captured=False)
        tx.insert(charge)
        tx.schedule(tx.now + HELD_FOR, charge["id"])
        tx.emit("charge.succeeded", charge)
        return charge
    book(tx, charge, at=tx.now, ready=card.ready)
    tx.insert(charge)
    tx.emit("charge.succeeded", charge)
    if card.review:
        open_review(tx, charge, None)
    if card.dispute is not None:
        open_dispute(tx, charge, status=card.dispute)
    return charge


def _decline(tx: Transaction, charge: Obj, card: Card) -> None:
    code, why = card.decline or (
        "card_declined",
        "authentication_required" if card.authenticates else "generic_decline",
    )
    message = "The card was declined."
    charge.update(
        amount_captured=0, captured=False, failure_code=code, failure_message=message, paid=False, status="failed"
    )
    charge["outcome"].update(network_status="declined_by_network", reason=why, type="issuer_declined")
    tx.insert(charge)
    tx.emit("charge.failed", charge)
    raise declined(message, charge, code, why)


def _update(tx: Transaction, params: Params) -> Obj:
    charge = tx.require("charge", params["charge"], "charge", status=404)
    before = dict(charge)
    if "transfer_group" in params and charge["transfer_group"] not in (None, params["transfer_group"]):
        raise Refusal("The transfer group of this charge cannot be changed any more.", param="transfer_group")
    if "customer" in params:
        if charge["customer"] not in (None, params["customer"]):
            raise Refusal("This charge is another customer's.", param="customer")
        charge["customer"] = tx.require("customer", params["customer"], "customer")["id"]
    if "fraud_details" in params:
        report = params["fraud_details"]["user_report"]
        charge["fraud_details"] = {"user_report": report} if report else {}
    set_words(charge, params)
    tx.save(charge)
    tx.emit("charge.updated", charge, before=before)
    return charge


def _capture(tx: Transaction, params: Params) -> Obj:
    charge = tx.require("charge", params["charge"], "charge", status=404)
    if charge.get("payment_intent") is not None:
        raise Refusal("This charge is a payment intent's: capture that.", param="charge")
    if charge["captured"] or charge["refunded"] or charge["status"] != "succeeded":
        code = "charge_already_captured" if charge["captured"] else "charge_expired_for_capture"
        raise Refusal(f"The charge {charge['id']} cannot be captured.", code=code, param="charge")
    code = charge["currency"]
    amount = params["amount"] if "amount" in params else charge["amount"]
    if amount > charge["amount"]:
        raise Refusal(
            f"{Money(amount, code)} is more than the {Money(charge['amount'], code)} that is held.",
            code="amount_too_large",
            param="amount",
        )
    if "application_fee" in params:
        params["application_fee_amount"] = params.pop("application_fee")
    set_words(charge, params)
    set_sharing(tx, charge, params)
    take(tx, charge, amount)
    return charge


ROUTES = (
    list_route("/v1/charges", "charge", {"customer": word, "payment_intent": word, "transfer_group": word}),
    Route(
        "POST",
        "/v1/charges",
        _create,
        {
            **WORDS,
            **SHARING,
            "amount": positive,
            "application_fee": natural,
            "capture": boolean,
            "currency": currency,
            "customer": word,
            "destination": mapping({"account": word, "amount": positive}, required=("account",)),
            "source": word,
        },
        required=("amount", "currency"),
        leaves_failed=True,
    ),
    retrieve_route("/v1/charges/{charge}", "charge"),
    Route(
        "POST",
        "/v1/charges/{charge}",
        _update,
        {
            **{name: WORDS[name] for name in ("description", "metadata", "receipt_email", "shipping")},
            "customer": word,
            "fraud_details": mapping({"user_report": one_of("", "fraudulent", "safe")}, required=("user_report",)),
            "transfer_group": text,
        },
    ),
    Route(
        "POST",
        "/v1/charges/{charge}/capture",
        _capture,
        {
            **{name: WORDS[name] for name in ("receipt_email", "statement_descriptor", "statement_descriptor_suffix")},
            "amount": positive,
            "application_fee": natural,
            "application_fee_amount": natural,
            "transfer_data": mapping({"amount": positive}),
            "transfer_group": text,
        },
    ),
)
