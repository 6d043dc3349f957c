"""Requests in any store: what is written is what is read, and a state follows only where it may."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from runplane_mcp.core.request import TRANSITIONS, ActionRequest, Failure, Kind, OwnArguments, State
from runplane_mcp.core.wire import WireRequest, encode
from runplane_mcp.errors import StoreError
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.records import Changed, RequestFilter
from tests.store.things import NOW, a_request, brought_to, moving, received, sha, stepped


async def read(store: Store, request: ActionRequest) -> ActionRequest:
    found = await store.read(lambda reader: reader.request(request.id))
    assert found is not None
    return found


async def test_a_request_reads_back_as_it_was_written(store: Store) -> None:
    request = a_request(
        own=OwnArguments("words \N{RIGHT-TO-LEFT OVERRIDE} \x00 ‼", "T-1", "my key", "RP-ABCD"),
        lease_owner="gate 1",
        lease_until=NOW + 60_000,
        expires_at=NOW + 1,
        as_asked=WireRequest("POST", "/v1/files", "a=b", b"\x00\xff bytes", "multipart/form-data"),
    )
    written = await store.write(lambda tx: tx.insert_request(request, event={"by": "support-bot"}))

    assert written == request
    assert await read(store, request) == request
    assert await store.read(lambda reader: reader.request_by_reference(request.reference)) == request


async def test_a_request_without_a_wire_form_is_kept_with_its_raw_arguments(store: Store) -> None:
    # Numbers and text that have no canonical form are what such a request is mostly refused for.
    raw = {"amount": 60000.5, "huge": 2**70, "half": "\ud800", "not": None}
    request = a_request(as_asked=None, own=OwnArguments(), same_asked=None)
    await store.write(lambda tx: tx.insert_request(request, asked=raw, event={}))  # type: ignore[arg-type]

    assert await read(store, request) == request


async def test_a_request_that_is_not_there_is_none(store: Store) -> None:
    assert await store.read(lambda reader: reader.request("rpr_none")) is None
    assert await store.read(lambda reader: reader.request_by_reference("RP-NONE")) is None


async def test_a_new_request_is_always_received_in_version_one(store: Store) -> None:
    with pytest.raises(StoreError) as refused:
        await store.write(lambda tx: tx.insert_request(a_request(state=State.EXECUTING), event={}))
    written = await store.write(lambda tx: received(tx, version=7))

    assert refused.value.code == "store.transition"
    assert written.version == 1


async def test_a_taken_reference_grows_until_it_is_free(store: Store) -> None:
    references = [(await store.write(lambda tx: received(tx, reference="RP-7F3K"))).reference for _ in range(4)]

    assert references[0] == "RP-7F3K"
    assert len(set(references)) == 4
    assert all(reference.startswith("RP-7F3K") and len(reference) <= 10 for reference in references)


async def test_two_requests_cannot_have_one_id(store: Store) -> None:
    request = await store.write(received)
    with pytest.raises(StoreError):
        await store.write(lambda tx: tx.insert_request(a_request(id=request.id), event={}))

    assert await read(store, request) == request


@pytest.mark.parametrize("before", list(State))
async def test_a_state_is_followed_by_those_of_the_table_and_no_other(store: Store, before: State) -> None:
    def attempt(after: State, tx: Transaction) -> str:
        request = brought_to(tx, before)
        try:
            moved = stepped(tx, request, after, at=NOW + 5)
        except StoreError as error:
            return error.code
        assert tx.request(request.id) == moved
        assert (moved.state, moved.version, moved.changed_at) == (after, request.version + 1, NOW + 5)
        return "moved"

    for after in State:
        expected = "moved" if after in TRANSITIONS.get(before, frozenset()) else "store.transition"
        assert await store.write(partial(attempt, after)) == expected, f"{before} to {after}"


async def test_a_move_changes_what_it_says_and_nothing_else(store: Store) -> None:
    effective = encode(
        "POST", "/v1/refunds", {"charge": "ch_1", "amount": 90_000, "metadata": {"runplane_request": "x"}}
    )

    def work(tx: Transaction) -> tuple[ActionRequest, ActionRequest]:
        request = received(tx)
        held = tx.move(
            request,
            State.WAITING,
            at=NOW + 1,
            event={"round": 1},
            effective=effective,
            round=1,
            digest=sha("digest"),
            expires_at=NOW + 100,
            message_to_agent="Finance looks at it.",
            same_effective=sha("effective"),
            action="refund.update",
        )
        return request, held

    request, held = await store.write(work)

    assert await read(store, request) == held
    assert held == replace(
        request,
        state=State.WAITING,
        version=2,
        changed_at=NOW + 1,
        effective=effective,
        round=1,
        digest=sha("digest"),
        expires_at=NOW + 100,
        message_to_agent="Finance looks at it.",
        same_effective=sha("effective"),
        action="refund.update",
    )


async def test_what_runs_may_be_exactly_what_was_asked_for(store: Store) -> None:
    def work(tx: Transaction) -> ActionRequest:
        request = received(tx)
        return stepped(tx, request, State.EXECUTING, effective=request.as_asked)

    request = await store.write(work)

    assert request.effective == request.as_asked is not None
    assert await read(store, request) == request


async def test_a_failure_is_kept_with_all_that_is_known_of_it(store: Store) -> None:
    failure = Failure("stripe.card_declined", "Declined.", "source", "req_1", "pi_1")

    def work(tx: Transaction) -> ActionRequest:
        request = brought_to(tx, State.EXECUTING)
        return tx.move(
            request, State.FAILED, at=NOW, event={"code": failure.code}, failure=failure, message_to_agent="Words."
        )

    request = await store.write(work)

    assert await read(store, request) == request
    assert (request.failure, request.message_to_agent) == (failure, "Words.")


async def test_words_outlive_a_move_that_does_not_speak_of_them(store: Store) -> None:
    def work(tx: Transaction) -> ActionRequest:
        held = stepped(tx, received(tx), State.WAITING, message_to_agent="Wait.")
        return tx.move(held, State.EXPIRED, at=NOW, event={})

    assert (await read(store, await store.write(work))).message_to_agent == "Wait."


async def test_who_comes_second_with_the_same_version_changes_nothing(store: Store) -> None:
    request = await store.write(lambda tx: brought_to(tx, State.WAITING))
    canceled = await store.write(moving(request, State.CANCELED))

    def approved(stale: ActionRequest, tx: Transaction) -> ActionRequest:
        return tx.move(stale, State.APPROVED, at=NOW, event={})

    for stale in (request, replace(request, version=1), replace(request, version=3), replace(request, id="rpr_none")):
        with pytest.raises(Changed):
            await store.write(partial(approved, stale))
    assert await read(store, request) == canceled


async def test_of_many_who_want_one_request_exactly_one_gets_it(store: Store) -> None:
    request = await store.write(lambda tx: brought_to(tx, State.APPROVED))

    claims = [store.write(moving(request, State.EXECUTING, lease_owner=f"gate {name}")) for name in range(64)]
    outcomes = await asyncio.gather(*claims, return_exceptions=True)
    winners = [outcome for outcome in outcomes if isinstance(outcome, ActionRequest)]

    assert len(winners) == 1
    assert sum(isinstance(outcome, Changed) for outcome in outcomes) == 63
    assert (await read(store, request)).lease_owner == winners[0].lease_owner


async def test_nothing_remains_of_work_that_raises(store: Store) -> None:
    request = a_request()

    def work(tx: Transaction) -> None:
        tx.insert_request(request, event={})
        tx.append("something", {}, at=NOW)
        raise KeyError("a mistake in the work")

    with pytest.raises(KeyError):
        await store.write(work)

    assert await store.read(lambda reader: reader.request(request.id)) is None
    assert (await store.read(lambda reader: reader.head())).size == 0


async def test_the_log_holds_no_words_of_anybody(store: Store) -> None:
    def work(tx: Transaction) -> None:
        request = tx.insert_request(
            a_request(as_asked=encode("POST", "/v1/refunds", {"charge": "ch_1", "reason": "Miller"})),
            event={"agent": "support-bot"},
        )
        failure = Failure("stripe.refused", "Miller has no such charge")
        tx.move(request, State.FAILED, at=NOW, event={}, failure=failure, message_to_agent="Tell Miller.")

    await store.write(work)
    events = await store.read(lambda reader: reader.events(0, 100))

    assert [event.type for event in events] == ["request.received", "request.failed"]
    assert not any(b"Miller" in event.body or b"T-77" in event.body for event in events)


async def test_a_result_is_kept_with_the_move_that_it_belongs_to(store: Store) -> None:
    answer = {"id": "re_1", "amount": 500, "percent_off": 12.5, "name": "Ł\ud800"}

    def work(tx: Transaction) -> ActionRequest:
        request = brought_to(tx, State.EXECUTING)
        tx.set_result(request.id, answer)  # type: ignore[arg-type]
        return tx.move(request, State.SUCCEEDED, at=NOW, event={}, object_id="re_1")

    request = await store.write(work)
    other = await store.write(received)

    assert await store.read(lambda reader: reader.result(request.id)) == answer
    assert await store.read(lambda reader: reader.result(other.id)) is None


async def test_a_result_without_its_move_is_not_kept(store: Store) -> None:
    request = await store.write(lambda tx: brought_to(tx, State.EXECUTING))
    with pytest.raises(ValueError):
        await store.write(lambda tx: tx.set_result(request.id, {"id": "re_1"}))

    assert await store.read(lambda reader: reader.result(request.id)) is None


async def test_a_request_cannot_be_moved_under_names_that_the_store_uses_itself(store: Store) -> None:
    with pytest.raises(ValueError):
        await store.write(lambda tx: tx.insert_request(a_request(), event={"version": 9}))


async def test_lists_are_newest_first_and_filtered(store: Store) -> None:
    def work(tx: Transaction) -> dict[str, str]:
        return {
            "old": brought_to(tx, State.WAITING).id,
            "read": received(tx, kind=Kind.READ, operation_id="GetBalance", action="balance.retrieve").id,
            "other": brought_to(tx, State.DENIED, principal="agent:2").id,
            "new": brought_to(tx, State.WAITING).id,
        }

    ids = await store.write(work)

    async def listed(**wanted: object) -> list[str]:
        found = await store.read(lambda reader: reader.requests(RequestFilter(**wanted)))  # type: ignore[arg-type]
        return [next(name for name, id in ids.items() if id == request.id) for request in found]

    assert await listed() == ["new", "other", "read", "old"]
    assert await listed(limit=2) == ["new", "other"]
    assert await listed(states=frozenset({State.WAITING})) == ["new", "old"]
    assert await listed(states=frozenset({State.WAITING, State.DENIED})) == ["new", "other", "old"]
    assert await listed(states=frozenset()) == []
    assert await listed(principal="agent:2") == ["other"]
    assert await listed(kind=Kind.READ) == ["read"]
    assert await listed(action="balance.retrieve") == ["read"]
    assert await listed(principal="stdio", states=frozenset({State.WAITING}), limit=1) == ["new"]


async def test_what_a_gate_may_have_work_with_comes_oldest_first(store: Store) -> None:
    made = {state: await store.write(partial(brought_to, state=state)) for state in State}
    found = await store.read(lambda reader: reader.unfinished())

    assert found == [request for state, request in made.items() if state in TRANSITIONS]


async def test_what_waits_for_people_is_no_work_for_a_gate_until_it_expires(store: Store) -> None:
    waiting = await store.write(partial(brought_to, state=State.WAITING, expires_at=5_000))
    received = await store.write(partial(brought_to, state=State.RECEIVED))

    assert await store.read(lambda reader: reader.unfinished(4_999)) == [received]
    assert await store.read(lambda reader: reader.unfinished(5_000)) == [waiting, received]
