"""Reads in the audit log: one event for many, none left out, none in two, and whatever is done to them behind our back is
found."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.merkle import root
from runplane_mcp.core.request import ActionRequest, Failure, Kind, State
from runplane_mcp.errors import StoreError
from runplane_mcp.store import batches, read_evidence
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.records import READS
from runplane_mcp.store.rows import DECISION_COLUMNS, REQUEST_COLUMNS, listed
from runplane_mcp.store.sqlite import SqliteStore, open_store
from runplane_mcp.store.verify import RequestProof, verify, verify_requests
from tests.crash import race
from tests.store.test_verify import rewritten, tamper
from tests.store.things import NOW, a_decision, a_request, moving, sha, stepped


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = open_store(tmp_path / "runplane.db")
    yield store
    await store.close()


def begun(tx: Transaction, to: State | None = State.EXECUTING, **changes: Any) -> ActionRequest:
    """A read as the gate begins it, in the transaction that decides it."""
    request = tx.insert_request(a_request(kind=Kind.READ, **changes), event={}, quiet=True)
    if to in {State.EXECUTING, State.WAITING}:
        return stepped(tx, request, to, at=NOW)
    tx.add_decision(a_decision(request, outcome=Outcome.ALLOW, round=0, digest=None, nonce=None))
    if to is None:
        return request
    return tx.move(request, to, at=NOW, event={}, effective=request.as_asked)


async def ended(store: Store, to: State = State.SUCCEEDED, **changes: Any) -> ActionRequest:
    """A read from its question to its end, as the gate does it in two transactions."""
    request = await store.write(lambda tx: begun(tx, **changes))
    failure = Failure("stripe.no_answer", "words") if to is State.FAILED else None
    return await store.write(lambda tx: tx.move(request, to, at=NOW, event={}, failure=failure))


async def batched(store: Store) -> int:
    return await store.write(lambda tx: tx.batch_reads(at=NOW))


async def types(store: Store) -> list[str]:
    return [event.type for event in await store.read(lambda reader: reader.events(0, 1000))]


async def test_one_event_speaks_for_all_reads_that_ended_since_the_last_one(store: SqliteStore) -> None:
    first = [await ended(store), await ended(store, State.FAILED, agent="other"), await ended(store)]
    running = await store.write(begun)
    assert await types(store) == []
    assert await batched(store) == 3
    second = await ended(store)
    assert await batched(store) == 1

    events = await store.read(lambda reader: reader.events(0, 10))
    said = [json.loads(event.body) for event in events]
    assert [event.type for event in events] == [READS, READS]
    assert [(each["first"], each["last"]) for each in said] == [(1, 3), (4, 4)]
    assert said[0]["agents"] == [
        {"principal": "stdio", "agent": "other", "count": 1},
        {"principal": "stdio", "agent": "support-bot", "count": 2},
    ]
    with closing(sqlite3.connect(store.path)) as connection:
        leaves = [row[0] for row in connection.execute("SELECT leaf FROM read ORDER BY n")]
    assert [each["root"] for each in said] == [root(leaves[:3]).hex(), root(leaves[3:]).hex()]
    assert await store.read(lambda reader: reader.reads_of(events[0])) == [each.id for each in first]
    assert await store.read(lambda reader: reader.batch_of(second.id)) == [events[1]]
    assert await store.read(lambda reader: reader.batch_of(running.id)) == []
    found = verify(store.path)
    assert (found.ok, found.events, found.pending_reads) == (True, 2, 1)


async def test_where_nothing_has_ended_there_is_no_event(store: SqliteStore) -> None:
    await ended(store)
    await store.write(begun)
    assert await batched(store) == 1
    assert not await store.read(lambda reader: reader.reads_pending())

    assert await batched(store) == 0
    assert await types(store) == [READS]


async def test_very_many_reads_come_in_several_events(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_IN_A_BATCH", 2)
    monkeypatch.setattr(read_evidence, "MOST_IN_A_BATCH", 2)
    monkeypatch.setattr(read_evidence, "_AT_ONCE", 1)
    reads = [(await ended(store)).id for _ in range(5)]
    assert await store.read(lambda reader: reader.reads_of(None)) == reads

    assert [await batched(store) for _ in range(4)] == [2, 2, 1, 0]
    assert await store.read(lambda reader: reader.reads_of(None)) == []
    assert verify(store.path).problem is None


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (State.BLOCKED, ["request.received", "decision", "request.blocked"]),
        (State.FAILED, ["request.received", "decision", "request.failed"]),
        (State.WAITING, ["request.received", "decision", "request.waiting"]),
        (None, ["request.received", "decision"]),
    ],
)
async def test_a_read_that_does_not_simply_run_has_events_of_its_own(
    store: SqliteStore, to: State | None, expected: list[str]
) -> None:
    request = await store.write(lambda tx: begun(tx, to))

    assert await types(store) == expected
    assert await batched(store) == 0
    if to is State.WAITING:
        for state in (State.APPROVED, State.EXECUTING, State.SUCCEEDED):
            request = await store.write(moving(request, state))
        moves = [each for each in await types(store) if each.startswith("request.")]
        assert moves[2:] == ["request.approved", "request.executing", "request.succeeded"]
        assert await batched(store) == 0
    assert verify(store.path).problem is None
    assert verify_requests(store.path, [request.id])[request.id].ok


async def test_a_read_that_an_earlier_program_began_goes_on_with_its_own_events(store: SqliteStore) -> None:
    def begin(tx: Transaction) -> ActionRequest:
        request = tx.insert_request(a_request(kind=Kind.READ), event={})
        return stepped(tx, request, State.EXECUTING)

    request = await store.write(begin)
    await store.write(lambda tx: tx.move(request, State.FAILED, at=NOW, event={}))

    assert await types(store) == ["request.received", "decision", "request.executing", "request.failed"]
    assert await batched(store) == 0
    assert verify(store.path).problem is None


async def test_a_read_that_events_are_about_is_as_quiet_as_before(store: SqliteStore) -> None:
    """After a restore an administrator may say what became of it, and erase it."""
    request = await store.write(begun)
    said = await store.write(lambda tx: tx.append("resolve", {}, at=NOW, request_id=request.id))
    assert verify(store.path).pending_reads == 1
    await store.write(moving(request, State.FAILED))

    assert await batched(store) == 1
    assert await types(store) == ["resolve", READS]
    found = verify(store.path)
    assert (found.problem, found.pending_reads) == (None, 0)
    [event] = await store.read(lambda reader: reader.batch_of(request.id))
    proven = verify_requests(store.path, [request.id])[request.id]
    assert (proven.ok, proven.seqs, proven.leaf) == (True, (event.seq, said), event.leaf.hex())


async def test_a_write_is_never_quiet(store: SqliteStore) -> None:
    await store.write(lambda tx: tx.insert_request(a_request(), event={}, quiet=True))

    assert await types(store) == ["request.received"]


async def test_a_transaction_that_fails_leaves_no_read(store: SqliteStore) -> None:
    def work(tx: Transaction) -> None:
        begun(tx)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await store.write(work)
    found = verify(store.path)
    assert (found.ok, found.pending_reads) == (True, 0)


def test_no_read_is_in_two_batches_however_many_processes_make_them(tmp_path: Path) -> None:
    path = tmp_path / "runplane.db"
    asyncio.run(open_store(path).close())

    def work() -> int:
        async def run() -> int:
            store = open_store(path)
            told = 0
            for _ in range(10):
                await ended(store)
                told += await batched(store)
            await store.close()
            return told

        return asyncio.run(run())

    assert sum(race([work] * 3)) == 30
    found = verify(path)
    assert (found.problem, found.pending_reads) == (None, 0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events 1 and 2 speak for reads 1 and 2, and 3 and 4; read 5 has ended after them, a sixth runs."""
    path = tmp_path_factory.mktemp("reads") / "runplane.db"

    async def main() -> None:
        store = open_store(path)
        for _ in range(2):
            await ended(store)
            await ended(store, State.FAILED)
            await batched(store)
        await ended(store)
        await store.write(begun)
        await store.close()

    asyncio.run(main())
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path))


