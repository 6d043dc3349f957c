"""Accounts: the platform's own, and the connected ones that it opens, changes, rejects and closes."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from runplane_mcp.simulator.lists import PAGING, page
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import (
    Raw,
    Reader,
    currency,
    integer,
    mapping,
    metadata,
    one_of,
    text,
    word,
)
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.resources.automatic_payouts import schedule_payouts
from runplane_mcp.simulator.resources.bank_accounts import token_or_data
from runplane_mcp.simulator.resources.capabilities import REQUESTED, request_capabilities, settle_capabilities
from runplane_mcp.simulator.resources.external_accounts import add_external_account
from runplane_mcp.simulator.resources.payout_schedules import PAYOUTS, change_payouts
from runplane_mcp.simulator.resources.persons import INDIVIDUAL, hide_numbers
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_ADDRESS = mapping(dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"), text))
_PROFILE = dict.fromkeys(
    ("mcc", "name", "product_description", "support_email", "support_phone", "support_url", "url"), text
)
_COMPANY = mapping({"address": _ADDRESS, "name": text, "phone": text, "tax_id": text, "vat_id": text})
_WRITABLE: Mapping[str, Reader] = {
    "business_profile": mapping(_PROFILE),
    "business_type": one_of("company", "government_entity", "individual", "non_profit"),
    "capabilities": REQUESTED,
    "company": _COMPANY,
    "default_currency": currency,
    "email": text,
    "external_account": token_or_data,
    "individual": INDIVIDUAL,
    "metadata": metadata,
    "settings": mapping({"payouts": PAYOUTS}),
    "tos_acceptance": mapping({"date": integer, "ip": word, "service_agreement": word, "user_agent": text}),
}
_CONTROLLER = mapping(
    {
        "fees": mapping({"payer": one_of("account", "application")}),
        "losses": mapping({"payments": one_of("application", "stripe")}),
        "requirement_collection": one_of("application", "stripe"),
        "stripe_dashboard": mapping({"type": one_of("express", "full", "none")}),
    }
)


def account_object(
    id: str, *, name: str | None, email: str | None, country: str, currency: str, created: int, connected: bool
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
    if found is None or found["object"] != "account" or found.get("deleted"):
        raise missing("account", id, param, 404)
    return found


def _country(value: Raw, name: str) -> str:
    given = word(value, name).upper()
    if len(given) != 2 or not given.isalpha() or not given.isascii():
        raise invalid(f"'{name}' is a country of two letters.", name, "country_unsupported")
    return given


def _create(tx: Transaction, params: Params) -> Obj:
    if tx.account != tx.platform:
        raise Refusal("Only the platform opens accounts.", status=403, code="account_invalid", remembered=False)
    if "type" in params and "controller" in params:
        raise Refusal("Give 'type' or 'controller', not both.", param="type", remembered=False)
    kind = params.get("type") or _kind(params.get("controller", {}))
    country = params.get("country", "US")
    account = account_object(
        new_id("acct"),
        name=None,
        email=None,
        country=country,
        currency=params.get("default_currency", "usd"),
        created=tx.now,
        connected=True,
    )
    account.update(
        business_type=None,
        capabilities={},
        charges_enabled=False,
        details_submitted=False,
        payouts_enabled=False,
        tos_acceptance={"date": None, "ip": None, "service_agreement": "full", "user_agent": None},
        type=kind,
    )
    # A new account pays out by itself, every day, unless it is told otherwise.
    account["settings"]["payouts"]["schedule"]["interval"] = "daily"
    tx.insert(account, account=tx.platform)
    return _change(tx, account, params, new=True)


def _kind(controller: Params) -> str:
    dashboard = controller.get("stripe_dashboard", {}).get("type", "full")
    return {"express": "express", "full": "standard", "none": "custom"}[dashboard]


def _update(tx: Transaction, params: Params) -> Obj:
    return _change(tx, require_account(tx, params["account"]), params)


def _change(tx: Transaction, account: Obj, params: Params, *, new: bool = False) -> Obj:
    before = deepcopy(account)
    for name in ("business_profile", "tos_acceptance"):
        if name in params:
            account[name] = {**account.get(name, {}), **params[name]}
    for name in ("business_type", "default_currency", "email"):
        if name in params:
            account[name] = params[name] or None
    if "company" in params:
        account["company"] = {**account.get("company", {}), **hide_numbers(params["company"])}
    if "individual" in params:
        account["individual"] = {**account.get("individual", {}), **hide_numbers(params["individual"])}
    if "metadata" in params:
        account["metadata"] = merge_metadata(account["metadata"], params["metadata"])
    if "settings" in params:
        change_payouts(account, params["settings"].get("payouts", {}))
    request_capabilities(account, params.get("capabilities", {}))
    settle_capabilities(account)
    tx.save(account, account=tx.platform)
    if "external_account" in params:
        add_external_account(tx, account, params["external_account"], "external_account", replaces=True)
    if new or "settings" in params:
        schedule_payouts(tx, account)
    tx.emit("account.updated", account, before=before, account=account["id"])
    return account


def _delete(tx: Transaction, params: Params) -> Obj:
    account = require_account(tx, params["account"])
    if account["id"] == tx.platform:
        raise Refusal("The platform's own account cannot be deleted here.", param="account")
    held = tx.db.execute(
        "SELECT 1 FROM balance WHERE account = ? AND (available <> 0 OR pending <> 0)", (account["id"],)
    ).fetchone()
    if held is not None:
        raise Refusal("An account can be deleted once its balances are zero.", param="account")
    tx.unschedule(account["id"], account=tx.platform)
    gone = tx.on(tx.platform).delete(account)
    tx.emit("account.application.deauthorized", {"id": account["id"], "object": "application"}, account=account["id"])
    return gone


def _reject(tx: Transaction, params: Params) -> Obj:
    account = require_account(tx, params["account"])
    if account["id"] == tx.account:
        raise Refusal("An account cannot reject itself.", param="account")
    before = deepcopy(account)
    account.update(charges_enabled=False, payouts_enabled=False)
    account["capabilities"] = dict.fromkeys(account["capabilities"], "inactive")
    account["requirements"] = {**account.get("requirements", {}), "disabled_reason": f"rejected.{params['reason']}"}
    tx.save(account, account=tx.platform)
    tx.emit("account.updated", account, before=before, account=account["id"])
    return account


def _own(tx: Transaction, _params: Params) -> Obj:
    return require_account(tx, tx.account)


def _retrieve(tx: Transaction, params: Params) -> Obj:
    return require_account(tx, params["account"])


def _connected(tx: Transaction, params: Params) -> Obj:
    return page(tx, "/v1/accounts", "account", params, [("id <> ?", [tx.platform])])


ROUTES = (
    Route("GET", "/v1/account", _own),
    Route("GET", "/v1/accounts", _connected, PAGING),
    Route(
        "POST",
        "/v1/accounts",
        _create,
        {
            **_WRITABLE,
            "controller": _CONTROLLER,
            "country": _country,
            "type": one_of("custom", "express", "standard"),
        },
    ),
    Route("GET", "/v1/accounts/{account}", _retrieve),
    Route("POST", "/v1/accounts/{account}", _update, _WRITABLE),
    Route("DELETE", "/v1/accounts/{account}", _delete),
    Route(
        "POST",
        "/v1/accounts/{account}/reject",
        _reject,
        {"reason": one_of("fraud", "other", "terms_of_service")},
        required=("reason",),
    ),
)
