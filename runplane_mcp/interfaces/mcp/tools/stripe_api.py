"""The generic tools: every operation of the catalog, for what has no tool of its own.

Finding and looking up are control tools, whose handlers are in `finding.py`; calling goes to the gate like any
other tool, as the operation that is named.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Required, cast

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.request import Kind
from runplane_mcp.core.wire import Value
from runplane_mcp.interfaces.mcp.fields import STRICT, OwnWords
from runplane_mcp.interfaces.mcp.row import EVERYWHERE, GOVERNED, LOOK, MONEY_OUT, READ, Operation, ToolRow

OperationId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        examples=["GetBalanceSettings"],
        description="The operation's id, exactly as stripe_api_search gives it.",
    ),
]
Parameters = Annotated[
    dict[str, Any],
    Field(
        description="Stripe's own parameters by name, those in the path too, as an object (not as JSON text). "
        "stripe_api_details says which there are."
    ),
]


@with_config(STRICT)
class SearchApi(TypedDict, total=False):
    query: Required[
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=300,
                examples=["give money back to a customer"],
                description="What you want to do, in everyday words.",
            ),
        ]
    ]
    kind: Annotated[Literal["read", "write"], Field(description="Only what reads, or only what changes something.")]
    limit: Annotated[int, Field(ge=1, le=20, examples=[10], description="How many at most; 10 if left out.")]


@with_config(STRICT)
class DescribeApi(TypedDict, total=False):
    stripe_api_operation_id: Required[OperationId]


@with_config(STRICT)
class ReadApi(TypedDict, total=False):
    stripe_api_operation_id: Required[OperationId]
    parameters: Parameters


@with_config(STRICT)
class WriteApi(OwnWords, total=False):
    stripe_api_operation_id: Required[OperationId]
    parameters: Parameters


def _as_named(given: dict[str, Value]) -> Operation:
    return str(given["stripe_api_operation_id"]), dict(cast("dict[str, Value]", given.get("parameters", {})))


TOOLS: Final = (
    ToolRow(
        "stripe_api_search",
        "Find a Stripe operation",
        "Finds Stripe's operations by what you want to do. Use it when no other tool fits. It says the operation's id, "
        "whether a tool of its own does it better, and whether it is available to you. Touches nothing at Stripe.",
        SearchApi,
        LOOK,
        EVERYWHERE,
    ),
    ToolRow(
        "stripe_api_details",
        "Look up a Stripe operation",
        "What one of Stripe's operations takes and does: its parameters with types, which of them must be given, whether "
        "it can be undone, and an example call. Touches nothing at Stripe.",
        DescribeApi,
        LOOK,
        EVERYWHERE,
    ),
    ToolRow(
        "stripe_api_read",
        "Read from Stripe by operation",
        "Calls an operation of Stripe's that only reads, by its id. For what has no tool of its own.",
        ReadApi,
        READ,
        EVERYWHERE,
        _as_named,
        generic=Kind.READ,
    ),
    ToolRow(
        "stripe_api_write",
        "Change something at Stripe by operation",
        "Calls an operation of Stripe's that changes something, by its id. For what has no tool of its own; it is judged "
        f"just as a tool would be. {GOVERNED}",
        WriteApi,
        MONEY_OUT,
        EVERYWHERE,
        _as_named,
        generic=Kind.WRITE,
    ),
)
#: What a tool for each kind of operation is called.
BY_KIND: Final = {row.generic: row.name for row in TOOLS if row.generic is not None}
