"""Reads that the policy allows: recorded before their answer, in the audit log by one event for many."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.replay import Decided, Moved
from runplane_mcp.core.request import State
from runplane_mcp.gate.recorded import Records
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED
from runplane_mcp.store.records import READS, RequestFilter
from runplane_mcp.store.verify import verify, verify_requests
from tests.crash import Probe, run_and_kill
from tests.gate.conftest import FakeClock, House, refund, submission
from tests.gate.homes import home_of

LOOK = submission("GetBalance", {})


def in_the_file(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


async def test_a_read_is_decided_durably_before_stripe_is_asked_and_in_the_log_soon_after(house: House) -> None:
    seen: list[list[tuple[object, ...]]] = []

    def probe(point: str) -> None:
        if point == "execute.before_send":
            sql = "SELECT state, outcome FROM request JOIN decision ON request_id = id"
            seen.append(in_the_file(house.settings.database, sql))

    async with house.gate(probe) as gate:
        view = await gate.submit(LOOK)
        await gate.reads.settle(10)
        async with asyncio.timeout(10):
            while await gate.store.read(lambda reader: reader.reads_pending()):
                await gate.change(0.1)
        async with house.desk() as desk:
            life = await desk.life(view.request_id)

    assert seen == [[("executing", "allow")]]
    assert [event.type for event in life.events] == [READS]
    found = verify_requests(house.settings.database, [view.request_id])[view.request_id]
    assert (found.ok, found.seqs, found.leaf) == (True, (life.events[0].seq,), life.events[0].leaf.hex())


async def test_a_gate_leaves_no_read_without_an_event(house: House) -> None:
    async with house.gate() as gate:
        await asyncio.gather(*(gate.submit(LOOK) for _ in range(5)))
    found = verify(house.settings.database)

    assert (found.problem, found.pending_reads) == (None, 0)
    of_reads = "SELECT count(*) FROM event WHERE request_id IN (SELECT id FROM request WHERE kind = 'read')"
    assert in_the_file(house.settings.database, of_reads) == [(0,)]


async def test_a_read_is_answered_before_its_outcome_is_written_and_nobody_else_ends_it_meanwhile(house: House) -> None:
    """The store's own thread is held up where the outcome would become durable."""
    hold, held = threading.Event(), threading.Event()
    commits: list[str] = []

    def probe(point: str) -> None:
        if point == "execute.after_send":
            commits.append(point)
        elif point == "store.before_commit" and commits:
            held.set()
            hold.wait(10)

    async with house.gate(probe) as gate:
        view = await gate.submit(LOOK)
        assert await asyncio.to_thread(held.wait, 10)
        before = in_the_file(house.settings.database, "SELECT state FROM request")
        assert gate.runs(view.request_id)
        hold.set()
    after = in_the_file(house.settings.database, "SELECT state FROM request")

    assert (view.status, view.failure) == (State.SUCCEEDED, None)
    assert view.result is not None
    assert (before, after) == ([("executing",)], [("succeeded",)])


def killed(settings: Settings, point: str) -> None:
    def work(probe: Probe) -> None:
        async def run() -> None:
            async with open_gate(settings, simulator=True, clock=FakeClock(), probe=probe) as gate:
                await gate.submit(LOOK)

        asyncio.run(run())

    run_and_kill(work, point)


@pytest.mark.parametrize(
    ("point", "state", "pending"),
    [
        ("execute.before_send", State.FAILED, 1),
        ("execute.after_send", State.FAILED, 1),
        ("execute.recorded", State.SUCCEEDED, 1),
        ("reads.batched", State.SUCCEEDED, 0),
    ],
)
def test_a_read_of_a_dead_process_is_never_repeated_and_the_next_gate_puts_it_into_the_log(
    tmp_path: Path, point: str, state: State, pending: int
) -> None:
    settings = home_of(tmp_path)
    killed(settings, point)
    left = verify(settings.database)

    async def finish() -> State:
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            async with asyncio.timeout(20):
                while True:
                    [request] = await gate.store.read(lambda reader: reader.requests(RequestFilter(limit=10)))
                    if request.final and not await gate.store.read(lambda reader: reader.reads_pending()):
                        return request.state
                    await gate.change(0.2)

    after = asyncio.run(finish())

    assert (left.problem, left.pending_reads) == (None, pending)
    assert after is state
    found = verify(settings.database)
    assert (found.problem, found.pending_reads) == (None, 0)
    assert in_the_file(settings.database, "SELECT count(*) FROM event WHERE type = 'reads'") == [(1,)]


async def test_a_policy_is_tried_on_reads_too(house: House) -> None:
    async with house.gate() as gate:
        written = await gate.submit(refund(SEED.payment_intent_120, 4000))
        first = await gate.submit(LOOK)
        await gate.reads.settle(10)
        await gate.reads.batch()
        second = await gate.submit(LOOK)
        await gate.reads.settle(10)
        catalog = load_catalog()
        steps = await gate.store.read(lambda reader: list(Records(reader, catalog).steps(0)))
        later = await gate.store.read(lambda reader: list(Records(reader, catalog).steps(2**52)))

    ids = [view.request_id for view in (written, first, second)]
    assert [step.request_id for step in steps if isinstance(step, Decided)] == ids
    assert [(step.request_id, step.to) for step in steps if isinstance(step, Moved)] == [
        (id, State.SUCCEEDED) for id in ids
    ]
    assert later == []
