"""Lists as Stripe pages them: newest first, `limit`, `starting_after`, `ending_before`, filters, `created`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runplane_mcp.simulator import parameters
from runplane_mcp.simulator.objects import Obj, Params, list_object
from runplane_mcp.simulator.parameters import Reader
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.routes import Handler, Route
from runplane_mcp.simulator.transaction import Transaction

#: A condition on the JSON of an object, and the values bound to it.
Clause = tuple[str, list[Any]]
Clauses = Callable[[Transaction, Params], Iterable[Clause]]

PAGING: Mapping[str, Reader] = {
    "limit": parameters.page_size,
    "starting_after": parameters.word,
    "ending_before": parameters.word,
    "created": parameters.span,
}
_COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


#: Paging through what an object itself holds.
PARTS: Mapping[str, Reader] = {name: PAGING[name] for name in ("limit", "starting_after")}


def part_of(url: str, held: list[Obj], params: Params) -> Obj:
    """One page of a list that an object holds, in its order."""
    limit, start = params.get("limit", 10), 0
    if "starting_after" in params:
        ids = [each["id"] for each in held]
        if params["starting_after"] not in ids:
            raise Refusal("There is no such entry.", code="resource_missing", param="starting_after", remembered=False)
        start = ids.index(params["starting_after"]) + 1
    return list_object(url, held[start : start + limit], has_more=len(held) > start + limit)


def list_route(
    path: str,
    kind: str,
    filters: Mapping[str, Reader] | None = None,
    *,
    special: Mapping[str, Reader] | None = None,
    clauses: Clauses | None = None,
) -> Route:
    """`GET path`. A filter compares the object's field of the same name; a path's value is such a filter too.

    `special` parameters mean something else, which `clauses` says. 404 where the path names something that is not there.
    """
    fields = {**(filters or {})}
    in_path = [name for name in ("charge", "payment_link", "transfer") if f"{{{name}}}" in path]

    def listing(tx: Transaction, params: Params) -> Obj:
        for name in in_path:
            tx.require(name, params[name], name, status=404)
        given = [equals(name, params[name]) for name in (*fields, *in_path) if name in params]
        if clauses is not None:
            given.extend(clauses(tx, params))
        return page(tx, path.format(**params) if in_path else path, kind, params, given)

    handler: Handler = listing
    return Route("GET", path, handler, {**PAGING, **fields, **(special or {})})


def equals(field: str, value: Any) -> Clause:
    return f"json_extract(body, '$.{field}') = ?", [value]


def among(field: str, values: list[Any]) -> Clause:
    places = ", ".join("?" * len(values))
    return f"json_extract(body, '$.{field}') IN ({places})", values


def within(column: str, span: Mapping[str, int]) -> list[Clause]:
    return [(f"{column} {_COMPARED[end]} ?", [at]) for end, at in span.items()]


def page(tx: Transaction, url: str, kind: str | list[str], params: Params, given: Iterable[Clause] = ()) -> Obj:
    """One page of the objects of a kind, or of several, without deleted ones."""
    kinds = [kind] if isinstance(kind, str) else kind
    of_kind = (f"kind IN ({', '.join('?' * len(kinds))})", list(kinds))
    conditions: list[Clause] = [of_kind, *given, *within("created", params.get("created", {}))]
    limit = params.get("limit", 10)
    backwards = "ending_before" in params
    if backwards and "starting_after" in params:
        raise Refusal("A list goes either forwards or backwards, not both.", param="ending_before", remembered=False)
    if backwards:
        conditions.append(_beyond(tx, of_kind, "ending_before", ">", params))
    elif "starting_after" in params:
        conditions.append(_beyond(tx, of_kind, "starting_after", "<", params))
    values = [value for _, bound in conditions for value in bound]
    rows = tx.select([sql for sql, _ in conditions], values, "ASC" if backwards else "DESC", limit + 1)
    found = rows[:limit]
    if backwards:
        found.reverse()
    return list_object(url, found, has_more=len(rows) > limit)


def _beyond(tx: Transaction, of_kind: Clause, param: str, sign: str, params: Params) -> Clause:
    row = tx.db.execute(
        f"SELECT created, seq FROM object WHERE account = ? AND id = ? AND {of_kind[0]}",  # noqa: S608 — as in `select`: this package's own words
        (tx.account, params[param], *of_kind[1]),
    ).fetchone()
    if row is None:
        raise Refusal(
            f"There is no {of_kind[1][0]} with the id '{params[param]}'.",
            code="resource_missing",
            param=param,
            remembered=False,
        )
    return f"(created, seq) {sign} (?, ?)", [row[0], row[1]]
