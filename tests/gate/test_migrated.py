"""A home of an earlier version with work in it, taken up by this one: nothing that waits is lost, and it runs once."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.request import State
from runplane_mcp.simulator import SEED
from runplane_mcp.store.schema import VERSION
from runplane_mcp.store.verify import verify
from tests.gate.conftest import House, refund, submission, until
from tests.store.earlier import bring_back

#: Each that there was: the first has the most before it, the last may have all that this one has but its newest form.
EARLIER = (1, *(pytest.param(version, marks=pytest.mark.slow) for version in range(2, VERSION - 1)), VERSION - 1)


def version_of(house: House) -> int:
    with closing(sqlite3.connect(house.settings.database)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("earlier", EARLIER)
async def test_what_waited_in_a_home_of_an_earlier_version_is_answered_and_run_in_this_one(
    house: House, earlier: int
) -> None:
    await house.enrol()
    payout = submission("PostPayouts", {"amount": 100_000, "currency": "usd"})
    cancel = submission(
        "DeleteSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": SEED.subscription_office}
    )
    async with house.gate() as gate:
        before = await gate.submit(refund(SEED.payment_intent_40, 4_000))
        waits = await gate.submit(refund(SEED.payment_intent_900, 60_000))
        denied = await gate.submit(cancel)
        approved = await gate.submit(payout)
    await house.vote(approved)
    bring_back(house.settings.database, earlier)
    assert version_of(house) == earlier
    assert verify(house.settings.database).problem is None
    effects = house.world.summary()["effects"]

    async with house.gate() as gate:
        ran = await until(gate, approved, State.SUCCEEDED, State.WAITING)
        same = await gate.submit(refund(SEED.payment_intent_900, 60_000))
        await house.vote(waits)
        await house.vote(denied, Answer.NO)
        done = await until(gate, waits, State.SUCCEEDED, State.WAITING)
        over = await until(gate, denied, State.DENIED)
        # With $40.00 and $600.00 it is more than the hour's $1,000.00, also as the earlier version counted them.
        full = await gate.submit(refund(SEED.payment_intent_hostile, 40_000))
        told = await gate.submit(cancel)

    assert version_of(house) == VERSION
    assert same.request_id == waits.request_id
    assert [view.status for view in (ran, done, over, full)] == [
        State.SUCCEEDED,
        State.SUCCEEDED,
        State.DENIED,
        State.WAITING,
    ]
    assert (told.request_id, told.status) == (denied.request_id, State.DENIED)
    assert house.world.summary()["effects"] == effects + 2
    assert verify(house.settings.database).problem is None
    # What moved on by now is vouched for with all that is kept beside it, what had ended before is not.
    with closing(sqlite3.connect(house.settings.database)) as connection:
        vouched = dict(connection.execute("SELECT id, reserved IS NOT NULL FROM request"))
    assert [vouched[view.request_id] for view in (done, full)] == [1, 1]
    assert vouched[before.request_id] == 0
