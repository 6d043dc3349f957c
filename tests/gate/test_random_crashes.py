"""Several gates under load, each killed wherever it happens to be, again and again: what was acknowledged is there, every
request ends, requests = effects, and the log and the database are whole. THREATS 19."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.core.request import FINAL, State
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Fault, FaultKind, Simulator
from runplane_mcp.store.records import RequestFilter
from tests.crash import Probe, kill_all_after
from tests.gate.conftest import FakeClock, refund
from tests.gate.homes import check_log, effects
from tests.gate.test_limit_races import MAXIMUM, home_of, moved, settle_all

PROCESSES = 4
#: Small, so that the limit is full only at the end, and all of them are sent.
AMOUNT = 500
EACH = 12


def under_load(settings: Settings, payments: Sequence[str], probe: Probe) -> None:
    """Asks for many refunds at once and says what it was told of each, and every point that it passes."""

    async def one(gate: Gate, payment: str) -> None:
        view = await gate.submit(refund(payment, AMOUNT))
        probe(f"told {view.request_id} {view.status.value}")

    async def run() -> None:
        async with open_gate(settings, simulator=True, clock=FakeClock(), probe=probe) as gate:
            await asyncio.gather(*(one(gate, payment) for payment in payments))

    asyncio.run(run())


async def stored(settings: Settings) -> dict[str, State]:
    async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
        found = await gate.store.read(lambda reader: reader.requests(RequestFilter(limit=10_000)))
        return {request.id: request.state for request in found}


def rounds(settings: Settings, chance: random.Random, count: int) -> dict[str, str]:
    """Kills all the processes but one, `count` times. What they had been told by then."""
    told: dict[str, str] = {}
    payments = list(SEED.payment_intents_235)
    for _ in range(count):
        shares = [[payments.pop() for _ in range(EACH)] for _ in range(PROCESSES)]
        works = [partial(under_load, settings, share) for share in shares]
        lines = kill_all_after(works, [10**6, *(chance.randrange(5, 10 * EACH) for _ in works[1:])])
        for said in lines:
            told |= {line.split()[1]: line.split()[2] for line in said if line.startswith("told ")}
    return told


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(6))
def test_gates_that_are_killed_under_load_lose_nothing_and_do_nothing_twice(tmp_path: Path, seed: int) -> None:
    settings, chance = home_of(tmp_path), random.Random(seed)
    if seed % 2:
        world = Simulator(settings.simulator_file)
        world.add_fault(Fault(FaultKind.DROP_ANSWER, method="POST", path_prefix="/v1/refunds", times=9, skip=5))
        world.close()

    told = rounds(settings, chance, 3)
    settle_all(settings)
    now = asyncio.run(stored(settings))

    assert told
    assert told.keys() <= now.keys()
    assert all(now[id] is State(status) for id, status in told.items() if State(status) in FINAL)
    assert set(now.values()) <= {State.SUCCEEDED, State.FAILED, State.WAITING}
    assert effects(settings) == list(now.values()).count(State.SUCCEEDED)
    assert moved(settings) == AMOUNT * effects(settings) <= MAXIMUM
    check_log(settings)
