"""Clocks that jump: what limits count never becomes less because a clock was set back, and windows are lengths of time, not
of the calendar. THREATS row 16.

The promise, exactly: a decision at a clock reading `c` counts everything whose own reading is later than `c` minus the
window, readings of the future included. So at any reading up to the largest one so far it counts at least what it would
count at that largest one: only a clock that runs ahead frees a window.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.policy import load
from runplane_mcp.core.policy_tests import run_tests
from runplane_mcp.core.request import State
from runplane_mcp.simulator import SEED
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.sqlite import open_store
from tests.gate.conftest import House, refund, until
from tests.gate.homes import check_log
from tests.store.things import DAY, HOUR, NOW, a_bucket, going_on, received

#: How far the clock moves before each request: forward as time does, and jumps either way.
STEPS = st.one_of(
    st.integers(min_value=0, max_value=HOUR),
    st.sampled_from([-DAY, -HOUR, -1, 1, HOUR, DAY, 7 * DAY]),
)


def test_a_window_holds_all_of_the_largest_clock_so_far_however_the_clock_walks(tmp_path: Path) -> None:
    store = open_store(tmp_path / "runplane.db")

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(STEPS, st.integers(min_value=1, max_value=10**9)), max_size=12))
    def check(walk: list[tuple[int, int]]) -> None:
        where = os.urandom(8).hex()

        def work(tx: Transaction) -> None:
            now = largest = NOW
            rows: list[tuple[int, int]] = []
            for step, amount in walk:
                now += step
                largest = max(largest, now)
                for window in (HOUR, 7 * DAY):
                    bucket = a_bucket(bucket=where, window=window // 1000)
                    counted = tx.usages([bucket], now)[0].totals.get("usd", 0)
                    assert counted == sum(money for at, money in rows if at > now - window)
                    assert counted >= sum(money for at, money in rows if at > largest - window)
                request = received(tx)
                tx.reserve(request.id, [a_bucket(amount, bucket=where)], at=now, waiting=False)
                going_on(tx, request.id)
                rows.append((now, amount))

        runner.run(store.write(work))

    with asyncio.Runner() as runner:
        check()
        runner.run(store.close())


@pytest.mark.parametrize("back", [HOUR, DAY])
async def test_setting_the_clock_back_frees_nothing(house: House, back: int) -> None:
    async with house.gate() as gate:
        for payment in SEED.payment_intents_235[:4]:
            assert (await gate.submit(refund(payment))).status is State.SUCCEEDED
        house.clock.policy_ms -= back
        view = await gate.submit(refund(SEED.payment_intents_235[4]))

    assert view.status is State.WAITING


@pytest.mark.slow
async def test_clocks_that_jump_in_the_middle_of_what_people_approve_do_nothing_twice_and_leave_the_log_whole(
    house: House,
) -> None:
    """Both clocks an hour back, a day forward, and right again, while one gate lives through it."""
    await house.enrol()

    def jump(milliseconds: int) -> None:
        house.clock.policy_ms += milliseconds
        house.clock.wall_ms += milliseconds

    async with house.gate() as gate:
        large = await gate.submit(refund(SEED.payment_intent_900))
        jump(-HOUR)
        await house.vote(large)
        ran = await until(gate, large, State.SUCCEEDED)
        waiting = await gate.submit(refund(SEED.payment_intent_120))
        jump(DAY + HOUR)
        expired = await gate.get("stdio", waiting.request_id)
        jump(-DAY)
        after = await gate.get("stdio", waiting.request_id)
        small = await gate.submit(refund(SEED.payment_intent_40, 100))

    assert waiting.status is State.WAITING
    assert (expired.status, after.status) == (State.EXPIRED, State.EXPIRED), "final is final, whatever the clock says"
    assert (ran.status, small.status) == (State.SUCCEEDED, State.SUCCEEDED)
    assert set(house.world.summary()["effects_by_key"].values()) == {1}
    assert house.world.summary()["refunds"]["count"] == 2
    check_log(house.settings)


@pytest.mark.parametrize(
    "at",
    [
        "2026-03-03 00:30",
        "2026-03-08 00:30",  # at two the clocks are put forward
        "2026-11-01 00:30",  # at two they are put back
        "2028-02-28 23:00",
        "2028-02-29 23:00",
        "2026-12-31 23:00",
    ],
)
@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "UTC"])
def test_an_hour_is_an_hour_on_every_day_of_the_year(at: str, zone: str) -> None:
    """Two of every three, twenty minutes apart, fit into an hour's limit of two."""
    text = f"""
version: 1
currency: usd
timezone: {zone}
approval: {{from: finance}}
rules:
  - {{id: refunds, when: {{action: refunds}}, then: allow}}
limits:
  - {{id: an-hour, when: {{action: refunds}}, at_most: {{total: 200}}, within: 1h, then: block}}
tests:
  - it: holds
    given: {{action: refund.create, amount: 100, times: 12, every: 20m, at: {at}, customer: each}}
    then: {{allow: 8, block: 4}}
"""
    actions = load_catalog().actions
    (found,) = run_tests(load(text, known_actions=actions), actions)

    assert found.passed, found
