"""Application fees: what the platform keeps of a payment to a connected account, and gives back of it."""

from __future__ import annotations

from runplane_mcp.core.money import Money
from runplane_mcp.simulator.expansion import complete
from runplane_mcp.simulator.lists import PAGING, equals, list_route, page
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import metadata, positive, word
from runplane_mcp.simulator.refusal import Refusal, missing
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_APPLICATION = "ca_alder_coffee"


def collect_fee(
    tx: Transaction, *, account: str, charge: str, amount: int, code: str, ready: int, origin: str | None = None
) -> str:
    """Books a fee to the platform, available at `ready`. The connected `account` has paid it. Returns the fee's id."""
    id = new_id("fee")
    fee: Obj = {
        "id": id,
        "object": "application_fee",
        "account": account,
        "amount": amount,
        "amount_refunded": 0,
        "application": _APPLICATION,
        "balance_transaction": tx.post("application_fee", id, amount, code, available_on=ready, account=tx.platform),
        "charge": charge,
        "created": tx.now,
        "currency": code,
        "fee_source": {"charge": charge, "type": "charge"},
        "livemode": False,
        "originating_transaction": origin,
        "refunded": False,
    }
    tx.insert(fee, account=tx.platform)
    _tell(tx, "application_fee.created", fee)
    return id


def refund_fee(tx: Transaction, fee: Obj, amount: int, *, metadata: dict[str, str] | None = None) -> Obj:
    """Gives `amount` of a fee back to the connected account that paid it. The platform's balance may fall below zero."""
    before, id, code = dict(fee), new_id("fr"), fee["currency"]
    refund: Obj = {
        "id": id,
        "object": "fee_refund",
        "amount": amount,
        "balance_transaction": tx.post("application_fee_refund", id, -amount, code, account=tx.platform),
        "created": tx.now,
        "currency": code,
        "fee": fee["id"],
        "metadata": metadata or {},
    }
    tx.post("adjustment", id, amount, code, description="Application fee refund", account=fee["account"])
    fee["amount_refunded"] += amount
    fee["refunded"] = fee["amount_refunded"] == fee["amount"]
    tx.insert(refund, account=tx.platform)
    tx.save(fee, account=tx.platform)
    _tell(tx, "application_fee.refunded", fee, before)
    return refund


def refund_fee_of(tx: Transaction, charge: Obj, amount: int) -> None:
    """Gives back a refund's share of the charge's fee: in proportion, or all that is left with the last of the charge.

    Asked before the charge counts the refund of `amount`.
    """
    fee = tx.require("application_fee", charge["application_fee"], "refund_application_fee", account=tx.platform)
    left = fee["amount"] - fee["amount_refunded"]
    last = charge["amount_refunded"] + amount == charge["amount"]
    share = left if last else min(left, amount * fee["amount"] // charge["amount"])
    if share:
        refund_fee(tx, fee, share)


def _tell(tx: Transaction, type: str, fee: Obj, before: Obj | None = None) -> None:
    shown = complete(tx.on(tx.platform), {**fee})
    tx.emit(
        type, shown, before=None if before is None else {**before, "refunds": shown["refunds"]}, account=tx.platform
    )


def _create(tx: Transaction, params: Params) -> Obj:
    fee = tx.require("application_fee", params["id"], "id", status=404)
    left = fee["amount"] - fee["amount_refunded"]
    amount = params.get("amount", left)
    if left == 0:
        raise Refusal(f"The application fee {fee['id']} is refunded already.", param="amount")
    if amount > left:
        code = fee["currency"]
        raise Refusal(
            f"A refund of {Money(amount, code)} is more than the {Money(left, code)} left of this fee.", param="amount"
        )
    tx.need(amount, fee["currency"])
    return refund_fee(tx, fee, amount, metadata=merge_metadata({}, params.get("metadata", {})))


def _refund(tx: Transaction, params: Params) -> Obj:
    fee = tx.require("application_fee", params["fee"], "fee", status=404)
    refund = tx.require("fee_refund", params["id"], "id", status=404)
    if refund["fee"] != fee["id"]:
        raise missing("fee_refund", refund["id"], "id", 404)
    return refund


def _update(tx: Transaction, params: Params) -> Obj:
    refund = _refund(tx, params)
    if "metadata" in params:
        refund["metadata"] = merge_metadata(refund["metadata"], params["metadata"])
    tx.save(refund)
    return refund


def _refunds(tx: Transaction, params: Params) -> Obj:
    fee = tx.require("application_fee", params["id"], "id", status=404)["id"]
    return page(tx, f"/v1/application_fees/{fee}/refunds", "fee_refund", params, [equals("fee", fee)])


ROUTES = (
    list_route("/v1/application_fees", "application_fee", {"charge": word}),
    retrieve_route("/v1/application_fees/{id}", "application_fee"),
    Route("POST", "/v1/application_fees/{id}/refunds", _create, {"amount": positive, "metadata": metadata}),
    Route("GET", "/v1/application_fees/{id}/refunds", _refunds, PAGING),
    Route("GET", "/v1/application_fees/{fee}/refunds/{id}", _refund),
    Route("POST", "/v1/application_fees/{fee}/refunds/{id}", _update, {"metadata": metadata}),
)
