"""What whoever can write the database file still cannot do, without touching a trigger: THREATS 7, 9 and 11."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from runplane_mcp.core.request import State
from runplane_mcp.errors import StoreError
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED
from tests.gate.conftest import House, refund, until


def rewrite(house: House, *statements: tuple[str, tuple[object, ...]]) -> None:
    with closing(sqlite3.connect(house.settings.database)) as forger, forger:
        for sql, values in statements:
            forger.execute(sql, values)


async def held(house: House) -> RequestView:
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    assert view.status is State.WAITING
    return view


@pytest.mark.parametrize("round", [1, 0], ids=["without votes", "as if it had been allowed"])
async def test_a_held_request_that_a_row_says_is_executing_is_not_sent(house: House, round: int) -> None:
    """The state a dead gate leaves behind is picked up by the next one: only what was decided goes on from there."""
    view = await held(house)
    now = house.clock.wall()
    rewrite(
        house,
        ("UPDATE request SET state = 'approved', version = version + 1 WHERE id = ?", (view.request_id,)),
        (
            "UPDATE request SET state = 'executing', version = version + 1, round = ?, attempt = 1, stripe_key = 'rp_0',"
            " lease_owner = 'gate-dead', lease_until = ?, first_attempt_at = ? WHERE id = ?",
            (round, now, now, view.request_id),
        ),
    )
    async with house.gate() as gate:
        after = await until(gate, view, State.OUTCOME_UNKNOWN, State.SUCCEEDED)

    assert after.status is State.OUTCOME_UNKNOWN
    assert house.world.summary()["writes"]["received"] == 0


async def test_a_card_made_of_other_words_than_were_decided_is_shown_to_nobody(house: House) -> None:
    """The digest says what runs; a person who signs it must have seen the card that was recorded with it."""
    view = await held(house)
    with closing(sqlite3.connect(house.settings.database)) as reader:
        name, salt, body = reader.execute(
            "SELECT commitment, salt, body FROM decision AS d JOIN payload ON commitment = content WHERE d.request_id = ?",
            (view.request_id,),
        ).fetchone()
    lying = body.replace(b"Refund $900.00 USD", b"Refund $9.00 USD")
    assert lying != body
    rewrite(
        house,
        ("DELETE FROM payload WHERE commitment = ?", (name,)),
        (
            "INSERT INTO payload (commitment, request_id, salt, body) VALUES (?, ?, ?, ?)",
            (name, view.request_id, salt, lying),
        ),
    )
    async with house.desk() as desk:
        with pytest.raises(StoreError) as refused:
            await desk.card(view.request_id)

    assert refused.value.code == "store.corrupt"
