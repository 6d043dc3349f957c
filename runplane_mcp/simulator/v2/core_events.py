"""Thin events: that something happened, to what, and by which request with which idempotency key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from runplane_mcp.simulator.lists import Clause, among
from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.refusal import missing
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction
from runplane_mcp.simulator.v2 import fields
from runplane_mcp.simulator.v2.lists import PAGING, moment, page

_KIND = "v2.core.event"
_PATH = "/v2/core/events"
_COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def emit(tx: Transaction, type: str, obj: Obj, url: str) -> None:
    """Writes the event that Stripe would."""
    asked = {"request": {"id": tx.request_id, "idempotency_key": tx.key or ""}, "type": "request"}
    tx.insert(
        {
            "id": new_id("evt"),
            "object": _KIND,
            "context": tx.account if tx.account != tx.platform else None,
            "created": moment(tx.now),
            "livemode": False,
            "reason": asked if tx.request_id is not None else None,
            "related_object": {"id": obj["id"], "type": obj["object"], "url": url},
            "type": type,
        }
    )


def _time(value: object, name: str) -> str:
    given = fields.word(value, name)
    try:
        datetime.fromisoformat(given.replace("Z", "+00:00"))
    except ValueError as error:
        raise fields.wrong(f"'{name}' is not a time.") from error
    return given


#: `created`: a time between two moments.
SPAN = fields.record(dict.fromkeys(_COMPARED, _time))


def within(field: str, span: Params) -> Iterator[Clause]:
    """The condition that a time lies in a span. Times are written so that their order is that of their letters."""
    for end, at in span.items():
        seconds = int(datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp())
        yield f"json_extract(body, '$.{field}') {_COMPARED[end]} ?", [moment(seconds)]


def _clauses(tx: Transaction, params: Params) -> Iterator[Clause]:
    yield "created >= ?", [tx.oldest_event()]
    if "object_id" in params:
        yield "json_extract(body, '$.related_object.id') = ?", [params["object_id"]]
    if "types" in params:
        yield among("type", params["types"])
    yield from within("created", params.get("created", {}))


def _list(tx: Transaction, params: Params) -> Obj:
    carried = {"object_id": params["object_id"]} if "object_id" in params else {}
    return page(tx, _PATH, _KIND, params, carried, _clauses(tx, params))


def _retrieve(tx: Transaction, params: Params) -> Obj:
    found = tx.require(_KIND, params["id"], "id", status=404)
    row = tx.db.execute("SELECT created FROM object WHERE account = ? AND id = ?", (tx.account, found["id"])).fetchone()
    if row[0] < tx.oldest_event():
        raise missing("event", found["id"], "id", 404)
    return found


ROUTES = (
    Route(
        "GET",
        _PATH,
        _list,
        {**PAGING, "created": SPAN, "object_id": fields.word, "types": fields.array(fields.word)},
    ),
    Route("GET", f"{_PATH}/{{id}}", _retrieve),
)
