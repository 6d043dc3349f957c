"""One attack on one policy, from opening its house to the figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from runplane_mcp.attack.doors import doors
from runplane_mcp.attack.house import Agent, open_house
from runplane_mcp.attack.moments import beginnings
from runplane_mcp.attack.search import Search
from runplane_mcp.attack.way import Act, Way
from runplane_mcp.core.compile import CompiledPolicy

#: The windows that are told, in seconds.
WINDOWS: Final = {"hour": 3600, "day": 86_400, "week": 604_800}
#: How many requests an attack makes at most.
BUDGET: Final = 1000


@dataclass(frozen=True, slots=True)
class Horizon:
    """The most that was lost within any `seconds` of the attack, in minor units of the policy's currency, and by which
    acts. `groups` is the most of each group within its own such time, what customers were charged among them."""

    name: str
    seconds: int
    amount: int
    groups: dict[str, int]
    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What an attack came to. `endless` are operations that passed again and again until the search gave up: for them
    there is no bound to be seen. `complete` is false where the budget ended it."""

    currency: str
    policy_version: str
    agents: int
    seed: int
    budget: int
    requests: int
    doors: int
    horizons: tuple[Horizon, ...]
    endless: tuple[str, ...]
    complete: bool

    def horizon(self, name: str) -> Horizon:
        return next(each for each in self.horizons if each.name == name)

    @property
    def undertold(self) -> tuple[Act, ...]:
        """Acts that moved more than limits count of them: a hold that is let go when a part of it is captured."""
        return tuple(act for act in self.horizons[-1].acts if act.undertold)


@dataclass(frozen=True, slots=True)
class Attack:
    """How an attack is made. `agents` are as many principals. `hints` are amounts to try first, beside those that stand in
    the policy where it is `read`: they save time, and change nothing of what is found. `only` leaves out all other
    operations."""

    horizon: str = "week"
    agents: int = 1
    budget: int = BUDGET
    seed: int = 0
    hints: tuple[int, ...] = ()
    read: bool = True
    only: frozenset[str] | None = None

    async def on(self, policy: CompiledPolicy, progress: Callable[[str], None] = lambda _words: None) -> Found:
        """Plays it against the gate on a world of its own. Takes seconds to a minute."""
        progress("trying every operation on the simulator")
        open_doors = doors(self.only)
        starts = beginnings(policy)
        agents = tuple(
            Agent("stdio" if self.agents == 1 else f"agent-{number}", "agent") for number in range(1, self.agents + 1)
        )
        currencies = (policy.policy.currency, *sorted(policy.policy.rates.per_unit))
        async with open_house(policy, start=starts[0], currencies=currencies) as house:
            ways = [
                Way(door, Agent(agents[0].principal, label), currency)
                for door in open_doors
                for currency in currencies
                for label in _labels(policy)
            ]
            hints = (*self.hints, *(_written(policy) if self.read else ()))
            search = Search(house, ways, agents, budget=self.budget, seed=self.seed, hints=hints, progress=progress)
            await search.survey()
            span = WINDOWS[self.horizon] * 1000
            await search.go(starts[0], starts[0] + span)
            for start in starts[1:] if self.horizon == "week" else ():
                await search.go(start, start + span, charging=False)
        names = list(WINDOWS)[: list(WINDOWS).index(self.horizon) + 1]
        return Found(
            currency=policy.policy.currency,
            policy_version=policy.version,
            agents=self.agents,
            seed=self.seed,
            budget=self.budget,
            requests=len(search.acts),
            doors=len(open_doors),
            horizons=tuple(best(search.acts, name, WINDOWS[name]) for name in names),
            endless=tuple(sorted(search.endless)),
            complete=not search.over,
        )


def best(acts: Sequence[Act], name: str, seconds: int) -> Horizon:
    """The most within any `seconds`. A window is rolling, and what is exactly as old as it is long is out of it."""
    window = seconds * 1000
    moments = sorted({act.at for act in acts})
    slices = [[act for act in acts if moment <= act.at < moment + window] for moment in moments]
    groups: dict[str, int] = {}
    for each in slices:
        for group in {group for act in each for group in act.moved}:
            groups[group] = max(groups.get(group, 0), sum(act.moved.get(group, 0) for act in each))
    most = max(slices, key=lambda each: sum(act.out for act in each), default=[])
    return Horizon(name, seconds, sum(act.out for act in most), dict(sorted(groups.items())), tuple(most))


def _labels(policy: CompiledPolicy) -> tuple[str, ...]:
    """What an agent may call itself: anything, so also whatever the policy trusts or leaves out."""
    conditions = [test for each in policy.policy.rules for test in (*each.when, *each.unless)]
    conditions += [test for each in policy.policy.limits for test in each.when]
    named = [text for test in conditions if test.fact.name == "agent" for text in test.texts]
    return tuple(dict.fromkeys(("agent", *named)))


def _written(policy: CompiledPolicy) -> list[int]:
    """Amounts that stand in the policy, which its reader would try first."""
    conditions = [test for each in policy.policy.rules for test in (*each.when, *each.unless)]
    numbers = [int(number) for test in conditions for number in test.numbers]
    totals = [limit.total for limit in policy.policy.limits if limit.total is not None]
    return [each + more for each in (*numbers, *totals) for more in (-1, 0)]
