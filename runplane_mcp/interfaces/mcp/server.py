"""The MCP server of one connection, built from the table."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp.server.subscriptions import SubscriptionBus

from runplane_mcp import __version__
from runplane_mcp.errors import InternalError
from runplane_mcp.interfaces.mcp.envelope import SCHEMA
from runplane_mcp.interfaces.mcp.governance import Governance
from runplane_mcp.interfaces.mcp.listing import INSTRUCTIONS, Listing
from runplane_mcp.interfaces.mcp.row import ToolRow
from runplane_mcp.interfaces.mcp.tools import tools_of
from runplane_mcp.interfaces.mcp.toolset import Toolset


def build_server(
    governance: Governance,
    listing: Listing,
    toolset: Toolset = Toolset.DEFAULT,
    bus: SubscriptionBus | None = None,
) -> MCPServer[Any]:
    """A server that lists the tools of a toolset, as far as `listing` shows them, and whose every call goes to
    `governance`. Tools of the table that are not listed can be called all the same, and are governed. `bus` carries the
    news that the list has changed, and nothing else."""
    return MCPServer(
        "runplane",
        title="Runplane",
        version=__version__,
        instructions=INSTRUCTIONS,
        tools=[_tool(row) for row in tools_of(toolset)],
        extensions=[governance],
        middleware=[listing],
        subscriptions=bus if bus is not None else False,
        log_level="WARNING",
    )


def _tool(row: ToolRow) -> Tool:
    return Tool(
        fn=_not_through_here,
        name=row.name,
        title=row.title,
        description=row.description,
        parameters=row.shape.schema,
        fn_metadata=FuncMetadata(arg_model=ArgModelBase, output_schema=SCHEMA),
        is_async=True,
        annotations=row.annotations,
        meta={"io.runplane/toolsets": sorted(row.toolsets)},
    )


async def _not_through_here() -> None:
    """What the SDK would run if a call ever got past governance: it does nothing, and says so."""
    raise InternalError("internal.ungoverned", "A call came past governance; nothing was done.")
