"""What a call of a generic tool is: the operation it names, if that is one and of the tool's kind."""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.request import Kind
from runplane_mcp.core.wire import Parameters
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.arguments import shown
from runplane_mcp.interfaces.mcp.fields import OWN_WORDS
from runplane_mcp.interfaces.mcp.finding import unknown_operation
from runplane_mcp.interfaces.mcp.row import ToolRow
from runplane_mcp.interfaces.mcp.tools.stripe_api import BY_KIND

_DOES = {Kind.READ: "only reads", Kind.WRITE: "changes something"}


async def check_generic(catalog: Catalog, row: ToolRow, operation_id: str, parameters: Parameters) -> None:
    """Nothing for a tool of its own. OperationError `operation.unknown`; ParameterError `parameter.kind` where the tool is
    for the other kind, `parameter.unknown` where our own words stand among Stripe's parameters."""
    if row.generic is None:
        return
    operation = catalog.by_id(operation_id)
    if operation is None:
        raise await unknown_operation(catalog, operation_id)
    if operation.kind is not row.generic:
        raise ParameterError(
            "parameter.kind",
            f"{operation_id} {_DOES[operation.kind]}, and {row.name} is for what {_DOES[row.generic]}.",
            next_step=f"It is called with {BY_KIND[operation.kind]}.",
            param="stripe_api_operation_id",
        )
    for name in parameters:
        if name in OWN_WORDS and name not in operation.params:
            raise ParameterError(
                "parameter.unknown",
                f"`{name}` is none of Stripe's parameters.",
                next_step="It goes beside `parameters`." if row.generic is Kind.WRITE else "Leave it out.",
                param=name,
            )


def meant_by(catalog: Catalog, row: ToolRow, arguments: Mapping[str, object]) -> str:
    """The operation that a refused attempt is recorded under: of a generic tool the one that was named, as far as that can
    be told."""
    if row.generic is None:
        return row.usually
    named = arguments.get("stripe_api_operation_id")
    if not isinstance(named, str):
        return f"tool:{row.name}"
    return named if catalog.by_id(named) is not None else shown(named)
