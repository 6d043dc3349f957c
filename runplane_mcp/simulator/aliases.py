"""Other paths to the same thing, which Stripe still answers: one table, from which the routes are made.

A value in an alias's path that its target's path has not names the owner. Where the target takes a parameter of that
name it becomes this parameter; otherwise the object that the path names has to be the owner's, or it is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.refusal import missing
from runplane_mcp.simulator.routes import Handler, Route
from runplane_mcp.simulator.transaction import Transaction

_VALUE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Alias:
    """`methods` of `path` do what they do at `target`. `shows_owner`: the answer is the owner, not what was made."""

    methods: str
    path: str
    target: str
    shows_owner: bool = False


ALIASES = (
    Alias("POST", "/v1/charges/{charge}/refund", "/v1/refunds", shows_owner=True),
    Alias("GET POST", "/v1/charges/{charge}/refunds", "/v1/refunds"),
    Alias("GET POST", "/v1/charges/{charge}/refunds/{refund}", "/v1/refunds/{}"),
    Alias("POST", "/v1/terminal/refunds", "/v1/refunds"),
    Alias("GET POST", "/v1/charges/{charge}/dispute", "/v1/disputes/{}"),
    Alias("POST", "/v1/charges/{charge}/dispute/close", "/v1/disputes/{}/close"),
    Alias("POST", "/v1/application_fees/{id}/refund", "/v1/application_fees/{}/refunds", shows_owner=True),
    Alias("GET POST", "/v1/customers/{customer}/subscriptions", "/v1/subscriptions"),
    Alias("GET POST DELETE", "/v1/customers/{customer}/subscriptions/{id}", "/v1/subscriptions/{}"),
    Alias("DELETE", "/v1/customers/{customer}/subscriptions/{id}/discount", "/v1/subscriptions/{}/discount"),
    Alias("GET POST", "/v1/customers/{customer}/bank_accounts", "/v1/customers/{}/sources"),
    Alias("GET POST DELETE", "/v1/customers/{customer}/bank_accounts/{id}", "/v1/customers/{}/sources/{}"),
    Alias("POST", "/v1/customers/{customer}/bank_accounts/{id}/verify", "/v1/customers/{}/sources/{}/verify"),
    Alias("GET POST", "/v1/customers/{customer}/cards", "/v1/customers/{}/sources"),
    Alias("GET POST DELETE", "/v1/customers/{customer}/cards/{id}", "/v1/customers/{}/sources/{}"),
    Alias("POST", "/v1/invoices/upcoming", "/v1/invoices/create_preview"),
    Alias("POST DELETE", "/v1/account", "/v1/accounts/{}"),
    Alias("GET POST", "/v1/account/bank_accounts", "/v1/accounts/{}/external_accounts"),
    Alias("GET POST DELETE", "/v1/account/bank_accounts/{id}", "/v1/accounts/{}/external_accounts/{}"),
    Alias("GET POST", "/v1/account/external_accounts", "/v1/accounts/{}/external_accounts"),
    Alias("GET POST DELETE", "/v1/account/external_accounts/{id}", "/v1/accounts/{}/external_accounts/{}"),
    Alias("GET", "/v1/account/capabilities", "/v1/accounts/{}/capabilities"),
    Alias("GET POST", "/v1/account/capabilities/{capability}", "/v1/accounts/{}/capabilities/{}"),
    Alias("POST", "/v1/account/login_links", "/v1/accounts/{}/login_links"),
    Alias("GET POST", "/v1/account/persons", "/v1/accounts/{}/persons"),
    Alias("GET POST DELETE", "/v1/account/persons/{person}", "/v1/accounts/{}/persons/{}"),
    Alias("GET POST", "/v1/accounts/{account}/bank_accounts", "/v1/accounts/{}/external_accounts"),
    Alias("GET POST DELETE", "/v1/accounts/{account}/bank_accounts/{id}", "/v1/accounts/{}/external_accounts/{}"),
    Alias("GET POST", "/v1/accounts/{account}/people", "/v1/accounts/{}/persons"),
    Alias("GET POST DELETE", "/v1/accounts/{account}/people/{person}", "/v1/accounts/{}/persons/{}"),
)


def alias_routes(routes: Iterable[Route]) -> Iterator[Route]:
    """A route for every alias whose target is among `routes`."""
    targets = {(route.method, _VALUE.sub("{}", route.path)): route for route in routes}
    for alias in ALIASES:
        for method in alias.methods.split():
            target = targets.get((method, alias.target))
            if target is not None:
                yield _route(alias, target)


def _route(alias: Alias, target: Route) -> Route:
    named, wanted = _VALUE.findall(alias.path), _VALUE.findall(target.path)
    # The last values of the path are the target's; what is left in front is the owner.
    owner = named[0] if len(named) > len(wanted) or alias.path.startswith("/v1/charges/{charge}/dispute") else None
    passed = named[1:] if owner else named
    becomes_parameter = owner is not None and owner in target.readers

    def answer(tx: Transaction, params: Params) -> Obj:
        given = {name: value for name, value in params.items() if name not in named}
        ids = [params[name] for name in passed]
        if len(ids) < len(wanted):
            ids.insert(0, _implied(tx, params))
        given.update(zip(wanted, ids, strict=True))
        if owner is not None and becomes_parameter:
            given[owner] = tx.require(owner, params[owner], owner, status=404)["id"]
        elif owner is not None and ids:
            _belongs(tx, owner, params[owner], ids[-1], wanted[-1])
        done = target.handler(tx, given)
        if alias.shows_owner:
            return _owner(tx, named[0], params[named[0]])
        if done["object"] == "list":
            done["url"] = alias.path.format(**params)
        return done

    handler: Handler = answer
    return Route(
        target.method,
        alias.path,
        handler,
        {name: reader for name, reader in target.readers.items() if name != owner},
        tuple(name for name in target.required if name != owner),
        target.leaves_failed,
        target.reads,
    )


def _implied(tx: Transaction, params: Params) -> str:
    """What the alias's path leaves out: the dispute of the charge, or the account that asks."""
    if "charge" not in params:
        return tx.account
    tx.require("charge", params["charge"], "charge", status=404)
    found = tx.all("dispute", "charge", params["charge"])
    if not found:
        raise missing("dispute", params["charge"], "charge", 404)
    return str(found[0]["id"])


def _belongs(tx: Transaction, owner: str, owner_id: str, id: str, param: str) -> None:
    found = tx.find(id)
    if found is None or found.get(owner) != owner_id:
        raise missing(param, id, param, 404)


def _owner(tx: Transaction, name: str, id: str) -> Obj:
    kind = {"charge": "charge", "id": "application_fee"}[name]
    return tx.require(kind, id, name, status=404)
