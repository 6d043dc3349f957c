"""One request's way to its end, cut anywhere by a kill, and the gate that comes after: what must have become of it.

A story begins in a home that is made once and copied for each cut. What is counted is the simulator's own list of writes.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import stripe  # the children are forked: with this they have it already

from runplane_mcp.app import create_home, open_desk, open_gate
from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import State
from runplane_mcp.errors import ApprovalError
from runplane_mcp.gate.lowering import lower
from runplane_mcp.gate.view import Submission
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED
from runplane_mcp.store.records import RequestFilter
from tests.crash import Probe, cut, every_point_of
from tests.gate.conftest import AFTERNOON, CHEAP_SCRYPT, SECRET, FakeClock, refund, submission
from tests.gate.scheduling import DELAY, held_back

#: A weekend, in which Stripe forgets every key.
ASLEEP = 60 * 3_600_000
NOTHING = RequestFilter(limit=1)


def quiet(_point: str) -> None:
    """The probe of what is not cut."""


@dataclass(frozen=True)
class Stand:
    """What there is to see from outside: the one request's state, None where there is none, and what Stripe has heard."""

    state: str | None
    attempt: int
    received: int
    effects: int


@dataclass(frozen=True)
class Story:
    """`prepare` makes what comes before, uncut. `go` is what is cut; its clock begins at policy time `at`. `telling` are
    the points that tell most: where something else is durable, or has left, than at the point before. What is only
    received is nobody's any more, but for what a person `lowered`: a gate takes that up."""

    name: str
    prepare: Callable[[Settings], Coroutine[None, None, None]]
    go: Callable[[Settings, FakeClock, Probe], Coroutine[None, None, None]]
    telling: tuple[str, ...] = ()
    at: int = AFTERNOON
    writes: bool = True
    lowered: bool = False

    def clock(self, asleep: int = 0) -> FakeClock:
        clock = FakeClock(policy_ms=self.at)
        clock.forward(asleep)
        return clock

    def run(self, settings: Settings, probe: Probe = quiet) -> None:
        asyncio.run(self.go(settings, self.clock(), probe))

    def recover(self, settings: Settings, probe: Probe = quiet, *, asleep: int = 0) -> None:
        asyncio.run(_settle(settings, self.clock(asleep), probe))

    def becomes(self, stood: Stand, *, asleep: bool = False) -> tuple[str | None, int]:
        """The state and the number of effects that a cut request must end with, by what was durable at the cut."""
        if not self.writes:
            return ("failed" if stood.state == "executing" else stood.state), 0
        if asleep and stood.state in {"waiting", "scheduled", "approved"}:
            return "expired", 0
        if stood.state == "executing" and asleep:
            return ("succeeded", 1) if stood.effects else ("outcome_unknown", 0)
        if stood.state in {"executing", "approved", "scheduled", "succeeded"}:
            return "succeeded", 1
        if stood.state == "received":
            return ("waiting" if self.lowered and not asleep else "failed"), 0
        return stood.state, 0


@dataclass
class Shelf:
    """Homes to begin from: one for each story, copied for each use."""

    folder: Path
    _made: dict[str, Path] = field(default_factory=dict)
    _copies: int = 0

    def home(self, story: Story) -> Settings:
        if story.name not in self._made:
            home = self.folder / story.name
            asyncio.run(_make(Settings(home=home), story))
            self._made[story.name] = home
        return self.copy(Settings(home=self._made[story.name]))

    def copy(self, settings: Settings) -> Settings:
        self._copies += 1
        home = self.folder / f"copy-{self._copies}"
        shutil.copytree(settings.home, home)
        return Settings(home=home)


async def _make(settings: Settings, story: Story) -> None:
    assert stripe
    async with create_home(settings):
        pass
    async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
        await gate.identity()
    await story.prepare(settings)


async def _settle(settings: Settings, clock: FakeClock, probe: Probe) -> None:
    """A gate that stays until nothing is left that it could move."""
    async with open_gate(settings, simulator=True, clock=clock, probe=probe) as gate, asyncio.timeout(20):
        await gate.identity()
        while found := await gate.store.read(lambda reader: reader.requests(NOTHING)):
            [request] = found
            expires = request.state is State.WAITING and clock.policy() >= (request.expires_at or 0)
            if request.state not in _MOVING and not expires:
                return
            await gate.wait("stdio", request.id, 0.2)


_MOVING = {State.RECEIVED, State.SCHEDULED, State.APPROVED, State.EXECUTING}


def stand(settings: Settings) -> Stand:
    state, attempt = None, 0
    with _opened(settings.database) as database:
        for found in database.execute("SELECT state, attempt FROM request"):
            state, attempt = found
    with _opened(settings.simulator_file) as world:
        outcomes = [outcome for (outcome,) in world.execute("SELECT outcome FROM write_log")]
    return Stand(state, attempt, len(outcomes), outcomes.count("effect"))


