"""A store that an earlier program made, brought up to this one's schema with all that it holds."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.freeze import Freeze, Scope
from runplane_mcp.core.repeats import Form, How
from runplane_mcp.core.request import FINAL, ActionRequest, State
from runplane_mcp.errors import StoreError
from runplane_mcp.store import files
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.files import connect_for_reading
from runplane_mcp.store.records import ProposedPolicy, Repeat
from runplane_mcp.store.schema import VERSION, expected_form, form_of
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.sums import SPANS
from runplane_mcp.store.verify import verify
from tests.crash import Probe, every_point_of, run_and_kill
from tests.store.earlier import bring_back
from tests.store.test_sums import SAID, SUMS
from tests.store.things import HOUR, NOW, a_bucket, a_vote, activated, brought_to, enrolled, moving, sha, stepped

#: SHA-256 of what each version of the schema makes, as it was when the next one came. There are homes of it: a migration
#: never becomes another one, whatever it is put together from.
FORMS = {
    1: "dcabe61c5529156ac589d0962c62bb62d02c2c44924ab8032f95d4dfc13da64e",
    2: "28b80350cab11190049bc707cff1ff2b88b937ed2a4706d448e5b29ccf765373",
    3: "097636be8e3dfa831947e533307b03fdc990b00c7137f287ed2ed2c238e890a1",
    4: "daa9bfa4e3e74d919171d95bae7bb5751a63c380282208676c9a130b36b53d7b",
    5: "558c7d777ca28be89ee1c2471f3587be49432f3e8a702be7c02e1c17efeaf2e4",
}
BUCKETS = (a_bucket(500), a_bucket(300, "eur"), a_bucket(None), a_bucket(700, bucket='["another"]', key=sha("another")))
#: What the sixth version's rows say of what is kept beside them: an event of a store of before says nothing of it.
BESIDE = {"about", "mentioned", "reserved", "salt"}
#: Of what an earlier version may have in another form, what all of them say.
ROWS = {
    "event": "SELECT seq, at, type, request_id FROM event ORDER BY seq",
    "head": "SELECT size, newest_at FROM head",
    "request": "SELECT * FROM request ORDER BY number",
    "reservation": """
    SELECT number, key, value, at, currency, amount, state FROM reservation JOIN bucket ON bucket.id = bucket
    ORDER BY 1, 2, 3
    """,
    "subtotal": """
    SELECT key, value, span, stretch, currency, count, amount FROM subtotal JOIN bucket ON bucket.id = bucket
    WHERE count > 0 ORDER BY 1, 2, 3, 4, 5
    """,
    **{
        table: f"SELECT * FROM {table} ORDER BY 1, 2, 3"
        for table in ("decision", "enforced_policy", "freeze", "mention", "payload", "person")
    },
    **{
        table: f"SELECT * FROM {table} ORDER BY 1, 2"
        for table in ("policy", "proposed_policy", "repeat", "vote", "meta")
    },
    "tally": "SELECT * FROM tally WHERE count > 0 ORDER BY 1, 2, 3, 4",
}


def everything(tx: Transaction) -> dict[State, ActionRequest]:
    """A request in every state, about one object, each in buckets of its own money; people, policies, freezes, repeats,
    votes of several rounds."""
    enrolled(tx, "ada")
    enrolled(tx, "bob", role=Role.AUDITOR, groups=frozenset(), added_by="ada")
    activated(tx)
    activated(tx, "version: 1 # changed\n")
    tx.append("policy.proposed", {"version": sha("proposed")}, at=NOW)
    tx.propose_policy(ProposedPolicy(sha("proposed"), "proposed", NOW))
    tx.start_freeze(Freeze("frz_1", Scope(), NOW, "max"))
    tx.start_freeze(Freeze("frz_2", Scope(action="refunds"), NOW))
    tx.lift_freeze("frz_2", {}, at=NOW)
    made = {}
    for number, state in enumerate(State):
        waits, over = (
            state not in FINAL and state is not State.EXECUTING,
            state in FINAL and state is not State.SUCCEEDED,
        )
        buckets, since = BUCKETS[: 1 + number % 4], NOW - number * HOUR // 4

        def counted(request: ActionRequest, buckets=buckets, since=since, waits=waits, over=over) -> None:  # type: ignore[no-untyped-def]
            tx.reserve(request.id, buckets, at=since, waiting=waits)
            if over:
                tx.settle(request.id, release=True)

        request = brought_to(
            tx, state, along=counted, same_asked=sha(f"the same, {state}"), agent=f"agent {number % 2}"
        )
        made[state] = request
    about = moved(tx, State.WAITING, State.APPROVED, State.WAITING)
    tx.add_vote(a_vote(about, "ada", round=2, answer=Answer.NO))
    made[State.DENIED] = stepped(tx, about, State.DENIED, message_to_agent="Not again.")
    tx.add_repeat(Repeat(made[State.WAITING].id, How.OPEN, "stdio", idempotency_key="k", same_asked=sha("k")), at=NOW)
    tx.add_repeat(Repeat(made[State.SUCCEEDED].id, How.RESULT, "stdio"), at=NOW)
    return made


def moved(tx: Transaction, *way: State) -> ActionRequest:
    """One that says what it is about at each of its moves."""
    request = brought_to(tx, State.RECEIVED)
    for step in way:
        tx.note_subject(request.id, customer="cus_1", object_id="ch_1", amount=500, currency="usd")
        request = stepped(tx, request, step)
    return request


def filled(path: Path) -> dict[State, ActionRequest]:
    """A store of this version with everything in it."""

    async def fill() -> dict[State, ActionRequest]:
        store = open_store(path)
        made = await store.write(everything)
        await store.close()
        return made

    return asyncio.run(fill())


def made_by_the_first(path: Path) -> dict[State, ActionRequest]:
    made = filled(path)
    bring_back(path, 1)
    return made


def rows(path: Path) -> dict[str, list[Mapping[str, Any]]]:
    """All that a store of this version holds, by table; without what is null, as in a column that came later."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    with closing(connect_for_reading(path)) as connection:
        connection.row_factory = sqlite3.Row
        for table, sql in ROWS.items():
            every = [dict(row) for row in connection.execute(sql)]
            found[table] = [
                {name: value for name, value in row.items() if value is not None and name not in BESIDE}
                for row in every
            ]
    return found