def test_what_no_event_speaks_for_yet_is_counted(path: Path) -> None:
    found = verify(path)

    assert (found.ok, found.problem, found.pending_reads) == (True, None, 2)


_OTHER_LEAF = sha("other")
TAMPERINGS: dict[str, tuple[int | None, tuple[str | Callable[[sqlite3.Connection], object], ...]]] = {
    "a read is changed": (2, ("UPDATE request SET action = 'payout.create' WHERE number = 3",)),
    "a read's decision is changed": (
        1,
        ("UPDATE decision SET risk = 99 WHERE request_id = (SELECT id FROM request WHERE number = 1)",),
    ),
    "a read gets another decision": (
        1,
        (
            "INSERT INTO decision SELECT request_id, 2, round, kind, outcome, at, policy_at, policy_version, risk,"
            " risk_level, nonce, digest, content FROM decision"
            " WHERE request_id = (SELECT id FROM request WHERE number = 2)",
        ),
    ),
    "a read's decision is removed": (
        1,
        ("DELETE FROM decision WHERE request_id = (SELECT id FROM request WHERE number = 2)",),
    ),
    "what a read asked for is changed": (
        2,
        ("UPDATE payload SET body = x'7b7d' WHERE commitment = (SELECT asked FROM request WHERE number = 4)",),
    ),
    "what a read asked for is given to another": (
        2,
        (
            "UPDATE payload SET request_id = (SELECT id FROM request WHERE number = 1)"
            " WHERE commitment = (SELECT asked FROM request WHERE number = 4)",
        ),
    ),
    "why a read was allowed is removed": (
        1,
        (
            "DELETE FROM payload WHERE commitment ="
            " (SELECT content FROM decision WHERE request_id = (SELECT id FROM request WHERE number = 1))",
        ),
    ),
    "a read's leaf is changed": (2, (f"UPDATE read SET leaf = x'{_OTHER_LEAF}' WHERE n = 3",)),
    "a read is taken out": (1, ("DELETE FROM read WHERE n = 2",)),
    "a read is taken out and the gap closed": (
        1,
        ("DELETE FROM read WHERE n = 2", *(f"UPDATE read SET n = {n} WHERE n = {n + 1}" for n in (2, 3, 4))),
    ),
    "two reads change places": (
        1,
        (
            "UPDATE read SET n = 99 WHERE n = 1",
            "UPDATE read SET n = 1 WHERE n = 2",
            "UPDATE read SET n = 2 WHERE n = 99",
        ),
    ),
    "a batch ends elsewhere": (1, ("UPDATE read_batch SET last = 3 WHERE last = 2",)),
    "a batch is removed": (2, ("DELETE FROM read_batch WHERE last = 4",)),
    "a batch is put in": (None, ("INSERT INTO read_batch VALUES (5, 99)",)),
    "an event speaks for more": (2, (rewritten(2, last=5),)),
    "an event speaks for a read again": (2, (rewritten(2, first=2),)),
    "an event speaks of another agent": (
        2,
        (rewritten(2, agents=[{"principal": "stdio", "agent": "other", "count": 2}]),),
    ),
    "an event speaks of no numbers": (2, (rewritten(2, last="4"),)),
    "an event speaks for very many": (2, (rewritten(2, last=10**12),)),
    "a read that no event speaks for yet is changed": (
        None,
        ("UPDATE request SET stripe_request_id = 'req_other' WHERE number = 5",),
    ),
    "a write is given out for a read": (
        None,
        (
            "UPDATE request SET kind = 'write', operation_id = 'PostRefunds' WHERE number = 6",
            f"INSERT INTO read VALUES (6, 6, 0, x'{_OTHER_LEAF}')",
        ),
    ),
    "a read that has ended is put in": (
        None,
        ("UPDATE request SET state = 'succeeded', version = 3 WHERE number = 6",),
    ),
    "a write that runs is put in": (None, ("UPDATE request SET kind = 'write' WHERE number = 6",)),
}


