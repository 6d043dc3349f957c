"""Events: what happened during the last 30 days, each with the idempotency key of the request that caused it."""

from __future__ import annotations

from collections.abc import Iterable

from runplane_mcp.simulator.lists import Clause, among, equals, list_route
from runplane_mcp.simulator.objects import Params
from runplane_mcp.simulator.parameters import array, boolean, word
from runplane_mcp.simulator.refusal import invalid
from runplane_mcp.simulator.routes import retrieve_route
from runplane_mcp.simulator.transaction import Transaction


def _wanted(tx: Transaction, params: Params) -> Iterable[Clause]:
    yield "created >= ?", [tx.oldest_event()]
    if "delivery_success" in params:
        # Nothing is delivered from here, so nothing waits for an answer.
        yield "(json_extract(body, '$.pending_webhooks') = 0) = ?", [params["delivery_success"]]
    if "type" in params and "types" in params:
        raise invalid("Give 'type' or 'types', not both.", "type")
    if "types" in params:
        yield among("type", params["types"])
    elif "type" in params and params["type"].endswith(".*"):
        group = params["type"].removesuffix("*")
        yield "substr(json_extract(body, '$.type'), 1, ?) = ?", [len(group), group]
    elif "type" in params:
        yield equals("type", params["type"])


ROUTES = (
    list_route(
        "/v1/events",
        "event",
        special={"delivery_success": boolean, "type": word, "types": array(word, most=20)},
        clauses=_wanted,
    ),
    retrieve_route("/v1/events/{id}", "event"),
)
