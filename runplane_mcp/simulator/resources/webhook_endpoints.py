"""Webhook endpoints: where events are sent. The signing secret is told in the answer that makes one, and never again."""

from __future__ import annotations

import secrets

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import Raw, array, boolean, metadata, text, word
from runplane_mcp.simulator.refusal import invalid
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction


def _url(value: Raw, name: str) -> str:
    given = word(value, name)
    if not given.startswith(("https://", "http://")):
        raise invalid(f"'{name}' is not a web address.", name, "url_invalid")
    return given


def _events(value: Raw, name: str) -> list[str]:
    given: list[str] = array(word)(value, name)
    if not given:
        raise invalid(f"'{name}' may not be empty.", name, "parameter_invalid_empty")
    return given


def _create(tx: Transaction, params: Params) -> Obj:
    endpoint: Obj = {
        "id": new_id("we"),
        "object": "webhook_endpoint",
        "api_version": params.get("api_version"),
        "application": "ca_alder_coffee" if params.get("connect") else None,
        "created": tx.now,
        "description": params.get("description") or None,
        "enabled_events": params["enabled_events"],
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "status": "enabled",
        "url": params["url"],
    }
    tx.insert(endpoint)
    return {**endpoint, "secret": f"whsec_{secrets.token_urlsafe(24)}"}


def _update(tx: Transaction, params: Params) -> Obj:
    endpoint = tx.require("webhook_endpoint", params["webhook_endpoint"], "webhook_endpoint", status=404)
    for name in ("enabled_events", "url"):
        if name in params:
            endpoint[name] = params[name]
    if "description" in params:
        endpoint["description"] = params["description"] or None
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    if "metadata" in params:
        endpoint["metadata"] = merge_metadata(endpoint["metadata"], params["metadata"])
    tx.save(endpoint)
    return endpoint


def _delete(tx: Transaction, params: Params) -> Obj:
    return tx.delete(tx.require("webhook_endpoint", params["webhook_endpoint"], "webhook_endpoint", status=404))


_PATH = "/v1/webhook_endpoints"
_WRITABLE = {"description": text, "enabled_events": _events, "metadata": metadata, "url": _url}
ROUTES = (
    list_route(_PATH, "webhook_endpoint"),
    Route(
        "POST",
        _PATH,
        _create,
        {**_WRITABLE, "api_version": word, "connect": boolean},
        required=("enabled_events", "url"),
    ),
    retrieve_route(f"{_PATH}/{{webhook_endpoint}}", "webhook_endpoint"),
    Route("POST", f"{_PATH}/{{webhook_endpoint}}", _update, {**_WRITABLE, "disabled": boolean}),
    Route("DELETE", f"{_PATH}/{{webhook_endpoint}}", _delete),
)
