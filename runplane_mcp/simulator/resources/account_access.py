"""Ways into an account: links to its set-up and dashboard, and sessions for parts of it. Whoever has one is let in."""

from __future__ import annotations

import secrets

from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.parameters import Raw, boolean, mapping, one_of, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_LINK_LASTS = 300
_SESSION_LASTS = 3600
_COMPONENTS = (
    *("account_management", "account_onboarding", "balances", "documents", "issuing_cards_list"),
    *("notification_banner", "payment_details", "payments", "payouts", "payouts_list", "tax_settings"),
)


def _connected(tx: Transaction, id: str, status: int = 400) -> Obj:
    account = tx.find(id, account=tx.platform)
    known = account is not None and account["object"] == "account" and not account.get("deleted")
    if account is None or not known or id == tx.platform or tx.account not in (tx.platform, id):
        raise missing("account", id, "account", status)
    return account


def _link(tx: Transaction, params: Params) -> Obj:
    account = _connected(tx, params["account"])
    for name in ("refresh_url", "return_url"):
        if name not in params:
            raise invalid(f"The parameter '{name}' is needed.", name, "parameter_missing")
    if params["type"] == "account_update" and account["type"] != "custom":
        raise Refusal("Only custom accounts are updated by a link.", param="type")
    kind = "e" if account["type"] == "express" else "c"
    return {
        "object": "account_link",
        "created": tx.now,
        "expires_at": tx.now + _LINK_LASTS,
        "url": f"https://connect.stripe.com/setup/{kind}/{account['id']}/{secrets.token_urlsafe(16)}",
    }


def _login(tx: Transaction, params: Params) -> Obj:
    account = _connected(tx, params["account"], 404)
    if account["type"] != "express":
        raise Refusal("Only express accounts have a dashboard to log in to by a link.", param="account")
    return {
        "object": "login_link",
        "created": tx.now,
        "url": f"https://connect.stripe.com/express/{account['id']}/{secrets.token_urlsafe(16)}",
    }


def _features(value: Raw, name: str) -> dict[str, bool]:
    """A component's features are not looked into further: each is a switch."""
    if isinstance(value, str):
        raise invalid(f"'{name}' must be a hash.", name)
    return {feature: boolean(inner, f"{name}[{feature}]") for feature, inner in value.items()}


def _session(tx: Transaction, params: Params) -> Obj:
    account = _connected(tx, params["account"])
    shown: Obj = {name: {"enabled": False, "features": {}} for name in _COMPONENTS}
    for name, given in params["components"].items():
        shown[name] = {"enabled": given["enabled"], "features": given.get("features", {})}
    return {
        "object": "account_session",
        "account": account["id"],
        "client_secret": f"accs_secret__{secrets.token_urlsafe(24)}",
        "components": shown,
        "expires_at": tx.now + _SESSION_LASTS,
        "livemode": False,
    }


ROUTES = (
    Route(
        "POST",
        "/v1/account_links",
        _link,
        {
            "account": word,
            "collect": one_of("currently_due", "eventually_due"),
            "collection_options": mapping({"fields": text, "future_requirements": text}),
            "refresh_url": word,
            "return_url": word,
            "type": one_of("account_onboarding", "account_update"),
        },
        required=("account", "type"),
    ),
    Route("POST", "/v1/accounts/{account}/login_links", _login),
    Route(
        "POST",
        "/v1/account_sessions",
        _session,
        {
            "account": word,
            "components": mapping(
                dict.fromkeys(_COMPONENTS, mapping({"enabled": boolean, "features": _features}, ("enabled",)))
            ),
        },
        required=("account", "components"),
    ),
)
