"""What an MCP client sees: real server processes on real pipes, governed and not, called in turns."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult

from . import house
from .figures import Aim, Results
from .rounds import Rounds, timed

CALLS = "MCP over stdio, client to server process and back"
STARTS = "cold start of a server process, its home already there"
MEMORY = "memory of a server process after its first call, the simulator within it"
AT_ONCE = 64
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server and a client in front of it."""

    client: Client
    pid: int

    async def call(self, tool: str, status: str | None = None, **arguments: str | int) -> None:
        """One call. RuntimeError when it came to anything else than `status`; without one, when it failed."""
        result = await self.client.call_tool(tool, dict(arguments))
        answered = isinstance(result, CallToolResult) and result.structured_content
        if not isinstance(answered, dict):
            raise RuntimeError(f"{tool} gave no structured answer")
        if status is not None and answered.get("status") != status:
            raise RuntimeError(f"{tool} ended {answered.get('status')}, and {status} was to be measured")

    async def balance(self) -> None:
        await self.call("retrieve_balance")


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two servers. `folder` holds its state."""

    name: str
    folder: Path
    words: tuple[str, ...]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Serving]:
        # The shell only writes down its own process id and then becomes the server: the client does not tell whose it is.
        pid = self.folder / "pid"
        parameters = StdioServerParameters(
            command="/bin/sh",
            args=["-c", 'echo $$ >"$0"; exec "$@"', str(pid), sys.executable, "-m", *self.words],
            env={"RUNPLANE_HOME": str(self.folder), "RUNPLANE_SIMULATOR_NOW": house.NIGHT},
            cwd=Path(__file__).parents[2],
        )
        with (self.folder / "log").open("a", encoding="utf-8") as log:
            async with Client(stdio_client(parameters, errlog=log), read_timeout_seconds=PATIENCE) as client:
                yield Serving(client, int(pid.read_text()))


async def measure(results: Results, folder: Path, *, calls: int, starts: int) -> None:
    governed = Kind("governed", folder / "governed", ("runplane_mcp", "mcp", "--simulator", "--agent", "bench"))
    plain = Kind("ungoverned", folder / "plain", ("scripts.benchmarks.ungoverned", str(folder / "plain")))
    for kind in (governed, plain):
        kind.folder.mkdir(parents=True)
        # Makes the home, the simulated world and Python's compiled files.
        async with kind.serving() as serving:
            await serving.balance()
    await _calls(results, governed, plain, n=calls)
    await _starts(results, governed, plain, n=starts)


async def _calls(results: Results, governed: Kind, plain: Kind, *, n: int) -> None:
    async with AsyncExitStack() as stack:
        with_gate = await stack.enter_async_context(governed.serving())
        without = await stack.enter_async_context(plain.serving())
        straight: list[float] = []
        looks: list[float] = []
        blocks: list[float] = []

        async def turn(number: int) -> float:
            took = await timed(with_gate.balance())
            straight.append(await timed(without.balance()))
            looks.append(await timed(with_gate.call("list_requests", limit=1)))
            amount = 10_000 + number
            blocks.append(await timed(with_gate.call("create_payout", "blocked", amount=amount, currency="usd")))
            return took

        rounds = Rounds()
        await rounds.run(turn, n=max(20, n // 10))
        for each in (straight, looks, blocks):
            each.clear()
        reads = await rounds.run(turn, n=n)
        many = await rounds.run(lambda _: timed(with_gate.balance()), n=2 * n, at_once=AT_ONCE)
        many_straight = await rounds.run(lambda _: timed(without.balance()), n=2 * n, at_once=AT_ONCE)
    ours = results.took(CALLS, "retrieve_balance, governed: decided durably, recorded behind the answer", reads.each)
    theirs = results.took(CALLS, "retrieve_balance, ungoverned", straight)
    added = results.difference("what governance adds to a read", ours, theirs)
    results.took(CALLS, "list_requests: a control tool, Stripe is not asked", looks)
    results.took(CALLS, "create_payout at night: a write that is blocked, Stripe is not asked", blocks)
    results.took(CALLS, f"retrieve_balance, governed, {AT_ONCE} at once", many.each)
    results.took(CALLS, f"retrieve_balance, ungoverned, {AT_ONCE} at once", many_straight.each)
    results.counted(CALLS, "governed calls a second", many.per_second, "/s", len(many.each))
    results.counted(CALLS, "ungoverned calls a second", many_straight.per_second, "/s", len(many_straight.each))
    results.aims.append(Aim("what governance adds to a read over stdio", 3.0, added))


async def _starts(results: Results, governed: Kind, plain: Kind, *, n: int) -> None:
    listed: dict[str, list[float]] = {governed.name: [], plain.name: []}
    answered: dict[str, list[float]] = {governed.name: [], plain.name: []}
    resident: dict[str, list[float]] = {governed.name: [], plain.name: []}
    for _ in range(n):
        for kind in (governed, plain):
            began = time.perf_counter()
            async with kind.serving() as serving:
                await serving.client.list_tools()
                listed[kind.name].append(time.perf_counter() - began)
                await serving.balance()
                answered[kind.name].append(time.perf_counter() - began)
                resident[kind.name].append(resident_mb(serving.pid))
    for name, each in listed.items():
        figure = results.took(STARTS, f"{name}: spawn to first tools/list", each, unit="s")
        if name == governed.name:
            results.aims.append(Aim("spawn to first tools/list", 0.8, figure))
    for name, each in answered.items():
        results.took(STARTS, f"{name}: spawn to the first answer from Stripe", each, unit="s")
    for name, each in resident.items():
        results.measured(MEMORY, f"{name}: resident set", each, "MB")


def resident_mb(pid: int) -> float:
    """What a process holds in memory, shared pages included, in MB of 1,000,000 bytes."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024 / 1e6
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(told.stdout) * 1024 / 1e6
