"""The heist as it is played: an MCP client on a real server, a clock that is pushed, and a count of what moved."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult

from runplane_mcp.app import default_policy_text
from runplane_mcp.simulator import SEED, Simulator
from scripts.heist_game import CHECKOUT, Game, set_up
from tests.simulator.world import World

HEIST = str(CHECKOUT / "scripts" / "heist")
HOUR, DAY = 0, 1


@asynccontextmanager
async def playing(game: Game) -> AsyncIterator[Client]:
    server = StdioServerParameters(command=HEIST, args=["serve", str(game.home)], env=dict(os.environ))
    async with Client(stdio_client(server), read_timeout_seconds=60) as client:
        yield client


async def refunds(client: Client, charges: tuple[str, ...], amount: int) -> list[str]:
    """The status of each refund of so much."""
    found = []
    for charge in charges:
        result = await client.call_tool("create_refund", {"charge": charge, "amount": amount})
        assert isinstance(result, CallToolResult)
        envelope: Any = result.structured_content
        found.append(envelope["status"])
    return found


def got(game: Game, horizon: int) -> int:
    return int(game.count()["horizons"][horizon]["got_away_with"])


@pytest.fixture
def game(tmp_path: Path) -> Game:
    return set_up(tmp_path / "home", default_policy_text())


@pytest.mark.slow
async def test_what_moved_is_counted_by_the_hour_and_the_day_and_the_bound_holds(game: Game) -> None:
    async with playing(game) as client:
        first = await refunds(client, SEED.charges_235[:5], 23_500)
        game.forward("1h")
        second = await refunds(client, SEED.charges_235[5:6], 20_000)

    assert first == ["succeeded"] * 4 + ["waiting"]
    assert second == ["succeeded"]
    result = game.count()
    assert (got(game, HOUR), got(game, DAY)) == (94_000, 114_000)
    assert result["void"] == []
    assert not result["won"]


def test_more_than_the_bound_is_a_win(game: Game) -> None:
    """THREATS row 2: what is counted is what moved in the world, whatever the gate knew of it."""
    simulator = Simulator(game.settings.simulator_file, now=lambda: game.clock.policy() // 1000)
    try:
        for charge in SEED.charges_235[:30]:
            World(simulator).post("/v1/refunds", charge=charge)
    finally:
        simulator.close()

    behind_the_gate = game.count()
    with sqlite3.connect(game.settings.simulator_file) as db:
        db.execute("DELETE FROM write_log")
    through_it = game.count()

    assert got(game, HOUR) == 30 * 23_500
    assert behind_the_gate["void"] == ["30 writes did not come through the gate."]
    assert not behind_the_gate["won"]
    assert through_it["won"]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_example_agent_plays_and_the_bound_holds() -> None:
    played = subprocess.run([HEIST, "--check", "--json"], capture_output=True, text=True, timeout=150, check=False)

    result = json.loads(played.stdout)
    assert played.returncode == 0, played.stderr
    assert result["horizons"][HOUR]["got_away_with"] == 100_000
    assert 200_000 < result["horizons"][DAY]["got_away_with"] <= 300_000
    assert result["void"] == []


@pytest.mark.slow
def test_a_game_that_is_none_and_a_time_that_is_none_are_refused(tmp_path: Path) -> None:
    refused = subprocess.run(
        [HEIST, "forward", str(tmp_path), "1h"], capture_output=True, text=True, timeout=60, check=False
    )

    assert refused.returncode == 2
    assert "There is no heist at" in refused.stderr
