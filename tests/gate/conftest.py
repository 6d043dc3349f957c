"""A whole house for gate tests: a home folder, the real store, the real simulator over HTTP, a gate and a desk."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from runplane_mcp.app import open_desk, open_gate
from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.request import OwnArguments, State
from runplane_mcp.core.wire import Parameters
from runplane_mcp.gate.clock import SystemClock
from runplane_mcp.gate.desk import Desk, VoteResult
from runplane_mcp.gate.execution import no_probe
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import Simulator
from tests.homes import AFTERNOON as AFTERNOON
from tests.homes import new_home

SECRET = "correct horse battery"
#: Cheap on purpose: what is tested is not how long a guess takes.
CHEAP_SCRYPT = 2**10


@dataclass
class FakeClock:
    """A clock that stands still until it is told to move."""

    policy_ms: int = AFTERNOON
    wall_ms: int = field(default_factory=lambda: SystemClock().wall())
    boot_ms: int = 5_000_000
    boot_name: str = "boot-1"
    _ticks: itertools.count[int] = field(default_factory=itertools.count)

    def wall(self) -> int:
        # A millisecond a look, so that nothing has the same time by accident.
        return self.wall_ms + next(self._ticks)

    def policy(self) -> int:
        return self.policy_ms

    def boot(self) -> tuple[str, int]:
        return self.boot_name, self.boot_ms

    @property
    def simulated(self) -> bool:
        return True

    def forward(self, milliseconds: int) -> None:
        self.policy_ms += milliseconds
        self.wall_ms += milliseconds
        self.boot_ms += milliseconds


class HasWorld(Protocol):
    """What has a simulated Stripe."""

    @property
    def world(self) -> Simulator: ...


@dataclass
class House:
    home: Path
    clock: FakeClock
    settings: Settings
    world: Simulator

    @asynccontextmanager
    async def gate(self, probe: Callable[[str], None] = no_probe) -> AsyncIterator[Gate]:
        async with open_gate(self.settings, simulator=True, clock=self.clock, probe=probe) as gate:
            yield gate

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        async with open_desk(self.settings, clock=self.clock, scrypt_n=CHEAP_SCRYPT) as desk:
            yield desk

    async def enrol(self, name: str = "maria", *groups: str, role: Role = Role.ADMIN, by: str | None = None) -> None:
        async with self.desk() as desk:
            await desk.add_person(
                name,
                role=role,
                groups=frozenset(groups or ("finance",)),
                secret=f"{SECRET} {name}",
                as_person=by,
                as_secret=f"{SECRET} {by}" if by else None,
            )

    async def vote(
        self, view: RequestView, answer: Answer = Answer.YES, *, person: str = "maria", note: str | None = None
    ) -> VoteResult:
        async with self.desk() as desk:
            card = await desk.card(view.request_id)
            return await desk.vote(
                view.request_id,
                digest=card.digest,
                person=person,
                secret=f"{SECRET} {person}",
                answer=answer,
                note=note,
            )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    settings = new_home(tmp_path / "home")
    clock = FakeClock()
    world = Simulator(settings.simulator_file, now=lambda: clock.policy_ms // 1000)
    yield House(settings.home, clock, settings, world)
    world.close()


def refund(payment_intent: str, amount: int | None = None, **own: str) -> Submission:
    parameters: dict[str, object] = {"payment_intent": payment_intent}
    if amount is not None:
        parameters["amount"] = amount
    return submission("PostRefunds", parameters, **own)


def submission(operation_id: str, parameters: Parameters | dict[str, object], **own: str) -> Submission:
    return Submission(
        principal="stdio",
        agent="support-bot",
        via="mcp",
        operation_id=operation_id,
        parameters=parameters,  # type: ignore[arg-type]
        own=OwnArguments(**own),
    )


async def until(
    gate: Gate, view: RequestView, *wanted: State, seconds: float = 20.0, principal: str = "stdio"
) -> RequestView:
    """The request once it is in one of the wanted states; fails when that takes too long."""
    async with asyncio.timeout(seconds):
        while (view := await gate.get(principal, view.request_id)).status not in wanted:
            await gate.wait(principal, view.request_id, 1.0)
    return view


def refund_behind_our_back(house: HasWorld, charge: str, amount: int) -> None:
    """Somebody else refunds at Stripe: a person in the Dashboard, another key."""
    import stripe

    from runplane_mcp.simulator import SIMULATOR_KEY, SimulatorServer

    with SimulatorServer(house.world) as server:
        client = stripe.StripeClient(SIMULATOR_KEY, base_addresses={"api": server.base_url})
        client.v1.refunds.create({"charge": charge, "amount": amount})
