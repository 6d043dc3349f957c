"""Secrets of apps and keys for a while: what is let out of Stripe by an answer."""

from __future__ import annotations

import secrets

from runplane_mcp.simulator.lists import PAGING, Clause, equals, page
from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.parameters import integer, mapping, one_of, word
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_KEY_LASTS = 3600
_SCOPE = mapping({"type": one_of("account", "user"), "user": word}, required=("type",))


def _scoped(params: Params) -> list[Clause]:
    scope = params["scope"]
    if (scope["type"] == "user") != ("user" in scope):
        raise invalid("A scope names a user if and only if it is a user's.", "scope[user]")
    clauses = [equals("scope.type", scope["type"])]
    return [*clauses, equals("scope.user", scope["user"])] if "user" in scope else clauses


def _held(tx: Transaction, params: Params) -> Obj | None:
    clauses = [("kind = ?", ["apps.secret"]), *_scoped(params), equals("name", params["name"])]
    values = [value for _, bound in clauses for value in bound]
    for secret in tx.select([sql for sql, _ in clauses], values, "DESC", 1):
        if secret["expires_at"] is None or secret["expires_at"] > tx.now:
            return secret
    return None


def _shown(secret: Obj, params: Params) -> Obj:
    """The secret, with its payload only where that was asked for."""
    if "payload" in params.get("expand", []):
        return secret
    return {name: value for name, value in secret.items() if name != "payload"}


def _create(tx: Transaction, params: Params) -> Obj:
    before = _held(tx, params)
    if before is not None:
        tx.delete(before)
    secret: Obj = {
        "id": new_id("appsecret"),
        "object": "apps.secret",
        "created": tx.now,
        "expires_at": params.get("expires_at"),
        "livemode": False,
        "name": params["name"],
        "payload": params["payload"],
        "scope": params["scope"],
    }
    tx.insert(secret)
    return _shown(secret, params)


def _find(tx: Transaction, params: Params) -> Obj:
    secret = _held(tx, params)
    if secret is None:
        raise missing("secret", params["name"], "name", 404)
    return _shown(secret, params)


def _delete(tx: Transaction, params: Params) -> Obj:
    secret = _held(tx, params)
    if secret is None:
        raise missing("secret", params["name"], "name", 404)
    tx.delete(secret)
    return {**_shown(secret, {}), "deleted": True}


def _list(tx: Transaction, params: Params) -> Obj:
    found = page(tx, "/v1/apps/secrets", "apps.secret", params, _scoped(params))
    found["data"] = [_shown(secret, {}) for secret in found["data"]]
    return found


def _create_key(tx: Transaction, params: Params) -> Obj:
    """A key to one customer or one card, for an hour."""
    given = [name for name in ("customer", "issuing_card") if name in params]
    if len(given) != 1:
        raise invalid("Name a customer or a card that the key is for.", "customer", "parameter_missing")
    kind = {"customer": "customer", "issuing_card": "issuing.card"}[given[0]]
    of = tx.require(kind, params[given[0]], given[0])
    key: Obj = {
        "id": new_id("ephkey"),
        "object": "ephemeral_key",
        "associated_objects": [{"id": of["id"], "type": kind}],
        "created": tx.now,
        "expires": tx.now + _KEY_LASTS,
        "livemode": False,
    }
    tx.insert(key)
    return {**key, "secret": f"ek_test_{secrets.token_urlsafe(32)}"}


def _delete_key(tx: Transaction, params: Params) -> Obj:
    key = tx.require("ephemeral_key", params["key"], "key", status=404)
    if key["expires"] <= tx.now:
        raise Refusal("This key has expired already.", param="key")
    key["expires"] = tx.now
    tx.retire(key)
    return key


_NAMED = {"name": word, "scope": _SCOPE}
ROUTES = (
    Route("GET", "/v1/apps/secrets", _list, {**PAGING, "scope": _SCOPE}, required=("scope",)),
    Route(
        "POST",
        "/v1/apps/secrets",
        _create,
        {**_NAMED, "expires_at": integer, "payload": word},
        required=("name", "payload", "scope"),
    ),
    Route("GET", "/v1/apps/secrets/find", _find, _NAMED, required=("name", "scope")),
    Route("POST", "/v1/apps/secrets/delete", _delete, _NAMED, required=("name", "scope")),
    Route("POST", "/v1/ephemeral_keys", _create_key, {"customer": word, "issuing_card": word, "nonce": word}),
    Route("DELETE", "/v1/ephemeral_keys/{key}", _delete_key),
)
