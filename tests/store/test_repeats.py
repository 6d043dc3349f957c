"""The same request in its three forms, agents' own keys, and what an earlier request was handed out for, in any store."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.core.repeats import UNANSWERED, Earlier, Form, How
from runplane_mcp.core.request import TRANSITIONS, ActionRequest, Failure, OwnArguments, State
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.records import Changed, KeyUse, Repeat
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.store.things import HOUR, NOW, a_request, brought_to, moving, received, sha, stepped

SAME = sha("the same")
FORMS = {Form.ASKED: "same_asked", Form.EFFECTIVE: "same_effective", Form.EFFECT: "same_effect"}


def same(tx: Transaction, state: State, form: Form = Form.ASKED, **changes: Any) -> ActionRequest:
    return brought_to(tx, state, **{FORMS[form]: SAME, **changes})


def failed(tx: Transaction, failure: Failure, **changes: Any) -> ActionRequest:
    """A request that failed with this failure, with its key and form as given."""
    request = received(tx, same_asked=SAME, **changes)
    return tx.move(request, State.FAILED, at=request.changed_at, event={}, failure=failure)


async def found(store: Store, form: Form = Form.ASKED, **how: Any) -> Earlier:
    return await store.read(lambda reader: reader.earlier(form, SAME, **how))


@pytest.mark.parametrize("form", list(Form))
async def test_the_newest_of_each_kind_is_found_in_every_form(store: Store, form: Form) -> None:
    def work(tx: Transaction) -> dict[str, ActionRequest]:
        made = {}
        for ago in (2 * HOUR, HOUR):
            at = NOW - ago
            for state in (State.WAITING, State.DENIED, State.SUCCEEDED, State.EXPIRED, State.BLOCKED, State.FAILED):
                made[state.value] = same(tx, state, form, created_at=at, policy_at=at, changed_at=at)
        same(tx, State.SUCCEEDED, form, **{FORMS[form]: sha("another")})
        return made

    made = await store.write(work)

    assert await found(store, form) == Earlier(
        open=made["waiting"], refused=made["denied"], ended=made["succeeded"], effected=made["succeeded"]
    )
    assert await store.read(lambda reader: reader.earlier(form, sha("nothing"))) == Earlier()


@pytest.mark.parametrize("state", list(State))
async def test_only_what_says_something_to_whoever_asks_again_is_found(store: Store, state: State) -> None:
    request = await store.write(partial(same, state=state))
    earlier = await found(store)

    assert earlier.open == (request if state in TRANSITIONS else None)
    assert earlier.refused == (request if state in {State.DENIED, State.REPLACED} else None)
    assert earlier.ended == earlier.effected == (request if state is State.SUCCEEDED else None)


async def test_a_failure_counts_where_it_left_something_or_people_had_approved_it(store: Store) -> None:
    plain = Failure("stripe.card_declined", "No.")
    await store.write(lambda tx: failed(tx, plain))
    assert await found(store) == Earlier()

    left = await store.write(lambda tx: failed(tx, Failure("stripe.card_declined", "No.", effect_id="pi_1")))
    assert await found(store) == Earlier(ended=left, effected=left)

    def approved_and_failed(tx: Transaction) -> ActionRequest:
        request = received(tx, same_asked=SAME, changed_at=NOW + 1)
        for state in (State.WAITING, State.APPROVED, State.EXECUTING):
            request = stepped(tx, request, state)
        return tx.move(request, State.FAILED, at=NOW + 1, event={}, failure=plain)

    approved = await store.write(approved_and_failed)
    assert await found(store) == Earlier(ended=approved, effected=left)


async def test_the_latest_is_the_latest_by_policy_time(store: Store) -> None:
    """A clock that was set, or is simulated, must not make an old success hide a new one."""

    def work(tx: Transaction) -> ActionRequest:
        newest = same(tx, State.SUCCEEDED, policy_at=NOW + HOUR)
        same(tx, State.SUCCEEDED, created_at=NOW + 9, changed_at=NOW + 9)
        return newest

    newest = await store.write(work)

    assert (await found(store)).ended == newest


async def test_the_latest_effect_is_the_last_received_whatever_the_clocks_say(store: Store) -> None:
    def work(tx: Transaction) -> ActionRequest:
        same(tx, State.SUCCEEDED, policy_at=NOW + HOUR, changed_at=NOW + HOUR)
        last = same(tx, State.SUCCEEDED, Form.EFFECT)
        same(tx, State.DENIED)
        same(tx, State.WAITING)
        failed(tx, Failure("stripe.card_declined", "No."))
        return last

    last = await store.write(work)
    left = await store.write(lambda tx: failed(tx, Failure("stripe.card_declined", "No.", effect_id="pi_1")))
    forms = {Form.ASKED: SAME, Form.EFFECT: SAME}

    assert await store.read(lambda reader: reader.latest_effect(forms)) == left
    assert await store.read(lambda reader: reader.latest_effect({Form.EFFECT: SAME})) == last
    assert await store.read(lambda reader: reader.latest_effect({Form.EFFECTIVE: SAME})) is None
    assert await store.read(lambda reader: reader.latest_effect({})) is None


async def test_a_request_is_not_found_beside_itself_nor_beside_what_was_held_after_it(store: Store) -> None:
    def work(tx: Transaction) -> list[ActionRequest]:
        return [same(tx, State.WAITING) for _ in range(3)]

    first, second, third = await store.write(work)

    assert (await found(store)).open == third
    assert (await found(store, excluding=third.id)).open == second
    assert (await found(store, excluding=second.id, held_before=True)).open == first
    assert (await found(store, excluding=first.id, held_before=True)).open is None

    await store.write(moving(third, State.APPROVED))
    running = await store.write(moving((await _of(store, third)), State.EXECUTING))

    assert (await found(store, excluding=first.id, held_before=True)).open == running


async def _of(store: Store, request: ActionRequest) -> ActionRequest:
    found = await store.read(lambda reader: reader.request(request.id))
    assert found is not None
    return found


# -- keys ----------------------------------------------------------------------------------------------------------


def keyed(tx: Transaction, key: str = "k", **changes: Any) -> ActionRequest:
    return received(tx, own=OwnArguments(idempotency_key=key), **changes)


async def by_key(store: Store, principal: str = "stdio", key: str = "k") -> KeyUse | None:
    return await store.read(lambda reader: reader.by_agent_key(principal, key))


async def test_an_agents_own_key_leads_to_its_first_request(store: Store) -> None:
    first = await store.write(keyed)
    await store.write(keyed)
    await store.write(partial(keyed, principal="agent:2"))

    assert await by_key(store) == KeyUse(first, first.same_asked)
    assert await by_key(store, key="K") is None
    assert await by_key(store, principal="agent:3") is None


@pytest.mark.parametrize("code", ["parameter.missing", "parameter.type", *sorted(UNANSWERED)])
async def test_what_nobody_answered_binds_no_key(store: Store, code: str) -> None:
    await store.write(lambda tx: failed(tx, Failure(code, "No."), own=OwnArguments(idempotency_key="k")))
    assert await by_key(store) is None

    second = await store.write(keyed)
    assert await by_key(store) == KeyUse(second, second.same_asked)


@pytest.mark.parametrize("code", ["stripe.resource_missing", "precondition.changed", "parameterless"])
async def test_a_failure_that_is_an_answer_binds_the_key(store: Store, code: str) -> None:
    first = await store.write(lambda tx: failed(tx, Failure(code, "No."), own=OwnArguments(idempotency_key="k")))

    assert await by_key(store) == KeyUse(first, SAME)


async def test_a_key_that_an_earlier_request_answered_is_bound_to_what_it_came_with(store: Store) -> None:
    first = await store.write(received)
    repeat = Repeat(first.id, How.OPEN, "stdio", idempotency_key="k", same_asked=sha("as the second asked"))
    await store.write(lambda tx: tx.add_repeat(repeat, at=NOW))

    assert await by_key(store) == KeyUse(first, sha("as the second asked"))
    assert await by_key(store, principal="agent:2") is None


async def test_a_key_is_free_again_when_the_request_that_answered_came_to_nothing(store: Store) -> None:
    first = await store.write(received)
    repeat = Repeat(first.id, How.OPEN, "stdio", idempotency_key="k", same_asked=SAME)
    await store.write(lambda tx: tx.add_repeat(repeat, at=NOW))
    abandoned = Failure("request.abandoned", "Runplane ended before this was decided.")
    await store.write(moving(first, State.FAILED, failure=abandoned))
    assert await by_key(store) is None

    second = await store.write(keyed)
    assert await by_key(store) == KeyUse(second, second.same_asked)


# -- handing out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [How.RESULT, How.SEEN])
@pytest.mark.parametrize("second", [How.RESULT, How.SEEN])
async def test_a_result_reaches_its_agent_once(store: Store, first: How, second: How) -> None:
    request = await store.write(partial(same, state=State.SUCCEEDED))
    assert not (await found(store)).told

    await store.write(lambda tx: tx.add_repeat(Repeat(request.id, first, "stdio"), at=NOW))
    assert (await found(store)).told
    assert await store.read(lambda reader: reader.told(request.id))

    with pytest.raises(Changed):
        await store.write(lambda tx: tx.add_repeat(Repeat(request.id, second, "stdio"), at=NOW))


async def test_other_repeats_spend_nothing(store: Store) -> None:
    request = await store.write(partial(same, state=State.SUCCEEDED))
    for how in (How.OPEN, How.KEY, How.REFUSED, How.OPEN):
        await store.write(lambda tx, how=how: tx.add_repeat(Repeat(request.id, how, "stdio"), at=NOW))  # type: ignore[misc]

    assert not (await found(store)).told


async def test_a_repeat_is_an_event_of_the_request_that_answered(store: Store) -> None:
    request, own = await store.write(lambda tx: (received(tx), received(tx)))
    repeat = Repeat(request.id, How.OPEN, "stdio", "bot", "mcp", "key-of-miller", SAME, instead_of=own.id)
    await store.write(lambda tx: tx.add_repeat(repeat, at=NOW))
    [*_, event] = await store.read(lambda reader: reader.events(0, 100, request.id))

    said = json.loads(event.body)
    assert event.type == "repeat"
    assert {name: said[name] for name in ("how", "agent", "via", "instead_of")} == {
        "how": "open",
        "agent": "bot",
        "via": "mcp",
        "instead_of": own.id,
    }
    assert b"miller" not in event.body


async def test_a_repeat_needs_its_request(store: Store) -> None:
    with pytest.raises(Exception, match="store"):
        await store.write(lambda tx: tx.add_repeat(Repeat(a_request().id, How.OPEN, "stdio"), at=NOW))


# -- what the database itself refuses, and what verify finds --------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store in which one result was handed out and one key was bound."""
    path = tmp_path / "runplane.db"

    async def fill() -> None:
        store = open_store(path)
        try:

            def work(tx: Transaction) -> None:
                request = same(tx, State.SUCCEEDED)
                tx.add_repeat(Repeat(request.id, How.OPEN, "stdio", idempotency_key="k", same_asked=SAME), at=NOW)
                tx.add_repeat(Repeat(request.id, How.RESULT, "stdio"), at=NOW)

            await store.write(work)
        finally:
            await store.close()

    asyncio.run(fill())
    return path


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM repeat",
        "UPDATE repeat SET how = 'open'",
        "UPDATE repeat SET agent_key = NULL",
        "INSERT OR REPLACE INTO repeat SELECT 1, request_id, how, principal, agent_key, same_asked, instead_of FROM repeat "
        "WHERE how = 'result'",
        "INSERT OR REPLACE INTO repeat SELECT seq, request_id, 'open', principal, agent_key, same_asked, instead_of "
        "FROM repeat WHERE how = 'result'",
        "INSERT OR REPLACE INTO repeat SELECT 1, request_id, 'seen', principal, agent_key, same_asked, instead_of "
        "FROM repeat WHERE how = 'result'",
    ],
)
def test_what_was_spent_does_not_come_back(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()

    assert verify(path).ok


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DELETE FROM repeat WHERE how = 'result'", "is missing"),
        ("UPDATE repeat SET how = 'key' WHERE how = 'result'", "was changed"),
        ("UPDATE repeat SET agent_key = NULL", "was changed"),
        (
            "INSERT INTO repeat SELECT 1, request_id, 'key', principal, NULL, NULL, NULL FROM repeat WHERE how = 'open'",
            "no event made",
        ),
    ],
)
def test_verify_finds_a_repeat_that_was_changed(path: Path, statement: str, problem: str) -> None:
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement)
    connection.commit()
    connection.close()

    result = verify(path)

    assert not result.ok
    assert problem in (result.problem or "")
