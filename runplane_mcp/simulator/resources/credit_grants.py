"""Billing credits: given to a customer, spent on metered prices, expired or voided; and the ledger they are kept in.

Nothing is metered in this world, so nothing spends them. Source: https://docs.stripe.com/billing/subscriptions/usage-based/billing-credits
"""

from __future__ import annotations

from typing import Any

from runplane_mcp.simulator import clockwork
from runplane_mcp.simulator.lists import PAGING, equals, list_route, page
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import array, currency, integer, mapping, metadata, one_of, positive, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources.subscription_changes import or_unset
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

GRANT = "billing.credit_grant"
LEDGER = "billing.credit_balance_transaction"


def _create(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "customer")
    begins, ends = params.get("effective_at", tx.now), params.get("expires_at")
    if begins < tx.now:
        raise Refusal("Credits become effective now or later.", param="effective_at")
    if ends is not None and ends <= begins:
        raise Refusal("Credits expire after they become effective.", param="expires_at")
    scope = params["applicability_config"]["scope"]
    if len(scope) != 1:
        raise invalid("Say the type of price, or the prices, and only one.", "applicability_config[scope]")
    for price in scope.get("prices", []):
        tx.require("price", price["id"], "applicability_config[scope][prices]")
    grant: Obj = {
        "id": new_id("credgr"),
        "object": GRANT,
        "amount": params["amount"],
        "applicability_config": {"scope": scope},
        "category": params.get("category", "paid"),
        "created": tx.now,
        "customer": customer["id"],
        "customer_account": None,
        "effective_at": begins,
        "expires_at": ends,
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "name": params.get("name") or None,
        "priority": params.get("priority", 50),
        "test_clock": None,
        "updated": tx.now,
        "voided_at": None,
    }
    tx.insert(grant)
    _book(tx, grant, _value(grant), "credit", "credits_granted", effective=begins)
    tx.emit("billing.credit_grant.created", grant)
    if ends is not None:
        tx.schedule(ends, grant["id"])
    return grant


def _value(grant: Obj) -> int:
    return int(grant["amount"]["monetary"]["value"])


def _book(tx: Transaction, grant: Obj, value: int, side: str, type: str, *, effective: int) -> None:
    code = grant["amount"]["monetary"]["currency"]
    entry: dict[str, Any] = {
        "amount": {"monetary": {"currency": code, "value": value}, "type": "monetary"},
        "type": type,
    }
    entry["credits_applied" if side == "debit" else "credits_application_invoice_voided"] = None
    transaction: Obj = {
        "id": new_id("cbtxn"),
        "object": LEDGER,
        "created": tx.now,
        "credit": entry if side == "credit" else None,
        "credit_grant": grant["id"],
        "debit": entry if side == "debit" else None,
        "effective_at": effective,
        "livemode": False,
        "test_clock": None,
        "type": side,
    }
    tx.insert(transaction)
    tx.emit("billing.credit_balance_transaction.created", transaction)


def left_of(tx: Transaction, grant: Obj) -> int:
    """What the ledger says is left of a grant."""
    total = 0
    for entry in tx.all(LEDGER, "credit_grant", grant["id"]):
        side = entry["credit"] or entry["debit"]
        total += side["amount"]["monetary"]["value"] * (1 if entry["credit"] else -1)
    return total


def _require(tx: Transaction, params: Params) -> Obj:
    """One that is not over."""
    grant = tx.require(GRANT, params["id"], "id", status=404)
    if grant["voided_at"] is not None or (grant["expires_at"] is not None and grant["expires_at"] <= tx.now):
        raise Refusal("These credits are voided or expired.", param="id")
    return grant


def _update(tx: Transaction, params: Params) -> Obj:
    grant = _require(tx, params)
    before = dict(grant)
    if "expires_at" in params:
        ends = params["expires_at"]
        if ends is not None and ends <= max(tx.now, grant["effective_at"]):
            raise Refusal("Credits expire in the future; `expire` does it now.", param="expires_at")
        grant["expires_at"] = ends
        if ends is not None:
            tx.schedule(ends, grant["id"])
    if "metadata" in params:
        grant["metadata"] = merge_metadata(grant["metadata"], params["metadata"])
    return _changed(tx, grant, before)


def _changed(tx: Transaction, grant: Obj, before: Obj) -> Obj:
    grant["updated"] = tx.now
    tx.save(grant)
    tx.emit("billing.credit_grant.updated", grant, before=before)
    return grant


def _expire(tx: Transaction, params: Params) -> Obj:
    grant = _require(tx, params)
    before = dict(grant)
    grant["expires_at"] = tx.now
    _take_away(tx, grant, "credits_expired")
    return _changed(tx, grant, before)


