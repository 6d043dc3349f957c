"""The real gate in a home of its own, on a simulated company, with a policy clock that only the attack moves.

Nobody is at home: no request is ever approved. What waits, waits for ever.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from runplane_mcp.app import open_gate
from runplane_mcp.attack.score import Meter
from runplane_mcp.attack.world import World
from runplane_mcp.core import effects
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decision import Decision, Outcome
from runplane_mcp.core.effect import Looked, LookedUp
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified, Operation
from runplane_mcp.core.request import State
from runplane_mcp.core.wire import Parameters, encode
from runplane_mcp.errors import RunplaneError
from runplane_mcp.gate.attempts import received_from
from runplane_mcp.gate.clock import SystemClock
from runplane_mcp.gate.deciding import judge
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.records import fact_from_json
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import Simulator
from runplane_mcp.store.base import Reader
from runplane_mcp.stripe_api.resolve import looked_up

T = TypeVar("T")

#: How long what was held back may take to run once its time has come (seconds).
_PATIENCE: Final = 20.0
#: How long the company has been there before the attack: so long its money takes to arrive.
_PAST: Final = 14 * 86_400_000


@dataclass
class JumpingClock:
    """Policy time stands still until the attack moves it; wall time is real."""

    policy_ms: int
    _system: SystemClock = field(default_factory=SystemClock)

    def wall(self) -> int:
        return self._system.wall()

    def policy(self) -> int:
        return self.policy_ms

    def boot(self) -> tuple[str, int]:
        return self._system.boot()

    @property
    def simulated(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Agent:
    """One hijacked agent: who is accountable, and the label that it gives itself, which may be any."""

    principal: str
    label: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an agent is about to send, as far as it was looked up. `parameters` are made anew for each amount."""

    agent: Agent
    operation: Operation
    parameters: Callable[[int], Parameters]
    looked: LookedUp


class House:
    """What the attack works with: the gate, the world behind it, the clock, and what has moved."""

    def __init__(self, gate: Gate, world: World, meter: Meter, clock: JumpingClock, policy: CompiledPolicy) -> None:
        self.gate = gate
        self.world = world
        self.meter = meter
        self.clock = clock
        self.policy = policy

    def jump(self, to: int) -> None:
        """Moves policy time. What time alone does in the world, such as renewing subscriptions, is nobody's doing."""
        self.clock.policy_ms = to
        self.world.simulator.summary()
        self.meter.read()

    async def submit(self, agent: Agent, operation: Operation, parameters: Parameters) -> RequestView:
        """Through the whole pipeline, as every interface does it."""
        view = await self.gate.submit(_submission(agent, operation, parameters))
        # On a slow machine the gate answers before it is done.
        return view if view.settled else await self.gate.wait(agent.principal, view.request_id, _PATIENCE)

    async def look(
        self, agent: Agent, operation: Operation, parameters: Callable[[int], Parameters], amount: int
    ) -> Attempt:
        """Looks up what the gate would look up. RunplaneError for parameters that are refused before."""
        classified = self._classified(operation, parameters(amount))
        looked: dict[str, Looked] = {}
        for _ in range(effects.MOST_STAGES):
            for read in effects.reads(classified, looked):
                looked[read.name] = looked_up(await self.gate.connection.send(read.wire, idempotency_key=None))
        return Attempt(agent, operation, parameters, looked)

    async def foresee(self, work: Callable[[Reader], T]) -> T:
        """Reads the gate's own records: the attacker has the source and a copy of everything."""
        return await self.gate.store.read(work)

    def passes(self, reader: Reader, attempt: Attempt, amount: int, *, at: int | None = None) -> Decision | None:
        """The decision by which the gate would let it run with nobody asked, at policy time `at`; None where it would not.
        Nothing is recorded by asking."""
        try:
            classified = self._classified(attempt.operation, attempt.parameters(amount))
        except RunplaneError:
            return None
        effect = effects.effect_of(classified, attempt.looked)
        if effect.refusal is not None or effect.incomplete:
            return None
        submission = _submission(attempt.agent, attempt.operation, classified.parameters)
        identity = self._identity
        request = received_from(
            submission, identity, self.clock, attempt.operation, classified=classified, wire=classified.wire
        )
        judged = judge(reader, self.policy, request, classified, effect, self.clock, at=at)
        return judged.decision if judged.decision.outcome is Outcome.ALLOW else None

    async def told(self, request_id: str) -> Money | None:
        """The amount by which the gate decided a request, None where it took it for no money or did not know."""
        decided = await self.foresee(lambda reader: reader.decisions(request_id)[-1:])
        found = fact_from_json(decided[0].facts["amount"]) if decided and "amount" in decided[0].facts else None
        return found if isinstance(found, Money) else None

    async def release_of(self, request_id: str) -> int:
        """When a request that is held back is to run (policy time in milliseconds)."""
        found = await self.foresee(lambda reader: reader.request(request_id))
        return (found.release_at if found is not None else None) or self.clock.policy_ms

    async def released(self, agent: Agent, request_id: str) -> bool:
        """Whether it ran, once its time has come. The gate's own background task sees to it."""
        view = await self.gate.get(agent.principal, request_id)
        if view.status is State.SCHEDULED:
            view = await self.gate.wait(agent.principal, request_id, _PATIENCE)
        while view.status in {State.APPROVED, State.EXECUTING}:
            view = await self.gate.wait(agent.principal, request_id, _PATIENCE)
        return view.status is State.SUCCEEDED

    async def begin(self) -> None:
        """Asks once whose key this is, as the gate does."""
        self._identity = await self.gate.identity()

    def _classified(self, operation: Operation, parameters: Parameters) -> Classified:
        catalog = self.gate.catalog
        catalog.check(operation, parameters)
        return catalog.classify(encode(operation.method, operation.path, parameters))


def _submission(agent: Agent, operation: Operation, parameters: Parameters | Mapping[str, object]) -> Submission:
    return Submission(agent.principal, agent.label, "mcp", operation.operation_id, parameters)  # type: ignore[arg-type]


@asynccontextmanager
async def open_house(policy: CompiledPolicy, *, start: int, currencies: tuple[str, ...]) -> AsyncIterator[House]:
    """A new home under `policy`, gone afterwards. `start` is policy time in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="runplane-attack-") as folder:
        home = Path(folder)
        file = home / "policies.yaml"
        file.write_text(policy.text, encoding="utf-8")
        # Without a look at the environment: what it names is of another home, its checkpoint above all.
        settings = Settings.model_construct(home=home, policy=file)
        clock = JumpingClock(start - _PAST)
        simulator = Simulator(settings.simulator_file, now=lambda: clock.policy_ms // 1000)
        try:
            world = World(simulator)
            world.fill(currencies)
            clock.policy_ms = start
            meter = Meter(simulator.path)
            try:
                async with open_gate(settings, simulator=True, clock=clock) as gate:
                    house = House(gate, world, meter, clock, policy)
                    await house.begin()
                    yield house
            finally:
                meter.close()
        finally:
            simulator.close()
