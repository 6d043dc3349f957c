"""The bank accounts and debit cards that an account's payouts go to. One of each currency is its default."""

from __future__ import annotations

from runplane_mcp.simulator.expansion import OF_ACCOUNT
from runplane_mcp.simulator.lists import PAGING, page
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata
from runplane_mcp.simulator.parameters import boolean, metadata, one_of, text
from runplane_mcp.simulator.refusal import Refusal, missing
from runplane_mcp.simulator.resources.bank_accounts import from_token_or_data, token_or_data
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_KINDS = ["bank_account", "card"]
_TEXTS = ("account_holder_name", "account_holder_type", "account_type", "name")


def add_external_account(
    tx: Transaction, account: Obj, given: str | Params, param: str, *, default: bool = False, replaces: bool = False
) -> Obj:
    """Adds a bank account or debit card. The first of a currency is its default.

    `replaces`: it takes the place of the default one, which is deleted, as an account's `external_account` does.
    """
    there = tx.on(account["id"])
    bank = from_token_or_data(there, given, param)
    bank.pop("customer", None)
    if bank["object"] == "card":
        if bank["funding"] != "debit":
            raise Refusal("Payouts go to debit cards only.", code="invalid_card_type", param=param)
        bank.setdefault("currency", account["default_currency"])
        bank["available_payout_methods"] = ["standard", "instant"]
    before = [held for held in _all(there) if held["currency"] == bank["currency"]]
    bank.update(account=account["id"], default_for_currency=False)
    there.insert(bank)
    tx.emit("account.external_account.created", bank, account=account["id"])
    if default or replaces or not before:
        _make_default(there, bank)
    for held in before if replaces else []:
        if held["default_for_currency"]:
            there.delete(held)
            tx.emit("account.external_account.deleted", held, account=account["id"])
    return bank


def _all(there: Transaction) -> list[Obj]:
    return there.select([f"kind IN ('bank_account', 'card') AND {OF_ACCOUNT}"], [], "DESC", -1)


def _make_default(there: Transaction, bank: Obj) -> None:
    """From now on payouts of its currency go to this one."""
    for held in _all(there):
        if held["id"] != bank["id"] and held["currency"] == bank["currency"] and held["default_for_currency"]:
            before = dict(held)
            held["default_for_currency"] = False
            there.save(held)
            there.emit("account.external_account.updated", held, before=before)
    bank["default_for_currency"] = True
    there.save(bank)


def _account(tx: Transaction, id: str) -> Obj:
    if tx.account not in (tx.platform, id):
        raise Refusal(f"This request may not look at '{id}'.", status=403, code="account_invalid", remembered=False)
    return tx.require("account", id, "account", status=404, account=tx.platform)


def _found(there: Transaction, id: str) -> Obj:
    found = there.find(id)
    if found is None or found["object"] not in _KINDS or found.get("account") is None:
        raise missing("external account", id, "id", 404)
    return found


def _list(tx: Transaction, params: Params) -> Obj:
    account = _account(tx, params["account"])["id"]
    kinds = [params["object"]] if "object" in params else _KINDS
    url = f"/v1/accounts/{account}/external_accounts"
    return page(tx.on(account), url, kinds, params, [(OF_ACCOUNT, [])])


def _retrieve(tx: Transaction, params: Params) -> Obj:
    return _found(tx.on(_account(tx, params["account"])["id"]), params["id"])


def _create(tx: Transaction, params: Params) -> Obj:
    account = _account(tx, params["account"])
    default = params.get("default_for_currency", False)
    bank = add_external_account(tx, account, params["external_account"], "external_account", default=default)
    bank["metadata"] = merge_metadata(bank["metadata"], params.get("metadata", {}))
    tx.save(bank, account=account["id"])
    return bank


def _update(tx: Transaction, params: Params) -> Obj:
    there = tx.on(_account(tx, params["account"])["id"])
    bank = _found(there, params["id"])
    before = dict(bank)
    for name in _TEXTS:
        if name in params:
            bank[name] = params[name] or None
    if "metadata" in params:
        bank["metadata"] = merge_metadata(bank["metadata"], params["metadata"])
    there.save(bank)
    if params.get("default_for_currency"):
        _make_default(there, bank)
    there.emit("account.external_account.updated", bank, before=before)
    return bank


def _delete(tx: Transaction, params: Params) -> Obj:
    """A default one can be deleted only if it is the last of a currency that is not the account's own."""
    account = _account(tx, params["account"])
    there = tx.on(account["id"])
    bank = _found(there, params["id"])
    others = [held for held in _all(there) if held["currency"] == bank["currency"] and held["id"] != bank["id"]]
    if bank["default_for_currency"] and (others or bank["currency"] == account["default_currency"]):
        raise Refusal("This is where payouts of its currency go. Make another one the default first.", param="id")
    gone = there.delete(bank)
    there.emit("account.external_account.deleted", bank)
    return gone


_PATH = "/v1/accounts/{account}/external_accounts"
ROUTES = (
    Route("GET", _PATH, _list, {**PAGING, "object": one_of(*_KINDS)}),
    Route(
        "POST",
        _PATH,
        _create,
        {"default_for_currency": boolean, "external_account": token_or_data, "metadata": metadata},
        required=("external_account",),
    ),
    Route("GET", f"{_PATH}/{{id}}", _retrieve),
    Route(
        "POST",
        f"{_PATH}/{{id}}",
        _update,
        {**dict.fromkeys(_TEXTS, text), "default_for_currency": boolean, "metadata": metadata},
    ),
    Route("DELETE", f"{_PATH}/{{id}}", _delete),
)
