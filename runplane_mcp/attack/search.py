"""The search: for each door the largest amount that passes unasked, again and again, and when nothing passes any more the
clock goes to when something does.

Greedy and exact in its steps: what passes is found by halving against the gate's own decision on its own records, so that
no threshold of the policy has to be known. What passes is then really sent, and only what moved in the world counts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from runplane_mcp.attack.doors import Door
from runplane_mcp.attack.house import Agent, Attempt, House
from runplane_mcp.attack.score import MONEY_OUT, worth
from runplane_mcp.attack.world import LARGEST, Things
from runplane_mcp.core.decision import Decision
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import State
from runplane_mcp.core.wire import Parameters
from runplane_mcp.errors import RunplaneError
from runplane_mcp.store.base import Reader

#: Half of the largest payment, so that what is not all of a thing can still be the most there is.
MOST: Final = LARGEST // 2
_HOUR: Final = 3_600_000
#: What makes ways alike: where the world counts them, the limits that they count into, and what makes them risky.
_Lane = tuple[frozenset[str], frozenset[tuple[str, str]], frozenset[tuple[str, int]]]
#: Windows that limits mostly have (milliseconds): tried whether or not the policy has them.
_USUAL: Final = (_HOUR, 24 * _HOUR)
#: Of the doors that lead to the same limits so many are kept, the widest.
_KEPT: Final = 3


@dataclass(frozen=True, slots=True)
class Act:
    """One request that ran with nobody asked. `at` is policy time in milliseconds, `moved` minor units of the policy's
    currency by group, read from the world; `told` is the amount that the gate decided by, None where there was none."""

    at: int
    agent: str
    operation: str
    parameters: tuple[str, ...]
    amount: int
    currency: str
    moved: dict[str, int]
    told: int | None

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

    def forget(self) -> None:
        """What was made ready is used up, or of another time."""
        self._ready.clear()

    @property
    def least(self) -> int:
        return self.door.move.least

    def of(self, agent: Agent) -> Way:
        return Way(self.door, agent, self.currency, self.most)


class Search:
    """One attack from the house's present until `until` (policy time in milliseconds).

    `budget` is how many requests it may make in all. `hints` are amounts to try before halving. `endless` names the
    operations that never came to an end: what they move is limited by the budget alone.
    """

    def __init__(
        self,
        house: House,
        ways: list[Way],
        agents: tuple[Agent, ...],
        *,
        until: int,
        budget: int,
        seed: int,
        hints: Iterable[int] = (),
        progress: Callable[[str], None] = lambda _words: None,
    ) -> None:
        self.house = house
        self.acts: list[Act] = []
        self.endless: set[str] = set()
        self._ways = ways
        self._agents = agents
        self._until = until
        self._budget = budget
        self._hints = sorted(set(hints), reverse=True)
        self._random = random.Random(seed)  # noqa: S311 — an order of trying, no secret
        self._progress = progress
        self._times = set(self._turns())
        self._lanes: list[list[Way]] = []

    @property
    def over(self) -> bool:
        return len(self.acts) >= self._budget

    async def run(self) -> None:
        """Acts until nothing more passes, or the budget is used up."""
        await self._survey()
        while not self.over:
            for lane in self._lanes:
                await self._drain(lane)
            after = await self._next()
            if after is None:
                return
            self.house.clock.policy_ms = after
            for lane in self._lanes:
                for way in lane:
                    way.forget()

    # ── what is there ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _survey(self) -> None:
        """Ways that lead to the same limits beside one another, the widest first: of them only the first few matter."""
        lanes: dict[_Lane, list[Way]] = {}
        self._random.shuffle(self._ways)
        # Those that say their amount first: they tell cheaply how wide a lane is.
        self._ways.sort(key=lambda way: not way.door.move.sized)
        for number, way in enumerate(self._ways):
            self._progress(f"looking for open doors, {number + 1} of {len(self._ways)}")
            decision = await self._passes(way, way.least)
            if decision is None:
                continue
            risk = frozenset((factor.name, factor.points) for factor in decision.risk.factors)
            lane = lanes.setdefault((way.door.groups, await self._counts_into(way, decision), risk), [])
            widest = self._as_much(lane[0], way) if lane else MOST
            if widest < MOST and await self._passes(way, widest + 1) is None:
                # No wider: what it gives is found out when it is needed.
                way.most = widest
                lane.append(way)
            else:
                way.most = await self._largest(way, MOST)
                lane.append(way)
                lane.sort(key=self._rank, reverse=True)
            del lane[_KEPT:]
        for lane in lanes.values():
            lane[0].told = await self._taken_for(lane[0])
        # Of those that move alike, first what counts into the fewest limits.
        ordered = sorted(lanes.items(), key=lambda item: (self._precedes(item[1][0]), -len(item[0][1])), reverse=True)
        self._lanes = [[way.of(agent) for way in lane for agent in self._like(way.agent)] for _, lane in ordered]

    async def _counts_into(self, way: Way, decision: Decision) -> frozenset[tuple[str, str]]:
        """The limits that a way counts into, each with its bucket: what is new with each use by its kind, so that what all
        uses share is told from what is one customer's after the other."""
        things, _ = await way.ready(self.house, way.least)
        sums = set()
        for bucket in decision.buckets:
            words = bucket.bucket
            for kind, id in things.items():
                words = words.replace(id, kind)
            sums.add((bucket.limit_id, words))
        return frozenset(sums)

    def _precedes(self, way: Way) -> tuple[bool, tuple[int, bool, bool]]:
        """First what moves much more than limits see of it: it leaves the most room to what comes after."""
        return 2 * way.told < self._rank(way)[0], self._rank(way)

    async def _taken_for(self, way: Way) -> int:
        """What the limits count of the most that passes; all of it where no limit counts it."""
        decision = await self._passes(way, way.most)
        sums = [bucket.money for bucket in decision.buckets if bucket.money is not None] if decision else []
        return max((self._worth(each) for each in sums), default=self._value(way, way.most))

    def _like(self, agent: Agent) -> Iterator[Agent]:
        """All agents, each under the label that this way goes by."""
        yield from (Agent(each.principal, agent.label) for each in self._agents)

    def _rank(self, way: Way) -> tuple[int, bool, bool]:
        """The most first; of those alike, one that says its amount, in whole units of the policy's currency: it leaves
        nothing over."""
        worth = self._value(way, way.most) * len(way.door.groups)
        return worth, way.currency == self.house.policy.converter.currency, way.door.move.sized

    def _value(self, way: Way, amount: int) -> int:
        """In minor units of the policy's currency, rounded down."""
        return self._worth(Money(amount, way.currency))

    def _worth(self, money: Money) -> int:
        minor = self.house.policy.converter.minor(money, self._today())
        return int(minor // 1) if minor is not None else 0

    def _as_much(self, one: Way, other: Way) -> int:
        """What the most of one way is in the other's currency, rounded up."""
        unit = self.house.policy.converter.minor(Money(1, other.currency), self._today())
        return min(MOST, int(-(-self._value(one, one.most) // unit))) if unit else MOST

    # ── doing it ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _drain(self, lane: list[Way]) -> None:
        """Takes what a lane gives now, the most that passes each time."""
        for _ in range(max(1, self._budget // 4)):
            best: tuple[Way, int] | None = None
            for way in lane:
                if way.spent or (best is not None and self._value(*best) >= self._value(way, way.most)):
                    continue
                amount = await self._largest(way, way.most)
                if amount and (best is None or self._value(way, amount) > self._value(*best)):
                    best = way, amount
            if best is None or self.over:
                return
            await self._act(*best)
        self.endless |= {way.door.move.operation.operation_id for way in lane if not way.spent}
        for way in lane:
            way.spent = True

    async def _act(self, way: Way, amount: int) -> None:
        move, policy = way.door.move, self.house.policy
        things, _ = await way.ready(self.house, amount)
        view = await self.house.submit(way.agent, move.operation, move.parameters(things, amount, way.currency))
        moved = worth(self.house.meter.read(), policy.converter, self._today())
        way.forget()
        if view.status is not State.SUCCEEDED or not moved:
            way.spent = True
            return
        told = await self.house.told(view.request_id)
        minor = policy.converter.minor(told, self._today()) if told is not None else None
        now = self.house.clock.policy_ms
        self.acts.append(
            Act(
                at=now,
                agent=way.agent.label if len(self._agents) == 1 else way.agent.principal,
                operation=move.operation.operation_id,
                parameters=tuple(move.form),
                amount=amount,
                currency=way.currency,
                moved=moved,
                told=int(-(-minor // 1)) if minor is not None else None,
            )
        )
        self._times |= {now + window for window in self._windows()}
        self._progress(f"{len(self.acts)} requests ran with nobody asked")

    async def _largest(self, way: Way, most: int) -> int:
        """The largest amount up to `most` that passes now, 0 where none does. Found by halving: of what passes with an
        amount it is taken that less passes too."""
        if await self._passes(way, way.least) is None:
            return 0
        low, high = way.least, most
        guesses = [most, *(hint for hint in self._hints if hint < most)]
        while low < high:
            guesses = [each for each in guesses if low < each <= high]
            guess = guesses.pop(0) if guesses else low + (high - low + 1) // 2
            if await self._passes(way, guess) is not None:
                low = guess
            else:
                high = guess - 1
        return low

    async def _passes(self, way: Way, amount: int) -> Decision | None:
        try:
            _, attempt = await way.ready(self.house, amount)
        except RunplaneError:
            return None
        return await self.house.foresee(lambda reader: self.house.passes(reader, attempt, amount))

    # ── the clock ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _next(self) -> int | None:
        """The first moment before `until` at which something passes again: when what was done leaves a window, when the day
        turns, or business hours begin or end."""
        now = self.house.clock.policy_ms
        attempts: list[tuple[Attempt, int]] = []
        for lane in self._lanes:
            for way in lane:
                with suppress(RunplaneError):
                    if not way.spent:
                        attempts.append(((await way.ready(self.house, way.least))[1], way.least))
        times = sorted(each for each in self._times if now < each < self._until)

        passes = self.house.passes

        def first(reader: Reader) -> int | None:
            open_at = (at for at in times for each, least in attempts if passes(reader, each, least, at=at))
            return next(open_at, None)

        return await self.house.foresee(first)

    def _windows(self) -> Iterator[int]:
        yield from _USUAL
        yield from (limit.limit.within * 1000 for limit in self.house.policy.limits)

    def _turns(self) -> Iterator[int]:
        """When facts of the clock change: midnight and business hours, in the policy's zone."""
        calendar = self.house.policy.calendar
        hours = calendar.hours
        minutes = {0} | ({hours.opens, hours.closes} if hours is not None else set())
        day = datetime.fromtimestamp(self.house.clock.policy_ms // 1000, UTC).astimezone(calendar.zone).date()
        for offset in range((self._until - self.house.clock.policy_ms) // (24 * _HOUR) + 2):
            for minute in minutes:
                there = day + timedelta(days=offset)
                yield (
                    round(
                        datetime(
                            there.year, there.month, there.day, minute // 60 % 24, minute % 60, tzinfo=calendar.zone
                        ).timestamp()
                    )
                    * 1000
                )

    def _today(self) -> date:
        moment = datetime.fromtimestamp(self.house.clock.policy_ms // 1000, UTC)
        return moment.astimezone(self.house.policy.calendar.zone).date()
