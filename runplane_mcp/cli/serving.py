"""`runplane mcp` and `runplane simulator`: the two commands that stay."""

from __future__ import annotations

import gc
import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import UsageError
from runplane_mcp.interfaces.mcp.toolset import Toolset

if TYPE_CHECKING:
    from runplane_mcp.gate.clock import Clock
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.settings import Settings
    from runplane_mcp.simulator import Simulator

_LONGEST_LABEL = 100


MCP_EXAMPLES = examples(
    ("runplane mcp --agent support-bot", "what an MCP client starts"),
    ("runplane mcp --agent support-bot --toolset billing --simulator", "other tools, and never real money"),
)
SIMULATOR_EXAMPLES = examples(
    ("runplane simulator", "the home's simulated Stripe, on any free port"),
    ("runplane simulator --port 12111 --reset", "a new world on this port"),
    ("runplane simulator --plant other-key", "a refund past Runplane, for `audit coverage` to find"),
)


def mcp(
    agent: Annotated[
        str,
        typer.Option("--agent", metavar="A", help="A label for the agent. It attributes, it does not authenticate."),
    ] = "agent",
    toolset: Annotated[
        Toolset,
        typer.Option("--toolset", metavar="T", help="Which tools are listed: default, support, billing or all."),
    ] = Toolset.DEFAULT,
    simulator: Annotated[
        bool, typer.Option("--simulator", help="Use the simulator even if there is a Stripe key.")
    ] = False,
) -> None:
    """Serve governed Stripe tools over MCP.

    It speaks the protocol on stdin and stdout: MCP clients start it, people seldom do.
    """
    # Starting makes hundreds of thousands of objects that stay. To look through them again and again for garbage takes
    # a tenth of a second, and a client waits: it is done once everything is there.
    gc.disable()
    from runplane_mcp.app import serve_mcp
    from runplane_mcp.core.text import visible

    if not agent.strip() or visible(agent, _LONGEST_LABEL) != agent:
        raise UsageError(
            "usage.agent",
            f"An agent's label has 1 to {_LONGEST_LABEL} characters, none of them hidden.",
            next_step="Write a short name: --agent support-bot",
        )
    serve_mcp(settings_of_home(), agent=agent, simulator=simulator, toolset=toolset)


def simulator(
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes any free port.")] = 0,
    reset: Annotated[bool, typer.Option("--reset", help="Begin a new world with the same little company.")] = False,
    plant: Annotated[
        list[str] | None,
        typer.Option(
            "--plant",
            metavar="WHAT",
            help="Do what others would do past Runplane, and end: other-key, dashboard (refunds), other-key-payout,"
            " dashboard-payout, automatic-payout, dispute, fee, silent, forged-key. Can be given again.",
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option("--account", metavar="ACCOUNT", help="With --plant: the connected account that it happens on."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Serve the home's simulated Stripe until Ctrl-C.

    It listens on loopback, for your own scripts and for SDKs; gates bring their own listener. With --plant it does not
    serve: something happens on the account that no agent asked for, and that `runplane audit coverage` must find.
    """
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.settings import ensure_home
    from runplane_mcp.simulator import SIMULATOR_KEY, Simulator, SimulatorServer

    if account is not None and not plant:
        raise UsageError(
            "usage.account", "--account is for --plant.", next_step="Say what happens there, with --plant."
        )
    settings = settings_of_home()
    ensure_home(settings)
    ended = threading.Event()
    clock = _clock(settings)
    world = Simulator(settings.simulator_file, now=lambda: clock.policy() // 1000)
    try:
        if reset:
            world.reset()
        if plant:
            _plant(world, plant, account, as_json=as_json)
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        with SimulatorServer(world, port) as server:
            if as_json:
                print_json({"base_url": server.base_url, "key": SIMULATOR_KEY, "world": server.world_id})
            else:
                say("The simulator runs: no real money moves. Ctrl-C ends it; the world stays in the home.")
                say(f"  address  {server.base_url}")
                say(f"  key      {SIMULATOR_KEY}")
                say(f"  world    {server.world_id} in {settings.simulator_file}")
            ended.wait()
    finally:
        world.close()


def _plant(world: Simulator, wanted: list[str], account: str | None, *, as_json: bool) -> None:
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.simulator.planting import bypass_from_json

    bypasses = [bypass_from_json({"kind": each, "account": account}) for each in wanted]
    planted: list[Json] = []
    for bypass in bypasses:
        ids: list[Json] = list(world.plant(bypass))
        planted.append({"kind": bypass.kind.value, "ids": ids})
        if not as_json:
            say(f"{bypass.kind.value}: {', '.join(map(str, ids))}")
    if as_json:
        print_json({"planted": planted})


def _clock(settings: Settings) -> Clock:
    """The time that the home's gates have, so that all who look at one world agree on what day it is there."""
    from runplane_mcp.gate.clock import SystemClock

    async def of_home(desk: Desk) -> Clock:
        return desk.clock

    return at_desk(settings, of_home) if settings.database.exists() else SystemClock()
