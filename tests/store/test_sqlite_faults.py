"""A SQLite store on a bad day: held by others, full, damaged, refused by the system. Always a stable code, never a raw
database error, and nothing half-done."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.errors import RunplaneError, StoreError
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.files import lock_path
from runplane_mcp.store.sqlite import SqliteStore, open_store
from runplane_mcp.store.verify import verify
from tests.crash import race
from tests.store.things import NOW, a_decision, a_request, received

#: Long enough for any write of ours on a busy machine, short enough to wait for its end.
SHORT_MS = 700


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runplane.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = open_store(path)
    yield store
    await store.close()


@pytest.fixture
async def impatient(path: Path) -> AsyncIterator[SqliteStore]:
    store = open_store(path, busy_timeout_ms=SHORT_MS)
    yield store
    await store.close()


async def code_of(store: SqliteStore, work: Callable[[Transaction], object]) -> str:
    with pytest.raises(StoreError) as refused:
        await store.write(work)
    assert refused.value.next_step
    return refused.value.code


def events(path: Path) -> int:
    found = verify(path)
    assert found.ok, found.problem
    return found.events


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
async def test_a_database_that_somebody_holds_is_locked_and_free_again_afterwards(
    impatient: SqliteStore, path: Path, begin: str
) -> None:
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute(begin)
    ran: list[str] = []

    def work(tx: Transaction) -> None:
        ran.append("ran")
        received(tx)

    assert await code_of(impatient, work) == "store.locked"
    assert (await impatient.read(lambda reader: reader.head())).size == 0
    stranger.execute("ROLLBACK")
    stranger.close()
    assert not ran

    await impatient.write(work)
    assert events(path) == 1


async def test_a_lock_file_that_somebody_holds_is_locked_and_free_again_afterwards(
    impatient: SqliteStore, path: Path
) -> None:
    with lock_path(path).open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        outcomes = await asyncio.gather(*(impatient.write(received) for _ in range(10)), return_exceptions=True)
        assert {getattr(outcome, "code", None) for outcome in outcomes} == {"store.locked"}

    await impatient.write(received)
    assert events(path) == 1


async def test_making_a_store_waits_for_the_lock_no_longer_than_it_may(path: Path) -> None:
    with lock_path(path).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreError) as refused:
            open_store(path, busy_timeout_ms=SHORT_MS)

    assert refused.value.code == "store.locked"


async def test_who_waits_for_the_lock_gets_it_when_it_is_let_go(path: Path) -> None:
    store = open_store(path)
    with lock_path(path).open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        tasks = [asyncio.create_task(store.write(received)) for _ in range(5)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)
    await asyncio.gather(*tasks)
    await store.close()

    assert events(path) == 5


async def test_a_full_disk_is_said_to_be_full_and_what_was_there_stays(store: SqliteStore, path: Path) -> None:
    await store.write(received)
    _limit_pages(store)
    big = "x" * 200_000

    assert await code_of(store, lambda tx: tx.commit_payload(big)) == "store.full"
    assert events(path) == 1

    # What still fits is still taken: a denial or a freeze must not fail because something large did.
    await store.write(lambda tx: tx.set_meta("small", "yes"))
    assert await store.read(lambda reader: reader.meta("small")) == "yes"


async def test_work_that_ignores_a_fault_is_not_committed(store: SqliteStore, path: Path) -> None:
    _limit_pages(store)

    def work(tx: Transaction) -> str:
        received(tx)
        with contextlib.suppress(RunplaneError):
            tx.commit_payload("x" * 200_000)
        try:
            tx.set_meta("after", "the fault")
        except RunplaneError:
            return "told again"
        return "went on"

    assert await code_of(store, work) == "store.full"
    assert await store.read(lambda reader: reader.meta("after")) is None
    assert events(path) == 0


def _limit_pages(store: SqliteStore) -> None:
    """A full disk for this store's writer: SQLite itself refuses to grow the file. No part of the product sets this."""
    connection = store._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 6}")


async def test_a_refused_statement_does_not_end_work_that_expects_it(store: SqliteStore) -> None:
    def work(tx: Transaction) -> ActionRequest:
        request = received(tx)
        tx.add_decision(a_decision(request))
        with pytest.raises(StoreError):
            tx.add_decision(a_decision(request))
        return tx.move(request, State.WAITING, at=NOW, event={}, round=1)

    request = await store.write(work)

    assert await store.read(lambda reader: reader.request(request.id)) == request


async def test_a_writer_that_may_not_write_says_so(store: SqliteStore) -> None:
    store._writer._connection.execute("PRAGMA query_only = ON")

    assert await code_of(store, received) == "store.readonly"


def test_a_commit_that_fails_fails_all_of_its_group_and_the_store_goes_on(path: Path) -> None:
    """The log beside the database may not grow (a limit of the system on file sizes, in a process of its own): COMMIT
    itself fails, after every function of the group has done its part."""

    def attempt() -> dict[str, object]:
        async def main() -> dict[str, object]:
            store = open_store(path)
            await store.write(received)
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            log = path.with_name("runplane.db-wal")
            resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, hard))
            outcomes = await asyncio.gather(*(store.write(received) for _ in range(8)), return_exceptions=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            await store.write(received)
            size = (await store.read(lambda reader: reader.head())).size
            await store.close()
            return {"codes": sorted({str(getattr(outcome, "code", outcome)) for outcome in outcomes}), "size": size}

        return asyncio.run(main())

    assert race([attempt]) == [{"codes": ["store.unavailable"], "size": 2}]
    assert events(path) == 2


async def test_a_damaged_page_is_said_to_be_damage(path: Path) -> None:
    store = open_store(path)
    await asyncio.gather(*(store.write(received) for _ in range(400)))
    await store.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(os.urandom(path.stat().st_size // 2))
    store = open_store(path)

    with pytest.raises(StoreError) as refused:
        await store.read(lambda reader: (reader.events(0, 1000), reader.unfinished()))
    assert refused.value.code == "store.corrupt"
    assert not verify(path).ok
    await store.close()


async def test_a_lost_head_is_damage_and_nothing_is_written_beside_it(path: Path) -> None:
    store = open_store(path)
    await store.write(received)
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("DROP TRIGGER head_delete")
    stranger.execute("DELETE FROM head")
    stranger.close()
    request = a_request()

    assert await code_of(store, lambda tx: tx.insert_request(request, event={})) == "store.corrupt"
    assert await store.read(lambda reader: reader.request(request.id)) is None
    await store.close()


async def test_a_broken_frontier_is_damage(path: Path) -> None:
    store = open_store(path)
    await store.write(received)
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("UPDATE head SET frontier = x'0000'")
    stranger.close()

    assert await code_of(store, received) == "store.corrupt"
    await store.close()


async def test_a_file_that_is_gone_is_not_made_anew_behind_our_back(path: Path) -> None:
    store = open_store(path)
    await store.write(received)
    await store.close()
    path.unlink()

    with pytest.raises(StoreError) as refused:
        open_store(path, create=False)
    assert refused.value.code == "store.unavailable"
    assert not path.exists()
