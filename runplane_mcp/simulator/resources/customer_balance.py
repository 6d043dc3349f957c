"""A customer's balance: below zero it is their credit, above zero they owe it. It is settled with the next invoice."""

from __future__ import annotations

from runplane_mcp.simulator.lists import PAGING, page
from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction


def book(
    tx: Transaction,
    customer: Obj,
    amount: int,
    code: str,
    type: str,
    *,
    invoice: str | None = None,
    credit_note: str | None = None,
) -> Obj:
    """Moves the balance by `amount` (minor units, below zero gives credit), with the transaction that says why."""
    before = dict(customer)
    customer["balance"] += amount
    customer["currency"] = customer["currency"] or code
    tx.save(customer)
    transaction: Obj = {
        "id": new_id("cbtxn"),
        "object": "customer_balance_transaction",
        "amount": amount,
        "checkout_session": None,
        "created": tx.now,
        "credit_note": credit_note,
        "currency": code,
        "customer": customer["id"],
        "description": None,
        "ending_balance": customer["balance"],
        "invoice": invoice,
        "livemode": False,
        "metadata": {},
        "type": type,
    }
    tx.insert(transaction)
    tx.emit("customer.updated", customer, before=before)
    return transaction


def _list(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "customer", status=404)["id"]
    url = f"/v1/customers/{customer}/balance_transactions"
    mine = ("json_extract(body, '$.customer') = ?", [customer])
    return page(tx, url, "customer_balance_transaction", params, [mine])


def _retrieve(tx: Transaction, params: Params) -> Obj:
    return tx.require("customer_balance_transaction", params["transaction"], "transaction", status=404)


ROUTES = (
    Route("GET", "/v1/customers/{customer}/balance_transactions", _list, PAGING),
    Route("GET", "/v1/customers/{customer}/balance_transactions/{transaction}", _retrieve),
)
