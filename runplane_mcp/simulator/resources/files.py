"""Files, and the links by which anybody can fetch one."""

from __future__ import annotations

import secrets

from runplane_mcp.simulator.lists import Clause, list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import Raw, boolean, integer, metadata, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction


def file_object(id: str, *, name: str, purpose: str, created: int) -> Obj:
    return {
        "id": id,
        "object": "file",
        "created": created,
        "expires_at": None,
        "filename": name,
        "purpose": purpose,
        "size": 9863,
        "title": None,
        "type": "pdf",
        "url": f"https://files.stripe.com/v1/files/{id}/contents",
    }


def _expiry(value: Raw, name: str) -> int | str:
    return "now" if value == "now" else integer(value, name)


def _create(tx: Transaction, params: Params) -> Obj:
    held = tx.require("file", params["file"], "file")
    expires = params.get("expires_at")
    if expires is not None and (expires == "now" or expires <= tx.now):
        raise invalid("A link expires in the future.", "expires_at")
    link: Obj = {
        "id": new_id("link"),
        "object": "file_link",
        "created": tx.now,
        "expired": False,
        "expires_at": expires,
        "file": held["id"],
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "url": f"https://files.stripe.com/links/{secrets.token_urlsafe(32)}",
    }
    tx.insert(link)
    return link


def _retrieve(tx: Transaction, params: Params) -> Obj:
    link = tx.require("file_link", params["link"], "link", status=404)
    return _aged(tx, link)


def _aged(tx: Transaction, link: Obj) -> Obj:
    """The link as it is now. One that has expired leads nowhere."""
    if link["expires_at"] is not None and link["expires_at"] <= tx.now:
        link.update(expired=True, url=None)
    return link


def _update(tx: Transaction, params: Params) -> Obj:
    link = _retrieve(tx, params)
    if "expires_at" in params:
        if link["expired"]:
            raise Refusal("A link that has expired stays so.", param="expires_at")
        link["expires_at"] = tx.now if params["expires_at"] == "now" else params["expires_at"]
    if "metadata" in params:
        link["metadata"] = merge_metadata(link["metadata"], params["metadata"])
    tx.save(_aged(tx, link))
    return link


def _expired(tx: Transaction, params: Params) -> list[Clause]:
    if "expired" not in params:
        return []
    return [("(coalesce(json_extract(body, '$.expires_at'), ?) <= ?) = ?", [tx.now + 1, tx.now, params["expired"]])]


ROUTES = (
    list_route("/v1/files", "file", {"purpose": word}),
    retrieve_route("/v1/files/{file}", "file"),
    list_route("/v1/file_links", "file_link", {"file": word}, special={"expired": boolean}, clauses=_expired),
    Route(
        "POST",
        "/v1/file_links",
        _create,
        {"expires_at": _expiry, "file": word, "metadata": metadata},
        required=("file",),
    ),
    Route("GET", "/v1/file_links/{link}", _retrieve),
    Route("POST", "/v1/file_links/{link}", _update, {"expires_at": _expiry, "metadata": metadata}),
)
