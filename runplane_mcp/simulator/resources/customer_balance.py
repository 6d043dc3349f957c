"""A customer's balance: below zero it is their credit, above zero they owe it. It is settled with the next invoice."""

from __future__ import annotations

from runplane_mcp.simulator.lists import PAGING, equals, page
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import currency, integer, metadata, text
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
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
    description: str | None = None,
    metadata: dict[str, str] | None = None,
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
        "description": description,
        "ending_balance": customer["balance"],
        "invoice": invoice,
        "livemode": False,
        "metadata": metadata or {},
        "type": type,
    }
    tx.insert(transaction)
    tx.emit("customer.updated", customer, before=before)
    return transaction


def _list(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "customer", status=404)["id"]
    url = f"/v1/customers/{customer}/balance_transactions"
    return page(tx, url, "customer_balance_transaction", params, [equals("customer", customer)])


def _retrieve(tx: Transaction, params: Params) -> Obj:
    found = tx.require("customer_balance_transaction", params["transaction"], "transaction", status=404)
    if found["customer"] != params["customer"]:
        raise missing("customer_balance_transaction", found["id"], "transaction", 404)
    return found


def _create(tx: Transaction, params: Params) -> Obj:
    """Credit below zero, a debit above: settled with the next invoice, in the customer's currency only."""
    customer = tx.require("customer", params["customer"], "customer", status=404)
    if customer["currency"] not in (None, params["currency"]):
        raise Refusal(f"This customer pays in {customer['currency']}.", param="currency")
    if params["amount"] == 0:
        raise invalid("'amount' must not be zero.", "amount", "parameter_invalid_integer")
    return book(
        tx,
        customer,
        params["amount"],
        params["currency"],
        "adjustment",
        description=params.get("description") or None,
        metadata=merge_metadata({}, params.get("metadata", {})),
    )


def _update(tx: Transaction, params: Params) -> Obj:
    """Its words only: what was booked stays booked."""
    transaction = _retrieve(tx, params)
    if "description" in params:
        transaction["description"] = params["description"] or None
    if "metadata" in params:
        transaction["metadata"] = merge_metadata(transaction["metadata"], params["metadata"])
    tx.save(transaction)
    return transaction


def _cash(tx: Transaction, params: Params) -> Obj:
    """Money that customers sent ahead by bank transfer: nobody does here."""
    customer = tx.require("customer", params["customer"], "customer", status=404)
    return {
        "object": "cash_balance",
        "available": None,
        "customer": customer["id"],
        "livemode": False,
        "settings": {"reconciliation_mode": "automatic", "using_merchant_default": True},
    }


def _cash_transactions(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "customer", status=404)["id"]
    url = f"/v1/customers/{customer}/cash_balance_transactions"
    return page(tx, url, "customer_cash_balance_transaction", params, [equals("customer", customer)])


_WORDS = {"description": text, "metadata": metadata}
_PATH = "/v1/customers/{customer}/balance_transactions"

ROUTES = (
    Route("GET", _PATH, _list, PAGING),
    Route("POST", _PATH, _create, {**_WORDS, "amount": integer, "currency": currency}, required=("amount", "currency")),
    Route("GET", f"{_PATH}/{{transaction}}", _retrieve),
    Route("POST", f"{_PATH}/{{transaction}}", _update, _WORDS),
    Route("GET", "/v1/customers/{customer}/cash_balance", _cash),
    Route("GET", "/v1/customers/{customer}/cash_balance_transactions", _cash_transactions, PAGING),
)
