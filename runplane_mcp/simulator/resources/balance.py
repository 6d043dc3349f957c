"""The balance per currency, and the balance transactions it is the sum of."""

from __future__ import annotations

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.parameters import currency, word
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction


def _balance(tx: Transaction, _params: Params) -> Obj:
    rows = tx.db.execute(
        "SELECT currency, available, pending FROM balance WHERE account = ? ORDER BY currency <> 'usd', currency",
        (tx.account,),
    ).fetchall()
    return {
        "object": "balance",
        "available": [_amount(code, available) for code, available, _ in rows],
        "connect_reserved": [_amount(code, 0) for code, _, _ in rows],
        "instant_available": [_amount(code, max(available, 0)) for code, available, _ in rows],
        "livemode": False,
        "pending": [_amount(code, pending) for code, _, pending in rows],
    }


def _amount(code: str, amount: int) -> Obj:
    return {"amount": amount, "currency": code, "source_types": {"card": amount}}


ROUTES = (
    Route("GET", "/v1/balance", _balance),
    list_route("/v1/balance_transactions", "balance_transaction", {"type": word, "source": word, "currency": currency}),
    retrieve_route("/v1/balance_transactions/{id}", "balance_transaction"),
)
