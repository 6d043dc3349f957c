"""Several processes on one store: they race, and not one cent is overspent."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.records import Changed
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.crash import race
from tests.store.things import NOW, a_bucket, brought_to, going_on, moving, received

PROCESSES = 6


def in_store(path: Path, work: Callable[[Store], Awaitable[object]]) -> object:
    """Opens the store, runs `work` with it and closes it: one process's life."""

    async def main() -> object:
        store = open_store(path, busy_timeout_ms=15_000)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(main())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runplane.db"


def test_processes_racing_for_a_limit_do_not_overspend_it_by_one_cent(path: Path) -> None:
    limit, amount = 10_000, 235

    def spend(tx: Transaction) -> bool:
        request = received(tx)
        if tx.usages([a_bucket()], NOW)[0].totals.get("usd", 0) + amount > limit:
            return False
        tx.reserve(request.id, [a_bucket(amount)], at=NOW, waiting=False)
        going_on(tx, request.id)
        return True

    async def work(store: Store) -> int:
        return sum(await asyncio.gather(*(store.write(spend) for _ in range(40))))

    granted = race([partial(in_store, path, work)] * PROCESSES)
    total = in_store(path, lambda store: store.read(lambda reader: reader.usages([a_bucket()], NOW)[0].totals["usd"]))

    assert sum(granted) == limit // amount
    assert total == limit // amount * amount


def test_processes_racing_for_one_request_do_not_both_get_it(path: Path) -> None:
    async def prepare(store: Store) -> list[ActionRequest]:
        def approved(tx: Transaction) -> list[ActionRequest]:
            return [brought_to(tx, State.APPROVED) for _ in range(25)]

        return await store.write(approved)

    requests = in_store(path, prepare)
    assert isinstance(requests, list)

    async def work(store: Store) -> list[str]:
        claimed = []
        for request in requests:
            try:
                claimed.append((await store.write(moving(request, State.EXECUTING))).id)
            except Changed:
                continue
        return claimed

    claimed = [id for ids in race([partial(in_store, path, work)] * PROCESSES) for id in ids]

    assert sorted(claimed) == sorted(request.id for request in requests)


def test_the_log_of_many_processes_is_one_log(path: Path) -> None:
    async def work(store: Store) -> None:
        for _ in range(4):
            await asyncio.gather(*(store.write(received) for _ in range(8)))

    race([partial(in_store, path, work)] * PROCESSES)
    found = verify(path)

    assert (found.ok, found.events, found.problem) == (True, PROCESSES * 32, None)


async def test_a_process_notices_what_another_commits(path: Path) -> None:
    store = open_store(path)
    await store.write(received)
    before = await store.version()
    program = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]); db.commit()"
    statement = "INSERT INTO meta VALUES ('from', 'outside')"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, path, statement)
    assert await asyncio.wait_for(process.wait(), 30) == 0

    assert await store.version() != before
    assert await store.read(lambda reader: reader.meta("from")) == "outside"
    await store.close()
