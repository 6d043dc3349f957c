"""Setup intents: a payment method is saved for later, without a payment now."""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import Reader, boolean, metadata, one_of, text, word
from runplane_mcp.simulator.refusal import Refusal, declined, invalid
from runplane_mcp.simulator.resources.payment_methods import (
    METHOD_DATA,
    attach,
    charged_card,
    make_method,
    named_method,
)
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction


def _object(id: str, *, created: int, customer: str | None, usage: str) -> Obj:
    return {
        "id": id,
        "object": "setup_intent",
        "application": None,
        "attach_to_self": False,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": f"{id}_secret_simulator",
        "created": created,
        "customer": customer,
        "description": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": usage,
    }


def _set_method(tx: Transaction, intent: Obj, params: Params) -> None:
    if "payment_method_data" in params:
        intent["payment_method"] = make_method(tx, params["payment_method_data"])["id"]
    elif params.get("payment_method"):
        intent["payment_method"] = named_method(tx, params["payment_method"], intent["customer"])["id"]
    intent["status"] = "requires_confirmation" if intent["payment_method"] else "requires_payment_method"


def _create(tx: Transaction, params: Params) -> Obj:
    customer = params.get("customer")
    if customer is not None:
        tx.require("customer", customer, "customer")
    usage = params.get("usage", "off_session")
    intent = _object(new_id("seti"), created=tx.now, customer=customer, usage=usage)
    intent["description"] = params.get("description") or None
    intent["metadata"] = merge_metadata({}, params.get("metadata", {}))
    _set_method(tx, intent, params)
    if params.get("confirm") and intent["payment_method"] is None:
        raise invalid("There is no payment method to confirm with.", "payment_method", "parameter_missing")
    tx.insert(intent)
    tx.emit("setup_intent.created", intent)
    return _succeed(tx, intent) if params.get("confirm") else intent


def _succeed(tx: Transaction, intent: Obj) -> Obj:
    """The card agrees to later payments, and is saved where there is a customer. 402 leaves the setup intent."""
    before = dict(intent)
    method = named_method(tx, intent["payment_method"], intent["customer"])
    card = charged_card(method)
    if tx.declined or (card.decline is not None and not card.attaches):
        code, why = card.decline or ("card_declined", "generic_decline")
        error = {"code": code, "message": "The card was declined.", "payment_method": method, "type": "card_error"}
        intent.update(last_setup_error=error, payment_method=None, status="requires_payment_method")
        tx.save(intent)
        tx.emit("setup_intent.setup_failed", intent, before=before)
        raise declined("The card was declined.", intent, code, why)
    if card.authenticates:
        intent.update(status="requires_action", next_action={"type": "use_stripe_sdk", "use_stripe_sdk": {}})
        tx.save(intent)
        tx.emit("setup_intent.requires_action", intent, before=before)
        return intent
    if intent["customer"] is not None and method["customer"] is None:
        attach(tx, method, intent["customer"])
    intent["status"] = "succeeded"
    tx.save(intent)
    tx.emit("setup_intent.succeeded", intent, before=before)
    return intent


def _open(tx: Transaction, params: Params, done: str) -> Obj:
    intent = tx.require("setup_intent", params["intent"], "intent", status=404)
    if intent["status"] in ("succeeded", "canceled"):
        raise Refusal(
            f"The setup intent {intent['id']} is {intent['status']} and cannot be {done}.",
            code="setup_intent_unexpected_state",
            param="intent",
        )
    return intent


def _confirm(tx: Transaction, params: Params) -> Obj:
    intent = _open(tx, params, "confirmed")
    _set_method(tx, intent, params)
    if intent["payment_method"] is None:
        raise Refusal("There is no payment method to confirm with.", code="setup_intent_unexpected_state")
    return _succeed(tx, intent)


def _cancel(tx: Transaction, params: Params) -> Obj:
    intent = _open(tx, params, "canceled")
    before = dict(intent)
    intent.update(status="canceled", cancellation_reason=params.get("cancellation_reason"), next_action=None)
    tx.save(intent)
    tx.emit("setup_intent.canceled", intent, before=before)
    return intent


_METHOD: Mapping[str, Reader] = {"payment_method": word, "payment_method_data": METHOD_DATA, "return_url": word}
ROUTES = (
    list_route("/v1/setup_intents", "setup_intent", {"customer": word, "payment_method": word}),
    Route(
        "POST",
        "/v1/setup_intents",
        _create,
        {
            **_METHOD,
            "confirm": boolean,
            "customer": word,
            "description": text,
            "metadata": metadata,
            "usage": one_of("off_session", "on_session"),
        },
        leaves_failed=True,
    ),
    retrieve_route("/v1/setup_intents/{intent}", "setup_intent"),
    Route("POST", "/v1/setup_intents/{intent}/confirm", _confirm, _METHOD, leaves_failed=True),
    Route(
        "POST",
        "/v1/setup_intents/{intent}/cancel",
        _cancel,
        {"cancellation_reason": one_of("abandoned", "duplicate", "requested_by_customer")},
    ),
)
