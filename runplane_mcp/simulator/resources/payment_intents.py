"""Payment intents: money that is asked of a customer, until it is paid, held ready or given up."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from runplane_mcp.core.money import Money
from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.parameters import Reader, array, boolean, currency, mapping, one_of, positive, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources.confirming import confirm
from runplane_mcp.simulator.resources.payment_methods import METHOD_DATA, make_method, named_method
from runplane_mcp.simulator.resources.payments import check_amount, payment_intent_object
from runplane_mcp.simulator.resources.terms import SHARING, WORDS, natural_or_unset, set_sharing, set_words
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_UNPAID = ("requires_payment_method", "requires_confirmation", "requires_action")
#: What may no longer change once a card has paid or holds the money ready.
_FIXED = ("amount", "currency", "customer", "payment_method", "payment_method_data", "setup_future_usage")
_OPTIONS = mapping(
    {
        "card": mapping(
            {
                "moto": boolean,
                "request_incremental_authorization": one_of("if_available", "never"),
                "request_three_d_secure": one_of("any", "automatic", "challenge"),
            }
        )
    }
)
_METHOD: Mapping[str, Reader] = {
    "capture_method": one_of("automatic", "automatic_async", "manual"),
    "payment_method": text,
    "payment_method_data": METHOD_DATA,
    "payment_method_options": _OPTIONS,
    "setup_future_usage": one_of("", "off_session", "on_session"),
}
_CONFIRMING: Mapping[str, Reader] = {
    "error_on_requires_action": boolean,
    "off_session": boolean,
    "return_url": word,
    "use_stripe_sdk": boolean,
}
_TAKES_AMOUNT = mapping({"amount": positive})


def _set_method(tx: Transaction, intent: Obj, params: Params) -> None:
    """Takes over how the intent is to be paid, and with what."""
    for name in ("capture_method", "payment_method_options"):
        if name in params:
            intent[name] = params[name]
    if "setup_future_usage" in params:
        intent["setup_future_usage"] = params["setup_future_usage"] or None
    if "payment_method_data" in params:
        intent["payment_method"] = make_method(tx, params["payment_method_data"])["id"]
    elif params.get("payment_method"):
        intent["payment_method"] = named_method(tx, params["payment_method"], intent["customer"])["id"]
    elif "payment_method" in params:
        intent["payment_method"] = None
    intent["status"] = "requires_confirmation" if intent["payment_method"] else "requires_payment_method"


def _create(tx: Transaction, params: Params) -> Obj:
    check_amount(params["amount"], params["currency"])
    confirms = params.get("confirm", False)
    if "off_session" in params and not confirms:
        raise invalid("'off_session' goes with 'confirm'.", "off_session")
    customer = params.get("customer")
    if customer is not None:
        tx.require("customer", customer, "customer")
    intent = payment_intent_object(
        new_id("pi"), amount=params["amount"], code=params["currency"], created=tx.now, customer=customer
    )
    set_words(intent, params)
    set_sharing(tx, intent, params)
    _set_method(tx, intent, params)
    for name in ("automatic_payment_methods", "confirmation_method"):
        intent[name] = params.get(name, intent[name])
    if "allowed_payment_method_types" in params:
        intent["payment_method_types"] = params["allowed_payment_method_types"]
    if confirms and intent["payment_method"] is None:
        raise invalid("There is no payment method to confirm with.", "payment_method", "parameter_missing")
    tx.insert(intent)
    tx.emit("payment_intent.created", intent)
    return _confirm_now(tx, intent, params) if confirms else intent


def _confirm_now(tx: Transaction, intent: Obj, params: Params) -> Obj:
    return confirm(
        tx,
        intent,
        off_session=params.get("off_session", False),
        fails_on_action=params.get("error_on_requires_action", False),
    )


def _update(tx: Transaction, params: Params) -> Obj:
    intent = tx.require("payment_intent", params["intent"], "intent", status=404)
    before = deepcopy(intent)
    if intent["status"] not in _UNPAID:
        for name in (*_FIXED, *_METHOD, *(SHARING if intent["status"] != "requires_capture" else ())):
            if name in params:
                raise _unexpected(intent, f"'{name}' cannot be changed", name)
    if "customer" in params and params["customer"] != intent["customer"]:
        intent["customer"] = tx.require("customer", params["customer"], "customer")["id"]
    intent.update({name: params[name] for name in ("amount", "currency") if name in params})
    check_amount(intent["amount"], intent["currency"])
    set_words(intent, params)
    set_sharing(tx, intent, params)
    if intent["status"] in _UNPAID:
        _set_method(tx, intent, params)
    else:
        _tell_charge(tx, intent)
    tx.save(intent)
    tx.emit("payment_intent.updated", intent, before=before)
    return intent


def _tell_charge(tx: Transaction, intent: Obj) -> None:
    """A charge that is held ready is shared out as its intent says when it is captured."""
    if intent["status"] == "requires_capture":
        charge = tx.require("charge", intent["latest_charge"], "charge")
        charge.update({name: intent[name] for name in (*SHARING, "transfer_group")})
        tx.save(charge)


def _confirm(tx: Transaction, params: Params) -> Obj:
    intent = tx.require("payment_intent", params["intent"], "intent", status=404)
    if intent["status"] not in _UNPAID:
        raise _unexpected(intent, "it cannot be confirmed", "intent")
    if params.get("amount_to_confirm", intent["amount"]) != intent["amount"]:
        raise Refusal("The amount to confirm is not the payment intent's.", param="amount_to_confirm")
    set_words(intent, params)
    _set_method(tx, intent, params)
    if intent["payment_method"] is None:
        raise _unexpected(intent, "it has no payment method to confirm with", "payment_method")
    return _confirm_now(tx, intent, params)


def _increment(tx: Transaction, params: Params) -> Obj:
    """The card holds more ready than before."""
    intent = tx.require("payment_intent", params["intent"], "intent", status=404)
    if intent["status"] != "requires_capture":
        raise _unexpected(intent, "its authorization cannot be incremented", "intent")
    charge = tx.require("charge", intent["latest_charge"], "charge")
    held = charge["payment_method_details"].get("card", {}).get("incremental_authorization", {})
    if held.get("status") != "available":
        raise Refusal("This payment was not made with an authorization that can be incremented.", param="intent")
    amount, code = params["amount"], intent["currency"]
    check_amount(amount, code)
    if amount <= intent["amount"]:
        raise Refusal(f"{Money(amount, code)} is not more than what is held.", param="amount")
    before, charge_before = deepcopy(intent), dict(charge)
    intent.update(amount=amount, amount_capturable=amount)
    set_words(intent, params)
    set_sharing(tx, intent, params)
    charge["amount"] = amount
    tx.save(charge)
    _tell_charge(tx, intent)
    tx.save(intent)
    tx.emit("charge.updated", charge, before=charge_before)
    tx.emit("payment_intent.amount_capturable_updated", intent, before=before)
    return intent


def _unexpected(intent: Obj, what: str, param: str) -> Refusal:
    return Refusal(
        f"The payment intent {intent['id']} is {intent['status']}: {what}.",
        code="payment_intent_unexpected_state",
        param=param,
    )


_PATH = "/v1/payment_intents"
_CHANGEABLE: Mapping[str, Reader] = {**WORDS, **SHARING, **_METHOD}
_UPDATED: Mapping[str, Reader] = {
    **_CHANGEABLE,
    "transfer_data": _TAKES_AMOUNT,
    "amount": positive,
    "application_fee_amount": natural_or_unset,
    "currency": currency,
    "customer": word,
}
ROUTES = (
    list_route(_PATH, "payment_intent", {"customer": word}),
    Route(
        "POST",
        _PATH,
        _create,
        {
            **_CHANGEABLE,
            **_CONFIRMING,
            "amount": positive,
            "automatic_payment_methods": mapping(
                {"allow_redirects": one_of("always", "never"), "enabled": boolean}, required=("enabled",)
            ),
            "confirm": boolean,
            "confirmation_method": one_of("automatic", "manual"),
            "currency": currency,
            "customer": word,
            "allowed_payment_method_types": array(word, most=20),
        },
        required=("amount", "currency"),
        leaves_failed=True,
    ),
    retrieve_route(f"{_PATH}/{{intent}}", "payment_intent"),
    Route("POST", f"{_PATH}/{{intent}}", _update, {k: v for k, v in _UPDATED.items() if k != "on_behalf_of"}),
    Route(
        "POST",
        f"{_PATH}/{{intent}}/confirm",
        _confirm,
        {
            **_METHOD,
            **_CONFIRMING,
            "amount_to_confirm": positive,
            "receipt_email": text,
            "shipping": WORDS["shipping"],
        },
        leaves_failed=True,
    ),
    Route(
        "POST",
        f"{_PATH}/{{intent}}/increment_authorization",
        _increment,
        {
            **{name: WORDS[name] for name in ("description", "metadata", "statement_descriptor")},
            "amount": positive,
            "application_fee_amount": SHARING["application_fee_amount"],
            "transfer_data": _TAKES_AMOUNT,
        },
        required=("amount",),
    ),
)
