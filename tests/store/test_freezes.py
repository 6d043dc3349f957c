"""Freezes in any store: they are kept, marked as lifted, and each of it has its event."""

from __future__ import annotations

import json

import pytest

from runplane_mcp.core.freeze import Freeze, Scope
from runplane_mcp.errors import StoreError
from runplane_mcp.store.base import Store
from runplane_mcp.store.records import Changed
from tests.store.things import NOW

EVERYTHING = Freeze("frz_all", Scope(), NOW, "max", "It loops, said Mrs. Miller.")
REFUNDS = Freeze("frz_refunds", Scope(agent="support-bot", principal="stdio", action="refunds"), NOW + 1)


async def test_freezes_read_back_oldest_first(store: Store) -> None:
    assert await store.read(lambda reader: reader.freezes()) == []
    await store.write(lambda tx: tx.start_freeze(REFUNDS))
    await store.write(lambda tx: tx.start_freeze(EVERYTHING))
    found = await store.read(lambda reader: reader.freezes())

    assert found == [EVERYTHING, REFUNDS]
    assert [each.lifted_seq for each in found] == [None, None]


async def test_a_lifted_freeze_names_the_event_that_lifted_it(store: Store) -> None:
    await store.write(lambda tx: tx.start_freeze(EVERYTHING))
    await store.write(lambda tx: tx.lift_freeze(EVERYTHING.id, {"by": "ada", "signature": "00"}, at=NOW + 5))
    [freeze] = await store.read(lambda reader: reader.freezes())
    seq = freeze.lifted_seq
    assert seq is not None
    event = await store.read(lambda reader: reader.event(seq))

    assert event is not None
    assert event.type == "freeze.lifted"
    body = json.loads(event.body)
    assert (body["freeze"], body["by"], body["at"]) == (EVERYTHING.id, "ada", NOW + 5)


async def test_a_freeze_that_is_not_there_cannot_be_lifted_and_leaves_no_event(store: Store) -> None:
    with pytest.raises(Changed):
        await store.write(lambda tx: tx.lift_freeze("frz_none", {}, at=NOW))

    assert await store.read(lambda reader: reader.events(0, 10)) == []


async def test_an_id_is_used_once(store: Store) -> None:
    await store.write(lambda tx: tx.start_freeze(EVERYTHING))
    with pytest.raises(StoreError):
        await store.write(lambda tx: tx.start_freeze(Freeze(EVERYTHING.id, Scope(action="payouts"), NOW)))

    assert await store.read(lambda reader: reader.freezes()) == [EVERYTHING]


async def test_the_log_says_what_was_frozen_and_nobodys_name_or_words(store: Store) -> None:
    await store.write(lambda tx: tx.start_freeze(EVERYTHING))
    await store.write(lambda tx: tx.start_freeze(REFUNDS))
    first, second = await store.read(lambda reader: reader.events(0, 10))
    body = json.loads(second.body)

    assert (first.type, second.type) == ("freeze.started", "freeze.started")
    assert (body["agent"], body["principal"], body["action"]) == ("support-bot", "stdio", "refunds")
    assert b"Miller" not in first.body
    assert b"max" not in first.body
