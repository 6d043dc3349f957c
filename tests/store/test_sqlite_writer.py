"""Group commit: many functions, one flush, and nobody told before it is durable."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from runplane_mcp.store.base import Transaction
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.store.things import received

SOON = 10.0


class Points:
    """A probe that counts the named points, and holds the writer at one of them until it is let go."""

    def __init__(self, hold_at: str = "") -> None:
        self.passed: list[str] = []
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self._hold_at = hold_at

    def __call__(self, point: str) -> None:
        self.passed.append(point)
        if point == self._hold_at:
            self.reached.set()
            assert self.go_on.wait(SOON)


async def turns(count: int = 50) -> None:
    """Lets everything that is ready in the event loop run."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("point", ["store.begun", "store.before_commit", "store.after_commit"])
async def test_nobody_is_told_before_the_commit_has_returned(tmp_path: Path, point: str) -> None:
    points = Points(hold_at=point)
    store = open_store(tmp_path / "runplane.db", probe=points)
    tasks = [asyncio.create_task(store.write(received)) for _ in range(5)]
    await asyncio.to_thread(points.reached.wait, SOON)
    await turns()
    other = open_store(tmp_path / "runplane.db")
    visible = (await other.read(lambda reader: reader.head())).size

    assert not any(task.done() for task in tasks)
    assert (visible > 0) == (point == "store.after_commit")
    points.go_on.set()
    await asyncio.wait_for(asyncio.gather(*tasks), SOON)
    assert (await other.read(lambda reader: reader.head())).size == 5
    await other.close()
    await store.close()


async def test_what_waits_together_is_committed_together(tmp_path: Path) -> None:
    points = Points(hold_at="store.before_commit")
    store = open_store(tmp_path / "runplane.db", probe=points)
    first = asyncio.create_task(store.write(received))
    await asyncio.to_thread(points.reached.wait, SOON)
    rest = [asyncio.create_task(store.write(received)) for _ in range(100)]
    await turns(2)
    points.go_on.set()
    await asyncio.wait_for(asyncio.gather(first, *rest), SOON)
    await store.close()

    assert points.passed.count("store.after_commit") == 2


async def test_the_points_of_a_write_come_in_this_order(tmp_path: Path) -> None:
    points = Points()
    store = open_store(tmp_path / "runplane.db", probe=points)
    points.passed.clear()
    await store.write(received)
    await store.close()

    assert points.passed == ["store.begun", "store.before_commit", "store.after_commit", "store.told"]


def test_one_store_serves_several_event_loops(tmp_path: Path) -> None:
    store = open_store(tmp_path / "runplane.db")

    async def write() -> int:
        await asyncio.gather(*(store.write(received) for _ in range(10)))
        return (await store.read(lambda reader: reader.head())).size

    def in_a_thread() -> None:
        asyncio.run(write())

    threads = [threading.Thread(target=in_a_thread) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)

    assert asyncio.run(write()) == 40
    asyncio.run(store.close())


def test_an_event_loop_that_has_gone_does_not_stop_the_writer(tmp_path: Path) -> None:
    points = Points(hold_at="store.after_commit")
    store = open_store(tmp_path / "runplane.db", probe=points)

    async def leave() -> None:
        task = asyncio.create_task(store.write(received))
        await asyncio.to_thread(points.reached.wait, SOON)
        task.cancel()

    asyncio.run(leave())
    points.go_on.set()

    async def carry_on() -> int:
        await store.write(received)
        size = (await store.read(lambda reader: reader.head())).size
        await store.close()
        return size

    assert asyncio.run(carry_on()) == 2


async def test_work_that_fails_alone_leaves_nothing_and_commits_nothing(tmp_path: Path) -> None:
    points = Points()
    store = open_store(tmp_path / "runplane.db", probe=points)
    points.passed.clear()

    def work(tx: Transaction) -> None:
        received(tx)
        raise KeyError("nothing of it")

    with pytest.raises(KeyError):
        await store.write(work)

    assert not {"store.before_commit", "store.after_commit"} & set(points.passed)
    assert (await store.read(lambda reader: reader.head())).size == 0
    await store.write(received)
    assert (await store.read(lambda reader: reader.head())).size == 1
    await store.close()


async def test_the_end_of_the_log_is_what_others_left_also_after_work_of_our_own_that_failed(tmp_path: Path) -> None:
    """A writer remembers the end that it left. Were an old one taken, an event would be put over another's."""
    path = tmp_path / "runplane.db"
    ours, other = open_store(path), open_store(path)

    def fails(tx: Transaction) -> None:
        received(tx)
        raise ValueError("in vain")

    await ours.write(received)
    await ours.write(received)
    await other.write(received)
    with pytest.raises(ValueError, match="in vain"):
        await ours.write(fails)
    await ours.write(received)
    await other.write(received)
    heads = [await store.read(lambda reader: reader.head()) for store in (ours, other)]
    await ours.close()
    await other.close()

    assert heads[0] == heads[1]
    assert heads[0].size == 5
    assert verify(path).ok
