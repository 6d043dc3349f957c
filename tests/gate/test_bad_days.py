"""A disk that is full or read-only, a database that somebody holds, a clock that was set back, and two Stripes in one home:
each ends right or closed. THREATS 18 and 19. In a process of its own, since a process is what a full disk stops."""

from __future__ import annotations

import asyncio
import fcntl
import resource
import shutil
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.request import State, StripeIdentity
from runplane_mcp.errors import RunplaneError, StoreError
from runplane_mcp.gate.completer import Completer
from runplane_mcp.gate.freezing import start_freeze
from runplane_mcp.gate.presence import Presence
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Fault, FaultKind
from runplane_mcp.store import room
from runplane_mcp.store.files import lock_path
from runplane_mcp.store.sqlite import SqliteStore
from tests.crash import race, run_and_kill
from tests.gate.conftest import FakeClock, House, refund, submission, until
from tests.gate.homes import check_log
from tests.gate.stories import ALLOWED, APPROVED, Shelf, Story, stand

Trouble = Callable[[SqliteStore], AbstractContextManager[None]]
SHORT_MS = 300


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("homes"))


@contextmanager
def full_disk(store: SqliteStore) -> Any:
    """The system lets no file of this process grow beyond what the database's log is now."""
    log = store.path.with_name(f"{store.path.name}-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def full_database(store: SqliteStore) -> Any:
    """SQLite itself says that there is no room."""
    connection = store._writer._connection
    [most] = connection.execute("PRAGMA max_page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA max_page_count = {most}")


@contextmanager
def read_only(store: SqliteStore) -> Any:
    store._writer._connection.execute("PRAGMA query_only = ON")
    try:
        yield
    finally:
        store._writer._connection.execute("PRAGMA query_only = OFF")


@contextmanager
def locked(store: SqliteStore) -> Any:
    store._busy_timeout_ms = SHORT_MS
    with lock_path(store.path).open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    store._busy_timeout_ms = 5_000


TROUBLES: dict[str, tuple[Trouble, str]] = {
    "a full disk": (full_disk, "store.unavailable"),
    "a full database": (full_database, "store.full"),
    "read-only": (read_only, "store.readonly"),
    "locked": (locked, "store.locked"),
}


def asking(settings: Settings, trouble: Trouble, *, after: str) -> dict[str, Any]:
    """A gate that meets the trouble at a named point while it does a refund: what the agent hears of it."""

    async def run() -> dict[str, Any]:
        store: SqliteStore | None = None
        meeting: AbstractContextManager[None] | None = None

        def probe(point: str) -> None:
            nonlocal meeting
            if point == after and meeting is None and store is not None:
                meeting = trouble(store)
                meeting.__enter__()

        async with open_gate(settings, simulator=True, clock=FakeClock(), probe=probe) as gate:
            await gate.identity()
            assert isinstance(gate.store, SqliteStore)
            store = gate.store
            try:
                view = await gate.submit(refund(SEED.payment_intent_120, 4_000))
                heard: dict[str, Any] = {"status": view.status.value}
            except RunplaneError as error:
                heard = {"code": error.code, "nothing_ran": error.nothing_ran}
            assert meeting is not None
            meeting.__exit__(None, None, None)
            return heard

    return asyncio.run(run())


@pytest.mark.parametrize("name", ["a full disk", "read-only", "locked"])
def test_what_cannot_be_decided_for_want_of_a_disk_is_never_sent(shelf: Shelf, name: str) -> None:
    settings, (trouble, code) = shelf.home(ALLOWED), TROUBLES[name]

    [heard] = race([partial(asking, settings, trouble, after="submit.received")])
    ALLOWED.recover(settings)

    # Whoever could not write it down is not the one to say that it was not written down.
    assert heard == {"code": code, "nothing_ran": False}
    assert (stand(settings).state, stand(settings).received) == ("failed", 0)
    check_log(settings)


@pytest.mark.parametrize("name", TROUBLES)
def test_an_outcome_that_cannot_be_written_down_is_not_lost(shelf: Shelf, name: str) -> None:
    """The money has moved by then. The agent hears that it is not known, and the next gate finds it out."""
    settings, (trouble, code) = shelf.home(ALLOWED), TROUBLES[name]

    [heard] = race([partial(asking, settings, trouble, after="execute.after_send")])
    ALLOWED.recover(settings)

    assert heard == {"code": code, "nothing_ran": False}
    assert (stand(settings).state, stand(settings).effects) == ("succeeded", 1)
    check_log(settings)


@pytest.mark.parametrize("story", [ALLOWED, APPROVED], ids=lambda story: story.name)
def test_a_clock_that_is_set_back_an_hour_before_the_recovery_changes_nothing(shelf: Shelf, story: Story) -> None:
    settings = shelf.home(story)
    run_and_kill(partial(story.run, settings), "execute.before_send")
    story.recover(settings, asleep=-3_600_000)

    assert (stand(settings).state, stand(settings).effects) == ("succeeded", 1)
    check_log(settings)


async def test_a_gate_sends_nothing_by_a_database_that_was_replaced_and_goes_on_once_it_is_back(house: House) -> None:
    """What is denied or frozen in the file that lies there now, the one that the gate has open says nothing of."""
    database, aside = house.settings.database, house.home / "aside.db"
    async with house.gate() as gate:
        await gate.identity()
        database.rename(aside)
        shutil.copyfile(aside, database)
        with pytest.raises(StoreError) as refused:
            await gate.submit(refund(SEED.payment_intent_120, 4_000))
        sent = house.world.summary()["writes"]["received"]
        aside.rename(database)
        done = await gate.submit(refund(SEED.payment_intent_120, 4_000))

    assert (refused.value.code, refused.value.nothing_ran, sent) == ("store.replaced", True, 0)
    assert (done.status, house.world.summary()["effects"]) == (State.SUCCEEDED, 1)
    check_log(house.settings)


async def test_what_agents_ask_for_leaves_room_on_the_disk_to_deny_and_to_freeze(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.enrol()
    async with house.gate() as gate:
        held = await gate.submit(refund(SEED.payment_intent_900))
        with monkeypatch.context() as short:
            short.setattr(room, "HEADROOM", 1 << 62)
            refused = [
                await code_of(gate.submit(refund(SEED.payment_intent_120, 4_000))),
                await code_of(gate.submit(submission("GetBalance", {}))),
                await code_of(gate.submit(submission("PostNothing", {}))),
            ]
            listed = len(await gate.recent("stdio"))
            await house.vote(held, Answer.NO)
            async with house.desk() as desk:
                await start_freeze(desk, Scope())
            denied = (await gate.get("stdio", held.request_id)).status
        frozen = await gate.submit(refund(SEED.payment_intent_120, 4_000))

    assert refused == [("store.full", True)] * 3
    assert (listed, denied, frozen.status) == (1, State.DENIED, State.BLOCKED)
    assert house.world.summary()["writes"]["received"] == 0


async def code_of(asked: Awaitable[object]) -> tuple[str, bool]:
    with pytest.raises(StoreError) as refused:
        await asked
    return refused.value.code, refused.value.nothing_ran


# ── a test and a live process in one home ────────────────────────────────────────────────────────────────────────────


def of(identity: StripeIdentity) -> Callable[[], Awaitable[StripeIdentity]]:
    async def told() -> StripeIdentity:
        return identity

    return told


@pytest.mark.parametrize(
    "other", [{"livemode": True}, {"account": "acct_other"}, {"target": "simulator:other"}], ids=str
)
async def test_a_process_with_another_key_leaves_all_of_it_alone(house: House, other: dict[str, Any]) -> None:
    """What people approved, and what may have been sent: only a process of the same mode and account goes on with it."""
    await house.enrol()
    async with house.gate() as gate:
        theirs = replace(await gate.identity(), **other)
        gate._identity = of(theirs)
        large = await gate.submit(refund(SEED.payment_intent_900))
        house.world.add_fault(Fault(FaultKind.DROP_REQUEST, method="POST", path_prefix="/v1/refunds", times=9))
        gate.executor = replace(gate.executor, pauses=(0.0,))
        lost = await gate.submit(refund(SEED.payment_intent_120, 4_000))
    house.world.clear_faults()
    await house.vote(large)
    sent = house.world.summary()["writes"]["received"]
    async with house.gate() as gate:
        await gate.identity()
        completer = Completer(gate, Presence(house.settings.gates, "gate-test"))
        await completer.look()
        await completer.settle()
        after = [(await gate.get("stdio", view.request_id)).status for view in (large, lost)]
        untouched = house.world.summary()["writes"]["received"] == sent
    async with house.gate() as gate:
        gate._identity = of(theirs)
        done = [await until(gate, view, State.SUCCEEDED) for view in (large, lost)]

    assert untouched
    assert after == [State.APPROVED, State.OUTCOME_UNKNOWN]
    assert len(done) == house.world.summary()["refunds"]["count"] == 2
