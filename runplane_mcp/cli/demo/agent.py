"""The agent's side: an MCP client of the SDK, with `runplane mcp` as a child process at the other end of a pipe."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Implementation

from runplane_mcp import __version__
from runplane_mcp.cli.demo.stage import AFTERNOON, PATIENCE, Home
from runplane_mcp.errors import InternalError

NAME = "support-bot"
#: The shell writes down its process id and then becomes the server, so that the demo knows whom to kill.
_BECOME = 'echo "$$" >"$0" && exec "$@"'


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agent got for one call."""

    envelope: Mapping[str, Any]

    @property
    def status(self) -> str:
        return str(self.envelope.get("status"))

    @property
    def message(self) -> str:
        return str(self.envelope.get("message"))

    @property
    def headline(self) -> str:
        """The first words of the message: the outcome, and whether money moved."""
        return self.message.partition(" Simulator: ")[0]

    @property
    def request_id(self) -> str:
        return str(self.envelope.get("request_id"))

    @property
    def reference(self) -> str:
        return str(self.envelope.get("reference"))

    @property
    def amount(self) -> int | None:
        """The amount of the Stripe object that came of it, minor units."""
        result = self.envelope.get("result")
        amount = result.get("amount") if isinstance(result, Mapping) else None
        return amount if isinstance(amount, int) else None


@dataclass(frozen=True, slots=True)
class Agent:
    """One connection. `process` is the id of the server process behind it."""

    client: Client
    process: int

    async def call(self, tool: str, **arguments: str | int) -> Answer:
        """One call of a tool. InternalError `internal.demo_unanswered` when the server is gone or silent."""
        try:
            result = await self.client.call_tool(tool, dict(arguments))
        except MCPError as error:
            raise InternalError("internal.demo_unanswered", f"Runplane gave no answer: {error}.") from error
        if not isinstance(result, CallToolResult) or not isinstance(result.structured_content, Mapping):
            raise InternalError("internal.demo", f"{tool} answered with nothing that can be read.")
        return Answer(result.structured_content)

    async def wait(self, request_id: str) -> Answer:
        """`wait_for_request` until the request is over, as often as an agent should: once, at most twice."""
        answer = await self.call("wait_for_request", request_id=request_id)
        if answer.status in {"waiting", "approved", "executing"}:
            answer = await self.call("wait_for_request", request_id=request_id)
        return answer

    def kill(self) -> None:
        """The power goes: the server process gets no chance to do anything more."""
        os.kill(self.process, signal.SIGKILL)


@asynccontextmanager
async def agent_at(home: Home, now: str = AFTERNOON) -> AsyncIterator[Agent]:
    """An agent whose client has started `runplane mcp` for this home, with the simulated days at `now`."""
    process = home.folder.with_name(f"{home.folder.name}.pid")
    server = [sys.executable, "-m", "runplane_mcp", "mcp", "--simulator", "--agent", NAME, "--toolset", "all"]
    started = StdioServerParameters(
        command="/bin/sh", args=["-c", _BECOME, str(process), *server], env=home.environment(now)
    )
    with home.log.open("a") as log:
        async with Client(
            stdio_client(started, errlog=log),
            client_info=Implementation(name="runplane-demo", version=__version__),
            read_timeout_seconds=PATIENCE,
        ) as client:
            yield Agent(client, int(process.read_text()))
