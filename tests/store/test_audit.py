"""The audit log in any store: gapless, hashed, and one with the changes it tells of."""

from __future__ import annotations

import asyncio
import json

import pytest

from runplane_mcp.core.canonical import canonical
from runplane_mcp.core.merkle import EMPTY_ROOT, Frontier, leaf_hash, root
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.records import Head
from tests.store.things import NOW, received


async def test_an_empty_log_has_the_empty_root(store: Store) -> None:
    assert await store.read(lambda reader: reader.head()) == Head(0, (), EMPTY_ROOT)
    assert await store.read(lambda reader: reader.newest_event_at()) == 0
    assert await store.read(lambda reader: reader.event(1)) is None


async def test_an_event_says_itself_what_its_row_says(store: Store) -> None:
    seq = await store.write(lambda tx: tx.append("started", {"mode": "trial"}, at=NOW))
    event = await store.read(lambda reader: reader.event(seq))

    assert event is not None
    assert (event.seq, event.at, event.type, event.request_id) == (1, NOW, "started", None)
    assert event.body == canonical(
        {"v": 1, "seq": 1, "at": NOW, "type": "started", "request_id": None, "mode": "trial"}
    )
    assert event.leaf == leaf_hash(event.body)


@pytest.mark.parametrize("name", ["v", "seq", "at", "type", "request_id"])
async def test_a_body_cannot_speak_for_the_log(store: Store, name: str) -> None:
    with pytest.raises(ValueError):
        await store.write(lambda tx: tx.append("started", {name: 1}, at=NOW))


async def test_the_head_is_the_tree_over_all_events(store: Store) -> None:
    def several(tx: Transaction) -> tuple[int, Head]:
        for number in range(7):
            tx.append("counted", {"number": number}, at=NOW)
        return tx.head().size, tx.head()

    size, inside = await store.write(several)
    await asyncio.gather(*(store.write(lambda tx: tx.append("alone", {}, at=NOW)) for _ in range(30)))
    head = await store.read(lambda reader: reader.head())
    events = await store.read(lambda reader: reader.events(0, 1000))
    leaves = [event.leaf for event in events]

    assert [event.seq for event in events] == list(range(1, 38))
    assert (head.size, head.root) == (37, root(leaves))
    assert Frontier(head.size, head.frontier).root() == head.root
    assert (size, inside.root) == (7, root(leaves[:7]))


async def test_the_oldest_event_of_a_type_is_found(store: Store) -> None:
    for type in ("started", "counted", "started", "counted"):
        await store.write(lambda tx, type=type: tx.append(type, {}, at=NOW))  # type: ignore[misc]
    found = await store.read(lambda reader: reader.first_event("counted"))

    assert found is not None
    assert found.seq == 2
    assert await store.read(lambda reader: reader.first_event("stopped")) is None


async def test_events_come_in_pages_and_by_request(store: Store) -> None:
    request = await store.write(received)
    for number in range(5):
        await store.write(lambda tx, number=number: tx.append("counted", {"number": number}, at=NOW))  # type: ignore[misc]
    await store.write(lambda tx: tx.append("about it", {}, at=NOW, request_id=request.id))

    async def page(after: int, limit: int, request_id: str | None = None) -> list[int]:
        return [event.seq for event in await store.read(lambda reader: reader.events(after, limit, request_id))]

    assert await page(0, 3) == [1, 2, 3]
    assert await page(3, 3) == [4, 5, 6]
    assert await page(7, 3) == []
    assert await page(0, 10, request.id) == [1, 7]
    assert await page(1, 10, request.id) == [7]


async def test_the_newest_time_does_not_go_back_with_the_clock(store: Store) -> None:
    await store.write(lambda tx: tx.append("late", {}, at=NOW))
    inside = await store.write(lambda tx: (tx.append("clock set back", {}, at=NOW - 1000), tx.newest_event_at())[1])

    assert inside == NOW
    assert await store.read(lambda reader: reader.newest_event_at()) == NOW


async def test_work_that_raises_leaves_no_gap(store: Store) -> None:
    def failing(tx: Transaction) -> None:
        tx.append("never", {}, at=NOW + 99)
        raise RuntimeError("no")

    outcomes = await asyncio.gather(
        store.write(lambda tx: tx.append("first", {}, at=NOW)),
        store.write(failing),
        store.write(lambda tx: tx.append("second", {}, at=NOW)),
        return_exceptions=True,
    )
    events = await store.read(lambda reader: reader.events(0, 10))

    assert isinstance(outcomes[1], RuntimeError)
    assert [(event.seq, event.type) for event in events] == [(1, "first"), (2, "second")]
    assert await store.read(lambda reader: reader.newest_event_at()) == NOW


async def test_a_change_of_a_request_names_its_row_and_its_payloads(store: Store) -> None:
    await store.write(received)
    event = await store.read(lambda reader: reader.event(1))
    assert event is not None
    body = json.loads(event.body)
    asked = await store.read(lambda reader: reader.payload(body["payloads"]["asked"]))

    assert body["type"] == "request.received"
    assert body["version"] == 1
    assert len(body["row"]) == 64
    assert isinstance(asked, dict)
    assert asked["own"]["ticket"] == "T-77"
