"""THREATS 7, 9 and 12 in the hands of whoever can write the database file and takes its rules off: a row that says
`approved` runs nothing that the log's own events do not bear out."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing

import pytest

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.gate.execution import borne_out
from runplane_mcp.gate.telling import Once
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED
from runplane_mcp.store.base import Reader
from runplane_mcp.store.rows import REQUEST_COLUMNS, listed, row_digest
from runplane_mcp.store.verify import verify
from tests.gate.conftest import House, submission, until
from tests.gate.rewriting import Bodies, rewrite, unguarded

#: What could leave twice: the balance holds it many times over.
TRANSFER = submission(
    "PostTransfers", {"amount": 20_000, "currency": "usd", "destination": SEED.connected_account_paid}
)
A_DAY = 25 * 3_600_000
APPROVED_AGAIN = (
    "UPDATE request SET state = 'approved', version = version + 1, failure_code = NULL, stripe_key = NULL, attempt = 0,"
    " lease_owner = NULL, lease_until = NULL, expires_at = 32503680000000 WHERE id = ?"
)


async def approve(house: House, view: RequestView) -> None:
    await house.vote(view)


async def run(house: House, view: RequestView) -> None:
    await house.vote(view)
    async with house.gate() as gate:
        await until(gate, view, State.SUCCEEDED)


async def deny(house: House, view: RequestView) -> None:
    await house.vote(view, Answer.NO)


async def expire(house: House, view: RequestView) -> None:
    await house.vote(view)
    house.clock.forward(A_DAY)
    async with house.gate() as gate:
        await until(gate, view, State.EXPIRED)
    house.clock.policy_ms -= A_DAY


def write(house: House, sql: str, id: str) -> None:
    with unguarded(house.settings.database) as database:
        assert database.execute(sql, (id,)).rowcount > 0


async def stays(house: House, view: RequestView) -> State:
    """What a gate makes of it that has looked at it."""
    refused = asyncio.Event()

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "could not be finished yet" in record.getMessage():
                refused.set()

    heard = Heard()
    completing = logging.getLogger("runplane_mcp.gate.completer")
    completing.addHandler(heard)
    try:
        async with house.gate() as gate, asyncio.timeout(20):
            while not refused.is_set() and state_of(house, view) is State.APPROVED:
                await gate.wait("stdio", view.request_id, 0.05)
    finally:
        completing.removeHandler(heard)
    return state_of(house, view)


def state_of(house: House, view: RequestView) -> State:
    """What the row says, expired or not."""
    with closing(sqlite3.connect(house.settings.database)) as reader:
        [state] = reader.execute("SELECT state FROM request WHERE id = ?", (view.request_id,)).fetchone()
    return State(state)


@pytest.mark.parametrize("end", [run, deny, expire], ids=lambda end: end.__name__)
async def test_what_is_over_does_not_run_because_a_row_says_that_it_is_approved(
    house: House, end: Callable[[House, RequestView], Awaitable[None]]
) -> None:
    """The votes are genuine, the digest is theirs, and the money is there: the approval is spent all the same."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(TRANSFER)
    await end(house, view)
    before = house.world.summary()["effects"]
    write(house, APPROVED_AGAIN, view.request_id)

    assert await stays(house, view) is (State.DENIED if end is deny else State.APPROVED)
    assert house.world.summary()["effects"] == before
    assert not verify(house.settings.database).ok


