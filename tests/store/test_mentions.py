"""Requests found by an id of Stripe's, in any store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from runplane_mcp.core.request import ActionRequest, Kind, State
from runplane_mcp.core.wire import encode
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.reader import SqliteReader
from runplane_mcp.store.sqlite import open_store
from tests.store.things import NOW, a_request, brought_to, moving, received, stepped


async def about(store: Store, stripe_id: str, kind: Kind = Kind.WRITE, limit: int = 10) -> list[str]:
    return [each.id for each in await store.read(lambda reader: reader.about(stripe_id, kind=kind, limit=limit))]


def refund_of(tx: Transaction, charge: str, **changes: object) -> ActionRequest:
    return received(tx, as_asked=encode("POST", "/v1/refunds", {"charge": charge}), **changes)


async def test_a_request_is_found_by_the_ids_in_its_bytes_the_newest_first(store: Store) -> None:
    first = await store.write(lambda tx: refund_of(tx, "ch_1"))
    second = await store.write(lambda tx: refund_of(tx, "ch_1"))
    await store.write(lambda tx: refund_of(tx, "ch_2"))

    assert await about(store, "ch_1") == [second.id, first.id]
    assert await about(store, "ch_1", limit=1) == [second.id]
    assert await store.read(lambda reader: reader.count_about("ch_1", kind=Kind.WRITE)) == 2
    assert await about(store, "ch_3") == []


async def test_it_can_be_narrowed_to_states(store: Store) -> None:
    done = await store.write(lambda tx: refund_of(tx, "ch_1"))
    done = await store.write(moving(done, State.EXECUTING))
    done = await store.write(moving(done, State.SUCCEEDED))
    for _ in range(3):
        failed = await store.write(lambda tx: refund_of(tx, "ch_1"))
        await store.write(moving(failed, State.FAILED))
    states = frozenset({State.SUCCEEDED, State.DENIED})

    found = await store.read(lambda reader: reader.about("ch_1", kind=Kind.WRITE, limit=1, states=states))
    count = await store.read(lambda reader: reader.count_about("ch_1", kind=Kind.WRITE, states=states))

    assert ([each.id for each in found], count) == ([done.id], 1)


async def test_reads_stand_apart_from_writes(store: Store) -> None:
    read = await store.write(
        lambda tx: received(
            tx,
            kind=Kind.READ,
            operation_id="GetChargesCharge",
            as_asked=encode("GET", "/v1/charges/{charge}", {"charge": "ch_1"}),
        )
    )
    write = await store.write(lambda tx: refund_of(tx, "ch_1"))

    assert await about(store, "ch_1", Kind.READ) == [read.id]
    assert await about(store, "ch_1", Kind.WRITE) == [write.id]


async def test_what_runs_what_came_of_it_and_what_was_looked_up_find_it_too(store: Store) -> None:
    def work(tx: Transaction) -> ActionRequest:
        request = refund_of(tx, "pi_1")
        tx.mention(request.id, ["cus_1", "ch_1", "ch_1"])
        request = stepped(
            tx,
            request,
            State.EXECUTING,
            effective=encode("POST", "/v1/refunds", {"payment_intent": "pi_1", "destination": "ba_1"}),
            stripe_key="rp_0a1b",
        )
        tx.set_result(request.id, {"id": "re_1", "charge": "ch_1", "balance_transaction": {"id": "txn_1"}})
        return tx.move(request, State.SUCCEEDED, at=NOW, event={}, object_id="re_1", stripe_request_id="req_1")

    request = await store.write(work)

    for stripe_id in ("pi_1", "cus_1", "ch_1", "ba_1", "rp_0a1b", "re_1", "txn_1", "req_1"):
        assert await about(store, stripe_id) == [request.id], stripe_id


async def test_an_attempt_of_which_no_stripe_request_could_be_made_is_found_by_what_the_agent_sent(
    store: Store,
) -> None:
    request = await store.write(
        lambda tx: tx.insert_request(a_request(as_asked=None), asked={"charge": "ch_1", "amount": -5}, event={})
    )

    assert await about(store, "ch_1") == [request.id]


async def test_what_was_rolled_back_is_not_found(store: Store) -> None:
    def work(tx: Transaction) -> None:
        refund_of(tx, "ch_1")
        raise ValueError("a work that fails")

    with pytest.raises(ValueError, match="fails"):
        await store.write(work)

    assert await about(store, "ch_1") == []


async def test_finding_never_walks_over_all_requests(tmp_path: Path) -> None:
    """A home with a million requests answers as fast as a new one: each leg is a search in an index."""
    store = open_store(tmp_path / "runplane.db")
    try:
        done = await store.write(lambda tx: brought_to(tx, State.EXECUTING))
        await store.write(moving(done, State.SUCCEEDED, object_id="re_1", stripe_request_id="req_1"))
    finally:
        await store.close()
    statements: list[str] = []
    connection = sqlite3.connect(tmp_path / "runplane.db", isolation_level=None)
    try:
        connection.set_trace_callback(statements.append)
        reader = SqliteReader(connection, tmp_path / "runplane.db")
        reader.about("re_1", kind=Kind.WRITE, limit=10)
        reader.count_about("re_1", kind=Kind.WRITE)
        reader.about("re_1", kind=Kind.WRITE, limit=10, states=frozenset({State.SUCCEEDED}))
        connection.set_trace_callback(None)
        plans = [row[3] for sql in statements for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
    finally:
        connection.close()
    on_tables = [step for step in plans if step.startswith(("SCAN", "SEARCH")) and "(subquery" not in step]

    assert any("mention" in step for step in on_tables)
    assert [step for step in on_tables if not step.startswith("SEARCH")] == []
    # The newest come straight out of the indexes and are merged, however many there are for this id.
    assert any("MERGE (UNION)" in step for step in plans)
