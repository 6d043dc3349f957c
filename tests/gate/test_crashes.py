"""kill -9 at every named point, then another gate: requests = effects, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from runplane_mcp.app import create_home, open_gate
from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.request import State
from runplane_mcp.gate.view import RequestView
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Simulator
from runplane_mcp.store.base import RequestFilter
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.crash import Probe, run_and_kill
from tests.gate.conftest import CHEAP_SCRYPT, SECRET, FakeClock, refund

ALLOWED = ["submit.received", "submit.decided", "execute.before_send", "execute.after_send", "execute.recorded"]
APPROVED = ["approved.looked_up", "approved.claimed", "execute.before_send", "execute.after_send", "execute.recorded"]
#: Only here could Stripe have heard of nothing although the request was decided: it fails, and the agent is told.
BEFORE_A_DECISION = {"submit.received"}


def home_of(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path / "home")

    async def make() -> None:
        async with create_home(settings):
            pass

    asyncio.run(make())
    return settings


def in_a_gate(settings: Settings, payment_intent: str, amount: int | None, *, approve: bool):  # type: ignore[no-untyped-def]
    """Work for a child: submits one refund, and lets a person approve it where it waits."""

    def work(probe: Probe) -> None:
        async def run() -> None:
            async with open_gate(settings, simulator=True, clock=FakeClock(), probe=probe) as gate:
                view = await gate.submit(refund(payment_intent, amount))
                if approve:
                    await vote(settings, view)
                    for _ in range(100):
                        view = await gate.wait("stdio", view.request_id, 0.2)

        asyncio.run(run())

    return work


async def vote(settings: Settings, view: RequestView) -> None:
    from runplane_mcp.app import open_desk

    async with open_desk(settings, clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
        await desk.add_person("maria", role=Role.ADMIN, groups=frozenset({"finance"}), secret=SECRET)
        card = await desk.card(view.request_id)
        await desk.vote(view.request_id, digest=card.digest, person="maria", secret=SECRET, answer=Answer.YES)


def finish(settings: Settings) -> State:
    """Another gate, after the crash: what became of the one request."""

    async def run() -> State:
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            async with asyncio.timeout(20):
                while True:
                    [request] = await gate.store.read(lambda reader: reader.requests(RequestFilter(limit=10)))
                    if request.final:
                        return request.state
                    await gate.wait("stdio", request.id, 0.5)

    return asyncio.run(run())


def effects(settings: Settings) -> int:
    world = Simulator(settings.simulator_file)
    try:
        summary = world.summary()
        assert set(summary["effects_by_key"].values()) <= {1}
        return int(summary["effects"])
    finally:
        world.close()


def check_log(settings: Settings) -> None:
    found = verify(settings.database)
    assert found.ok, found
    connection = sqlite3.connect(settings.database)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("point", ALLOWED)
def test_an_allowed_refund_killed_at_any_point_happens_at_most_once(tmp_path: Path, point: str) -> None:
    """THREATS 19."""
    settings = home_of(tmp_path)
    run_and_kill(in_a_gate(settings, SEED.payment_intent_120, 4000, approve=False), point)

    state = finish(settings)

    expected = (State.FAILED, 0) if point in BEFORE_A_DECISION else (State.SUCCEEDED, 1)
    assert (state, effects(settings)) == expected
    check_log(settings)


@pytest.mark.parametrize("point", APPROVED)
def test_an_approved_refund_killed_at_any_point_happens_exactly_once(tmp_path: Path, point: str) -> None:
    """THREATS 9 and 19."""
    settings = home_of(tmp_path)
    run_and_kill(in_a_gate(settings, SEED.payment_intent_900, None, approve=True), point)

    state = finish(settings)

    assert (state, effects(settings)) == (State.SUCCEEDED, 1)
    check_log(settings)


def test_killed_again_in_the_recovery_it_still_happens_once(tmp_path: Path) -> None:
    """THREATS 19: the second power cut."""
    settings = home_of(tmp_path)
    run_and_kill(in_a_gate(settings, SEED.payment_intent_120, 4000, approve=False), "execute.before_send")

    def recover(probe: Probe) -> None:
        async def run() -> None:
            async with open_gate(settings, simulator=True, clock=FakeClock(), probe=probe) as gate:
                [view] = await gate.recent("stdio")
                for _ in range(100):
                    view = await gate.wait("stdio", view.request_id, 0.2)

        asyncio.run(run())

    run_and_kill(recover, "execute.after_send")

    assert (finish(settings), effects(settings)) == (State.SUCCEEDED, 1)
    check_log(settings)


def test_two_gates_that_recover_at_once_send_once(tmp_path: Path) -> None:
    settings = home_of(tmp_path)
    run_and_kill(in_a_gate(settings, SEED.payment_intent_120, 4000, approve=False), "execute.after_send")

    async def both() -> None:
        async with (
            open_gate(settings, simulator=True, clock=FakeClock()) as one,
            open_gate(settings, simulator=True, clock=FakeClock()) as other,
            asyncio.timeout(20),
        ):
            while (view := (await one.recent("stdio"))[0]).status is not State.SUCCEEDED:
                await other.wait("stdio", view.request_id, 0.5)

    asyncio.run(both())

    assert effects(settings) == 1


def test_what_an_agent_was_told_is_in_the_store_after_a_power_cut(tmp_path: Path) -> None:
    """Acknowledged = present."""
    settings = home_of(tmp_path)

    def work(probe: Probe) -> None:
        async def run() -> None:
            async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
                for payment_intent in SEED.payment_intents_235[:20]:
                    view = await gate.submit(refund(payment_intent))
                    probe(f"told {view.request_id} {view.status.value}")
                probe("end")

        asyncio.run(run())

    told = [line.split() for line in run_and_kill(work, "end").said("told ")]

    async def stored() -> dict[str, str]:
        store = open_store(settings.database)
        try:
            found = await store.read(lambda reader: reader.requests(RequestFilter(limit=100)))
        finally:
            await store.close()
        return {request.id: request.state.value for request in found}

    assert len(told) == 20
    assert dict(told).items() <= asyncio.run(stored()).items()
