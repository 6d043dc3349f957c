"""A database that is not the newest of its history executes nothing, and people can still say no to what is in it
(THREATS 18, 24)."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.request import State
from runplane_mcp.errors import StoreError
from runplane_mcp.gate.audit.log_keys import rotate
from runplane_mcp.gate.freezing import start_freeze
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED
from runplane_mcp.store.verify import verify
from tests.gate.conftest import SECRET, House, refund, until


def copied(house: House, to: Path) -> Path:
    """A plain copy of the closed database, as people make one: no backup, with no mark in it."""
    return Path(shutil.copy(house.settings.database, to))


async def refused(house: House) -> StoreError:
    with pytest.raises(StoreError) as error:
        async with house.gate():
            pass
    return error.value


async def test_what_was_approved_in_an_older_copy_does_not_run_again(house: House, tmp_path: Path) -> None:
    """The whole point: approved in the copy, executed since."""
    await house.enrol()
    async with house.gate() as gate:
        held = await gate.submit(refund(SEED.payment_intent_900))
    await house.vote(held)
    approved = copied(house, tmp_path / "approved.db")
    async with house.gate() as gate:
        await until(gate, held, State.SUCCEEDED)

    shutil.copy(approved, house.settings.database)
    error = await refused(house)

    assert error.code == "store.rolled_back"
    assert "runplane restore" in error.next_step
    assert house.world.summary()["effects"] == 1


async def test_people_can_still_deny_freeze_and_read(house: House, tmp_path: Path) -> None:
    await house.enrol()
    async with house.gate() as gate:
        held = await gate.submit(refund(SEED.payment_intent_900))
    waiting = copied(house, tmp_path / "waiting.db")
    async with house.gate():
        pass
    shutil.copy(waiting, house.settings.database)

    async with house.desk() as desk:
        await start_freeze(desk, Scope())
        assert (await desk.status()).events > 0
    assert (await house.vote(held, Answer.NO)).status is State.DENIED
    assert verify(house.settings.database).ok
    # That the log has grown past the checkpoint by this makes it no newer.
    async with house.desk() as desk:
        for _ in range(10):
            await start_freeze(desk, Scope())
    assert (await refused(house)).code == "store.rolled_back"


async def test_a_copy_of_before_the_logs_key_was_changed_is_an_older_one(house: House, tmp_path: Path) -> None:
    """It does not know the key that has signed since; the home does."""
    await house.enrol()
    before = copied(house, tmp_path / "before.db")
    async with house.desk() as desk:
        await rotate(desk, house.settings.log_key, admin="maria", secret=f"{SECRET} maria")
    shutil.copy(before, house.settings.database)

    assert (await refused(house)).code == "store.rolled_back"


async def test_a_new_database_beside_the_checkpoint_of_another_runs_nothing(house: House) -> None:
    house.settings.database.unlink()

    assert (await refused(house)).code == "store.rolled_back"


async def test_a_checkpoint_that_says_nothing_stops_a_gate(house: House) -> None:
    house.settings.checkpoint_file.write_text("all is well\n")

    assert (await refused(house)).code == "store.checkpoint_broken"


async def test_a_missing_checkpoint_is_said_and_stops_nothing(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.settings.checkpoint_file.unlink()
    async with house.gate() as gate:
        assert (await gate.submit(refund(SEED.payment_intent_900))).status is State.WAITING

    assert [each.levelno for each in caplog.records if "is gone" in each.message] == [logging.ERROR]
    assert house.settings.checkpoint_file.exists()
    with closing(sqlite3.connect(house.settings.database)) as database:
        row = database.execute("SELECT body FROM event WHERE type = 'gate.started'").fetchone()
    assert b'"checkpoint":"missing"' in row[0]


async def test_where_it_cannot_be_kept_a_gate_decides_and_says_so(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk that it is to lie on is not there."""
    elsewhere = Settings(home=house.home, checkpoint=tmp_path / "not mounted" / "checkpoint")
    async with open_gate(elsewhere, simulator=True, clock=house.clock) as gate:
        assert (await gate.submit(refund(SEED.payment_intents_235[0]))).status is State.SUCCEEDED

    told = [each.message for each in caplog.records if each.levelno >= logging.ERROR]
    assert [("is gone" in each, "is not kept" in each) for each in told] == [(True, False), (False, True)]


async def test_a_home_of_before_there_were_checkpoints_gets_a_key_and_one(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(house.settings.database, isolation_level=None)) as database:
        # As such a home is: no note of a key, and no key in the log.
        for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("DELETE FROM meta WHERE key = 'log_key_seq'")
        database.execute("UPDATE event SET type = 'something' WHERE type = 'log_key.added'")
    house.settings.checkpoint_file.unlink()
    house.settings.log_key.unlink()

    async with house.gate():
        pass
    async with house.gate():
        pass

    assert house.settings.checkpoint_file.exists()
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
