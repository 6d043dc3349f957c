"""Top-ups: money that is fetched from a bank account into the balance. They can be canceled while they are pending."""

from __future__ import annotations

from runplane_mcp.simulator.clockwork import on_time
from runplane_mcp.simulator.lists import Clause, list_route, within
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import currency, metadata, one_of, positive, span, text, word
from runplane_mcp.simulator.refusal import Refusal, declined, missing
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_TAKES = 3 * 86400
#: Banks whose accounts Stripe's tests fetch money from.
_SOURCES = frozenset({"btok_us", "btok_us_verified"})


def _create(tx: Transaction, params: Params) -> Obj:
    if tx.account != tx.platform:
        raise Refusal("Only the platform can top up its balance.", param="amount")
    source = params.get("source")
    if source is not None and source not in _SOURCES:
        raise missing("source", source, "source")
    topup: Obj = {
        "id": new_id("tu"),
        "object": "topup",
        "amount": params["amount"],
        "balance_transaction": None,
        "created": tx.now,
        "currency": params["currency"],
        "description": params.get("description") or None,
        "expected_availability_date": tx.now + _TAKES,
        "failure_code": None,
        "failure_message": None,
        "initiated_by": "user",
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "payment_method": None,
        "payment_method_options": None,
        "source": None,
        "statement_descriptor": params.get("statement_descriptor") or None,
        "status": "pending",
        "transfer_group": params.get("transfer_group") or None,
    }
    if tx.declined:
        topup.update(status="failed", failure_code="insufficient_funds", failure_message="The bank refused.")
        tx.insert(topup)
        tx.emit("topup.failed", topup)
        raise declined("The bank refused this top-up.", topup)
    tx.insert(topup)
    tx.schedule(tx.now + _TAKES, topup["id"])
    tx.emit("topup.created", topup)
    return topup


def _arrive(tx: Transaction, topup: Obj) -> None:
    if topup["status"] != "pending":
        return
    before = dict(topup)
    topup["status"] = "succeeded"
    topup["balance_transaction"] = tx.post(
        "topup", topup["id"], topup["amount"], topup["currency"], description=topup["description"]
    )
    tx.save(topup)
    tx.emit("topup.succeeded", topup, before=before)


on_time("topup", _arrive)


def _update(tx: Transaction, params: Params) -> Obj:
    topup = tx.require("topup", params["topup"], "topup", status=404)
    if "description" in params:
        topup["description"] = params["description"] or None
    if "metadata" in params:
        topup["metadata"] = merge_metadata(topup["metadata"], params["metadata"])
    tx.save(topup)
    return topup


def _cancel(tx: Transaction, params: Params) -> Obj:
    topup = tx.require("topup", params["topup"], "topup", status=404)
    if topup["status"] != "pending":
        raise Refusal(f"A top-up that is {topup['status']} cannot be canceled.", param="topup")
    before = dict(topup)
    topup["status"] = "canceled"
    tx.save(topup)
    tx.emit("topup.canceled", topup, before=before)
    return topup


def _of_amount(_tx: Transaction, params: Params) -> list[Clause]:
    return within("json_extract(body, '$.amount')", params.get("amount", {}))


ROUTES = (
    list_route(
        "/v1/topups",
        "topup",
        {"status": one_of("canceled", "failed", "pending", "succeeded")},
        special={"amount": span},
        clauses=_of_amount,
    ),
    Route(
        "POST",
        "/v1/topups",
        _create,
        {
            "amount": positive,
            "currency": currency,
            "description": text,
            "metadata": metadata,
            "source": word,
            "statement_descriptor": text,
            "transfer_group": text,
        },
        required=("amount", "currency"),
        leaves_failed=True,
    ),
    retrieve_route("/v1/topups/{topup}", "topup"),
    Route("POST", "/v1/topups/{topup}", _update, {"description": text, "metadata": metadata}),
    Route("POST", "/v1/topups/{topup}/cancel", _cancel),
)
