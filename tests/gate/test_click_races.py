"""Two gates and people who click at the same moment, each a process of its own: THREATS 9 and 12."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import stripe  # the children are forked: with this they have it already

from runplane_mcp.app import open_desk, open_gate
from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.request import State
from runplane_mcp.errors import RunplaneError
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Simulator
from runplane_mcp.store.records import RequestFilter
from runplane_mcp.store.verify import verify
from tests.crash import race
from tests.gate.conftest import CHEAP_SCRYPT, SECRET, FakeClock, submission
from tests.homes import new_home

ALL = RequestFilter(limit=100)
_AT_REST = {State.SUCCEEDED, State.DENIED, State.CANCELED, State.FAILED, State.EXPIRED, State.BLOCKED}


def home_with_held(folder: Path, requests: int) -> Settings:
    assert stripe
    settings = new_home(folder)

    async def make() -> None:
        async with open_desk(settings, clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
            await desk.add_person("maria", role=Role.ADMIN, groups=frozenset({"finance"}), secret=SECRET)
            await desk.add_person(
                "lee",
                role=Role.APPROVER,
                groups=frozenset({"finance"}),
                secret=SECRET,
                as_person="maria",
                as_secret=SECRET,
            )
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            for number in range(requests):
                asked = {"amount": 5_000 + number, "currency": "usd", "destination": SEED.connected_account_paid}
                view = await gate.submit(submission("PostTransfers", asked))
                assert view.status is State.WAITING

    asyncio.run(make())
    return settings


def answers(settings: Settings, person: str, answer: Answer, *, last_first: bool) -> list[str]:
    """A person who goes through all of them: what each click came to."""

    async def run() -> list[str]:
        said = []
        async with open_desk(settings, clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
            for request in sorted(await desk.requests(ALL), key=lambda each: each.id, reverse=last_first):
                try:
                    card = await desk.card(request.id)
                    await desk.vote(request.id, digest=card.digest, person=person, secret=SECRET, answer=answer)
                    said.append("voted")
                except RunplaneError as error:
                    said.append(error.code)
        return said

    return asyncio.run(run())


def cancels(settings: Settings) -> list[str]:
    """An agent that takes back every third of its requests, over a gate of its own."""

    async def run() -> list[str]:
        said = []
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            for request in (await gate.store.read(lambda reader: reader.requests(ALL)))[::3]:
                try:
                    said.append((await gate.cancel("stdio", request.id)).status.value)
                except RunplaneError as error:
                    said.append(error.code)
        return said

    return asyncio.run(run())


def works(settings: Settings) -> dict[str, str]:
    """A gate that stays until every request is over."""

    async def run() -> dict[str, str]:
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate, asyncio.timeout(18):
            while True:
                found = await gate.store.read(lambda reader: reader.requests(ALL))
                moving = [request for request in found if request.state not in _AT_REST]
                if not moving:
                    return {request.id: request.state.value for request in found}
                await gate.wait("stdio", moving[0].id, 0.1)

    return asyncio.run(run())


def transfers(settings: Settings) -> list[str]:
    """The requests whose transfers Stripe made, by the metadata of each."""
    with closing(sqlite3.connect(settings.simulator_file)) as world:
        rows = world.execute(
            "SELECT json_extract(body, '$.metadata.runplane_request') FROM object WHERE kind = 'transfer'"
        ).fetchall()
    return sorted(id for (id,) in rows if id is not None)


@pytest.mark.parametrize("requests", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_whatever_two_gates_two_people_and_an_agent_do_at_once_each_yes_runs_once_and_no_no_runs(
    tmp_path: Path, requests: int
) -> None:
    settings = home_with_held(tmp_path / "home", requests)
    everybody: list[Callable[[], object]] = [
        partial(works, settings),
        partial(works, settings),
        partial(answers, settings, "maria", Answer.YES, last_first=False),
        partial(answers, settings, "lee", Answer.NO, last_first=True),
        partial(cancels, settings),
    ]

    one, other, _, _, _ = race(everybody)

    assert one == other
    assert set(one.values()) <= {"succeeded", "denied", "canceled"}
    assert transfers(settings) == sorted(id for id, state in one.items() if state == "succeeded")
    assert verify(settings.database).ok
    world = Simulator(settings.simulator_file)
    assert world.summary()["writes"]["received"] == len(transfers(settings))
    world.close()
