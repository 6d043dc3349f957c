"""The search: for each door the largest amount that passes unasked, again and again, and when nothing passes any more the
clock goes to when something does.

Greedy and exact in its steps: what passes is found by halving against the gate's own decision on its own records, so that
no threshold of the policy has to be known. What passes is then really sent, and only what moved in the world counts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from runplane_mcp.attack.house import Agent, Attempt, House
from runplane_mcp.attack.moments import day_of, turns, windows
from runplane_mcp.attack.score import MONEY_OUT, worth
from runplane_mcp.attack.way import MOST, Act, Halving, Way
from runplane_mcp.core.decision import Decision
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import State
from runplane_mcp.errors import RunplaneError
from runplane_mcp.store.base import Reader

#: What makes ways alike: where the world counts them, the limits that they count into, and what makes them risky.
_Lane = tuple[frozenset[str], frozenset[tuple[str, str]], frozenset[tuple[str, int]]]
#: Of the doors that lead to the same limits so many are kept, the widest.
_KEPT: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class _Held:
    """A request that is held back until `at`."""

    at: int
    request_id: str
    agent: Agent = field(compare=False)
    act: Act = field(compare=False)


class Search:
    """One attack on a house. First `survey`, then `go` as often as wanted.

    `budget` is how many requests it may make in all. `hints` are amounts to try before halving. `endless` names the
    operations that never came to an end: what they move is limited by the budget alone.
    """

    def __init__(
        self,
        house: House,
        ways: list[Way],
        agents: tuple[Agent, ...],
        *,
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
        self._budget = budget
        self._hints = sorted(set(hints), reverse=True)
        self._random = random.Random(seed)  # noqa: S311 — an order of trying, no secret
        self._progress = progress
        self._times: set[int] = set()
        self._lanes: list[list[Way]] = []
        self._held: list[_Held] = []

    @property
    def over(self) -> bool:
        return len(self.acts) + len(self._held) >= self._budget

    async def go(self, start: int, until: int, *, charging: bool = True) -> None:
        """Acts from `start` on, until nothing more passes before `until` (policy time in milliseconds), or the budget is
        used up. Not `charging`: customers are left alone, which leaves the limits on charges to what is lost by the way."""
        if not charging:
            self._lanes = [lane for lane in self._lanes if not lane[0].door.groups.isdisjoint(MONEY_OUT)]
        self._times = set(turns(self.house.policy, start, until))
        after: int | None = start
        while after is not None:
            await self._jump(after)
            for lane in self._lanes:
                await self._drain(lane)
            after = await self._next(until) if not self.over else None
        await self._jump(until - 1)

    async def _jump(self, to: int) -> None:
        """Moves the clock, past everything that was held back and runs meanwhile."""
        while self._held and (at := min(self._held).at) <= to:
            due = [held for held in self._held if held.at == at]
            self._held = [held for held in self._held if held.at > at]
            if at > self.house.clock.policy_ms:
                self.house.jump(at)
            # They run together, and what they moved is read once all of them have.
            ran = [held.act for held in due if await self.house.released(held.agent, held.request_id)]
            self._done(ran, held=True)
        self.house.jump(to)
        for lane in self._lanes:
            for way in lane:
                way.forget()

    # ── what is there ─────────────────────────────────────────────────────────────────────────────────────────────

    async def survey(self) -> None:
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
        """Takes what a lane gives now, the most that passes each time, by the first way that gives any."""
        for _ in range(max(1, self._budget // 4)):
            for way in lane:
                amount = 0 if way.spent else await self._largest(way, way.most)
                if amount:
                    await self._act(way, amount)
                    break
            else:
                return
            if self.over:
                return
        self.endless |= {way.door.move.operation.operation_id for way in lane if not way.spent}
        for way in lane:
            way.spent = True

    async def _act(self, way: Way, amount: int) -> None:
        move = way.door.move
        things, _ = await way.ready(self.house, amount)
        view = await self.house.submit(way.agent, move.operation, move.parameters(things, amount, way.currency))
        way.used(amount)
        told = await self.house.told(view.request_id)
        minor = self.house.policy.converter.minor(told, self._today()) if told is not None else None
        act = Act(
            at=self.house.clock.policy_ms,
            agent=way.agent.label if len(self._agents) == 1 else way.agent.principal,
            operation=move.operation.operation_id,
            parameters=tuple(move.form),
            amount=amount,
            currency=way.currency,
            moved={},
            told=int(-(-minor // 1)) if minor is not None else None,
        )
        if view.status is State.SCHEDULED:
            self._held.append(_Held(await self.house.release_of(view.request_id), view.request_id, way.agent, act))
            self._times |= {self._held[-1].at, *(act.at + window for window in windows(self.house.policy))}
        elif view.status is not State.SUCCEEDED or not self._done([act]):
            way.failed()

    def _done(self, acts: list[Act], *, held: bool = False) -> bool:
        """Counts what has just run. Whether anything moved. Of several that ran together each counts for its part, by the
        amounts that the gate decided by."""
        moved = worth(self.house.meter.read(), self.house.policy.converter, self._today())
        now = self.house.clock.policy_ms
        any_moved = bool(moved)
        told = sum(act.told or 1 for act in acts)
        for act in acts if any_moved else ():
            part = act.told or 1
            mine = {group: amount * part // told for group, amount in moved.items()}
            moved = {group: amount - mine[group] for group, amount in moved.items()}
            told -= part
            self.acts.append(replace(act, at=now, moved=mine, held=held))
            self._times |= {now + window for window in windows(self.house.policy)}
            self._progress(f"{len(self.acts)} requests ran with nobody asked")
        return any_moved

    async def _largest(self, way: Way, most: int) -> int:
        """The largest amount up to `most` that passes now, 0 where none does."""
        if await self._passes(way, way.least) is None:
            return 0
        halving = Halving(way.least, most, self._hints)
        if way.door.move.sized:
            with suppress(RunplaneError):
                _, attempt = await way.ready(self.house, most)
                return await self.house.foresee(lambda reader: self._halved(reader, attempt, halving))
        while halving.guess is not None:
            halving.tell(await self._passes(way, halving.guess) is not None)
        return halving.low

    def _halved(self, reader: Reader, attempt: Attempt, halving: Halving) -> int:
        """The same where one look-up does for all amounts: at once."""
        while halving.guess is not None:
            halving.tell(self.house.passes(reader, attempt, halving.guess) is not None)
        return halving.low

    async def _passes(self, way: Way, amount: int) -> Decision | None:
        try:
            _, attempt = await way.ready(self.house, amount)
        except RunplaneError:
            return None
        return await self.house.foresee(lambda reader: self.house.passes(reader, attempt, amount))

    # ── the clock ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _next(self, until: int) -> int | None:
        """The first moment before `until` at which something passes again: when what was done leaves a window, when the day
        turns, or business hours begin or end."""
        now = self.house.clock.policy_ms
        attempts: list[tuple[Attempt, int]] = []
        for lane in self._lanes:
            for way in lane:
                with suppress(RunplaneError):
                    if not way.spent:
                        attempts.append(((await way.ready(self.house, way.least))[1], way.least))
        times = sorted(each for each in self._times if now < each < until)

        passes = self.house.passes

        def first(reader: Reader) -> int | None:
            open_at = (at for at in times for each, least in attempts if passes(reader, each, least, at=at))
            return next(open_at, None)

        return await self.house.foresee(first)

    def _today(self) -> date:
        return day_of(self.house.policy, self.house.clock.policy_ms)
