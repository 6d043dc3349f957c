"""What Runplane is compared with: the smallest MCP server that asks the same simulated Stripe, by the same client, and
hands the answer on. Nothing decides, nothing is recorded.

    python -m scripts.benchmarks.ungoverned FOLDER
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer

from runplane_mcp.core.wire import encode
from runplane_mcp.simulator import SIMULATOR_KEY, Simulator, SimulatorServer
from runplane_mcp.stripe_api.client import Done, StripeConnection


async def serve(folder: Path) -> None:
    """Serves on stdin and stdout until the client closes them."""
    world = Simulator(folder / "simulator.db")
    with SimulatorServer(world) as http:
        async with StripeConnection(SIMULATOR_KEY, base=http.base_url, target="simulator:ungoverned") as connection:
            server: MCPServer[Any] = MCPServer("ungoverned", log_level="WARNING")

            @server.tool()
            async def retrieve_balance() -> dict[str, Any]:
                """The Stripe balance."""
                answer = await connection.send(encode("GET", "/v1/balance", {}), idempotency_key=None)
                if not isinstance(answer, Done):
                    raise RuntimeError("the simulator did not answer")
                return answer.body

            # The SDK is imported behind the first answers, as the governed server does it.
            warm = asyncio.create_task(connection.prepare())
            await server.run_stdio_async()
            await warm
    world.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
