"""Several gates on one home, each a process of its own, all at the same moment: THREATS 3."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import stripe  # the children are forked: with this they have it already

from runplane_mcp.app import create_home, open_gate
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Simulator
from runplane_mcp.store.verify import verify
from tests.crash import race
from tests.gate.conftest import FakeClock, refund

PROCESSES = 8
EACH = 3


def in_a_gate(settings: Settings, payments: Sequence[str]) -> list[str]:
    """One process: asks for all of its refunds at once and says what came of each."""

    async def run() -> list[str]:
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            views = await asyncio.gather(*(gate.submit(refund(payment)) for payment in payments))
            return [view.status.value for view in views]

    return asyncio.run(run())


def test_eight_gates_that_race_for_the_hours_limit_do_not_overspend_it_by_one_cent(tmp_path: Path) -> None:
    assert stripe
    settings = Settings(home=tmp_path / "home")

    async def make() -> None:
        async with create_home(settings):
            pass

    asyncio.run(make())
    shares = [SEED.payment_intents_235[number * EACH : (number + 1) * EACH] for number in range(PROCESSES)]
    works: list[Callable[[], list[str]]] = [partial(in_a_gate, settings, share) for share in shares]

    came_of_it = [status for statuses in race(works) for status in statuses]

    assert came_of_it.count("succeeded") == 4
    assert came_of_it.count("waiting") == PROCESSES * EACH - 4
    world = Simulator(settings.simulator_file)
    assert world.summary()["refunds"] == {"count": 4, "total": {"usd": 4 * 23_500}}
    world.close()
    assert verify(settings.database).ok
