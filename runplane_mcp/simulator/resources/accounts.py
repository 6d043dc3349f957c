"""Accounts: the platform's own, the connected ones, and the bank accounts that payouts go to."""

from __future__ import annotations

from runplane_mcp.simulator.lists import PAGING, page
from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.parameters import one_of
from runplane_mcp.simulator.refusal import Refusal, missing
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction


def account_object(
    id: str, *, name: str, email: str, country: str, currency: str, created: int, connected: bool
) -> Obj:
    return {
        "id": id,
        "object": "account",
        "business_profile": {
            "mcc": None,
            "name": name,
            "product_description": None,
            "support_email": email,
            "url": None,
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": country,
        "created": created,
        "default_currency": currency,
        "details_submitted": True,
        "email": email,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "dashboard": {"display_name": name, "timezone": "Etc/UTC"},
            "payouts": {
                "debit_negative_balances": True,
                "schedule": {"delay_days": 2, "interval": "manual"},
                "statement_descriptor": None,
            },
        },
        "type": "express" if connected else "standard",
    }


def require_account(tx: Transaction, id: str, param: str = "account") -> Obj:
    """The account that a path names. Seen from a connected account, only that one is there."""
    if tx.account not in (tx.platform, id):
        raise Refusal(
            f"This request may not look at the account '{id}'.", status=403, code="account_invalid", remembered=False
        )
    found = tx.find(id, account=tx.platform)
    if found is None or found["object"] != "account":
        raise missing("account", id, param, 404)
    return found


def _own(tx: Transaction, _params: Params) -> Obj:
    return require_account(tx, tx.account)


def _retrieve(tx: Transaction, params: Params) -> Obj:
    return require_account(tx, params["account"])


def _connected(tx: Transaction, params: Params) -> Obj:
    return page(tx, "/v1/accounts", "account", params, [("id <> ?", [tx.platform])])


def _external_accounts(tx: Transaction, params: Params) -> Obj:
    account = require_account(tx, params["account"])["id"]
    url = f"/v1/accounts/{account}/external_accounts"
    if params.get("object") == "card":
        return page(tx.at(tx.now, account), url, "card", params)
    return page(tx.at(tx.now, account), url, "bank_account", params)


def _external_account(tx: Transaction, params: Params) -> Obj:
    account = require_account(tx, params["account"])["id"]
    return tx.require("bank_account", params["id"], "id", status=404, account=account)


ROUTES = (
    Route("GET", "/v1/account", _own),
    Route("GET", "/v1/accounts", _connected, PAGING),
    Route("GET", "/v1/accounts/{account}", _retrieve),
    Route(
        "GET",
        "/v1/accounts/{account}/external_accounts",
        _external_accounts,
        {**PAGING, "object": one_of("bank_account", "card")},
    ),
    Route("GET", "/v1/accounts/{account}/external_accounts/{id}", _external_account),
)
