"""Outbound payments: money of a financial account that is sent to somebody's bank. They can be canceled until they are
posted, a day later."""

from __future__ import annotations

from runplane_mcp.core.money import Money
from runplane_mcp.simulator.clockwork import on_time
from runplane_mcp.simulator.lists import Clause, among
from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.refusal import Refusal, missing
from runplane_mcp.simulator.resources.payouts import default_bank
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction
from runplane_mcp.simulator.v2 import fields
from runplane_mcp.simulator.v2.core_events import SPAN, emit, within
from runplane_mcp.simulator.v2.financial_accounts import TRANSACTION, book, require_open, settle
from runplane_mcp.simulator.v2.lists import PAGING, moment, page

KIND = "v2.money_management.outbound_payment"
_PATH = "/v2/money_management/outbound_payments"
_STATUSES = ("canceled", "failed", "posted", "processing", "returned")
_POSTED_AFTER = 86_400
_ARRIVES_AFTER = 3 * 86_400


def send(tx: Transaction, params: Params, payout_intent: str | None = None) -> Obj:
    """Takes the money out of its financial account and sends it off. Refused where there is not enough of it."""
    source, to, amount = params["from"], params["to"], params["amount"]
    code, value = amount["currency"], amount["value"]
    account = require_open(tx, source["financial_account"])
    if {source["currency"], to.get("currency", code)} != {code}:
        raise Refusal("The simulator changes no money into another currency.", type="feature_not_enabled")
    method = _payout_method(tx, to, code)
    held = account["balance"]["available"].get(code, {"value": 0})["value"]
    if held < value:
        raise Refusal(
            f"{Money(value, code)} is more than the {Money(held, code)} in this financial account.",
            type="insufficient_funds",
            code="outbound_payment_insufficient_funds",
        )
    payment: Obj = {
        "id": new_id("obp"),
        "object": KIND,
        "amount": amount,
        "cancelable": True,
        "created": moment(tx.now),
        "description": params.get("description"),
        "expected_arrival_date": moment(tx.now + _ARRIVES_AFTER),
        "from": {"debited": amount, "financial_account": account["id"]},
        "livemode": False,
        "metadata": fields.merged({}, params.get("metadata", {})),
        "payout_intent": payout_intent,
        "receipt_url": None,
        "recipient_notification": params.get("recipient_notification", {"setting": "configured"}),
        "recipient_verification": None,
        "statement_descriptor": params.get("statement_descriptor", "ALDER COFFEE"),
        "status": "processing",
        "status_details": {},
        "status_transitions": dict.fromkeys(("canceled_at", "failed_at", "posted_at", "returned_at")),
        "to": {
            "credited": amount,
            "payout_method": method,
            "payout_method_options": to.get("payout_method_options"),
            "recipient": to["recipient"],
        },
        "tracking_details": {"bank_account": {"trace_id": None}, "status": "pending", "type": "bank_account"},
    }
    tx.insert(payment)
    impact = {"available": -value, "outbound_pending": value}
    book(tx, account, code, impact, category="outbound_payment", flow=payment["id"], value=-value)
    tx.schedule(tx.now + _POSTED_AFTER, payment["id"])
    _tell(tx, payment, "created")
    return payment


def _payout_method(tx: Transaction, to: Params, code: str) -> str:
    """Where the recipient is paid: one of their bank accounts and cards, the default one unless said."""
    recipient = tx.find(to["recipient"], account=tx.platform)
    if recipient is None or recipient["object"] != "account" or recipient.get("deleted"):
        raise missing("account", to["recipient"], "to.recipient")
    there = tx.on(recipient["id"])
    if "payout_method" not in to:
        bank = default_bank(there, code)
    else:
        bank = there.find(to["payout_method"])
        known = bank is not None and bank["object"] in ("bank_account", "card") and bank.get("account") is not None
        bank = bank if known else None
    if bank is None or bank["currency"] != code:
        raise Refusal(
            f"The recipient has no such payout method for {code}.",
            type="invalid_payout_method",
            code="outbound_payment_invalid_payout_method",
        )
    return str(bank["id"])


def _tell(tx: Transaction, payment: Obj, what: str) -> None:
    emit(tx, f"v2.money_management.outbound_payment.{what}", payment, f"{_PATH}/{payment['id']}")