@pytest.mark.parametrize(("first_bad", "changes"), TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_it_is_found_when(
    path: Path, first_bad: int | None, changes: tuple[str | Callable[[sqlite3.Connection], object], ...]
) -> None:
    tamper(path, *changes)
    found = verify(path)

    assert (found.ok, found.first_bad) == (False, first_bad), found.problem
    assert found.problem


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM read WHERE n = 5",
        "UPDATE read SET leaf = zeroblob(32) WHERE n = 5",
        "UPDATE read SET n = 9 WHERE n = 5",
        "INSERT OR REPLACE INTO read SELECT 5, number, at, zeroblob(32) FROM read WHERE n = 4",
        "INSERT INTO read SELECT 7, (SELECT number FROM request WHERE state = 'executing'), at, leaf FROM read WHERE n = 5",
        "DELETE FROM read_batch",
        "UPDATE read_batch SET last = 5 WHERE last = 4",
        "INSERT INTO read_batch VALUES (3, 1)",
    ],
)
def test_the_database_itself_refuses_to_take_back_what_was_recorded(path: Path, change: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA recursive_triggers = ON")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(change)


def proof(path: Path, number: int) -> RequestProof:
    with closing(sqlite3.connect(path)) as connection:
        id = connection.execute("SELECT id FROM request WHERE number = ?", (number,)).fetchone()[0]
    return verify_requests(path, [id])[id]


def test_one_read_is_proven_by_the_event_that_speaks_for_it(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        leaves = [row[0].hex() for row in connection.execute("SELECT leaf FROM event ORDER BY seq")]
        [own] = connection.execute("SELECT leaf FROM read WHERE n = 5").fetchone()

    assert proof(path, 3) == RequestProof((2,), leaves[1], True, None, None)
    assert proof(path, 5) == RequestProof((), own.hex(), True, None, None)
    assert proof(path, 6) == RequestProof((), "", True, None, None)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE request SET stripe_request_id = 'req_other' WHERE number = 3",
        "UPDATE request SET stripe_request_id = 'req_other' WHERE number = 4",
        "DELETE FROM event WHERE seq = 2",
        "UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq = 2",
        "DELETE FROM read WHERE n = 3",
    ],
)
def test_a_read_is_not_proven_where_its_batch_is_not_what_it_was(path: Path, change: str) -> None:
    tamper(path, change)

    assert not proof(path, 3).ok
    assert proof(path, 1).ok


