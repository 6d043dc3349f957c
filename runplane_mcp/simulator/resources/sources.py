"""A customer's old cards and bank accounts, from before there were payment methods. A charge can still be made to one."""

from __future__ import annotations

from runplane_mcp.simulator.lists import PAGING, among, equals, page
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata
from runplane_mcp.simulator.parameters import array, integer, metadata, one_of, text
from runplane_mcp.simulator.refusal import Refusal, declined, missing
from runplane_mcp.simulator.resources.bank_accounts import from_token_or_data, token_or_data
from runplane_mcp.simulator.resources.cards import card_of
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_KINDS = ["bank_account", "card"]
_TEXTS = ("account_holder_name", "name")
#: What Stripe's test bank sends to prove that a bank account is the customer's.
_MICRODEPOSITS = [32, 45]


def of_customer(tx: Transaction, customer: str, id: str, param: str, status: int = 400) -> Obj:
    """The source `id` of a customer."""
    found = tx.find(id)
    if found is None or found["object"] not in _KINDS or found.get("customer") != customer:
        raise missing("source", id, param, status)
    return found


def add_source(tx: Transaction, customer: Obj, given: str | Params, param: str) -> Obj:
    """Keeps a card or bank account for the customer: the first one is what they pay with. 402 where its bank refuses."""
    source = from_token_or_data(tx, given, param)
    if source["object"] == "card":
        card = card_of(source, source["id"])
        if not card.attaches and card.decline is not None:
            raise declined("The card was declined.", None, *card.decline)
    source["customer"] = customer["id"]
    source.pop("account", None)
    tx.insert(source)
    tx.emit("customer.source.created", source)
    if customer["default_source"] is None:
        customer["default_source"] = source["id"]
        tx.save(customer)
    return source


def _create(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "customer", status=404)
    source = add_source(tx, customer, params["source"], "source")
    source["metadata"] = merge_metadata({}, params.get("metadata", {}))
    tx.save(source)
    return source


def _list(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "customer", status=404)["id"]
    kinds = [params["object"]] if "object" in params else _KINDS
    url = f"/v1/customers/{customer}/sources"
    return page(tx, url, kinds, params, [equals("customer", customer), among("object", kinds)])


def _retrieve(tx: Transaction, params: Params) -> Obj:
    return of_customer(tx, params["customer"], params["id"], "id", 404)


def _update(tx: Transaction, params: Params) -> Obj:
    source = _retrieve(tx, params)
    before = dict(source)
    for name in _TEXTS:
        if name in params:
            source[name] = params[name] or None
    if "metadata" in params:
        source["metadata"] = merge_metadata(source["metadata"], params["metadata"])
    tx.save(source)
    tx.emit("customer.source.updated", source, before=before)
    return source


def _verify(tx: Transaction, params: Params) -> Obj:
    source = _retrieve(tx, params)
    if source["object"] != "bank_account" or source["status"] == "verified":
        raise Refusal("Only a bank account that is not verified yet can be verified.", param="id")
    if sorted(params["amounts"]) != _MICRODEPOSITS:
        raise Refusal("Those are not the amounts that arrived.", code="amounts_not_matching", param="amounts")
    before = dict(source)
    source["status"] = "verified"
    tx.save(source)
    tx.emit("customer.source.updated", source, before=before)
    return source


def _delete(tx: Transaction, params: Params) -> Obj:
    source = _retrieve(tx, params)
    customer = tx.require("customer", params["customer"], "customer", status=404)
    gone = tx.delete(source)
    tx.emit("customer.source.deleted", source)
    if customer["default_source"] == source["id"]:
        left = tx.select(["kind IN ('bank_account', 'card')"], [], "DESC", -1)
        others = [held["id"] for held in left if held.get("customer") == customer["id"]]
        customer["default_source"] = others[0] if others else None
        tx.save(customer)
    return gone


_PATH = "/v1/customers/{customer}/sources"
ROUTES = (
    Route("GET", _PATH, _list, {**PAGING, "object": one_of(*_KINDS)}),
    Route("POST", _PATH, _create, {"metadata": metadata, "source": token_or_data}, required=("source",)),
    Route("GET", f"{_PATH}/{{id}}", _retrieve),
    Route("POST", f"{_PATH}/{{id}}", _update, {**dict.fromkeys(_TEXTS, text), "metadata": metadata}),
    Route("DELETE", f"{_PATH}/{{id}}", _delete),
    Route("POST", f"{_PATH}/{{id}}/verify", _verify, {"amounts": array(integer, most=2)}, required=("amounts",)),
)
