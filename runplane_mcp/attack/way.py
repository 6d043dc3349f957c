"""A way through a door, and what came of taking it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from runplane_mcp.attack.doors import Door
from runplane_mcp.attack.house import Agent, Attempt, House
from runplane_mcp.attack.score import MONEY_OUT
from runplane_mcp.attack.world import LARGEST, Things
from runplane_mcp.core.wire import Parameters

#: Half of the largest payment, so that what is not all of a thing can still be the most there is.
MOST: Final = LARGEST // 2
#: How often a way may come to nothing before it is given up.
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Act:
    """One request that ran with nobody asked. `at` is policy time in milliseconds, `moved` minor units of the policy's
    currency by group, read from the world; `told` is the amount that the gate decided by, None where there was none.
    `held`: it was held back for a while, in which people could have stopped it, and ran at `at`."""

    at: int
    agent: str
    operation: str
    parameters: tuple[str, ...]
    amount: int
    currency: str
    moved: dict[str, int]
    told: int | None
    held: bool = False

    @property
    def out(self) -> int:
        """What was lost by it. What a customer was charged is none of it."""
        return sum(self.moved.get(group, 0) for group in MONEY_OUT)

    @property
    def undertold(self) -> bool:
        """Whether more moved than limits count of it."""
        return self.told is None or self.told < max(self.moved.values())


@dataclass
class Way:
    """A door as one agent takes it in one currency. `most`: more never passed, also when nothing was done before."""

    door: Door
    agent: Agent
    currency: str
    most: int = MOST
    spent: bool = False
    #: What the gate takes the most for, in minor units of the policy's currency.
    told: int = 0
    _failures: int = 0
    _ready: dict[int, tuple[Things, Attempt]] = field(default_factory=dict)

    async def ready(self, house: House, amount: int) -> tuple[Things, Attempt]:
        """What it needs for `amount`, looked up: for a move that says its amount, whatever the size; else made to
        measure. RunplaneError where the world or the parameters will not have it."""
        move, currency = self.door.move, self.currency
        size = 0 if move.sized else amount
        if size not in self._ready:
            things = move.things(house.world, LARGEST if move.sized else amount, currency)
            house.meter.read()

            def parameters(amount: int) -> Parameters:
                return move.parameters(things, amount, currency)

            self._ready[size] = things, await house.look(self.agent, move.operation, parameters, amount)
        return self._ready[size]

    def used(self, amount: int) -> None:
        """What was made ready for `amount` is used up."""
        self._ready.pop(0 if self.door.move.sized else amount, None)

    def failed(self) -> None:
        """It should have passed and moved money, and did not. Not given up at once: a machine may be slow."""
        self._failures += 1
        self.spent = self._failures >= _TRIES

    def forget(self) -> None:
        """What was made ready is of another time."""
        self._ready.clear()

    @property
    def least(self) -> int:
        return self.door.move.least

    def of(self, agent: Agent) -> Way:
        return Way(self.door, agent, self.currency, self.most)


class Halving:
    """Finds the largest amount that passes, between `low`, which does, and `high`. Of what passes with an amount it is
    taken that less passes too. `hints`, the largest first, are tried before halves."""

    def __init__(self, low: int, high: int, hints: Iterable[int] = ()) -> None:
        self.low = low
        self._high = high
        self._hints = [high, *(hint for hint in hints if hint < high)]

    @property
    def guess(self) -> int | None:
        """What to try next, None where `low` is the answer."""
        if self.low >= self._high:
            return None
        self._hints = [hint for hint in self._hints if self.low < hint <= self._high]
        return self._hints[0] if self._hints else self.low + (self._high - self.low + 1) // 2

    def tell(self, passed: bool) -> None:
        """Whether the guess passed."""
        guess = self.guess
        if guess is not None and passed:
            self.low = guess
        elif guess is not None:
            self._high = guess - 1
