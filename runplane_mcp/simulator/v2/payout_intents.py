"""Payout intents: a payment out of a financial account that waits to be confirmed, for its day, or for money."""

from __future__ import annotations

from datetime import UTC, date, datetime

from runplane_mcp.simulator.clockwork import on_time
from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction
from runplane_mcp.simulator.v2 import fields
from runplane_mcp.simulator.v2.core_events import emit
from runplane_mcp.simulator.v2.financial_accounts import require_open
from runplane_mcp.simulator.v2.lists import PAGING, moment, page
from runplane_mcp.simulator.v2.outbound_payments import FROM, NOTIFICATION, TO, cancel, follow, send
from runplane_mcp.simulator.v2.outbound_payments import KIND as PAYMENT

KIND = "v2.money_management.payout_intent"
_PATH = "/v2/money_management/payout_intents"
_TERMS = ("amount", "description", "from", "metadata", "recipient_notification", "statement_descriptor", "to")
_CHANGEABLE = ("description", "recipient_notification", "schedule_options", "statement_descriptor", "to")


def _day(value: object, name: str) -> str:
    given = fields.word(value, name)
    try:
        return date.fromisoformat(given).isoformat()
    except ValueError as error:
        raise fields.wrong(f"'{name}' is not a day.") from error


def _create(tx: Transaction, params: Params) -> Obj:
    require_open(tx, params["from"]["financial_account"])
    intent: Obj = {
        "id": new_id("poi"),
        "object": KIND,
        "amount": params["amount"],
        "confirmation_method": params.get("confirmation_method", "automatic"),
        "created": moment(tx.now),
        "description": params.get("description"),
        "estimated_fees": [],
        "from": {**params["from"], "debited": None},
        "fx_quote": None,
        "latest_payout": None,
        "livemode": False,
        "metadata": fields.merged({}, params.get("metadata", {})),
        "next_action": None,
        "recipient_notification": params.get("recipient_notification", {"setting": "configured"}),
        "recipient_verification": None,
        "schedule_options": params.get("schedule_options"),
        "statement_descriptor": params.get("statement_descriptor", "ALDER COFFEE"),
        "status": "pending",
        "status_transitions": dict.fromkeys(("canceled_at", "posted_at", "processing_at", "requires_action_at")),
        "to": {"currency": params["amount"]["currency"], **params["to"], "credited": None},
    }
    tx.insert(intent)
    emit(tx, f"{KIND}.created", intent, f"{_PATH}/{intent['id']}")
    if intent["confirmation_method"] == "manual":
        return _wait(tx, intent, {"confirm": {"fields_to_review": None, "reason": "manually_requested"}})
    return _go_on(tx, intent)


def _wait(tx: Transaction, intent: Obj, action: Obj) -> Obj:
    """Somebody has to do something first."""
    follow(tx, intent, "requires_action")
    intent["next_action"] = {"confirm": None, "handle_failure": None, **action, "type": next(iter(action))}
    tx.save(intent)
    return intent


def _go_on(tx: Transaction, intent: Obj) -> Obj:
    """Confirmed: waits for its day, or is sent now. Where there is not enough money it says so and stays."""
    day = (intent["schedule_options"] or {}).get("execute_on")
    when = tx.now if day is None else int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    if when > tx.now:
        follow_up = intent["status"] != "pending"
        intent.update(status="pending", next_action=None)
        tx.save(intent)
        tx.schedule(when, intent["id"])
        if follow_up:
            emit(tx, f"{KIND}.updated", intent, f"{_PATH}/{intent['id']}")
        return intent
    terms = {name: intent[name] for name in _TERMS if intent[name] is not None}
    terms["to"] = {name: value for name, value in intent["to"].items() if name != "credited" and value is not None}
    try:
        payment = send(tx, terms, intent["id"])
    except Refusal as refusal:
        if refusal.type != "insufficient_funds":
            raise
        return _wait(tx, intent, {"handle_failure": {"failure_reason": "insufficient_funds"}})
    intent["latest_payout"] = {
        "outbound_payment": payment["id"],
        "outbound_transfer": None,
        "type": "outbound_payment",
    }
    intent["from"]["debited"] = intent["to"]["credited"] = intent["amount"]
    follow(tx, intent, "processing")
    return intent


def _when_due(tx: Transaction, intent: Obj) -> None:
    if intent["status"] != "pending":
        return
    try:
        _go_on(tx, intent)
    except Refusal:
        _wait(tx, intent, {"handle_failure": {"failure_reason": "payout_method_invalid"}})


on_time(KIND, _when_due)


def _found(tx: Transaction, params: Params) -> Obj:
    return tx.require(KIND, params["id"], "id", status=404)


def _confirm(tx: Transaction, params: Params) -> Obj:
    intent = _found(tx, params)
    if intent["status"] != "requires_action":
        raise Refusal(f"A payout intent that is {intent['status']} has nothing to confirm.", type="cannot_proceed")
    return _go_on(tx, intent)


def _cancel(tx: Transaction, params: Params) -> Obj:
    intent = _found(tx, params)
    if intent["status"] == "canceled":
        raise Refusal("This payout intent is canceled already.", type="already_canceled")
    if intent["status"] == "processing":
        cancel(tx, tx.require(PAYMENT, intent["latest_payout"]["outbound_payment"], "id"))
        return _found(tx, params)
    if intent["status"] == "posted":
        raise Refusal("A payout intent that is posted cannot be canceled.", type="not_cancelable")
    follow(tx, intent, "canceled")
    return intent


def _update(tx: Transaction, params: Params) -> Obj:
    intent = _found(tx, params)
    if intent["status"] not in ("pending", "requires_action"):
        raise Refusal(f"A payout intent that is {intent['status']} cannot be changed.", type="cannot_proceed")
    for name in _CHANGEABLE:
        if name in params:
            intent[name] = {**intent[name], **params[name]} if name == "to" else params[name]
    intent["metadata"] = fields.merged(intent["metadata"], params.get("metadata", {}))
    tx.save(intent)
    emit(tx, f"{KIND}.updated", intent, f"{_PATH}/{intent['id']}")
    return intent


def _list(tx: Transaction, params: Params) -> Obj:
    return page(tx, _PATH, KIND, params, {})


_WORDS = {
    "description": fields.string,
    "metadata": fields.metadata,
    "recipient_notification": NOTIFICATION,
    "schedule_options": fields.record({"execute_on": _day}),
    "statement_descriptor": fields.word,
}
ROUTES = (
    Route("GET", _PATH, _list, PAGING),
    Route(
        "POST",
        _PATH,
        _create,
        {
            **_WORDS,
            "amount": fields.amount,
            "confirmation_method": fields.one_of("automatic", "manual"),
            "from": FROM,
            "to": TO,
        },
        required=("amount", "from", "to"),
    ),
    Route("GET", f"{_PATH}/{{id}}", _found),
    Route("POST", f"{_PATH}/{{id}}", _update, {**_WORDS, "to": TO}),
    Route("POST", f"{_PATH}/{{id}}/confirm", _confirm),
    Route("POST", f"{_PATH}/{{id}}/cancel", _cancel),
)
