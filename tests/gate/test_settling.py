"""What limits hold of a request whose money moved, moved otherwise, or may have moved: on the real store and simulator."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import anyio
import pytest

from runplane_mcp.core.request import State
from runplane_mcp.simulator import SEED, Fault, FaultKind
from runplane_mcp.store.verify import verify
from tests.gate.conftest import House, refund, until

#: Refunds that the hour's limit of the shipped policy sums, by state, currency and amount.
HELD = """
SELECT state, currency, amount FROM reservation JOIN bucket ON bucket.id = reservation.bucket
WHERE value = '[["principal","stdio"]]' ORDER BY number
"""


def held(house: House) -> list[tuple[str, str, int]]:
    with closing(sqlite3.connect(house.settings.database)) as connection:
        return connection.execute(HELD).fetchall()


async def test_an_executed_refund_counts_with_what_stripe_says_it_came_to(house: House) -> None:
    said = json.dumps({"id": "re_1ABC", "object": "refund", "amount": 1500, "currency": "usd", "status": "succeeded"})
    house.world.add_fault(Fault(FaultKind.GARBAGE, method="POST", path_prefix="/v1/refunds", body=said))
    async with house.gate() as gate:
        done = await gate.submit(refund(SEED.payment_intent_120, 2000))

    assert done.status is State.SUCCEEDED
    assert held(house) == [("spent", "usd", 1500)]
    assert verify(house.settings.database).ok


async def test_an_answer_that_does_not_tell_leaves_what_was_reserved(house: House) -> None:
    said = json.dumps({"id": "re_1ABC", "object": "refund", "amount": None, "currency": "usd"})
    house.world.add_fault(Fault(FaultKind.GARBAGE, method="POST", path_prefix="/v1/refunds", body=said))
    async with house.gate() as gate:
        await gate.submit(refund(SEED.payment_intent_120, 2000))

    assert held(house) == [("spent", "usd", 2000)]


@pytest.mark.parametrize("remembered", [True, False])
async def test_an_outcome_that_nobody_knows_keeps_its_money_until_it_is_known(house: House, remembered: bool) -> None:
    """Evidence from Stripe settles it with the amount that it shows."""
    house.world.add_fault(
        Fault(FaultKind.ERROR_500, method="POST", path_prefix="/v1/refunds", effect=remembered, times=9)
    )
    for read in ("/v1/events", "/v1/refunds"):
        house.world.add_fault(Fault(FaultKind.RESET, method="GET", path_prefix=read, times=1))
    async with house.gate() as gate:
        lost = await gate.submit(refund(SEED.payment_intent_120, 2000))
        before = held(house)
        if remembered:
            await until(gate, lost, State.SUCCEEDED)

    assert lost.status is State.OUTCOME_UNKNOWN
    assert before == held(house) == [("spent", "usd", 2000)]


async def test_a_proven_failure_gives_the_money_back_and_keeps_the_attempt(house: House) -> None:
    house.world.add_fault(Fault(FaultKind.DECLINE_402, method="POST", path_prefix="/v1/refunds", effect=False))
    async with house.gate() as gate:
        failed = await gate.submit(refund(SEED.payment_intent_120, 2000))

    assert (failed.status, held(house)) == (State.FAILED, [("released", "usd", 2000)])


async def test_what_people_approved_counts_in_full_while_it_waits_to_be_sent_once_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs without anybody being asked again: what is let through meanwhile must leave its room."""
    monkeypatch.setattr("runplane_mcp.gate.execution.PAUSES", (0.0,))
    unsent = anyio.Event()

    def probe(point: str) -> None:
        if point == "execute.after_send":
            unsent.set()

    await house.enrol()
    async with house.gate(probe=probe) as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        waits = held(house)
        house.world.add_fault(Fault(FaultKind.LIMIT_429, method="POST", path_prefix="/v1/refunds", times=100))
        await house.vote(view)
        with anyio.fail_after(20):
            await unsent.wait()
            while (await gate.get("stdio", view.request_id)).status is not State.APPROVED:
                await gate.wait("stdio", view.request_id, 0.05)
        again = held(house)
        house.clock.forward(8 * 24 * 3_600_000)
        await until(gate, view, State.EXPIRED)

    assert waits == [("waiting", "usd", 90_000)]
    assert again == [("spent", "usd", 90_000)]
    assert [state for state, _, _ in held(house)] == ["released"]
