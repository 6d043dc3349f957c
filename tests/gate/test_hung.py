"""A gate that stands still in the middle of a send, longer than its lease: stopped, swapped out, in a debugger. Another one
finishes what it began, and the effect is one, also when it goes on. THREATS 18 and 19."""

from __future__ import annotations

import asyncio
import mmap
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.gate.completer import Completer
from runplane_mcp.gate.leases import LEASE_MS
from runplane_mcp.gate.presence import Presence
from runplane_mcp.settings import Settings
from tests.crash import stopped
from tests.gate.conftest import FakeClock
from tests.gate.homes import check_log
from tests.gate.stories import ALLOWED, APPROVED, ASLEEP, DELETED, SCHEDULED, Shelf, Stand, Story, stand


@dataclass
class SharedClock(FakeClock):
    """A clock that processes have in common: who was forked before it went forward sees it, too."""

    _passed: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 8))

    def wall(self) -> int:
        return super().wall() + self.passed

    def policy(self) -> int:
        return super().policy() + self.passed

    def boot(self) -> tuple[str, int]:
        name, since = super().boot()
        return name, since + self.passed

    @property
    def passed(self) -> int:
        [milliseconds] = struct.unpack("q", self._passed[:])
        return int(milliseconds)

    def forward(self, milliseconds: int) -> None:
        self._passed[:] = struct.pack("q", self.passed + milliseconds)


#: What another gate does meanwhile, by the same clock.
Meanwhile = Callable[[Settings, SharedClock], Coroutine[None, None, None]]


async def takes_over(settings: Settings, clock: SharedClock) -> None:
    """Looks until there is nothing that it could do."""
    async with open_gate(settings, simulator=True, clock=clock) as gate:
        await gate.identity()
        completer = Completer(gate, Presence(settings.gates, gate.executor.owner))
        await completer.look()
        await completer.settle()


async def is_not_there(_settings: Settings, _clock: SharedClock) -> None:
    """Nobody else looks after the home."""


def hung(
    story: Story, settings: Settings, at: str, *, for_ms: int = LEASE_MS + 1_000, another: Meanwhile = takes_over
) -> tuple[Stand, Stand, list[str]]:
    """The gate of a story stands still at a point for so long: how all stood before it went on, and afterwards, and what
    its agent was told in the end."""
    clock = SharedClock(policy_ms=story.at)
    with stopped(lambda probe: asyncio.run(story.go(settings, clock, probe)), at) as child:
        clock.forward(for_ms)
        asyncio.run(another(settings, clock))
        meanwhile = stand(settings)
        told = child.go_on().said("told ")
    return meanwhile, stand(settings), told


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("homes"))


@pytest.mark.parametrize(
    ("story", "at"),
    [
        (ALLOWED, "execute.before_send"),
        pytest.param(ALLOWED, "execute.after_send", marks=pytest.mark.slow),
        pytest.param(APPROVED, "execute.before_send", marks=pytest.mark.slow),
        pytest.param(APPROVED, "execute.after_send", marks=pytest.mark.slow),
        pytest.param(SCHEDULED, "execute.before_send", marks=pytest.mark.slow),
        pytest.param(SCHEDULED, "execute.after_send", marks=pytest.mark.slow),
    ],
    ids=lambda each: each.name if isinstance(each, Story) else each,
)
def test_another_gate_finishes_what_a_hung_one_began_and_the_hung_one_sends_nothing_more(
    shelf: Shelf, story: Story, at: str
) -> None:
    settings = shelf.home(story)
    meanwhile, after, told = hung(story, settings, at)

    assert (meanwhile.state, meanwhile.effects) == ("succeeded", 1)
    assert after == meanwhile
    assert told == (["succeeded"] if story is ALLOWED else [])
    check_log(settings)


@pytest.mark.slow
def test_before_its_lease_is_over_nobody_takes_anything_from_a_hung_gate(shelf: Shelf) -> None:
    settings = shelf.home(ALLOWED)
    meanwhile, after, told = hung(ALLOWED, settings, "execute.before_send", for_ms=LEASE_MS - 5_000)

    assert (meanwhile.state, meanwhile.received) == ("executing", 0)
    # Too late for a first send by then, which proves that there was none.
    assert (after.state, after.received, told) == ("failed", 0, ["failed"])
    check_log(settings)


@pytest.mark.slow
def test_what_has_no_key_is_left_to_the_gate_that_hangs(shelf: Shelf) -> None:
    """A deletion that it may still send could not be told from one of ours at Stripe."""
    settings = shelf.home(DELETED)
    meanwhile, after, _ = hung(DELETED, settings, "execute.before_send")

    assert (meanwhile.state, meanwhile.received) == ("executing", 0)
    assert (after.state, after.received, after.effects) == ("succeeded", 1, 1)
    check_log(settings)


@pytest.mark.parametrize(
    ("at", "becomes"),
    [
        ("approved.looked_up", ("expired", 0)),
        pytest.param("approved.claimed", ("expired", 0), marks=pytest.mark.slow),
        pytest.param("execute.before_send", ("expired", 0), marks=pytest.mark.slow),
        pytest.param("execute.after_send", ("succeeded", 1), marks=pytest.mark.slow),
    ],
)
def test_an_approval_that_a_stopped_process_wakes_up_with_after_a_weekend_runs_nothing(
    shelf: Shelf, at: str, becomes: tuple[str, int]
) -> None:
    settings = shelf.home(APPROVED)
    _, after, _ = hung(APPROVED, settings, at, for_ms=ASLEEP, another=is_not_there)

    assert (after.state, after.received) == becomes
    check_log(settings)
