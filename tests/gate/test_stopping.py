"""The end of a gate while something of it is being sent: it is finished, or handed over as it is written down, and it has
one effect (THREATS 12)."""

from __future__ import annotations

import asyncio

import pytest

from runplane_mcp import app
from runplane_mcp.core.request import State
from runplane_mcp.errors import RunplaneError
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED, Fault, FaultKind
from tests.gate.conftest import House, refund, until


async def sending(house: House, seconds: float) -> RequestView:
    """Ends a gate while its completer sends what people approved, and Stripe takes so long to answer."""
    await house.enrol()
    async with house.gate() as gate:
        held = await gate.submit(refund(SEED.payment_intent_900))
    await house.vote(held)
    sent = asyncio.Event()
    loop = asyncio.get_running_loop()
    house.world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/refunds", seconds=seconds))

    def probe(point: str) -> None:
        if point == "execute.before_send":
            loop.call_soon(sent.set)

    async with house.gate(probe) as gate, asyncio.timeout(20):
        await sent.wait()
        while int(house.world.summary()["writes"]["received"]) == 0:
            await asyncio.sleep(0)
    with pytest.raises(RunplaneError) as late:
        await gate.submit(refund(SEED.payment_intent_40))
    assert late.value.code == "request.closing"
    return held


async def state_of(house: House, view: RequestView) -> State:
    async with house.desk() as desk:
        return (await desk.life(view.request_id)).request.state


async def test_what_is_being_sent_when_a_gate_ends_gets_its_moment(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "DRAIN", 20.0)
    view = await sending(house, 0.2)

    assert await state_of(house, view) is State.SUCCEEDED
    assert house.world.summary()["effects"] == 1


async def test_what_takes_longer_is_handed_over_and_done_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "DRAIN", 0.05)
    view = await sending(house, 5.0)
    left = await state_of(house, view)
    async with house.gate() as gate:
        done = await until(gate, view, State.SUCCEEDED)

    assert left is State.EXECUTING
    assert done.status is State.SUCCEEDED
    assert house.world.summary()["effects"] == 1
    assert set(house.world.summary()["effects_by_key"].values()) == {1}
