"""The same accounts as the first API's, as the second one shows them."""

from __future__ import annotations

from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.refusal import missing
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction
from runplane_mcp.simulator.v2 import fields
from runplane_mcp.simulator.v2.lists import PAGING, moment, page

_PATH = "/v2/core/accounts"
_CONFIGURATIONS = ("customer", "merchant", "recipient")
_INCLUDED = (*(f"configuration.{name}" for name in _CONFIGURATIONS), "defaults", "identity", "requirements")
#: What an account may do by which of its capabilities.
_BY_CAPABILITY = (("merchant", "card_payments"), ("recipient", "transfers"))


def _shown(account: Obj, include: list[str]) -> Obj:
    active = [name for name, capability in _BY_CAPABILITY if account["capabilities"].get(capability) == "active"]
    configuration = {
        name: {"applied": name in active} for name in _CONFIGURATIONS if f"configuration.{name}" in include
    }
    return {
        "id": account["id"],
        "object": "v2.core.account",
        "applied_configurations": active,
        "closed": False,
        "configuration": configuration or None,
        "contact_email": account["email"],
        "contact_phone": None,
        "created": moment(account["created"]),
        "dashboard": {"express": "express", "standard": "full"}.get(account["type"], "none"),
        "defaults": {"currency": account["default_currency"]} if "defaults" in include else None,
        "display_name": account["business_profile"]["name"],
        "future_requirements": None,
        "identity": {"country": account["country"].lower()} if "identity" in include else None,
        "livemode": False,
        "metadata": account["metadata"],
        "requirements": None,
    }


def _list(tx: Transaction, params: Params) -> Obj:
    found = page(tx, _PATH, "account", params, {}, [("id <> ?", [tx.platform])])
    wanted = set(params.get("applied_configurations", []))
    shown = [_shown(account, []) for account in found["data"]]
    found["data"] = [account for account in shown if wanted <= set(account["applied_configurations"])]
    return found


def _retrieve(tx: Transaction, params: Params) -> Obj:
    account = tx.find(params["id"], account=tx.platform)
    seen = tx.account in (tx.platform, params["id"])
    if account is None or account["object"] != "account" or account.get("deleted") or not seen:
        raise missing("account", params["id"], "id", 404)
    return _shown(account, params.get("include", []))


ROUTES = (
    Route(
        "GET",
        _PATH,
        _list,
        {
            **PAGING,
            "applied_configurations": fields.array(fields.one_of(*_CONFIGURATIONS)),
            "closed": fields.one_of("false"),
        },
    ),
    Route("GET", f"{_PATH}/{{id}}", _retrieve, {"include": fields.array(fields.one_of(*_INCLUDED))}),
)
