"""An agent that floods: what it may heap up is bounded, people's side goes on working, nothing is learned by trying.

THREATS row 26. The real bounds are hundreds; the tests take small ones.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from runplane_mcp.app import create_home, open_desk, open_gate
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.request import State
from runplane_mcp.errors import ParameterError
from runplane_mcp.gate import floods
from runplane_mcp.gate.freezing import start_freeze
from runplane_mcp.gate.view import Submission
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED
from runplane_mcp.store.records import RequestFilter
from runplane_mcp.store.verify import verify
from tests.crash import race
from tests.gate.conftest import CHEAP_SCRYPT, SECRET, FakeClock, House, refund, submission

WAITING = RequestFilter(states=frozenset({State.WAITING}))


def payout(amount: int) -> Submission:
    return submission("PostPayouts", {"amount": amount, "currency": "usd"})


def count(settings: Settings, of: str) -> int:
    with closing(sqlite3.connect(settings.database)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {of}").fetchone()[0])


async def test_so_many_requests_are_open_at_once_and_no_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "MOST_OPEN", 3)
    async with house.gate() as gate:
        views = await asyncio.gather(*(gate.submit(payout(100_000 + number)) for number in range(8)))
        waiting = [view for view in views if view.status is State.WAITING]
        refused = [view.failure.code for view in views if view.failure is not None]
        same = await gate.submit(payout(100_000 + views.index(waiting[0])))
        await gate.cancel("stdio", waiting[0].request_id)
        room = await gate.submit(payout(200_000))

    assert (len(waiting), refused) == (3, ["request.too_many"] * 5)
    # What is open already is answered as ever, and room comes back with what is canceled.
    assert same.request_id == waiting[0].request_id
    assert room.status is State.WAITING
    assert count(house.settings, "request WHERE failure_code = 'request.too_many'") == 5, "each is an attempt"


async def test_refused_attempts_are_counted_where_they_are_too_many_to_be_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floods, "REFUSALS_AT_ONCE", 5)
    monkeypatch.setattr(floods, "REFUSALS_PER_SECOND", 0)
    told: Counter[str] = Counter()
    async with house.gate() as gate:
        for _ in range(40):
            try:
                view = await gate.submit(submission("PostPayouts", {"amount": "no", "currency": "usd"}))
                told[view.failure.code if view.failure else ""] += 1
            except ParameterError as error:
                told["unwritten"] += error.nothing_ran

    assert sum(told.values()) == 40
    assert told["unwritten"] == 35
    assert count(house.settings, "request") == 5
    assert count(house.settings, "event WHERE type = 'requests.refused' AND instr(CAST(body AS TEXT), ':35')") == 1
    assert verify(house.settings.database).ok


async def test_repeats_of_one_request_are_answered_and_written_only_so_often(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floods, "MOST_REPEATS", 3)
    async with house.gate() as gate:
        first = await gate.submit(payout(100_000))
        repeats = [await gate.submit(payout(100_000)) for _ in range(10)]
        keyed = submission("PostPayouts", {"amount": 100_000, "currency": "usd"}, idempotency_key="another")
        refused = await gate.submit(keyed)

    assert {view.request_id for view in repeats} == {first.request_id}
    assert count(house.settings, "repeat") == 3
    # Its key would have to be bound, and is not: it says so instead of pretending.
    assert refused.failure is not None
    assert refused.failure.code == "request.too_many"


async def test_asking_and_canceling_counts_as_attempts_and_tells_no_threshold(house: House) -> None:
    told = []
    async with house.gate() as gate:
        for amount in range(60_000, 75_000, 1_000):
            view = await gate.submit(refund(SEED.payment_intent_900, amount))
            assert view.status is State.WAITING
            told.append(view.tell_agent or "")
            await gate.cancel("stdio", view.request_id)
        # 15 attempts an hour, all of them taken back: a small one that nothing else asks about waits now.
        after = await gate.submit(refund(SEED.payment_intent_40))

    assert after.status is State.WAITING
    assert not any(character.isdigit() for character in "".join(told))
    assert count(house.settings, "reservation WHERE state = 'released'") >= 15


def test_people_deny_approve_and_freeze_while_agents_flood(tmp_path: Path) -> None:
    """Real processes: three that ask as fast as they can, and one in which people work."""
    settings = Settings(home=tmp_path / "home")

    async def begin() -> None:
        house = House(settings.home, FakeClock(), settings, None)  # type: ignore[arg-type]
        async with create_home(settings):
            pass
        await house.enrol()

    async def flood() -> int:
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            asked = 0
            while not (settings.home / "enough").exists() and asked < 3_000:
                await asyncio.gather(
                    *(gate.submit(payout(100_000 + asked + number)) for number in range(20)), return_exceptions=True
                )
                asked += 20
            return asked

    async def people() -> list[str]:
        done = []
        try:
            async with asyncio.timeout(60), open_desk(settings, clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
                while len(found := await desk.requests(WAITING)) < 4:
                    await asyncio.sleep(0.01)
                for request, answer in zip(found[:4], (Answer.NO, Answer.YES) * 2, strict=True):
                    card = await desk.card(request.id)
                    vote = await desk.vote(
                        request.id, digest=card.digest, person="maria", secret=f"{SECRET} maria", answer=answer
                    )
                    done.append(vote.status.value)
                await start_freeze(desk, Scope(), said_by="maria", reason="a flood")
                done.append("frozen")
        finally:
            (settings.home / "enough").touch()
        return done

    race([lambda: asyncio.run(begin())])
    *asked, done = race([lambda: asyncio.run(flood())] * 3 + [lambda: asyncio.run(people())])

    assert done == ["denied", "approved", "denied", "approved", "frozen"]
    assert min(asked) > 0
    assert verify(settings.database).ok
