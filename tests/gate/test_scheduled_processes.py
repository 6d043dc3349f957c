"""Scheduled requests over the ends of processes: whoever finds one whose time has come runs it, and only one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import stripe  # the children are forked: with this they have it already

from runplane_mcp.app import create_home, open_desk, open_gate
from runplane_mcp.core.request import State
from runplane_mcp.errors import RequestError
from runplane_mcp.gate.stopping import stop
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Simulator
from runplane_mcp.store.records import RequestFilter
from runplane_mcp.store.verify import verify
from tests.crash import Probe, race, run_and_kill
from tests.gate.conftest import AFTERNOON, FakeClock, refund
from tests.gate.scheduling import DELAY, held_back


def home_of(tmp_path: Path) -> Settings:
    assert stripe
    settings = Settings(home=tmp_path / "home")

    async def make() -> None:
        async with create_home(settings):
            pass

    asyncio.run(make())
    held_back(settings.home)
    return settings


def later() -> FakeClock:
    return FakeClock(policy_ms=AFTERNOON + DELAY)


def schedule(settings: Settings, probe: Probe) -> None:
    async def run() -> None:
        async with open_gate(settings, simulator=True, clock=FakeClock(), probe=probe) as gate:
            view = await gate.submit(refund(SEED.payment_intents_235[0]))
            assert view.status is State.SCHEDULED

    asyncio.run(run())


def finish(settings: Settings, probe: Probe = lambda _: None) -> str:
    """A gate at its time, until the one request is over: what became of it."""

    async def run() -> str:
        async with open_gate(settings, simulator=True, clock=later(), probe=probe) as gate, asyncio.timeout(20):
            while True:
                [request] = await gate.store.read(lambda reader: reader.requests(RequestFilter(limit=10)))
                if request.final:
                    return request.state.value
                await gate.wait("stdio", request.id, 0.2)

    return asyncio.run(run())


def stopped(settings: Settings) -> str:
    """A person at the same moment: whether it was stopped, or was too late."""

    async def run() -> str:
        async with open_desk(settings, clock=later()) as desk:
            [request] = await desk.requests(RequestFilter(limit=10))
            try:
                await stop(desk, [request.reference])
            except RequestError as error:
                return error.code
            return "stopped"

    return asyncio.run(run())


def refunds(settings: Settings) -> int:
    world = Simulator(settings.simulator_file)
    count = int(world.summary()["refunds"]["count"])
    world.close()
    return count


def test_a_gate_that_dies_when_it_has_scheduled_leaves_one_refund_at_its_time(tmp_path: Path) -> None:
    """Deaths at and after that time are in `test_crashes.py`."""
    settings = home_of(tmp_path)
    run_and_kill(partial(schedule, settings), "submit.decided")

    assert finish(settings) == "succeeded"
    assert refunds(settings) == 1
    assert verify(settings.database).ok


def test_eight_gates_that_find_it_at_the_same_moment_run_it_once(tmp_path: Path) -> None:
    """THREATS 12."""
    settings = home_of(tmp_path)
    schedule(settings, lambda _: None)
    works: list[Callable[[], str]] = [partial(finish, settings) for _ in range(8)]

    assert set(race(works)) == {"succeeded"}
    assert refunds(settings) == 1
    assert verify(settings.database).ok


def test_a_stop_that_races_its_release_either_came_in_time_or_says_that_it_did_not(tmp_path: Path) -> None:
    """THREATS 12: what was stopped never runs."""
    settings = home_of(tmp_path)
    schedule(settings, lambda _: None)
    said, *_, became = race([partial(stopped, settings), partial(finish, settings), partial(finish, settings)])

    assert (said, became, refunds(settings)) in {
        ("stopped", "canceled", 0),
        ("request.not_scheduled", "succeeded", 1),
    }
    assert verify(settings.database).ok
