"""Financial accounts: money that is kept at Stripe, apart from the payments balance, and every movement of it."""

from __future__ import annotations

from runplane_mcp.simulator.lists import Clause, among
from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction
from runplane_mcp.simulator.v2 import fields
from runplane_mcp.simulator.v2.lists import PAGING, moment, page

KIND = "v2.money_management.financial_account"
TRANSACTION = "v2.money_management.transaction"
_PATH = "/v2/money_management/financial_accounts"
_TRANSACTIONS = "/v2/money_management/transactions"
_PARTS = ("available", "inbound_pending", "outbound_pending")


def financial_account_object(id: str, *, name: str, country: str, currencies: list[str], created: int) -> Obj:
    """An open account without money."""
    return {
        "id": id,
        "object": KIND,
        "balance": {part: {code: {"value": 0, "currency": code} for code in currencies} for part in _PARTS},
        "country": country,
        "created": moment(created),
        "display_name": name,
        "livemode": False,
        "metadata": {},
        "other": None,
        "status": "open",
        "storage": {"deposit_insurance_eligibility": [], "holds_currencies": currencies},
        "type": "storage",
    }


def book(
    tx: Transaction, account: Obj, code: str, impact: dict[str, int], *, category: str, flow: str | None, value: int
) -> Obj:
    """Books a movement of `value` and changes the balance by `impact`, minor units per part. Returns the transaction."""
    full = {part: {"value": impact.get(part, 0), "currency": code} for part in _PARTS}
    transaction: Obj = {
        "id": new_id("trxn"),
        "object": TRANSACTION,
        "amount": {"value": value, "currency": code},
        "balance_impact": full,
        "category": category,
        "created": moment(tx.now),
        "financial_account": account["id"],
        "flow": {"type": category, category: flow},
        "livemode": False,
        "status": "pending" if impact.get("outbound_pending") else "posted",
    }
    _move(account, code, impact)
    tx.insert(transaction)
    tx.save(account)
    return transaction


def settle(tx: Transaction, transaction: Obj, status: str) -> None:
    """What was pending is `posted`, or `void` and back in the account."""
    account = tx.require(KIND, transaction["financial_account"], "financial_account")
    code, impact = transaction["amount"]["currency"], transaction["balance_impact"]
    before = {part: impact[part]["value"] for part in _PARTS}
    after = {"available": before["available"]} if status == "posted" else {}
    _move(account, code, {part: after.get(part, 0) - before[part] for part in _PARTS})
    transaction["status"] = status
    transaction["balance_impact"] = {part: {"value": after.get(part, 0), "currency": code} for part in _PARTS}
    tx.save(transaction)
    tx.save(account)


def _move(account: Obj, code: str, impact: dict[str, int]) -> None:
    for part, change in impact.items():
        account["balance"][part].setdefault(code, {"value": 0, "currency": code})["value"] += change


def require_open(tx: Transaction, id: str) -> Obj:
    """The account that money is taken from."""
    account = tx.require(KIND, id, "from.financial_account")
    if account["status"] != "open":
        raise Refusal("This financial account is not open.", type="financial_account_not_open")
    return account


def _list(tx: Transaction, params: Params) -> Obj:
    clauses: list[Clause] = [among("status", params["statuses"])] if "statuses" in params else []
    return page(tx, _PATH, KIND, params, {}, clauses)


def _retrieve(tx: Transaction, params: Params) -> Obj:
    return tx.require(KIND, params["id"], "id", status=404)


def _update(tx: Transaction, params: Params) -> Obj:
    account = tx.require(KIND, params["id"], "id", status=404)
    if "display_name" in params:
        account["display_name"] = params["display_name"]
    account["metadata"] = fields.merged(account["metadata"], params.get("metadata", {}))
    tx.save(account)
    return account


def _transactions(tx: Transaction, params: Params) -> Obj:
    named: dict[str, str] = {name: params[name] for name in ("financial_account", "flow") if name in params}
    clauses: list[Clause] = []
    if "financial_account" in named:
        clauses.append(("json_extract(body, '$.financial_account') = ?", [named["financial_account"]]))
    if "flow" in named:
        clauses.append(("json_extract(body, '$.flow.outbound_payment') = ?", [named["flow"]]))
    return page(tx, _TRANSACTIONS, TRANSACTION, params, named, clauses)


def _transaction(tx: Transaction, params: Params) -> Obj:
    return tx.require(TRANSACTION, params["id"], "id", status=404)


ROUTES = (
    Route(
        "GET",
        _PATH,
        _list,
        {
            **PAGING,
            "include": fields.array(fields.word),
            "statuses": fields.array(fields.one_of("closed", "open", "pending")),
        },
    ),
    Route("GET", f"{_PATH}/{{id}}", _retrieve, {"include": fields.array(fields.word)}),
    Route("POST", f"{_PATH}/{{id}}", _update, {"display_name": fields.word, "metadata": fields.metadata}),
    Route("GET", _TRANSACTIONS, _transactions, {**PAGING, "financial_account": fields.word, "flow": fields.word}),
    Route("GET", f"{_TRANSACTIONS}/{{id}}", _transaction),
)
