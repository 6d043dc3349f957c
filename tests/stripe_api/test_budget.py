"""One agent's look-ups must not use up the company's share of Stripe (THREATS 26)."""

from __future__ import annotations

import time
from functools import partial

import anyio
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load
from runplane_mcp.core.facts import UNKNOWN
from runplane_mcp.core.money import Money
from runplane_mcp.core.wire import encode
from runplane_mcp.simulator import SEED
from runplane_mcp.stripe_api.budget import BURST, PER_SECOND, ReadBudget
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.resolve import resolve


class Hand:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_agent_that_asks_and_asks_is_slowed_down_and_no_other_is() -> None:
    clock = Hand()
    budget = ReadBudget(clock)

    assert [budget.take("a") for _ in range(BURST + 3)] == [True] * BURST + [False] * 3
    assert budget.take("b")

    clock.now += 1
    assert [budget.take("a") for _ in range(PER_SECOND + 1)] == [True] * PER_SECOND + [False]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 3)), max_size=400))
def test_nobody_ever_gets_more_than_a_burst_and_what_time_gives(asked: list[tuple[str, float]]) -> None:
    clock = Hand()
    budget = ReadBudget(clock)
    taken = {"a": 0, "b": 0}

    for principal, pause in asked:
        clock.now += pause
        taken[principal] += budget.take(principal)

    assert all(count <= BURST + clock.now * PER_SECOND + 1 for count in taken.values())


async def test_what_gets_no_turn_in_time_is_unknown_and_never_nothing(connection: StripeConnection) -> None:
    operation = load().by_id("PostRefunds")
    assert operation is not None
    classified = load().classify(encode("POST", operation.path, {"charge": SEED.charge_partly_refunded}))

    effect = await resolve(connection, classified, timeout=0.05, turn=anyio.sleep_forever)

    assert effect.incomplete
    assert effect.facts["amount"] is UNKNOWN


async def test_a_look_up_over_the_budget_waits_for_its_turn(connection: StripeConnection) -> None:
    budget = ReadBudget(time.monotonic)
    while budget.take("a"):
        pass
    operation = load().by_id("PostRefunds")
    assert operation is not None
    classified = load().classify(encode("POST", operation.path, {"charge": SEED.charge_partly_refunded}))

    effect = await resolve(connection, classified, turn=partial(budget.turn, "a"))

    assert effect.facts["amount"] == Money(18_000, "usd")