async def test_a_move_without_an_event_is_found_though_a_true_one_came_after_it(house: House) -> None:
    """THREATS 24: the true one's event speaks of the row as it is then, and would cover what was done to it before."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(TRANSFER)
    write(house, APPROVED_AGAIN.replace("32503680000000", "1"), view.request_id)
    async with house.gate() as gate:
        await until(gate, view, State.EXPIRED)

    found = verify(house.settings.database)

    assert not found.ok
    assert found.problem == "A request has moved without an event, or an event of one is missing."


async def test_nothing_comes_out_of_a_final_state_though_an_event_of_that_was_appended_so_that_all_fits(
    house: House,
) -> None:
    """THREATS 12: nobody has to know a key for it, and what stood in the log before is untouched."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(TRANSFER)
    await run(house, view)
    before = house.world.summary()["effects"]
    write(house, APPROVED_AGAIN, view.request_id)
    with closing(sqlite3.connect(house.settings.database)) as reader:
        row = reader.execute(
            f"SELECT {listed(REQUEST_COLUMNS)} FROM request WHERE id = ?",
            (view.request_id,),
        ).fetchone()

    def approved_once_more(events: Bodies) -> None:
        once = next(each for each in reversed(events) if each["type"] == "request.approved")
        version = row[REQUEST_COLUMNS.index("version")]
        events.append({**once, "version": version, "row": row_digest(REQUEST_COLUMNS, row)})

    rewrite(house.settings.database, approved_once_more)

    assert "which ended it" in (verify(house.settings.database).problem or "")
    assert await stays(house, view) is State.APPROVED
    assert house.world.summary()["effects"] == before


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("UPDATE request SET expires_at = expires_at + 864000000 WHERE id = ?", id="expires later"),
        pytest.param(
            "UPDATE request SET agent = 'billing-bot' WHERE id = ?", id="another agent", marks=pytest.mark.slow
        ),
        pytest.param("UPDATE request SET about_customer = 'cus_other' WHERE id = ?", id="about somebody else"),
        pytest.param("UPDATE request SET attempt = 1 WHERE id = ?", id="sent before", marks=pytest.mark.slow),
        pytest.param("UPDATE decision SET risk = 0 WHERE request_id = ?", id="a lower risk", marks=pytest.mark.slow),
        pytest.param(
            "DELETE FROM event WHERE request_id = ? AND type = 'request.waiting'",
            id="an event less",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "UPDATE payload SET body = CAST(replace(body, 'maple_bakery', 'birch_printing') AS BLOB) WHERE request_id = ?",
            id="other payloads",
            marks=pytest.mark.slow,
        ),
    ],
)
async def test_an_approved_request_of_which_a_row_was_changed_does_not_run(house: House, sql: str) -> None:
    """THREATS 7: also where nothing that is sent was touched."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(TRANSFER)
    await approve(house, view)
    write(house, sql, view.request_id)

    assert await stays(house, view) is State.APPROVED
    assert house.world.summary()["writes"]["received"] == 0


async def test_what_the_log_does_not_bear_out_is_told_once_and_shown_to_people(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried every other second until it expires; people need it in front of them, not thousands of lines of log."""
    monkeypatch.setattr("runplane_mcp.gate.completer.TICK", 0.01)
    monkeypatch.setattr("runplane_mcp.gate.completer.UNWATCHED", 0.01)
    monkeypatch.setattr("runplane_mcp.gate.completer.PAUSE", 0.01)
    caplog.set_level(logging.WARNING)
    tries: list[str] = []

    def tried(reader: Reader, request: ActionRequest) -> None:
        tries.append(request.id)
        borne_out(reader, request)

    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(TRANSFER)
    await approve(house, view)
    write(house, APPROVED_AGAIN, view.request_id)
    monkeypatch.setattr("runplane_mcp.gate.again.borne_out", tried)
    async with house.gate(), asyncio.timeout(20):
        while len(tries) < 5:
            await asyncio.sleep(0.01)
    async with house.desk() as desk:
        life, status = await desk.life(view.request_id), await desk.status()

    said = [
        each for each in caplog.records if view.reference in each.getMessage() and "bear it out" in each.getMessage()
    ]
    assert [each.levelname for each in said] == ["ERROR"]
    assert "moved without an event" in (life.doubt or "")
    assert status.doubted == (view.reference,)


def test_the_same_is_told_again_after_an_hour_and_something_else_at_once() -> None:
    seconds = 0.0
    once = Once(lambda: seconds)
    told = [once.tell("rpr_1", "one thing"), once.tell("rpr_1", "one thing"), once.tell("rpr_2", "one thing")]
    seconds = 3_599.0
    told += [once.tell("rpr_1", "one thing"), once.tell("rpr_1", "another"), once.tell("rpr_1", "another")]
    seconds = 7_300.0
    told += [once.tell("rpr_1", "another")]

    assert told == [True, False, True, False, True, False, True]
