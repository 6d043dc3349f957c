"""Rolling sums and history in any store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from runplane_mcp.core.decision import Bucket, Usage
from runplane_mcp.core.limits import Spent
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.request import State
from runplane_mcp.errors import StoreError
from runplane_mcp.store.base import Reader, Store, Transaction
from runplane_mcp.store.records import Past
from tests.store.things import (
    DAY,
    HOUR,
    NOW,
    WAYS,
    a_bucket,
    a_request,
    brought_to,
    going_on,
    received,
    settled,
    sha,
    stepped,
)


async def usage(store: Store, bucket: Bucket, now: int = NOW, excluding: str | None = None) -> Usage:
    return await store.read(lambda reader: reader.usages([bucket], now, excluding)[0])


def reserved(tx: Transaction, bucket: Bucket, at: int = NOW, *, waiting: bool = False) -> str:
    request = received(tx)
    tx.reserve(request.id, [bucket], at=at, waiting=waiting)
    return going_on(tx, request.id)


async def test_an_unused_bucket_is_empty(store: Store) -> None:
    assert await usage(store, a_bucket()) == Usage()


async def test_sums_are_kept_per_currency(store: Store) -> None:
    def work(tx: Transaction) -> None:
        reserved(tx, a_bucket(500))
        reserved(tx, a_bucket(700))
        reserved(tx, a_bucket(900, "eur"))

    await store.write(work)

    assert await usage(store, a_bucket()) == Usage(3, {"usd": 1200, "eur": 900})


async def test_buckets_of_another_key_or_value_do_not_mix(store: Store) -> None:
    await store.write(lambda tx: reserved(tx, a_bucket()))

    assert await usage(store, a_bucket(bucket='["another"]')) == Usage()
    assert await usage(store, a_bucket(key=sha("another"))) == Usage()
    assert (await usage(store, a_bucket(limit_id="renamed", window=7200))).count == 1


@pytest.mark.parametrize(("age", "counted"), [(0, True), (HOUR - 1, True), (HOUR, False), (-HOUR, True)])
async def test_what_is_older_than_the_window_no_longer_counts(store: Store, age: int, counted: bool) -> None:
    # A row of the future comes from a clock that was set back since: it must not open the limit.
    await store.write(lambda tx: reserved(tx, a_bucket(), at=NOW - age))

    assert (await usage(store, a_bucket())).count == (1 if counted else 0)


async def test_what_waits_counts_as_now_however_old_it_is(store: Store) -> None:
    await store.write(lambda tx: reserved(tx, a_bucket(500), at=NOW - DAY, waiting=True))
    await store.write(lambda tx: reserved(tx, a_bucket(200)))

    assert await usage(store, a_bucket()) == Usage(2, {"usd": 700}, 1, {"usd": 500})


async def test_released_money_is_given_back_and_the_attempt_stays(store: Store) -> None:
    ids = [await store.write(partial(reserved, bucket=a_bucket(500), waiting=waiting)) for waiting in (True, False)]
    for id in ids:
        await store.write(partial(settled, request_id=id, release=True))

    assert await usage(store, a_bucket()) == Usage(2)


async def test_what_was_waiting_is_spent_once_it_is_settled(store: Store) -> None:
    id = await store.write(lambda tx: reserved(tx, a_bucket(), waiting=True))
    await store.write(lambda tx: settled(tx, id, release=False))

    assert await usage(store, a_bucket()) == Usage(1, {"usd": 500})


async def test_what_stripe_says_has_moved_takes_the_place_of_what_was_reserved(store: Store) -> None:
    revenue = a_bucket(900, key=sha("revenue"), of="mrr_lost")

    def spent(tx: Transaction, bucket: Bucket, *, release: bool = False) -> None:
        request = received(tx)
        tx.reserve(request.id, [bucket, revenue], at=NOW, waiting=True)
        tx.settle(request.id, release=release, spent=Money(300, "eur"))
        going_on(tx, request.id)

    await store.write(lambda tx: spent(tx, a_bucket(500)))
    await store.write(lambda tx: spent(tx, a_bucket(None)))
    await store.write(lambda tx: spent(tx, a_bucket(500), release=True))

    assert await usage(store, a_bucket()) == Usage(3, {"eur": 600})
    assert await usage(store, revenue) == Usage(3, {"usd": 1800})


async def test_an_unknown_amount_counts_one_and_no_money(store: Store) -> None:
    await store.write(lambda tx: reserved(tx, a_bucket(None)))
    await store.write(lambda tx: reserved(tx, a_bucket(None), waiting=True))

    assert await usage(store, a_bucket()) == Usage(2, {}, 1, {})


async def test_a_new_reservation_takes_the_place_of_the_requests_older_one(store: Store) -> None:
    id = await store.write(lambda tx: reserved(tx, a_bucket(500), at=NOW - HOUR, waiting=True))
    other = a_bucket(500, bucket='["other"]')

    def again(tx: Transaction, *buckets: Bucket) -> None:
        tx.reserve(id, buckets, at=NOW, waiting=False)
        going_on(tx, id)

    await store.write(lambda tx: again(tx, a_bucket(90), other))

    assert await usage(store, a_bucket()) == Usage(1, {"usd": 90})
    assert (await usage(store, other)).count == 1

    await store.write(again)
    assert await usage(store, a_bucket()) == await usage(store, other) == Usage()


async def test_a_requests_own_reservation_can_be_left_out(store: Store) -> None:
    own = await store.write(lambda tx: reserved(tx, a_bucket(500), waiting=True))
    await store.write(lambda tx: reserved(tx, a_bucket(200)))

    assert await usage(store, a_bucket(), excluding=own) == Usage(1, {"usd": 200})


async def test_sums_that_were_emptied_do_not_free_what_is_decided_again(store: Store, tmp_path: Path) -> None:
    """THREATS 24: its own row is taken out of sums that do not hold it."""
    own = await store.write(lambda tx: reserved(tx, a_bucket(500), waiting=True))
    with closing(sqlite3.connect(tmp_path / "runplane.db")) as database:
        database.execute("DELETE FROM subtotal")
        database.commit()

    with pytest.raises(StoreError) as refused:
        await usage(store, a_bucket(), excluding=own)
    assert refused.value.code == "store.corrupt"


async def test_sums_of_the_largest_amounts_do_not_overflow(store: Store) -> None:
    def work(tx: Transaction) -> None:
        for _ in range(20):
            reserved(tx, a_bucket(LARGEST_AMOUNT))

    await store.write(work)

    assert await usage(store, a_bucket()) == Usage(20, {"usd": 20 * LARGEST_AMOUNT})


async def test_an_amount_beyond_all_bounds_is_refused(store: Store) -> None:
    with pytest.raises(StoreError):
        await store.write(lambda tx: reserved(tx, a_bucket(LARGEST_AMOUNT + 1)))

    assert await usage(store, a_bucket()) == Usage()


async def test_what_a_limit_reads_includes_what_the_same_work_reserved(store: Store) -> None:
    def work(tx: Transaction) -> Usage:
        reserved(tx, a_bucket())
        return tx.usages([a_bucket()], NOW)[0]

    assert await store.write(work) == Usage(1, {"usd": 500})


async def past(store: Store, now: int = NOW, **wanted: str | None) -> Past:
    given = {"principal": "stdio", "customer": "cus_1", "object_id": "ch_1", "excluding": None, **wanted}
    return await store.read(lambda reader: reader.past(now=now, **given))  # type: ignore[arg-type]


def about(
    tx: Transaction,
    state: State = State.EXECUTING,
    customer: str | None = "cus_1",
    object_id: str | None = "ch_1",
    amount: int | None = 500,
    **changes: object,
) -> str:
    request = received(tx, **changes)
    currency = None if amount is None else "usd"
    tx.note_subject(request.id, customer=customer, object_id=object_id, amount=amount, currency=currency)
    for step in WAYS[state]:
        request = stepped(tx, request, step)
    return request.id


async def test_without_history_nothing_is_past(store: Store) -> None:
    assert await past(store) == Past()


async def test_an_agents_day_counts_its_requests_and_those_refused(store: Store) -> None:
    def work(tx: Transaction) -> str:
        received(tx)
        brought_to(tx, State.BLOCKED)
        brought_to(tx, State.DENIED)
        brought_to(tx, State.BLOCKED, policy_at=NOW - DAY)
        brought_to(tx, State.BLOCKED, principal="agent:2")
        return brought_to(tx, State.DENIED).id

    own = await store.write(work)
    found = await past(store)
    without_own = await past(store, excluding=own)

    assert (found.requests_24h_agent, found.refused_24h_agent) == (4, 3)
    assert (without_own.requests_24h_agent, without_own.refused_24h_agent) == (3, 2)


async def test_a_customers_week_counts_the_requests_about_them(store: Store) -> None:
    def work(tx: Transaction) -> str:
        about(tx)
        about(tx, policy_at=NOW - 7 * DAY + 1)
        about(tx, policy_at=NOW - 7 * DAY)
        about(tx, customer="cus_2")
        about(tx, customer=None)
        return about(tx)

    own = await store.write(work)

    assert (await past(store)).requests_7d_customer == 3
    assert (await past(store, excluding=own)).requests_7d_customer == 2
    assert (await past(store, customer=None)).requests_7d_customer == 0


async def test_an_objects_day_counts_the_denials_by_when_they_were_said(store: Store) -> None:
    def work(tx: Transaction) -> None:
        about(tx, State.DENIED)
        about(tx, State.BLOCKED)
        about(tx, State.DENIED, object_id="ch_2")
        # Asked two days ago, denied an hour ago.
        held = brought_to(tx, State.WAITING, policy_at=NOW - 2 * DAY, created_at=NOW - 2 * DAY)
        tx.note_subject(held.id, customer=None, object_id="ch_1", amount=None, currency=None)
        tx.move(held, State.DENIED, at=NOW - HOUR, event={})

    await store.write(work)

    assert (await past(store)).denied_24h_object == 2
    assert (await past(store, now=NOW + DAY - HOUR)).denied_24h_object == 1
    assert (await past(store, now=NOW + DAY)).denied_24h_object == 0
    assert (await past(store, object_id=None)).denied_24h_object == 0


async def test_what_was_lowered_counts_as_denied_but_for_what_took_its_place(store: Store) -> None:
    def work(tx: Transaction) -> tuple[str, str]:
        old = brought_to(tx, State.WAITING)
        tx.note_subject(old.id, customer=None, object_id="ch_1", amount=None, currency=None)
        new = tx.insert_request(a_request(replaces=old.id), event={})
        tx.move(old, State.REPLACED, at=old.changed_at, event={}, replaced_by=new.id)
        return old.id, new.id

    old, new = await store.write(work)

    assert (await past(store)).denied_24h_object == 1
    assert (await past(store, excluding=old)).denied_24h_object == 0
    assert (await past(store, excluding=new)).denied_24h_object == 0


async def test_money_that_other_open_requests_want_of_an_object_is_summed(store: Store) -> None:
    def work(tx: Transaction) -> str:
        for state in (State.WAITING, State.APPROVED, State.SCHEDULED, State.EXECUTING, State.OUTCOME_UNKNOWN):
            about(tx, state, amount=100)
        for state in (State.SUCCEEDED, State.DENIED, State.CANCELED, State.FAILED, State.BLOCKED):
            about(tx, state, amount=7_000)
        about(tx, State.WAITING, amount=None)
        about(tx, State.WAITING, amount=9_000, object_id="ch_2")
        return about(tx, State.WAITING, amount=40)

    own = await store.write(work)

    assert (await past(store)).waiting_on_object == {"usd": 540}
    assert (await past(store, excluding=own)).waiting_on_object == {"usd": 500}


async def test_a_later_look_replaces_what_a_request_is_about(store: Store) -> None:
    id = await store.write(lambda tx: about(tx, State.WAITING, amount=100))

    def again(tx: Transaction) -> None:
        request = tx.request(id)
        assert request is not None
        tx.note_subject(id, customer="cus_1", object_id="ch_1", amount=30, currency="usd")
        stepped(tx, request, State.APPROVED)

    await store.write(again)

    found = await past(store)
    assert (found.waiting_on_object, found.requests_7d_customer) == ({"usd": 30}, 1)


async def test_what_a_request_is_about_is_noted_with_a_move_or_not_at_all(store: Store) -> None:
    id = await store.write(lambda tx: received(tx).id)
    with pytest.raises(ValueError, match="did not move"):
        await store.write(lambda tx: tx.note_subject(id, customer="cus_1", object_id=None, amount=None, currency=None))

    assert (await past(store)).requests_7d_customer == 0


async def test_of_very_many_buckets_those_in_use_are_read(store: Store) -> None:
    def work(tx: Transaction) -> None:
        for number in range(20):
            reserved(tx, a_bucket(bucket=f'[["customer","cus_{number}"]]'))

    await store.write(work)

    def look(reader: Reader) -> None:
        key = a_bucket().key
        every, whole = reader.buckets(key, 20)
        assert (len(every), whole) == (20, True)
        some, whole = reader.buckets(key, 3)
        assert (some, whole) == ([f'[["customer","cus_{number}"]]' for number in (19, 18, 17)], False)
        assert reader.buckets(key, 3, holding="cus_7") == (['[["customer","cus_7"]]'], True)
        assert reader.buckets(key, 3, holding="cus_") == ([], True)
        assert reader.buckets(sha("another"), 3) == ([], True)

    await store.read(look)


async def test_what_leaves_a_window_first_is_told_first_and_what_waits_not_at_all(store: Store) -> None:
    def work(tx: Transaction) -> None:
        for age in (HOUR, 0, HOUR // 2):
            reserved(tx, a_bucket(500), at=NOW - age)
        reserved(tx, a_bucket(500), waiting=True)
        settled(tx, reserved(tx, a_bucket(500), at=NOW - 1), release=True)

    await store.write(work)
    rows = await store.read(lambda reader: reader.spent(a_bucket().key, a_bucket().bucket, NOW - HOUR, 10))

    assert rows == [Spent(NOW - HOUR // 2, Money(500, "usd")), Spent(NOW - 1, None), Spent(NOW, Money(500, "usd"))]
