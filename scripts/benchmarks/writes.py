"""A whole governed write against the simulated Stripe over HTTP, and what of it is Stripe's own time."""

from __future__ import annotations

import time
from pathlib import Path

from runplane_mcp.core.effects import effective
from runplane_mcp.core.request import State
from runplane_mcp.core.wire import encode
from runplane_mcp.stripe_api.client import Done
from runplane_mcp.stripe_api.resolve import resolve

from . import house
from .figures import Aim, Results
from .rounds import Rounds

GROUP = "whole governed write, simulated Stripe over HTTP in another process"


async def measure(results: Results, folder: Path, base: str, *, n: int) -> None:
    """Governed refunds and, in turns with them, the same requests sent straight to the simulator."""
    laps = house.Laps()
    clock = house.RunningClock(house.REFUNDS)
    async with house.connection(base) as connection, house.gate(folder, connection, clock, laps) as gate:
        straight: list[float] = []

        async def refund(number: int) -> float:
            began = time.perf_counter()
            house.expect(await gate.submit(house.refund(number)), State.SUCCEEDED)
            took = time.perf_counter() - began
            straight.append(await send_straight(number))
            return took

        async def send_straight(number: int) -> float:
            """The look-up and the refund that the gate makes of it, without a gate."""
            asked = house.refund(number)
            operation = gate.catalog.by_id(asked.operation_id)
            assert operation is not None
            classified = gate.catalog.classify(encode(operation.method, operation.path, asked.parameters))
            key = f"straight_{number}"
            began = time.perf_counter()
            effect = await resolve(connection, classified)
            answer = await connection.send(effective(classified, effect, key), idempotency_key=key)
            took = time.perf_counter() - began
            if not isinstance(answer, Done):
                raise RuntimeError("the simulator did not make the refund that was sent straight to it")
            return took

        rounds = Rounds()
        await rounds.run(refund, n=n // 10)
        straight.clear()
        governed = await rounds.run(refund, n=n)
    whole = results.took(GROUP, "refund through the gate: look-up, refund, three commits", governed.each)
    stripes = results.took(GROUP, "the same look-up and refund sent straight (Stripe's part)", straight)
    rest = results.difference("the rest: what the gate adds", whole, stripes)
    results.aims.append(Aim("what governance adds to an allowed write, Stripe's own time apart", 3.0, rest))
