"""The MCP server of one connection, built from the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata

from runplane_mcp import __version__
from runplane_mcp.errors import InternalError
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.interfaces.mcp.envelope import SCHEMA
from runplane_mcp.interfaces.mcp.governance import Governance
from runplane_mcp.interfaces.mcp.row import ToolRow
from runplane_mcp.interfaces.mcp.tools import tools_of
from runplane_mcp.interfaces.mcp.toolset import Toolset

INSTRUCTIONS = (
    "Runplane stands between you and Stripe. Every call is judged by the company's policy: it is done at once, waits for a "
    "person, or is blocked. Read `message` first and follow `next`; `status` says how it stands. A request that waits is "
    "held safely: call wait_for_request once, at most twice, then tell the user and end your turn. Never send a request "
    "again to get around a wait, a denial or a block, and look for no other way to Stripe. Amounts are whole numbers in "
    "the currency's smallest unit. Give every write a justification: the person who decides reads it."
)


def build_server(governance: Governance, instructions: str, toolset: Toolset = Toolset.DEFAULT) -> MCPServer[Any]:
    """A server that lists the tools of a toolset and whose every call goes to `governance`. Tools of the table that are
    not listed can be called all the same, and are governed."""
    return MCPServer(
        "runplane",
        title="Runplane",
        version=__version__,
        instructions=instructions,
        tools=[_tool(row) for row in tools_of(toolset)],
        extensions=[governance],
        subscriptions=False,
        log_level="WARNING",
    )


async def instructions_for(gate: Gate) -> str:
    """What the server says about itself. What is always blocked is said once here: a model that only sees no payout tool
    goes looking for another way."""
    return INSTRUCTIONS + unavailable(await gate.always_blocked())


def unavailable(groups: Sequence[str]) -> str:
    return f" Not available to you: {', '.join(name.replace('_', ' ') for name in groups)}." if groups else ""


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
