"""Many tasks on one store: no write is lost, mixed up, or told before it is durable."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.store.base import Store, Transaction
from tests.store.things import NOW, a_bucket, going_on, moving, received

#: A bound on waits that end at once unless something is broken.
SOON = 10.0


class Gate:
    """Work that holds the writer until it is let go, so that what is written meanwhile waits together."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._go_on = threading.Event()

    def __call__(self, tx: Transaction) -> None:
        self._loop.call_soon_threadsafe(self.entered.set)
        assert self._go_on.wait(SOON)

    def open(self) -> None:
        self._go_on.set()

    async def hold(self, store: Store) -> asyncio.Task[None]:
        held = asyncio.create_task(store.write(self))
        await asyncio.wait_for(self.entered.wait(), SOON)
        return held


async def test_sixty_four_tasks_lose_nothing(store: Store) -> None:
    async def task(number: int) -> list[str]:
        done = []
        for _ in range(5):
            request = await store.write(received)
            moved = await store.write(moving(request, State.EXECUTING, lease_owner=str(number)))
            done.append(moved.id)
        return done

    ids = [id for done in await asyncio.gather(*(task(number) for number in range(64))) for id in done]
    found = {request.id for request in await store.read(lambda reader: reader.unfinished())}

    assert found == set(ids)
    assert len(ids) == 320
    assert (await store.read(lambda reader: reader.head())).size == 960


async def test_many_tasks_on_one_limit_do_not_overspend(store: Store) -> None:
    def spend(tx: Transaction) -> bool:
        request = received(tx)
        spent = tx.usages([a_bucket()], NOW)[0].totals.get("usd", 0)
        if spent + 235 > 1000:
            return False
        tx.reserve(request.id, [a_bucket(235)], at=NOW, waiting=False)
        going_on(tx, request.id)
        return True

    outcomes = await asyncio.gather(*(store.write(spend) for _ in range(64)))

    assert sum(outcomes) == 4
    assert (await store.read(lambda reader: reader.usages([a_bucket()], NOW)[0])).totals == {"usd": 940}


async def test_one_that_fails_does_not_touch_the_others_of_its_group(store: Store) -> None:
    def insert(number: int, tx: Transaction) -> ActionRequest:
        request = received(tx, agent=str(number))
        if number % 3 == 0:
            raise RuntimeError(f"{number} does not want to")
        return request

    gate = Gate()
    held = await gate.hold(store)
    tasks = [asyncio.create_task(store.write(partial(insert, number))) for number in range(30)]
    await asyncio.sleep(0)  # every task has handed in its work
    gate.open()
    await asyncio.wait_for(held, SOON)
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), SOON)
    kept = {request.agent for request in await store.read(lambda reader: reader.unfinished())}

    assert [isinstance(outcome, RuntimeError) for outcome in outcomes] == [number % 3 == 0 for number in range(30)]
    assert kept == {str(number) for number in range(30) if number % 3}
    assert (await store.read(lambda reader: reader.head())).size == 20


async def test_work_whose_task_is_canceled_while_it_runs_is_finished_all_the_same(store: Store) -> None:
    gate = Gate()
    ran = threading.Event()

    def work(tx: Transaction) -> None:
        gate(tx)
        tx.set_meta("ran", "yes")
        ran.set()

    task = asyncio.create_task(store.write(work))
    await asyncio.wait_for(gate.entered.wait(), SOON)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open()
    await store.write(lambda tx: None)

    assert ran.is_set()
    assert await store.read(lambda reader: reader.meta("ran")) == "yes"


async def test_work_whose_task_is_canceled_before_it_runs_is_not_begun(store: Store) -> None:
    gate = Gate()
    held = await gate.hold(store)
    task = asyncio.create_task(store.write(lambda tx: tx.set_meta("ran", "yes")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open()
    await asyncio.wait_for(held, SOON)
    await store.write(lambda tx: None)

    assert await store.read(lambda reader: reader.meta("ran")) is None


async def test_canceling_at_any_moment_leaves_a_whole_store(store: Store) -> None:
    async def impatient(number: int) -> None:
        task = asyncio.create_task(store.write(received))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    await asyncio.gather(*(impatient(number) for number in range(100)))
    await store.write(lambda tx: None)
    head, events, requests = await store.read(
        lambda reader: (reader.head(), reader.events(0, 1000), reader.unfinished())
    )

    assert head.size == len(events) == len(requests)


async def test_a_reader_sees_one_moment(store: Store) -> None:
    await store.write(lambda tx: tx.set_meta("a", "0"))
    await store.write(lambda tx: tx.set_meta("b", "0"))

    async def write() -> None:
        for number in range(1, 60):

            def work(tx: Transaction, number: int = number) -> None:
                tx.set_meta("a", str(number))
                tx.set_meta("b", str(number))

            await store.write(work)

    async def look() -> list[tuple[str | None, str | None]]:
        return [await store.read(lambda reader: (reader.meta("a"), reader.meta("b"))) for _ in range(60)]

    _, *seen = await asyncio.gather(write(), look(), look(), look())

    assert all(a == b for pairs in seen for a, b in pairs)


async def test_reads_go_on_while_a_write_is_under_way(store: Store) -> None:
    await store.write(lambda tx: tx.set_meta("a", "old"))
    gate = Gate()
    held = await gate.hold(store)

    assert await asyncio.wait_for(store.read(lambda reader: reader.meta("a")), SOON) == "old"
    gate.open()
    await asyncio.wait_for(held, SOON)


async def test_a_read_that_raises_is_told_to_who_asked(store: Store) -> None:
    def work(reader: object) -> None:
        raise KeyError("a mistake")

    with pytest.raises(KeyError):
        await store.read(work)
    assert await store.read(lambda reader: reader.meta("a")) is None


async def test_work_that_raises_stop_iteration_does_not_leave_its_task_waiting(store: Store) -> None:
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(store.write(lambda tx: next(iter(()))), SOON)


async def test_the_version_changes_with_each_commit_and_not_without_one(store: Store) -> None:
    seen = [await store.version()]
    for number in range(3):
        await store.write(lambda tx, number=number: tx.set_meta("a", str(number)))  # type: ignore[misc]
        seen.append(await store.version())
        assert await store.version() == seen[-1]
    await store.read(lambda reader: reader.head())

    assert len(set(seen)) == 4
    assert await store.version() == seen[-1]
