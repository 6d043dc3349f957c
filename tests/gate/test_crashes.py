"""kill -9 at every named point around every durable step, and again in the recovery, then another gate: requests = effects,
and nothing acknowledged is lost. THREATS 9, 12, 18 and 19."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.core.request import State
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED
from runplane_mcp.store.records import RequestFilter
from runplane_mcp.store.schema import VERSION
from runplane_mcp.store.sqlite import open_store
from tests.crash import Probe, cut, every_point_of, run_and_kill
from tests.gate.conftest import FakeClock, refund
from tests.gate.homes import check_log, effects, home_of
from tests.gate.stories import (
    ALLOWED,
    APPROVED,
    ASLEEP,
    DECLINED,
    READ,
    SCHEDULED,
    STORIES,
    Shelf,
    Stand,
    Story,
    cuts,
    stand,
)
from tests.store.earlier import bring_back

#: Where not the first version: what has a column of its own, and what has a table.
FIRST_WITH = {SCHEDULED.name: 3, READ.name: 4}
each_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("homes"))


def every(_point: str) -> bool:
    return True


def durable(point: str) -> bool:
    """One of those points between which nothing durable happens and nothing leaves."""
    return not point.startswith(("store.begun", "store.told", "told"))


# ── once, and the next gate ──────────────────────────────────────────────────────────────────────────────────────────


def killed(story: Story, shelf: Shelf, wanted: Callable[[str], bool], *, asleep: int = 0) -> None:
    """Cuts the story at the wanted points, each in a home of its own, and holds what another gate makes of it against
    what was durable at the cut."""
    home = None
    for point, home in cuts(story, shelf, wanted):
        stood = stand(home)
        story.recover(home, asleep=asleep)
        after = stand(home)

        assert (after.state, after.effects) == story.becomes(stood, asleep=bool(asleep)), (point, stood, after)
        if asleep:
            assert after.received == stood.received, f"sent after a weekend: {point}, {stood}, {after}"
    assert home is not None
    check_log(home)
    assert effects(home) == stand(home).effects


@pytest.mark.parametrize("story", [story for story in STORIES if story.telling], ids=lambda story: story.name)
def test_killed_at_any_point_a_request_ends_as_it_would_have_ended_with_one_effect(story: Story, shelf: Shelf) -> None:
    killed(story, shelf, story.telling.__contains__)


@pytest.mark.slow
@pytest.mark.timeout(300)
@each_story
def test_killed_at_every_point_there_is(story: Story, shelf: Shelf) -> None:
    killed(story, shelf, every)


def test_killed_before_a_weekend_asleep_nothing_is_sent_after_it(shelf: Shelf) -> None:
    """What Stripe's events prove has succeeded, the rest is unknown until a person has looked."""
    killed(ALLOWED, shelf, lambda point: point.startswith(("execute.before", "execute.after")), asleep=ASLEEP)


@pytest.mark.slow
@pytest.mark.timeout(300)
@each_story
def test_killed_at_every_point_there_is_before_a_weekend_asleep(story: Story, shelf: Shelf) -> None:
    killed(story, shelf, every, asleep=ASLEEP)


