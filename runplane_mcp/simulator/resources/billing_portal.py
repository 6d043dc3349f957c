"""The customer portal: where a customer may pay, change and cancel by themselves, and what they may there.

Source: https://docs.stripe.com/api/customer_portal
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import Reader, array, boolean, mapping, metadata, one_of, text, word
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.resources.payment_links import web_address
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

CONFIGURATION = "billing_portal.configuration"
#: Where a portal opens: a host that is nobody's.
HOST = "https://billing.simulator.example"


def _nothing_allowed() -> Obj:
    return {
        "customer_update": {"allowed_updates": [], "enabled": False},
        "invoice_history": {"enabled": False},
        "payment_method_update": {"enabled": False},
        "subscription_cancel": {
            "cancellation_reason": {"enabled": False, "options": []},
            "enabled": False,
            "mode": "at_period_end",
            "proration_behavior": "none",
        },
        "subscription_pause": {"enabled": False},
        "subscription_update": {
            "default_allowed_updates": [],
            "enabled": False,
            "products": [],
            "proration_behavior": "none",
        },
    }


def _configuration(tx: Transaction, params: Params, *, default: bool = False) -> Obj:
    configuration: Obj = {
        "id": new_id("bpc"),
        "object": CONFIGURATION,
        "active": True,
        "application": None,
        "business_profile": {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None},
        "created": tx.now,
        "default_return_url": None,
        "features": _nothing_allowed(),
        "is_default": default,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": tx.now,
    }
    _apply(configuration, params)
    tx.insert(configuration)
    tx.emit("billing_portal.configuration.created", configuration)
    return configuration


def _apply(configuration: Obj, params: Params) -> None:
    if "active" in params:
        configuration["active"] = params["active"]
    for name in ("default_return_url", "name"):
        if name in params:
            configuration[name] = params[name] or None
    for name, value in params.get("business_profile", {}).items():
        configuration["business_profile"][name] = value or None
    for feature, asked in params.get("features", {}).items():
        configuration["features"][feature].update(asked)
    if "login_page" in params:
        enabled = params["login_page"]["enabled"]
        page = f"{HOST}/p/login/{configuration['id']}" if enabled else None
        configuration["login_page"] = {"enabled": enabled, "url": page}
    if "metadata" in params:
        configuration["metadata"] = merge_metadata(configuration["metadata"], params["metadata"])


def _default(tx: Transaction) -> Obj | None:
    found = tx.select(["kind = ?", "json_extract(body, '$.is_default')"], [CONFIGURATION], "ASC", 1)
    return found[0] if found else None


def _create(tx: Transaction, params: Params) -> Obj:
    return _configuration(tx, params, default=_default(tx) is None)


def _update(tx: Transaction, params: Params) -> Obj:
    configuration = tx.require(CONFIGURATION, params["configuration"], "configuration", status=404)
    before = dict(configuration)
    if configuration["is_default"] and params.get("active") is False:
        raise Refusal("The default configuration stays active.", param="active")
    _apply(configuration, params)
    configuration["updated"] = tx.now
    tx.save(configuration)
    tx.emit("billing_portal.configuration.updated", configuration, before=before)
    return configuration


def _open(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "customer")
    if "configuration" in params:
        configuration = tx.require(CONFIGURATION, params["configuration"], "configuration")
        if not configuration["active"]:
            raise Refusal("The configuration is inactive.", param="configuration")
    else:
        configuration = _default(tx) or _configuration(tx, {}, default=True)
    if "on_behalf_of" in params:
        tx.require("account", params["on_behalf_of"], "on_behalf_of", account=tx.platform)
    id = new_id("bps")
    session: Obj = {
        "id": id,
        "object": "billing_portal.session",
        "configuration": configuration["id"],
        "created": tx.now,
        "customer": customer["id"],
        "customer_account": None,
        "flow": None,
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": params.get("on_behalf_of"),
        "return_url": params.get("return_url", configuration["default_return_url"]),
        "url": f"{HOST}/p/session/test_{id.removeprefix('bps_')}",
    }
    tx.emit("billing_portal.session.created", session)
    return session


_ON = mapping({"enabled": boolean}, required=("enabled",))
_PRORATION = one_of("always_invoice", "create_prorations", "none")
_UPDATES = array(one_of("address", "email", "name", "phone", "shipping", "tax_id"))
_FEATURES = mapping(
    {
        "customer_update": mapping({"allowed_updates": _UPDATES, "enabled": boolean}),
        "invoice_history": _ON,
        "payment_method_update": _ON,
        "subscription_cancel": mapping(
            {"enabled": boolean, "mode": one_of("at_period_end", "immediately"), "proration_behavior": _PRORATION},
        ),
        "subscription_update": mapping(
            {
                "default_allowed_updates": array(one_of("price", "promotion_code", "quantity")),
                "enabled": boolean,
                "products": array(mapping({"prices": array(word), "product": word}, required=("prices", "product"))),
                "proration_behavior": _PRORATION,
            }
        ),
    }
)
_CHANGES: Mapping[str, Reader] = {
    "business_profile": mapping({"headline": text, "privacy_policy_url": text, "terms_of_service_url": text}),
    "default_return_url": text,
    "features": _FEATURES,
    "login_page": _ON,
    "metadata": metadata,
    "name": text,
}
_PATH = "/v1/billing_portal/configurations"

ROUTES = (
    list_route(_PATH, CONFIGURATION, {"active": boolean, "is_default": boolean}),
    Route("POST", _PATH, _create, _CHANGES, required=("features",)),
    retrieve_route(f"{_PATH}/{{configuration}}", CONFIGURATION),
    Route("POST", f"{_PATH}/{{configuration}}", _update, {**_CHANGES, "active": boolean}),
    Route(
        "POST",
        "/v1/billing_portal/sessions",
        _open,
        {
            "configuration": word,
            "customer": word,
            "locale": word,
            "on_behalf_of": word,
            "return_url": web_address,
        },
        required=("customer",),
    ),
)
