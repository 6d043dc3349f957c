"""Cards that the company gives to its people. Number and security code are shown only to who asks for them by `expand`
when one card is retrieved."""

from __future__ import annotations

import hashlib
from copy import deepcopy

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import (
    array,
    currency,
    mapping,
    metadata,
    one_of,
    positive,
    text,
    word,
)
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_INTERVALS = ("all_time", "daily", "monthly", "per_authorization", "weekly", "yearly")
_LISTS = ("allowed_categories", "allowed_merchant_countries", "blocked_categories", "blocked_merchant_countries")
_CONTROLS = mapping(
    {
        **dict.fromkeys(_LISTS, array(word)),
        "spending_limits": array(
            mapping(
                {"amount": positive, "categories": array(word), "interval": one_of(*_INTERVALS)},
                ("amount", "interval"),
            )
        ),
    }
)
_ADDRESS = mapping(
    dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"), text),
    ("city", "country", "line1", "postal_code"),
)


def cardholder_object(id: str, *, name: str, created: int) -> Obj:
    return {
        "id": id,
        "object": "issuing.cardholder",
        "billing": {
            "address": {
                "city": "Portland",
                "country": "US",
                "line1": "1 Harbor Street",
                "line2": None,
                "postal_code": "97201",
                "state": "OR",
            }
        },
        "company": None,
        "created": created,
        "email": None,
        "individual": None,
        "livemode": False,
        "metadata": {},
        "name": name,
        "phone_number": None,
        "preferred_locales": [],
        "requirements": {"disabled_reason": None, "past_due": []},
        "spending_controls": None,
        "status": "active",
        "type": "company",
    }


def card_object(id: str, *, cardholder: Obj, code: str, kind: str, created: int) -> Obj:
    """An inactive card without limits of its own."""
    return {
        "id": id,
        "object": "issuing.card",
        "brand": "Visa",
        "cancellation_reason": None,
        "cardholder": cardholder,
        "created": created,
        "currency": code,
        "exp_month": 8,
        "exp_year": 2029,
        "financial_account": None,
        "last4": _number(id)[-4:],
        "livemode": False,
        "metadata": {},
        "replaced_by": None,
        "replacement_for": None,
        "replacement_reason": None,
        "second_line": None,
        "shipping": None,
        "spending_controls": {**dict.fromkeys(_LISTS), "spending_limits": [], "spending_limits_currency": code},
        "status": "inactive",
        "type": kind,
        "wallets": {
            "apple_pay": {"eligible": True},
            "google_pay": {"eligible": True},
            "primary_account_identifier": None,
        },
    }


def _number(id: str) -> str:
    """The card's number, sixteen digits that check. It follows from the id, so that it is stored nowhere."""
    digits = "400000" + f"{int(hashlib.sha256(id.encode()).hexdigest(), 16) % 10**9:09d}"
    doubled = [int(digit) * 2 if at % 2 == 0 else int(digit) for at, digit in enumerate(digits)]
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return f"{digits}{-total % 10}"


def _cvc(id: str) -> str:
    return f"{int(hashlib.sha256(id.encode()).hexdigest(), 16) % 997:03d}"


def _set_controls(holder: Obj, params: Params) -> None:
    if "spending_controls" in params:
        given = deepcopy(params["spending_controls"])
        for limit in given.get("spending_limits", []):
            limit.setdefault("categories", [])
        holder["spending_controls"] = {**(holder["spending_controls"] or {}), **given}


def _create(tx: Transaction, params: Params) -> Obj:
    if "cardholder" not in params:
        raise invalid("The parameter 'cardholder' is needed.", "cardholder", "parameter_missing")
    cardholder = tx.require("issuing.cardholder", params["cardholder"], "cardholder")
    card = card_object(
        new_id("ic"), cardholder=cardholder, code=params["currency"], kind=params["type"], created=tx.now
    )
    if params.get("status") == "active" and cardholder["status"] != "active":
        raise Refusal("The card of a cardholder who is not active cannot be active.", param="status")
    card["status"] = params.get("status", "inactive")
    card["metadata"] = merge_metadata({}, params.get("metadata", {}))
    _set_controls(card, params)
    tx.insert(card)
    tx.emit("issuing_card.created", card)
    return card


