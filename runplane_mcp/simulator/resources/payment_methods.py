"""Payment methods: cards that were saved for a customer, or will be used once."""

from __future__ import annotations

from collections.abc import Iterable

from runplane_mcp.simulator.lists import PAGING, Clause, equals, list_route, page
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import Raw, mapping, metadata, one_of, text, word
from runplane_mcp.simulator.refusal import Refusal, declined, invalid, missing
from runplane_mcp.simulator.resources.bank_accounts import spend
from runplane_mcp.simulator.resources.cards import (
    CARD_TOKENS,
    TEST_CARDS,
    Card,
    card_details,
    card_of,
    card_of_number,
)
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_ADDRESS = mapping(dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"), text))
BILLING = mapping({"address": _ADDRESS, "email": text, "name": text, "phone": text, "tax_id": text})
CARD = mapping({"cvc": text, "exp_month": word, "exp_year": word, "number": word, "token": word})
#: A payment method given together with what it pays. A card is not given so: it has to be made or named.
METHOD_DATA = mapping({"billing_details": BILLING, "metadata": metadata, "type": one_of("multibanco")}, ("type",))


def method_object(id: str, *, created: int, card: Card | None, customer: str | None = None) -> Obj:
    """A card, or (`card` None) a Multibanco reference, whose refunds need the customer's bank details first."""
    kind = "multibanco" if card is None else "card"
    return {
        "id": id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        kind: {} if card is None else card_details(card),
        "created": created,
        "customer": customer,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }


def charged_card(method: Obj) -> Card:
    """The card behind a payment method. A Multibanco reference pays as one that never fails."""
    if method["type"] == "card":
        return card_of(method["card"], method["id"])
    return Card("multibanco", "0000", "multibanco", country="PT", held_by=method["id"])


def make_method(tx: Transaction, given: Params) -> Obj:
    """A new payment method from the parameters of one."""
    kind = given.get("type", "card")
    card = None if kind == "multibanco" else _card(tx, given.get("card", {}))
    if kind == "multibanco" and not given.get("billing_details", {}).get("email"):
        raise invalid("Multibanco needs the payer's e-mail address.", "billing_details[email]", "parameter_missing")
    method = method_object(new_id("pm"), created=tx.now, card=card)
    _describe(method, given)
    tx.insert(method)
    return method


def named_method(tx: Transaction, id: str, customer: str | None, param: str = "payment_method") -> Obj:
    """The payment method `id`, if this customer (or, of nobody's, anybody) may pay with it.

    A test card's name stands for a new one of that card, and a customer's old card for itself.
    """
    if id in TEST_CARDS:
        method = method_object(new_id("pm"), created=tx.now, card=TEST_CARDS[id])
        tx.insert(method)
        return method
    found = tx.find(id)
    if found is not None and found["object"] == "card" and found.get("customer") is not None:
        if found["customer"] != customer:
            raise missing("payment_method", id, param)
        return method_object(id, created=tx.now, card=card_of(found, id), customer=customer)
    method = tx.require("payment_method", id, param)
    if method["customer"] is not None and method["customer"] != customer:
        raise Refusal(f"The payment method {id} belongs to another customer. Name that customer.", param=param)
    if tx.retired(id):
        raise Refusal(
            f"The payment method {id} was detached from its customer and cannot be used again.",
            code="payment_method_unexpected_state",
            param=param,
        )
    return method


def attach(tx: Transaction, method: Obj, customer: str) -> None:
    """Saves a payment method for a customer. 402 where the card's bank will not have it."""
    card = charged_card(method)
    if not card.attaches and card.decline is not None:
        code, why = card.decline
        raise declined("The card was declined.", None, code, why)
    before = dict(method)
    method["customer"] = customer
    tx.save(method)
    tx.emit("payment_method.attached", method, before=before)


def _card(tx: Transaction, given: Params) -> Card:
    if "token" in given:
        token = given["token"]
        return CARD_TOKENS[token] if token in CARD_TOKENS else card_of(spend(tx, token, "card", "card[token]"), "")
    number = given.get("number", "").replace(" ", "")
    if not number:
        raise invalid("A card is given by its number or a token.", "card[number]", "parameter_missing")
    for name in ("exp_month", "exp_year"):
        if name not in given:
            raise invalid(f"'card[{name}]' is needed.", f"card[{name}]", "parameter_missing")
    return card_of_number(number, "card[number]")


def _describe(method: Obj, given: Params) -> None:
    if "billing_details" in given:
        method["billing_details"] = {**method["billing_details"], **given["billing_details"]}
    if "metadata" in given:
        method["metadata"] = merge_metadata(method["metadata"], given["metadata"])


def _create(tx: Transaction, params: Params) -> Obj:
    if "type" not in params:
        raise invalid("The parameter 'type' is needed.", "type", "parameter_missing")
    method = make_method(tx, params)
    method["allow_redisplay"] = params.get("allow_redisplay", "unspecified")
    tx.save(method)
    return method


def _attach(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "customer")["id"]
    if params["payment_method"] in TEST_CARDS:
        method = named_method(tx, params["payment_method"], customer)
    else:
        method = tx.require("payment_method", params["payment_method"], "payment_method", status=404)
    if method["customer"] not in (None, customer) or tx.retired(method["id"]):
        raise Refusal("This payment method is or was another customer's.", param="payment_method")
    if method["customer"] is None:
        attach(tx, method, customer)
    return method


def _detach(tx: Transaction, params: Params) -> Obj:
    method = tx.require("payment_method", params["payment_method"], "payment_method", status=404)
    if method["customer"] is None:
        raise Refusal("This payment method is not attached to a customer.", param="payment_method")
    before = dict(method)
    customer = tx.require("customer", method["customer"], "customer")
    if customer["invoice_settings"]["default_payment_method"] == method["id"]:
        customer["invoice_settings"]["default_payment_method"] = None
        tx.save(customer)
    method["customer"] = None
    tx.retire(method)
    tx.emit("payment_method.detached", method, before=before)
    return method


def _update(tx: Transaction, params: Params) -> Obj:
    method = tx.require("payment_method", params["payment_method"], "payment_method", status=404)
    if method["customer"] is None:
        raise Refusal("Only a payment method of a customer can be changed.", param="payment_method")
    before = dict(method)
    _describe(method, params)
    if "allow_redisplay" in params:
        method["allow_redisplay"] = params["allow_redisplay"]
    tx.save(method)
    tx.emit("payment_method.updated", method, before=before)
    return method


def _of_customer(tx: Transaction, params: Params) -> Obj:
    customer = tx.require("customer", params["customer"], "customer", status=404)["id"]
    clauses: list[Clause] = [equals("customer", customer)]
    if "type" in params:
        clauses.append(equals("type", params["type"]))
    return page(tx, f"/v1/customers/{customer}/payment_methods", "payment_method", params, clauses)


def _one_of_customer(tx: Transaction, params: Params) -> Obj:
    method = tx.require("payment_method", params["payment_method"], "payment_method", status=404)
    if method["customer"] != params["customer"]:
        raise missing("payment_method", method["id"], "payment_method", 404)
    return method


def _any_customers(tx: Transaction, params: Params) -> Iterable[Clause]:
    if "customer" not in params:
        yield "json_extract(body, '$.customer') IS NOT NULL", []
    else:
        yield equals("customer", tx.require("customer", params["customer"], "customer")["id"])


def _redisplay(value: Raw, name: str) -> str:
    return one_of("always", "limited", "unspecified")(value, name)  # type: ignore[no-any-return]


ROUTES = (
    Route(
        "POST",
        "/v1/payment_methods",
        _create,
        {
            "allow_redisplay": _redisplay,
            "billing_details": BILLING,
            "card": CARD,
            "metadata": metadata,
            "type": one_of("card", "multibanco"),
        },
    ),
    list_route(
        "/v1/payment_methods",
        "payment_method",
        {"allow_redisplay": _redisplay, "type": word},
        special={"customer": word},
        clauses=_any_customers,
    ),
    retrieve_route("/v1/payment_methods/{payment_method}", "payment_method"),
    Route(
        "POST",
        "/v1/payment_methods/{payment_method}",
        _update,
        {"allow_redisplay": _redisplay, "billing_details": BILLING, "metadata": metadata},
    ),
    Route("POST", "/v1/payment_methods/{payment_method}/attach", _attach, {"customer": word}, required=("customer",)),
    Route("POST", "/v1/payment_methods/{payment_method}/detach", _detach),
    Route("GET", "/v1/customers/{customer}/payment_methods", _of_customer, {**PAGING, "type": word}),
    Route("GET", "/v1/customers/{customer}/payment_methods/{payment_method}", _one_of_customer),
)