def _void(tx: Transaction, params: Params) -> Obj:
    """As if it had never been: only while nothing of it is spent."""
    grant = _require(tx, params)
    if left_of(tx, grant) != _value(grant):
        raise Refusal("Some of these credits are spent already.", param="id")
    before = dict(grant)
    grant["voided_at"] = tx.now
    _take_away(tx, grant, "credits_voided")
    return _changed(tx, grant, before)


def _take_away(tx: Transaction, grant: Obj, type: str) -> None:
    left = left_of(tx, grant)
    if left:
        _book(tx, grant, left, "debit", type, effective=tx.now)


def _on_time(tx: Transaction, grant: Obj) -> None:
    if grant["voided_at"] is None and grant["expires_at"] is not None and grant["expires_at"] <= tx.now:
        _take_away(tx, grant, "credits_expired")


def _summary(tx: Transaction, params: Params) -> Obj:
    """What a customer can spend now, per currency; of one grant, or of all that apply."""
    customer = tx.require("customer", params["customer"], "customer")["id"]
    asked = params["filter"]
    grants = [grant for grant in tx.all(GRANT, "customer", customer) if grant["effective_at"] <= tx.now]
    if asked["type"] == "credit_grant":
        if "credit_grant" not in asked:
            raise invalid("Name the grant.", "filter[credit_grant]", "parameter_missing")
        wanted = tx.require(GRANT, asked["credit_grant"], "filter[credit_grant]")
        grants = [grant for grant in grants if grant["id"] == wanted["id"]]
    elif (scope := asked.get("applicability_scope")) is not None:
        grants = [grant for grant in grants if grant["applicability_config"]["scope"] == scope]
    sums: dict[str, int] = {}
    for grant in grants:
        code = grant["amount"]["monetary"]["currency"]
        sums[code] = sums.get(code, 0) + left_of(tx, grant)
    return {
        "object": "billing.credit_balance_summary",
        "balances": [
            {name: {"monetary": {"currency": code, "value": value}, "type": "monetary"} for name in _BALANCES}
            for code, value in sorted(sums.items())
        ],
        "customer": customer,
        "customer_account": None,
        "livemode": False,
    }


def _ledger(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "customer")["id"]
    ids = [grant["id"] for grant in tx.all(GRANT, "customer", customer)]
    mine = (f"json_extract(body, '$.credit_grant') IN ({', '.join('?' * len(ids))})", ids)
    given = [equals("credit_grant", params["credit_grant"])] if "credit_grant" in params else []
    return page(tx, "/v1/billing/credit_balance_transactions", LEDGER, params, [mine, *given])


clockwork.on_time(GRANT, _on_time)

_BALANCES = ("available_balance", "ledger_balance")
_SCOPE = mapping(
    {"price_type": one_of("metered"), "prices": array(mapping({"id": word}, required=("id",)))},
)
_AMOUNT = mapping(
    {
        "monetary": mapping({"currency": currency, "value": positive}, required=("currency", "value")),
        "type": one_of("monetary"),
    },
    required=("monetary", "type"),
)
_PATH = "/v1/billing/credit_grants"

ROUTES = (
    list_route(_PATH, GRANT, {"customer": word}),
    Route(
        "POST",
        _PATH,
        _create,
        {
            "amount": _AMOUNT,
            "applicability_config": mapping({"scope": _SCOPE}, required=("scope",)),
            "category": one_of("paid", "promotional"),
            "customer": word,
            "effective_at": integer,
            "expires_at": integer,
            "metadata": metadata,
            "name": text,
            "priority": integer,
        },
        required=("amount", "applicability_config", "customer"),
    ),
    retrieve_route(f"{_PATH}/{{id}}", GRANT),
    Route("POST", f"{_PATH}/{{id}}", _update, {"expires_at": or_unset(integer), "metadata": metadata}),
    Route("POST", f"{_PATH}/{{id}}/expire", _expire),
    Route("POST", f"{_PATH}/{{id}}/void", _void),
    Route(
        "GET",
        "/v1/billing/credit_balance_summary",
        _summary,
        {
            "customer": word,
            "filter": mapping(
                {
                    "applicability_scope": _SCOPE,
                    "credit_grant": word,
                    "type": one_of("applicability_scope", "credit_grant"),
                },
                required=("type",),
            ),
        },
        required=("customer", "filter"),
    ),
    Route(
        "GET",
        "/v1/billing/credit_balance_transactions",
        _ledger,
        {**PAGING, "credit_grant": word, "customer": word},
        required=("customer",),
    ),
    retrieve_route("/v1/billing/credit_balance_transactions/{id}", LEDGER),
)