def _update(tx: Transaction, params: Params) -> Obj:
    card = tx.require("issuing.card", params["card"], "card", status=404)
    before = deepcopy(card)
    if card["status"] == "canceled" and params.keys() & {"status", "spending_controls"}:
        raise Refusal("A card that is canceled stays so.", param="status")
    if "status" in params:
        card["status"] = params["status"]
    if "cancellation_reason" in params:
        card["cancellation_reason"] = params["cancellation_reason"]
    if "metadata" in params:
        card["metadata"] = merge_metadata(card["metadata"], params["metadata"])
    _set_controls(card, params)
    tx.save(card)
    tx.emit("issuing_card.updated", card, before=before)
    return card


def _retrieve(tx: Transaction, params: Params) -> Obj:
    card = tx.require("issuing.card", params["card"], "card", status=404)
    for field, read in (("number", _number), ("cvc", _cvc)):
        if field in params.get("expand", []):
            card[field] = read(card["id"])
    return card


def _create_holder(tx: Transaction, params: Params) -> Obj:
    holder = cardholder_object(new_id("ich"), name=params["name"], created=tx.now)
    holder["billing"] = {"address": {"line2": None, "state": None, **params["billing"]["address"]}}
    holder.update(type=params.get("type", "individual"), status=params.get("status", "active"))
    return _changed_holder(tx, holder, params, new=True)


def _update_holder(tx: Transaction, params: Params) -> Obj:
    holder = tx.require("issuing.cardholder", params["cardholder"], "cardholder", status=404)
    if "billing" in params:
        holder["billing"]["address"].update(params["billing"]["address"])
    if "status" in params:
        holder["status"] = params["status"]
    return _changed_holder(tx, holder, params)


def _changed_holder(tx: Transaction, holder: Obj, params: Params, *, new: bool = False) -> Obj:
    for name in ("email", "phone_number"):
        if name in params:
            holder[name] = params[name] or None
    if "metadata" in params:
        holder["metadata"] = merge_metadata(holder["metadata"], params["metadata"])
    _set_controls(holder, params)
    tx.put(holder)
    tx.emit(f"issuing_cardholder.{'created' if new else 'updated'}", holder)
    return holder


def _holder(tx: Transaction, params: Params) -> Obj:
    return tx.require("issuing.cardholder", params["cardholder"], "cardholder", status=404)


_CARDS, _HOLDERS = "/v1/issuing/cards", "/v1/issuing/cardholders"
_HOLDER = {
    "billing": mapping({"address": _ADDRESS}, ("address",)),
    "email": text,
    "metadata": metadata,
    "phone_number": text,
    "spending_controls": _CONTROLS,
    "status": one_of("active", "inactive"),
}
ROUTES = (
    list_route(_CARDS, "issuing.card", {"last4": word, "status": word, "type": word}),
    Route(
        "POST",
        _CARDS,
        _create,
        {
            "cardholder": word,
            "currency": currency,
            "metadata": metadata,
            "spending_controls": _CONTROLS,
            "status": one_of("active", "inactive"),
            "type": one_of("physical", "virtual"),
        },
        required=("currency", "type"),
    ),
    Route("GET", f"{_CARDS}/{{card}}", _retrieve),
    Route(
        "POST",
        f"{_CARDS}/{{card}}",
        _update,
        {
            "cancellation_reason": one_of("lost", "stolen"),
            "metadata": metadata,
            "spending_controls": _CONTROLS,
            "status": one_of("active", "canceled", "inactive"),
        },
    ),
    list_route(_HOLDERS, "issuing.cardholder", {"email": word, "status": word, "type": word}),
    Route(
        "POST",
        _HOLDERS,
        _create_holder,
        {**_HOLDER, "name": word, "type": one_of("company", "individual")},
        required=("billing", "name"),
    ),
    Route("GET", f"{_HOLDERS}/{{cardholder}}", _holder),
    Route("POST", f"{_HOLDERS}/{{cardholder}}", _update_holder, _HOLDER),
)