async def test_a_read_is_recorded_once(store: SqliteStore) -> None:
    await ended(store)

    def again(tx: Any) -> None:
        tx._all("INSERT INTO read SELECT n + 1, number, at, leaf FROM read")

    with pytest.raises(StoreError):
        await store.write(again)


@pytest.mark.parametrize("before", [True, False], ids=["before its batch", "after its batch"])
async def test_a_read_that_was_erased_is_whole_and_so_are_those_beside_it(store: SqliteStore, before: bool) -> None:
    erased, beside = await ended(store), await ended(store)
    names = await store.read(lambda reader: reader.payloads_of(erased.id))

    def erase(tx: Transaction, named: list[str]) -> None:
        tx.append("erased", {"commitments": list(named)}, at=NOW, request_id=erased.id)
        for name in names:
            tx.erase_payload(name)

    if not before:
        await batched(store)
    await store.write(lambda tx: erase(tx, names))
    await batched(store)

    assert verify(store.path).problem is None
    assert all(proof.ok for proof in verify_requests(store.path, [erased.id, beside.id]).values())


async def test_a_read_whose_payload_is_gone_without_an_event_is_found(store: SqliteStore) -> None:
    read = await ended(store)
    names = await store.read(lambda reader: reader.payloads_of(read.id))
    await batched(store)
    await store.write(lambda tx: tx.erase_payload(names[0]))

    assert not verify(store.path).ok
    assert not verify_requests(store.path, [read.id])[read.id].ok


async def test_a_read_with_events_of_its_own_is_counted_once_though_it_was_put_among_the_quiet_ones(
    store: SqliteStore,
) -> None:
    """THREATS 24: it would make room for a row that nothing speaks of."""
    request = await store.write(lambda tx: begun(tx, State.WAITING, agent="held"))
    await store.write(lambda tx: tx.move(request, State.CANCELED, at=NOW, event={}))
    await store.close()
    assert verify(store.path).ok
    with closing(sqlite3.connect(store.path)) as connection:
        rows = [
            connection.execute(f"SELECT {listed(columns)} FROM {table}").fetchone()
            for columns, table in ((REQUEST_COLUMNS, "request"), (DECISION_COLUMNS, "decision"))
        ]

    def put_in(connection: sqlite3.Connection) -> None:
        leaf = batches.read_leaf(rows[0], rows[1:])
        connection.execute("INSERT INTO read (n, number, at, leaf) SELECT 1, number, ?, ? FROM request", (NOW, leaf))

    tamper(
        store.path,
        put_in,
        "INSERT INTO request (id, reference, state, version, principal, agent, via, operation_id, action, kind, "
        "target, account, livemode, created_at, policy_at, changed_at, round, attempt) "
        "SELECT 'rpr_x', 'RP-X', 'approved', 2, principal, agent, via, operation_id, action, 'write', "
        "target, account, livemode, created_at, policy_at, changed_at, round, attempt FROM request",
        "INSERT INTO decision SELECT 'rpr_x', n, round, kind, outcome, at, policy_at, policy_version, risk, risk_level, "
        "nonce, digest, content FROM decision",
    )

    assert verify(store.path).problem == "Two events say that they wrote one and the same row."