@pytest.mark.slow
@pytest.mark.timeout(300)
@each_story
def test_killed_at_every_point_and_finished_by_a_newer_release(
    story: Story, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    recover = Story.recover

    def in_another_release(self: Story, settings: Settings) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("runplane_mcp.core.sending.API_VERSION", "2027-01-01.newer")
            recover(self, settings)

    monkeypatch.setattr(Story, "recover", lambda self, settings, *, asleep=0: in_another_release(self, settings))
    killed(story, shelf, durable)


@pytest.mark.parametrize(
    ("story", "version"),
    [
        pytest.param(story, version, marks=() if (story, version) == (APPROVED, 1) else pytest.mark.slow)
        for story in STORIES
        for version in range(FIRST_WITH.get(story.name, 1), VERSION)
        if story.telling
    ],
    ids=lambda each: each.name if isinstance(each, Story) else f"version {each}",
)
def test_killed_in_a_home_of_an_earlier_version_it_is_finished_by_this_one(
    story: Story, version: int, shelf: Shelf
) -> None:
    """The release was updated while nothing ran: what was under way goes on in the form that this one has."""
    for point, home in cuts(story, shelf, story.telling.__contains__):
        stood = stand(home)
        bring_back(home.database, version)
        assert stand(home) == stood
        story.recover(home)
        after = stand(home)

        assert (after.state, after.effects) == story.becomes(stood), (point, stood, after)
        check_log(home)


# ── and again in the recovery ────────────────────────────────────────────────────────────────────────────────────────


def killed_twice(story: Story, shelf: Shelf, first: Callable[[str], bool], second: Callable[[str], bool]) -> int:
    """Every pair of a cut and a cut of the recovery from it. Cuts that left the same behind count once."""
    seen: set[Stand] = set()
    pairs = 0
    for point, home in cuts(story, shelf, first):
        stood = stand(home)
        if stood in seen:
            continue
        seen.add(stood)
        for again in filter(second, every_point_of(partial(story.recover, shelf.copy(home)))):
            left = shelf.copy(home)
            cut(partial(story.recover, left), again)
            story.recover(left)
            after = stand(left)
            pairs += 1

            assert (after.state, after.effects) == story.becomes(stood), (point, again, stood, after)
    return pairs


def test_killed_again_in_the_recovery_it_still_happens_once(shelf: Shelf) -> None:
    """The second power cut."""
    again = ("resume.claimed", "execute.after_send", "execute.recorded")

    assert killed_twice(ALLOWED, shelf, "execute.before_send#1".__eq__, lambda point: point.startswith(again)) == 3


@pytest.mark.slow
@pytest.mark.timeout(300)
@each_story
def test_killed_at_every_point_and_again_at_every_point_of_the_recovery(story: Story, shelf: Shelf) -> None:
    assert killed_twice(story, shelf, durable, durable) > 20


# ── several, and what was told ───────────────────────────────────────────────────────────────────────────────────────


def test_a_declined_payment_whose_answer_died_with_its_gate_has_failed(shelf: Shelf) -> None:
    """Stripe made the payment and declined it in one request: its events show both, and its memory of our key decides."""
    settings = shelf.home(DECLINED)
    run_and_kill(partial(DECLINED.run, settings), "execute.after_send")
    DECLINED.recover(settings)

    assert (stand(settings).state, stand(settings).effects) == ("failed", 0)


def test_two_gates_that_recover_at_once_send_once(shelf: Shelf) -> None:
    settings = shelf.home(ALLOWED)
    run_and_kill(partial(ALLOWED.run, settings), "execute.after_send")

    async def both() -> None:
        async with (
            open_gate(settings, simulator=True, clock=FakeClock()) as one,
            open_gate(settings, simulator=True, clock=FakeClock()) as other,
            asyncio.timeout(20),
        ):
            while (view := (await one.recent("stdio"))[0]).status is not State.SUCCEEDED:
                await other.wait("stdio", view.request_id, 0.5)

    asyncio.run(both())

    assert stand(settings).effects == 1


def test_what_an_agent_was_told_is_in_the_store_after_a_power_cut(tmp_path: Path) -> None:
    """Acknowledged = present."""
    settings = home_of(tmp_path)

    def work(probe: Probe) -> None:
        async def run() -> None:
            async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
                for payment_intent in SEED.payment_intents_235[:20]:
                    view = await gate.submit(refund(payment_intent))
                    probe(f"told {view.request_id} {view.status.value}")
                probe("end")

        asyncio.run(run())

    told = [line.split() for line in run_and_kill(work, "end").said("told ")]

    async def stored() -> dict[str, str]:
        store = open_store(settings.database)
        try:
            found = await store.read(lambda reader: reader.requests(RequestFilter(limit=100)))
        finally:
            await store.close()
        return {request.id: request.state.value for request in found}

    assert len(told) == 20
    assert dict(told).items() <= asyncio.run(stored()).items()
