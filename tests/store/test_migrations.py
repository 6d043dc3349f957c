"""A store that an earlier program made, brought up to this one's schema with all that it holds."""

from __future__ import annotations

import asyncio
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from runplane_mcp.core.decision import Usage
from runplane_mcp.core.merkle import Frontier
from runplane_mcp.core.repeats import Form
from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.store.base import Reader
from runplane_mcp.store.files import connect, connect_for_reading, make_file
from runplane_mcp.store.schema import VERSION, expected_form, form_of, migrate
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.sums import SPANS
from runplane_mcp.store.transaction import SqliteTransaction
from runplane_mcp.store.verify import verify
from tests.store.earlier import bring_back
from tests.store.test_sums import SAID, SUMS
from tests.store.things import HOUR, NOW, a_bucket, a_decision, brought_to, sha, stepped

#: Columns of a request that the first version did not have.
LATER = ("release_at", "restored")
STATES = (State.SUCCEEDED, State.WAITING, State.DENIED, State.BLOCKED)


def made_by_the_first(path: Path) -> dict[State, ActionRequest]:
    """A store in the first version with a request in each of STATES, about one object, in one bucket. It has the
    requests by methods whose tables are the same in both versions, the rest as the first one wrote it."""
    make_file(path)
    with closing(connect(path, 1000)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection, 0, to=1)
        # Today's methods write all of today's columns. Those that came later are null, and gone again below.
        for column in LATER:
            connection.execute(f"ALTER TABLE request ADD COLUMN {column} INTEGER")
        tx = SqliteTransaction(connection, path, Frontier(), 0)
        made = {}
        for state in STATES:
            request = brought_to(tx, state, same_asked=sha(f"the same, {state}"))
            if state is State.BLOCKED:
                tx.add_decision(a_decision(request))
            made[state] = request
            connection.execute(
                "INSERT INTO subject VALUES (?, 'cus_1', 'ch_1', 500, 'usd', ?)", (request.id, request.policy_at)
            )
            waits = "waiting" if state is State.WAITING else "spent" if state is State.SUCCEEDED else "released"
            connection.execute(
                "INSERT INTO reservation VALUES (?, ?, ?, ?, 'usd', 500, ?)",
                (request.id, a_bucket().key, a_bucket().bucket, NOW - HOUR // 2, waits),
            )
        tx.finish()
        connection.execute(
            "UPDATE head SET size = ?, frontier = ?, root = ?, newest_at = ?",
            (tx.frontier.size, b"".join(tx.frontier.hashes), tx.frontier.root(), tx.newest_at),
        )
        for column in LATER:
            connection.execute(f"ALTER TABLE request DROP COLUMN {column}")
        connection.execute("COMMIT")
    return made


async def test_a_store_of_the_first_version_keeps_all_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "runplane.db"
    made = made_by_the_first(path)

    store = open_store(path)

    def look(reader: Reader) -> None:
        [usage] = reader.usages([a_bucket()], NOW)
        past = reader.past(principal="stdio", customer="cus_1", object_id="ch_1", now=NOW)

        assert usage == Usage(4, {"usd": 1000}, 1, {"usd": 500})
        assert (past.requests_24h_agent, past.refused_24h_agent, past.requests_7d_customer) == (4, 2, 4)
        assert (past.denied_24h_object, past.waiting_on_object) == (1, {"usd": 500})
        for state, request in made.items():
            earlier = reader.earlier(Form.ASKED, sha(f"the same, {state}"))
            found = [each for each in (earlier.open, earlier.refused, earlier.ended) if each is not None]
            assert found == ([] if state is State.BLOCKED else [request])
        assert [each.id for each in reader.unfinished()] == [made[State.WAITING].id]

    await store.read(look)
    moved = await store.write(lambda tx: stepped(tx, made[State.WAITING], State.APPROVED))
    await store.write(lambda tx: tx.settle(moved.id, release=True))
    [after] = await store.read(lambda reader: reader.usages([a_bucket()], NOW))
    await store.close()

    assert after == Usage(4, {"usd": 500})
    assert verify(path).ok
    with closing(connect_for_reading(path)) as connection:
        assert form_of(connection) == expected_form(VERSION)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_what_was_reserved_before_is_summed_as_its_rows_say(tmp_path: Path) -> None:
    path = tmp_path / "runplane.db"
    made_by_the_first(path)
    await open_store(path).close()

    with closing(connect_for_reading(path)) as connection:
        summed = connection.execute(SUMS).fetchall()
        assert summed == connection.execute(SAID).fetchall()
    # What waits, and of each length of stretch what was spent and what was released.
    assert len(summed) == 1 + 2 * len(SPANS)


@pytest.mark.parametrize("version", range(2, VERSION))
def test_a_store_of_an_earlier_version_is_verified_as_it_is_and_brought_up_with_every_state(
    tmp_path: Path, version: int
) -> None:
    """A backup that an earlier program took must not look forged."""
    path = tmp_path / "runplane.db"

    def state_of(reader: Reader, id: str) -> State:
        found = reader.request(id)
        assert found is not None
        return found.state

    async def fill() -> dict[State, str]:
        store = open_store(path)
        made = {state: (await store.write(partial(brought_to, state=state))).id for state in State}
        await store.close()
        return made

    made = asyncio.run(fill())
    bring_back(path, version)
    before = verify(path)
    states: dict[str, State] = {}

    async def look() -> None:
        store = open_store(path)
        states.update(await store.read(lambda reader: {id: state_of(reader, id) for id in made.values()}))
        await store.close()

    asyncio.run(look())

    assert before.ok, before.problem
    assert before.events > len(State)
    assert states == {id: state for state, id in made.items()}
    assert verify(path).ok