def form(version: int) -> str:
    return hashlib.sha256(json.dumps(expected_form(version), sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize("version", range(1, VERSION))
def test_an_earlier_version_is_what_it_was_when_the_next_one_came(version: int) -> None:
    assert form(version) == FORMS[version]


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_store_of_an_earlier_version_is_verified_as_it_is_and_keeps_all_that_it_holds(
    tmp_path: Path, version: int
) -> None:
    """A backup that an earlier program took must not look forged."""
    path = tmp_path / "runplane.db"

    made = filled(path)
    before = rows(path)
    bring_back(path, version)
    as_it_is = verify(path)

    async def requests() -> dict[State, ActionRequest | None]:
        store = open_store(path)
        found = {
            state: await store.read(lambda reader, id=each.id: reader.request(id))  # type: ignore[misc]
            for state, each in made.items()
        }
        await store.close()
        return found

    found = asyncio.run(requests())

    assert (as_it_is.ok, as_it_is.problem) == (True, None)
    assert found == made
    assert rows(path) == before
    assert verify(path).problem is None
    with closing(connect_for_reading(path)) as connection:
        assert form_of(connection) == expected_form(VERSION)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        summed = connection.execute(SUMS).fetchall()
        assert summed == connection.execute(SAID).fetchall()
        assert {span for _, span, *_ in summed} == {0, *SPANS}


@pytest.mark.parametrize("version", [1, pytest.param(VERSION - 1, marks=pytest.mark.slow)])
async def test_what_was_open_in_an_earlier_version_goes_on_in_this_one_and_what_was_over_does_not(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "runplane.db"
    made = await asyncio.to_thread(filled, path)
    bring_back(path, version)
    store = open_store(path)

    def look(reader: Reader) -> None:
        past = reader.past(principal="stdio", customer="cus_1", object_id="ch_1", now=NOW)
        assert (past.requests_24h_agent, past.denied_24h_object) == (len(State) + 1, 1)
        assert {each.id for each in reader.unfinished()} >= {made[state].id for state in State if state not in FINAL}
        waiting = made[State.WAITING]
        assert reader.earlier(Form.ASKED, str(waiting.same_asked)).open == waiting
        assert reader.told(made[State.SUCCEEDED].id)

    async def through(request: ActionRequest, *states: State) -> None:
        *steps, last = states
        for state in steps:
            request = await store.write(moving(request, state))

        def end(tx: Transaction) -> None:
            tx.settle(request.id, release=False)
            stepped(tx, request, last)

        await store.write(end)

    await store.read(look)
    before = (await store.read(lambda reader: reader.usages(BUCKETS[:1], NOW)))[0]
    await through(made[State.RECEIVED], State.EXECUTING, State.SUCCEEDED)
    await through(made[State.WAITING], State.APPROVED, State.EXECUTING, State.OUTCOME_UNKNOWN)
    await through(made[State.SCHEDULED], State.EXECUTING, State.SUCCEEDED)
    await through(made[State.APPROVED], State.EXECUTING, State.APPROVED, State.EXECUTING, State.SUCCEEDED)
    await through(made[State.EXECUTING], State.EXECUTING, State.SUCCEEDED)
    await through(made[State.OUTCOME_UNKNOWN], State.EXECUTING, State.SUCCEEDED)
    after = (await store.read(lambda reader: reader.usages(BUCKETS[:1], NOW)))[0]
    for state in FINAL:
        with pytest.raises(StoreError, match="cannot go to that state"):
            await store.write(lambda tx, over=made[state]: tx.move(over, State.EXECUTING, at=NOW, event={}))  # type: ignore[misc]
    await store.close()

    assert before.waiting_count > 0
    assert after.waiting_count == 0
    assert verify(path).problem is None


# ── a kill in the middle ──────────────────────────────────────────────────────────────────────────────────────────────


def bring_up(path: Path, probe: Probe) -> None:
    """Opens the store, and says at every so many steps of SQLite's machine that it is migrating."""
    connect = files.connect

    def watched(*given: Any, **how: Any) -> sqlite3.Connection:
        connection = connect(*given, **how)

        def heard() -> int:
            probe("migrating")
            return 0

        connection.set_progress_handler(heard, 20_000)
        return connection

    # In a child of its own, which ends with it.
    files.connect = watched
    asyncio.run(open_store(path, probe=probe).close())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_anywhere_while_it_is_brought_up_a_large_old_store_is_the_old_one_or_the_new_one_and_opens(
    tmp_path: Path,
) -> None:
    old, path = tmp_path / "old.db", tmp_path / "runplane.db"
    filled(old)

    async def many() -> None:
        store = open_store(old)
        for _ in range(20):
            await store.write(lambda tx: [moved(tx, State.WAITING, State.APPROVED) for _ in range(100)])
        await store.close()

    asyncio.run(many())
    bring_back(old, 1)
    told = verify(old)
    assert told.ok
    asyncio.run(open_store(Path(shutil.copy(old, path))).close())
    new = rows(path)
    path.unlink()
    shutil.copy(old, path)
    steps = sum(point.startswith("migrating") for point in every_point_of(partial(bring_up, path)))
    assert steps > 20
    points = [f"migrating#{1 + (steps - 1) * part // 11}" for part in range(12)]

    for point in (*points, "store.before_tables", "store.after_tables"):
        for end in ("", "-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        shutil.copy(old, path)
        run_and_kill(partial(bring_up, path), point)
        left = verify(path)
        with closing(connect_for_reading(path)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert (left.problem, left.root, left.events) == (None, told.root, told.events), point
        assert version == (VERSION if point == "store.after_tables" else 1), point

        asyncio.run(open_store(path).close())
        assert rows(path) == new, point
    assert verify(path).ok
