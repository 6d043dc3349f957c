"""Persons: who is behind an account. Numbers that identify them go in and never come out again."""

from __future__ import annotations

from runplane_mcp.simulator.lists import PAGING, Clause, equals, page
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import boolean, integer, mapping, metadata, text
from runplane_mcp.simulator.refusal import Refusal, missing
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction

_ROLES = ("authorizer", "director", "executive", "legal_guardian", "owner", "representative")
_TEXTS = ("email", "first_name", "gender", "last_name", "maiden_name", "nationality", "phone", "political_exposure")
_READERS = {
    **dict.fromkeys(_TEXTS, text),
    **dict.fromkeys(("id_number", "ssn_last_4"), text),
    "address": mapping(dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"), text)),
    "dob": mapping(dict.fromkeys(("day", "month", "year"), integer), ("day", "month", "year")),
    "metadata": metadata,
    "relationship": mapping({**dict.fromkeys(_ROLES, boolean), "percent_ownership": text, "title": text}),
}
#: The one person that an individual's account is about.
INDIVIDUAL = mapping(
    {
        **{name: reader for name, reader in _READERS.items() if name not in ("nationality", "relationship")},
        "relationship": mapping(
            {**dict.fromkeys(("director", "executive", "owner"), boolean), "percent_ownership": text, "title": text}
        ),
    }
)
#: What is said of a number instead of the number.
_HIDDEN = {"id_number": "id_number_provided", "ssn_last_4": "ssn_last_4_provided", "tax_id": "tax_id_provided"}


def hide_numbers(given: Params) -> Params:
    """What was given of a person or company, with every identifying number as whether it is known."""
    return {_HIDDEN.get(name, name): bool(value) if name in _HIDDEN else value for name, value in given.items()}


def _account(tx: Transaction, id: str) -> Transaction:
    if tx.account not in (tx.platform, id):
        raise Refusal(f"This request may not look at '{id}'.", status=403, code="account_invalid", remembered=False)
    return tx.on(tx.require("account", id, "account", status=404, account=tx.platform)["id"])


def _found(tx: Transaction, params: Params) -> tuple[Transaction, Obj]:
    there = _account(tx, params["account"])
    person = there.find(params["person"])
    if person is None or person["object"] != "person" or person.get("deleted"):
        raise missing("person", params["person"], "person", 404)
    return there, person


def _apply(person: Obj, params: Params) -> None:
    given = hide_numbers({name: value for name, value in params.items() if name in _READERS})
    relationship = {**person["relationship"], **given.pop("relationship", {})}
    held = merge_metadata(person["metadata"], given.pop("metadata")) if "metadata" in given else person["metadata"]
    person.update(given)
    person.update(metadata=held, relationship=relationship)


def _create(tx: Transaction, params: Params) -> Obj:
    there = _account(tx, params["account"])
    person: Obj = {
        "id": new_id("person"),
        "object": "person",
        "account": there.account,
        "address": {},
        "created": tx.now,
        "dob": {"day": None, "month": None, "year": None},
        **dict.fromkeys(_TEXTS),
        "id_number_provided": False,
        "metadata": {},
        "relationship": {**dict.fromkeys(_ROLES, False), "percent_ownership": None, "title": None},
        "ssn_last_4_provided": False,
        "verification": {"status": "unverified"},
    }
    _apply(person, params)
    there.insert(person)
    there.emit("person.created", person)
    return person


def _retrieve(tx: Transaction, params: Params) -> Obj:
    return _found(tx, params)[1]


def _list(tx: Transaction, params: Params) -> Obj:
    there = _account(tx, params["account"])
    roles: list[Clause] = [
        equals(f"relationship.{role}", wanted) for role, wanted in params.get("relationship", {}).items()
    ]
    return page(there, f"/v1/accounts/{there.account}/persons", "person", params, roles)


def _update(tx: Transaction, params: Params) -> Obj:
    there, person = _found(tx, params)
    before = dict(person)
    _apply(person, params)
    there.save(person)
    there.emit("person.updated", person, before=before)
    return person


def _delete(tx: Transaction, params: Params) -> Obj:
    there, person = _found(tx, params)
    if person["relationship"]["representative"]:
        raise Refusal("An account keeps its representative. Name another one first.", param="person")
    gone = there.delete(person)
    there.emit("person.deleted", person)
    return gone


_PATH = "/v1/accounts/{account}/persons"
ROUTES = (
    Route("GET", _PATH, _list, {**PAGING, "relationship": mapping(dict.fromkeys(_ROLES, boolean))}),
    Route("POST", _PATH, _create, _READERS),
    Route("GET", f"{_PATH}/{{person}}", _retrieve),
    Route("POST", f"{_PATH}/{{person}}", _update, _READERS),
    Route("DELETE", f"{_PATH}/{{person}}", _delete),
)
