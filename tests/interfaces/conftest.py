"""A company's home with its simulated Stripe, the gate that serves it, and an MCP client in front, all real."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, Implementation, TextContent

from runplane_mcp.app import open_desk, open_gate
from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.gate.clock import SystemClock, simulated_offset
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.interfaces.mcp.governance import Governance
from runplane_mcp.interfaces.mcp.listing import Listing
from runplane_mcp.interfaces.mcp.server import build_server
from runplane_mcp.interfaces.mcp.toolset import Toolset
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SIMULATOR_KEY, Simulator
from runplane_mcp.simulator.exchange import Asked
from tests.homes import new_home

#: The two protocol eras: `auto` talks 2026-07-28 to a server that can, `legacy` shakes hands as of 2025-11-25.
ERAS = {"auto": "2026-07-28", "legacy": "2025-11-25"}
AFTERNOON = "2026-03-03T14:00"
NIGHT = "2026-03-03T02:00"
ZONE = ZoneInfo("America/New_York")
PERSON, SECRET = "maria", "correct horse battery staple"
#: Cheap on purpose: what is tested is not how long a guess takes.
CHEAP_SCRYPT = 2**10


@dataclass(frozen=True)
class Answered:
    """One answer as a client got it."""

    result: CallToolResult

    @property
    def envelope(self) -> dict[str, Any]:
        assert isinstance(self.result.structured_content, dict)
        return self.result.structured_content

    @property
    def text(self) -> str:
        return "\n".join(block.text for block in self.result.content if isinstance(block, TextContent))

    @property
    def status(self) -> str:
        return str(self.envelope.get("status"))

    @property
    def code(self) -> str:
        return str(self.envelope["error"]["code"])

    @property
    def request_id(self) -> str:
        return str(self.envelope["request_id"])


@dataclass(frozen=True)
class Connected:
    """A client in front of a gate."""

    client: Client
    gate: Gate
    governance: Governance
    server: MCPServer[Any]

    async def call(self, tool: str, **arguments: Any) -> Answered:
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        return Answered(result)


@dataclass(frozen=True)
class Company:
    settings: Settings
    world: Simulator

    def clock(self, now: str = AFTERNOON) -> SystemClock:
        return SystemClock(simulated_offset(now, ZONE))

    @asynccontextmanager
    async def connected(
        self, *, mode: str = "auto", now: str = AFTERNOON, agent: str = "bot"
    ) -> AsyncIterator[Connected]:
        async with (
            open_gate(self.settings, simulator=True, clock=self.clock(now)) as gate,
            self.client(gate, mode=mode, agent=agent) as connected,
        ):
            yield connected

    @asynccontextmanager
    async def client(
        self,
        gate: Gate,
        *,
        mode: str = "auto",
        agent: str = "bot",
        principal: str = "stdio",
        toolset: Toolset = Toolset.DEFAULT,
    ) -> AsyncIterator[Connected]:
        governance = Governance(gate, agent=agent, principal=principal, toolset=toolset)
        server = build_server(governance, Listing(gate, agent=agent, principal=principal), toolset)
        info = Implementation(name="test-client", version="1")
        async with Client(server, mode=mode, client_info=info) as client:
            yield Connected(client, gate, governance, server)

    async def vote(self, request_id: str, answer: Answer, note: str | None = None) -> None:
        """Maria of finance looks at the card and signs."""
        async with open_desk(self.settings, clock=self.clock(), scrypt_n=CHEAP_SCRYPT) as desk:
            if not await desk.people():
                finance = frozenset({"finance"})
                await desk.add_person(
                    PERSON, role=Role.ADMIN, groups=finance, secret=SECRET, as_person=None, as_secret=None
                )
            card = await desk.card(request_id)
            await desk.vote(request_id, digest=card.digest, person=PERSON, secret=SECRET, answer=answer, note=note)

    def look(self, path: str) -> dict[str, Any]:
        """An object of the simulated Stripe as it is now, asked behind everybody's back."""
        headers = {"authorization": f"Bearer {SIMULATOR_KEY}"}
        answer = self.world.answer(Asked("GET", *path.partition("?")[::2], headers))
        found: dict[str, Any] = json.loads(answer.body)
        return found

    def refunds(self) -> dict[str, Any]:
        """Count and total of the refunds that the simulated Stripe has made since it began."""
        found: dict[str, Any] = self.world.summary()["refunds"]
        return found

    def writes(self) -> int:
        """How many writes have arrived at the simulated Stripe."""
        return int(self.world.summary()["writes"]["received"])

    def stored(self) -> bytes:
        """Every byte that Runplane has written into its home, the simulated Stripe's own left out."""
        files = [path for path in self.settings.home.rglob("*") if path.is_file() and "simulator" not in path.name]
        return b"".join(path.read_bytes() for path in files)


@contextmanager
def new_company(home: Path) -> Iterator[Company]:
    """A company of its own in the same world: nothing that happens in one is seen in another."""
    settings = new_home(home)
    clock = SystemClock(simulated_offset(AFTERNOON, ZONE))
    with closing(Simulator(settings.simulator_file, now=lambda: clock.policy() // 1000)) as world:
        yield Company(settings, world)


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with new_company(tmp_path / "home") as company:
        yield company


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)
