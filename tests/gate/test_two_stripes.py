"""A home that has used a real key, and the simulator in the same home: neither loosens the other. THREATS 16 and 18."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from runplane_mcp.app import open_gate
from runplane_mcp.core.request import State
from runplane_mcp.errors import ApprovalError
from runplane_mcp.gate.completer import Completer
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.presence import Presence
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, SimulatorServer
from tests.gate.conftest import House, refund

DAY = 24 * 60 * 60 * 1000


@asynccontextmanager
async def real(house: House) -> AsyncIterator[Gate]:
    """A gate that has a key and an address of Stripe's, as far as it can know."""
    with SimulatorServer(house.world) as server:
        settings = house.settings.model_copy(
            update={"stripe_api_key": SecretStr(SIMULATOR_KEY), "stripe_api_base": server.base_url}
        )
        async with open_gate(settings, clock=house.clock) as gate:
            await gate.identity()
            yield gate


async def test_a_simulator_gate_activates_no_policy_where_real_money_has_moved(house: House) -> None:
    """A home has one enforced policy. A looser file and `mcp --simulator` must not put it in force for the real key."""
    await house.enrol()
    async with real(house):
        pass
    file = house.settings.policy_file
    file.write_text(file.read_text().replace("amount: {over: 500}", "amount: {over: 600}", 1))
    async with house.gate(), house.desk() as desk:
        enforced, proposed = await desk.enforced_policy(), await desk.proposed_policy()

    assert enforced is not None
    assert enforced.by == "first"
    assert proposed is not None
    assert proposed.version != enforced.version


async def held(house: House) -> RequestView:
    """A refund that waits at the real Stripe, where policy time is wall time."""
    house.clock.policy_ms = house.clock.wall()
    async with real(house) as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    assert view.status is State.WAITING
    return view


async def test_simulated_time_lets_no_real_request_expire(house: House) -> None:
    view = await held(house)
    house.clock.policy_ms += 30 * DAY
    async with house.gate() as gate:
        completer = Completer(gate, Presence(house.settings.gates, "gate-test"))
        await completer.look()
        await completer.settle()
        after = await gate.get("stdio", view.request_id)

    assert after.status is State.WAITING


async def test_simulated_time_brings_no_real_approval_back(house: House) -> None:
    await house.enrol()
    view = await held(house)
    house.clock.wall_ms += 2 * DAY
    with pytest.raises(ApprovalError) as late:
        await house.vote(view)

    assert late.value.code == "approval.expired"