def _transaction(tx: Transaction, payment: Obj) -> Obj:
    found = tx.select(
        ["kind = ?", "json_extract(body, '$.flow.outbound_payment') = ?"], [TRANSACTION, payment["id"]], "DESC", 1
    )
    return found[0]


def _finish(tx: Transaction, payment: Obj, status: str, booked: str) -> None:
    payment.update(status=status, cancelable=False)
    payment["status_transitions"][f"{status}_at"] = moment(tx.now)
    tx.save(payment)
    settle(tx, _transaction(tx, payment), booked)
    _tell(tx, payment, status)
    intent = None if payment["payout_intent"] is None else tx.find(payment["payout_intent"])
    if intent is not None:
        follow(tx, intent, status)


def follow(tx: Transaction, intent: Obj, status: str) -> None:
    """A payout intent is what became of its payment."""
    intent.update(status=status, next_action=None)
    intent["status_transitions"][f"{status}_at"] = moment(tx.now)
    tx.save(intent)
    emit(tx, f"{intent['object']}.{status}", intent, f"/v2/money_management/payout_intents/{intent['id']}")


def cancel(tx: Transaction, payment: Obj) -> Obj:
    """Takes a payment back that is not posted yet."""
    if payment["status"] == "canceled":
        raise Refusal(
            "This outbound payment is canceled already.",
            type="already_canceled",
            code="outbound_payment_already_canceled",
        )
    if payment["status"] != "processing":
        raise Refusal(
            f"An outbound payment that is {payment['status']} cannot be canceled.",
            type="not_cancelable",
            code="outbound_payment_not_cancelable",
        )
    _finish(tx, payment, "canceled", "void")
    return payment


def _post(tx: Transaction, payment: Obj) -> None:
    if payment["status"] == "processing":
        _finish(tx, payment, "posted", "posted")


on_time(KIND, _post)


def _create(tx: Transaction, params: Params) -> Obj:
    return send(tx, params)


def _cancel(tx: Transaction, params: Params) -> Obj:
    return cancel(tx, tx.require(KIND, params["id"], "id", status=404))


def _retrieve(tx: Transaction, params: Params) -> Obj:
    return tx.require(KIND, params["id"], "id", status=404)


def _list(tx: Transaction, params: Params) -> Obj:
    clauses: list[Clause] = list(within("created", params.get("created", {})))
    carried = {f"created[{end}]": at for end, at in params.get("created", {}).items()}
    if "recipient" in params:
        clauses.append(("json_extract(body, '$.to.recipient') = ?", [params["recipient"]]))
        carried["recipient"] = params["recipient"]
    if "status" in params:
        clauses.append(among("status", params["status"]))
        carried.update({f"status[{number}]": each for number, each in enumerate(params["status"])})
    return page(tx, _PATH, KIND, params, carried, clauses)


_BANK_OPTIONS = fields.record(
    {
        "bank_account": fields.record(
            {"preferred_networks": fields.array(fields.one_of("ach", "fedwire", "fps", "rtp", "sepa", "swift"))}
        )
    }
)
FROM = fields.record({"currency": fields.currency, "financial_account": fields.word}, ("currency", "financial_account"))
TO = fields.record(
    {
        "currency": fields.currency,
        "payout_method": fields.word,
        "payout_method_options": _BANK_OPTIONS,
        "recipient": fields.word,
    },
    ("recipient",),
)
NOTIFICATION = fields.record({"setting": fields.one_of("configured", "none")}, ("setting",))
ROUTES = (
    Route(
        "GET",
        _PATH,
        _list,
        {
            **PAGING,
            "created": SPAN,
            "recipient": fields.word,
            "status": fields.array(fields.one_of(*_STATUSES)),
        },
    ),
    Route(
        "POST",
        _PATH,
        _create,
        {
            "amount": fields.amount,
            "description": fields.string,
            "from": FROM,
            "metadata": fields.metadata,
            "recipient_notification": NOTIFICATION,
            "statement_descriptor": fields.word,
            "to": TO,
        },
        required=("amount", "from", "to"),
    ),
    Route("GET", f"{_PATH}/{{id}}", _retrieve),
    Route("POST", f"{_PATH}/{{id}}/cancel", _cancel),
)
