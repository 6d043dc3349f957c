"""The control tools that find an operation of Stripe's and say how it is called. They look into the catalog and at what
the policy closes to this agent; Stripe hears nothing, and nothing is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final, cast

import anyio.to_thread

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.describe import example_of, parameters_of, sentence_of, undo_of
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import Kind
from runplane_mcp.core.search import Search
from runplane_mcp.core.text import visible
from runplane_mcp.core.wire import Value
from runplane_mcp.errors import OperationError
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.interfaces.mcp.arguments import shown
from runplane_mcp.interfaces.mcp.caller import Caller, Report
from runplane_mcp.interfaces.mcp.envelope import Answer, about_catalog
from runplane_mcp.interfaces.mcp.messages import Next, Words
from runplane_mcp.interfaces.mcp.tools import callers_of, tools_of
from runplane_mcp.interfaces.mcp.tools.stripe_api import BY_KIND
from runplane_mcp.interfaces.mcp.toolset import Toolset

#: How many operations one search tells of, if nobody says.
USUALLY: Final = 10
#: Other operations that stand for one that there is not.
_OFFERED: Final = 3


async def search_api(gate: Gate, caller: Caller, given: Mapping[str, Value], _report: Report) -> Answer:
    kind = given.get("kind")

    def find() -> list[Operation]:
        found = search_of(gate.catalog).meant(
            str(given["query"]),
            most=cast("int", given.get("limit", USUALLY)),
            fits=None if kind is None else lambda operation: operation.kind.value == kind,
        )
        return [each.operation for each in found]

    # Threads, since the first question of a process makes the index.
    operations = await anyio.to_thread.run_sync(find)
    closed = await closed_operations(gate, caller)
    return about_found([_in_brief(each, caller.toolset, closed) for each in operations])


async def describe_api(gate: Gate, caller: Caller, given: Mapping[str, Value], _report: Report) -> Answer:
    name = str(given["stripe_api_operation_id"])
    operation = gate.catalog.by_id(name)
    if operation is None:
        raise await unknown_operation(gate.catalog, name)
    closed = await closed_operations(gate, caller)
    return about_details(details_json(gate.catalog, operation, caller.toolset, closed))


async def unknown_operation(catalog: Catalog, name: str) -> OperationError:
    """`operation.unknown`, with those that were probably meant."""
    near = await anyio.to_thread.run_sync(lambda: search_of(catalog).nearest(name, _OFFERED))
    offer = f"Nearest: {', '.join(each.operation_id for each in near)}." if near else ""
    return OperationError(
        "operation.unknown",
        f"Stripe has no operation {shown(name)}. {offer}".strip(),
        next_step="Find it with stripe_api_search.",
        param="stripe_api_operation_id",
    )


async def closed_operations(gate: Gate, caller: Caller) -> frozenset[str]:
    """The ids of all operations of which this agent's every call would be blocked."""
    closed = await gate.closed(
        principal=caller.principal, agent=caller.agent, via="mcp", reachable=all_of(gate.catalog)
    )
    return closed.operations


@cache
def search_of(catalog: Catalog) -> Search:
    return Search(catalog, callers_of)


@cache
def all_of(catalog: Catalog) -> frozenset[str]:
    """The ids of all operations."""
    return frozenset(operation.operation_id for operation in catalog.operations)


def about_found(found: list[Json]) -> Answer:
    """The answer of a search."""
    if not found:
        return about_catalog(
            Words(
                "NOTHING FOUND. Nothing was done. Call stripe_api_search with other words: the thing and what to do with "
                "it, such as “cancel subscription”. If there is no such operation, tell the user.",
                Next("call", "stripe_api_search"),
            ),
            None,
        )
    closed = sum(isinstance(each, Mapping) and each.get("available") is False for each in found)
    message = (
        f"{len(found)} OPERATIONS FOUND, the likeliest first. Nothing was done by looking. They are in result.operations "
        "and in the text after this. Call what `tools` names; before stripe_api_read or stripe_api_write, "
        "stripe_api_details says which parameters there are."
    )
    if closed:
        message += f" {closed} of them are not available to you: do not call those, and look for no other way."
    return about_catalog(Words(message, None), {"operations": found})


def about_details(details: dict[str, Json]) -> Answer:
    """The answer about one operation."""
    tools = " or ".join(cast("list[str]", details["tools"]))
    name = f"{details['operation_id']}, {details['action']}"
    if details.get("available") is False:
        words = Words(
            f"NOT AVAILABLE TO YOU: {name}. Nothing was done by looking. Every call of it would be blocked. Do not call "
            "it, and look for no other way. Tell the user: “The company's policy does not allow this.”",
            Next("tell_user"),
        )
        return about_catalog(words, details)
    message = (
        f"WHAT IT TAKES: {name}. Nothing was done by looking. It is in result and in the text after this. Call {tools}; "
        "`call` shows the form, with made-up ids; `inside` says what stands in objects and lists."
    )
    return about_catalog(Words(message, None), details)


def details_json(catalog: Catalog, operation: Operation, toolset: Toolset, closed: frozenset[str]) -> dict[str, Json]:
    """All that a model needs to call an operation: some hundred characters mostly, some thousand at most."""
    parameters = list(parameters_of(catalog, operation))
    inside: dict[str, Json] = {each.name: dict(each.inside) for each in parameters if each.inside}
    brings: dict[str, Json] = {each.name: list(each.brings) for each in parameters if each.brings}
    generic = BY_KIND[operation.kind]
    details: dict[str, Json] = {
        **_in_brief(operation, toolset, closed),
        "method": operation.method,
        "path": operation.path,
        "undo": undo_of(operation),
        "effects": list(operation.effects),
        "required": [each.name for each in parameters if each.required],
        "parameters": {each.name: each.means for each in parameters},
        "inside": inside,
        "parameters_that_bring": brings,
        "call": {
            "tool": generic,
            "arguments": {
                "stripe_api_operation_id": operation.operation_id,
                "parameters": cast("Json", example_of(catalog, operation)),
            },
        },
    }
    return {name: value for name, value in details.items() if value or name in {"required", "parameters", "available"}}


def _in_brief(operation: Operation, toolset: Toolset, closed: frozenset[str]) -> dict[str, Json]:
    listed = {row.name for row in tools_of(toolset)}
    named = [name for name in callers_of(operation.operation_id) if name in listed]
    brief: dict[str, Json] = {
        "operation_id": operation.operation_id,
        "action": operation.action,
        "kind": operation.kind.value,
        "what": visible(sentence_of(operation), 240),
        "groups": cast("Json", sorted(frozenset().union(*(judged.groups for judged in operation.judgements)))),
        "tools": cast("Json", named or [BY_KIND[operation.kind]]),
    }
    if operation.kind is Kind.READ or not operation.judged:
        del brief["groups"]
    if operation.alias_of is not None:
        brief["same_as"] = operation.alias_of
    elif operation.availability not in {"ga", "spec_only"}:
        brief["availability"] = operation.availability.replace("_", " ")
    if operation.operation_id in closed:
        brief["available"] = False
        brief["note"] = "not available to you"
    return brief
