"""A process that is killed at any point around a durable step: what it was told is there, and nothing is half-done."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.crash import Probe, points_of, run_and_kill
from tests.store.things import NOW, a_bucket, moving, received, stepped

MAKING = ("store.file_made", "store.before_tables", "store.after_tables")
POINTS = ("store.begun", "store.before_commit", "store.after_commit", "store.told")
ROUNDS = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runplane.db"


def decided(tx: Transaction) -> ActionRequest:
    """A request with all that belongs to its decision: several tables, three events."""
    request = received(tx)
    tx.reserve(request.id, [a_bucket()], at=NOW, waiting=False)
    return stepped(tx, request, State.EXECUTING)


def one_after_another(path: Path, probe: Probe) -> None:
    async def main() -> None:
        store = open_store(path, probe=probe)
        for _ in range(ROUNDS):
            request = await store.write(decided)
            probe(f"told {request.id} executing")
            await store.write(moving(request, State.SUCCEEDED))
            probe(f"told {request.id} succeeded")
        await store.close()

    asyncio.run(main())


def many_at_once(path: Path, probe: Probe) -> None:
    async def main() -> None:
        store = open_store(path, probe=probe)

        async def task() -> None:
            for _ in range(ROUNDS):
                request = await store.write(decided)
                probe(f"told {request.id} executing")

        await asyncio.gather(*(task() for _ in range(16)))
        await store.close()

    asyncio.run(main())


def check(path: Path, told: list[str]) -> list[ActionRequest]:
    """What must hold of any store that a killed process left, and the requests that are in it."""
    result = verify(path)
    assert result.ok, result.problem
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    parts = connection.execute(
        "SELECT (SELECT count(*) FROM request), (SELECT count(*) FROM decision), (SELECT count(*) FROM reservation)"
    ).fetchone()
    connection.close()
    assert len(set(parts)) == 1, f"some decisions are there in part only: {parts}"

    async def requests() -> list[ActionRequest]:
        store = open_store(path)
        ids = {line.split()[0]: State(line.split()[1]) for line in told}
        found = {id: await store.read(lambda reader, id=id: reader.request(id)) for id in ids}  # type: ignore[misc]
        for id, state in ids.items():
            request = found[id]
            assert request is not None, f"{id} was told and is gone"
            assert request.state in {state, State.SUCCEEDED}
        # The store takes work again.
        await store.write(decided)
        everything = await store.read(lambda reader: reader.unfinished())
        await store.close()
        return everything

    return asyncio.run(requests())


def test_a_store_names_its_points(path: Path) -> None:
    named = [point for point in points_of(lambda probe: one_after_another(path, probe)) if point.startswith("store.")]

    assert named == [*MAKING, *POINTS]
    assert not set(MAKING) & set(points_of(lambda probe: one_after_another(path, probe)))


@pytest.mark.parametrize("point", MAKING)
def test_a_store_whose_making_was_cut_is_made_by_the_next_process(path: Path, point: str) -> None:
    run_and_kill(lambda probe: one_after_another(path, probe), point)

    passed = points_of(lambda probe: one_after_another(path, probe))
    assert ("store.before_tables" in passed) == (point != "store.after_tables")
    check(path, [])


@pytest.mark.parametrize("nth", [1, 2, 5, 8])
@pytest.mark.parametrize("point", POINTS)
def test_what_was_told_is_there_after_a_kill(path: Path, point: str, nth: int) -> None:
    passed = run_and_kill(lambda probe: one_after_another(path, probe), f"{point}#{nth}")
    told = passed.said("told ")

    # Told after each commit, one at a time: exactly the commits before this one, and this one when it was made and told.
    assert len(told) in ({nth - 1} if point != "store.told" else {nth - 1, nth})
    check(path, told)


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("point", POINTS)
def test_a_group_that_is_cut_is_there_as_a_whole_or_not_at_all(path: Path, point: str, nth: int) -> None:
    passed = run_and_kill(lambda probe: many_at_once(path, probe), f"{point}#{nth}")

    check(path, passed.said("told "))


@pytest.mark.parametrize("point", ["store.begun", "store.before_commit"])
def test_what_was_not_committed_is_not_there(path: Path, point: str) -> None:
    run_and_kill(lambda probe: one_after_another(path, probe), point)

    assert verify(path).events == 0


def test_what_was_committed_is_there_even_if_nobody_was_told(path: Path) -> None:
    passed = run_and_kill(lambda probe: one_after_another(path, probe), "store.after_commit")

    assert passed.said("told ") == []
    assert verify(path).events == 3


def test_a_lock_does_not_outlive_the_process_that_held_it(path: Path) -> None:
    run_and_kill(lambda probe: one_after_another(path, probe), "store.before_commit#2")

    async def main() -> None:
        store = open_store(path)
        await store.write(received)
        await store.close()

    asyncio.run(main())