def cuts(story: Story, shelf: Shelf, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[tuple[str, Settings]]:
    """The story cut at each of its points, one after another: the point, and the home as the kill left it."""
    for point in every_point_of(partial(story.run, shelf.home(story))):
        if wanted(point):
            home = shelf.home(story)
            cut(partial(story.run, home), point)
            yield point, home


class _opened(sqlite3.Connection):
    """A database for one look."""

    def __exit__(self, *_: object) -> None:  # type: ignore[override]
        self.close()


# ── the stories ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def _nothing_before(_settings: Settings) -> None:
    """The request itself is the beginning."""


async def _ask(settings: Settings, clock: FakeClock, probe: Probe, *, what: Submission) -> None:
    async with open_gate(settings, simulator=True, clock=clock, probe=probe) as gate:
        view = await gate.submit(what)
        probe(f"told {view.status.value}")


async def _hold(settings: Settings, *, what: Submission) -> None:
    """A request that waits, and somebody who may say yes."""
    async with open_desk(settings, clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
        await desk.add_person("maria", role=Role.ADMIN, groups=frozenset({"finance", "leads"}), secret=SECRET)
    await _ask(settings, FakeClock(), quiet, what=what)
    assert stand(settings).state == "waiting"


async def _vote(settings: Settings, clock: FakeClock, probe: Probe) -> None:
    """The command line's side: no gate, no key."""
    async with open_desk(settings, clock=clock, scrypt_n=CHEAP_SCRYPT, probe=probe) as desk:
        [request] = await desk.requests(NOTHING)
        card = await desk.card(request.id)
        try:
            await desk.vote(request.id, digest=card.digest, person="maria", secret=SECRET, answer=Answer.YES)
        except ApprovalError as error:
            probe(f"told {error.code}")
        else:
            probe("told voted")


async def _lower(settings: Settings, clock: FakeClock, probe: Probe) -> None:
    """A person puts a smaller request in its place, which no gate has looked at."""
    async with open_desk(settings, clock=clock, scrypt_n=CHEAP_SCRYPT, probe=probe) as desk:
        [request] = await desk.requests(NOTHING)
        digest = (await desk.card(request.id)).digest
        await lower(desk, request.id, digest=digest, person="maria", secret=SECRET, to=Money(60_000, "usd"))


async def _put_lower(settings: Settings) -> None:
    await _hold(settings, what=_LARGE)
    await _lower(settings, FakeClock(), quiet)
    assert stand(settings).state == "received"


async def _approve(settings: Settings, *, what: Submission) -> None:
    await _hold(settings, what=what)
    await _vote(settings, FakeClock(), quiet)
    assert stand(settings).state == "approved"


async def _schedule(settings: Settings) -> None:
    held_back(settings.home)
    await _ask(settings, FakeClock(), quiet, what=refund(SEED.payment_intents_235[0]))
    assert stand(settings).state == "scheduled"


_CANCEL = submission("DeleteSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": SEED.subscription_office})
_LARGE = refund(SEED.payment_intent_900)

_SENT = ("execute.before_send#1", "execute.after_send#1")
ALLOWED = Story(
    "allowed",
    _nothing_before,
    partial(_ask, what=refund(SEED.payment_intent_120, 4_000)),
    telling=("store.after_commit#1", "submit.received#1", "submit.decided#1", *_SENT, "execute.recorded#1"),
)
VOTED = Story("voted", partial(_hold, what=_LARGE), _vote, telling=("store.before_commit#1", "store.after_commit#1"))
APPROVED = Story(
    "approved",
    partial(_approve, what=_LARGE),
    _settle,
    telling=("approved.looked_up#1", "approved.claimed#1", "execute.after_send#1"),
)
LOWERED = Story("lowered", partial(_hold, what=_LARGE), _lower, lowered=True)
TAKEN_UP = Story("taken-up", _put_lower, _settle, lowered=True)
SCHEDULED = Story(
    "scheduled",
    _schedule,
    _settle,
    telling=("scheduled.looked_up#1", "scheduled.released#1", "execute.after_send#1"),
    at=AFTERNOON + DELAY,
)
DELETED = Story("deleted", partial(_approve, what=_CANCEL), _settle, telling=_SENT)
READ = Story(
    "read",
    _nothing_before,
    partial(_ask, what=submission("GetBalance", {})),
    telling=("execute.after_send#1",),
    writes=False,
)
_PAYMENT = {"amount": 500, "currency": "usd", "payment_method": "pm_card_chargeDeclined", "confirm": True}
DECLINED = Story("declined", _nothing_before, partial(_ask, what=submission("PostPaymentIntents", _PAYMENT)))
STORIES = (ALLOWED, VOTED, APPROVED, LOWERED, TAKEN_UP, SCHEDULED, DELETED, READ)
