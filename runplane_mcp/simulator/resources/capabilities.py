"""Capabilities: what an account may do. One that was asked for is active once the account has accepted the terms."""

from __future__ import annotations

from copy import deepcopy

from runplane_mcp.simulator.objects import Obj, Params, list_object
from runplane_mcp.simulator.parameters import Raw, boolean, mapping
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_KNOWN = (
    "card_issuing",
    "card_payments",
    "legacy_payments",
    "tax_reporting_us_1099_k",
    "transfers",
    "treasury",
    "us_bank_account_ach_payments",
)
REQUESTED = mapping(dict.fromkeys(_KNOWN, mapping({"requested": boolean})))
_NEEDS = "tos_acceptance.date"


def request_capabilities(account: Obj, given: Params) -> None:
    """Takes over what is asked for, or no longer is."""
    for name, asked in given.items():
        if asked.get("requested"):
            account["capabilities"].setdefault(name, "inactive")
        elif "requested" in asked:
            account["capabilities"].pop(name, None)


def settle_capabilities(account: Obj) -> None:
    """What the account may do follows from what was asked for and whether it has accepted the terms."""
    if (
        "date" not in account.get("tos_acceptance", {})
        or account.get("requirements", {}).get("disabled_reason") in _REJECTED
    ):
        # One of the seeded accounts, which are all well; or one that was rejected, which stays so.
        return
    accepted = account["tos_acceptance"]["date"] is not None
    state = "active" if accepted else "inactive"
    account["capabilities"] = dict.fromkeys(account["capabilities"], state)
    due = [] if accepted else [_NEEDS, "tos_acceptance.ip"]
    account.update(
        charges_enabled=accepted and "card_payments" in account["capabilities"],
        details_submitted=accepted,
        payouts_enabled=accepted and bool(account["capabilities"]),
        requirements={
            "alternatives": [],
            "current_deadline": None,
            "currently_due": due,
            "disabled_reason": None if accepted else "requirements.past_due",
            "errors": [],
            "eventually_due": due,
            "past_due": due,
            "pending_verification": [],
        },
    )


_REJECTED = frozenset(f"rejected.{reason}" for reason in ("fraud", "other", "terms_of_service"))


def _capability(account: Obj, name: str) -> Obj:
    state = account["capabilities"].get(name, "unrequested")
    due = [] if state in ("active", "unrequested") else [_NEEDS]
    return {
        "id": name,
        "object": "capability",
        "account": account["id"],
        "requested": state != "unrequested",
        "requested_at": account["created"] if state != "unrequested" else None,
        "requirements": {"currently_due": due, "disabled_reason": None, "errors": [], "past_due": due},
        "status": state,
    }


def _account(tx: Transaction, id: str) -> Obj:
    if tx.account not in (tx.platform, id):
        raise Refusal(f"This request may not look at '{id}'.", status=403, code="account_invalid", remembered=False)
    return tx.require("account", id, "account", status=404, account=tx.platform)


def _list(tx: Transaction, params: Params) -> Obj:
    account = _account(tx, params["account"])
    found = [_capability(account, name) for name in sorted(account["capabilities"])]
    return list_object(f"/v1/accounts/{account['id']}/capabilities", found)


def _named(value: Raw, name: str) -> str:
    if value not in _KNOWN:
        raise missing("capability", str(value), name, 404)
    return str(value)


def _retrieve(tx: Transaction, params: Params) -> Obj:
    return _capability(_account(tx, params["account"]), _named(params["capability"], "capability"))


def _update(tx: Transaction, params: Params) -> Obj:
    account, name = _account(tx, params["account"]), _named(params["capability"], "capability")
    if "requested" not in params:
        raise invalid("The parameter 'requested' is needed.", "requested", "parameter_missing")
    before = deepcopy(account)
    request_capabilities(account, {name: params})
    settle_capabilities(account)
    if "date" not in account.get("tos_acceptance", {}) and name in account["capabilities"]:
        account["capabilities"][name] = "active"
    tx.save(account, account=tx.platform)
    capability = _capability(account, name)
    tx.emit("capability.updated", capability, before=_capability(before, name), account=account["id"])
    return capability


ROUTES = (
    Route("GET", "/v1/accounts/{account}/capabilities", _list),
    Route("GET", "/v1/accounts/{account}/capabilities/{capability}", _retrieve),
    Route("POST", "/v1/accounts/{account}/capabilities/{capability}", _update, {"requested": boolean}),
)
