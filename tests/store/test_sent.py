"""Writes that were sent, found by what Stripe shows of them, in any store."""

from __future__ import annotations

from collections.abc import Callable, Collection

from runplane_mcp.core.request import ActionRequest, Kind, State, StripeIdentity
from runplane_mcp.core.wire import encode
from runplane_mcp.store.base import Reader, Store, Transaction
from tests.store.things import HOUR, NOW, going_on, received, stepped


def sent(tx: Transaction, number: int, *, at: int = NOW, policy_at: int = NOW, done: bool = True) -> ActionRequest:
    """A refund that was sent with its own key, and has its object if it is done."""
    request = received(tx, created_at=NOW, policy_at=policy_at)
    request = stepped(tx, request, State.EXECUTING, at=at, stripe_key=f"rp_{number:032x}")
    if done:
        named = f"req_{number}", f"re_{number}"
        request = tx.move(request, State.SUCCEEDED, at=at, event={}, stripe_request_id=named[0], object_id=named[1])
    return request


async def found(store: Store, ids: Collection[str] = (), keys: Collection[str] = ()) -> list[str]:
    return [each.id for each in await store.read(lambda reader: reader.sent_by_ids(ids, keys))]


async def test_a_write_is_found_by_its_object_its_key_and_stripes_id_of_it(store: Store) -> None:
    first, second = await store.write(lambda tx: (sent(tx, 1), sent(tx, 2, done=False)))

    assert await found(store, ["re_1"]) == await found(store, ["req_1"]) == [first.id]
    assert await found(store, keys=[f"rp_{2:032x}"]) == [second.id]
    assert await found(store, ["re_1", "re_1", "re_9"], [f"rp_{1:032x}", f"rp_{2:032x}"]) == [first.id, second.id]
    assert await found(store) == await found(store, ["re_2"], ["re_1"]) == []


async def test_what_only_names_an_id_or_a_key_is_not_taken_for_it(store: Store) -> None:
    """THREATS 26: agents may name anything, as often as they like."""
    made = await store.write(lambda tx: sent(tx, 1))

    def flood(tx: Transaction) -> None:
        for _ in range(50):
            wire = encode("POST", "/v1/refunds/{refund}", {"refund": "re_1", "metadata": {"key": f"rp_{1:032x}"}})
            request = received(tx, as_asked=wire)
            tx.mention(request.id, ["re_1", "req_1", f"rp_{1:032x}"])
            going_on(tx, request.id)

    await store.write(flood)

    assert await found(store, ["re_1", "req_1"], [f"rp_{1:032x}"]) == [made.id]


def page(after: int) -> Callable[[Reader], tuple[list[ActionRequest], int | None]]:
    return lambda reader: reader.sent_between(NOW + 2 * HOUR, NOW + 5 * HOUR, after=after, limit=2)


async def test_a_period_is_told_in_pages_by_the_time_that_the_account_has(store: Store) -> None:
    def work(tx: Transaction) -> list[str]:
        received(tx)  # never sent
        ids = [sent(tx, number, at=NOW + number * HOUR).id for number in range(1, 6)]
        # Its policy time is a day on, and so was its attempt.
        sent(tx, 9, at=NOW + HOUR, policy_at=NOW + 24 * HOUR)
        return ids

    ids = await store.write(work)
    pages: list[list[str]] = []
    after: int | None = 0
    while after is not None:
        some, after = await store.read(page(after))
        pages.append([each.id for each in some])

    assert pages == [ids[1:3], ids[3:4]]


async def test_the_accounts_of_a_store_are_told_in_portions(store: Store) -> None:
    others = [StripeIdentity("stripe", f"acct_{number}", livemode=False) for number in range(3)]

    def work(tx: Transaction) -> None:
        for each in (others[0], others[0], others[1]):
            received(tx, identity=each)
        received(tx, identity=others[2], kind=Kind.READ)

    await store.write(work)
    first, after = await store.read(lambda reader: reader.identities(0, 2))
    assert after is not None
    start = after
    second, last = await store.read(lambda reader: reader.identities(start, 3))
    none, over = await store.read(lambda reader: reader.identities(99, 3))

    assert (set(first), set(second), last) == ({others[0]}, {others[1]}, None)
    assert (set(none), over) == (set(), None)
