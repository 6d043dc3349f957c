"""What happened on a Stripe account, decided under a policy as if agents had asked for it, in the order of time.

All of it was really done, so whatever is asked about counts as approved at once, and what is blocked as not done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.facts import UNKNOWN, Facts, FactType, FactValue
from runplane_mcp.core.hours import clock_facts
from runplane_mcp.core.ledger import Ledger
from runplane_mcp.core.money import Money
from runplane_mcp.core.outlook import Answer, Outlook, answer_to, spoke
from runplane_mcp.core.policy.conditions import compile_condition, today_of

_DAY: Final = 86_400_000
_WEEK: Final = 7 * _DAY


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that was done. `at` is milliseconds, `facts` all but those of the clock, of history and of the risk.
    `undone`: its money did not leave after all."""

    at: int
    object_id: str
    action: str
    facts: Facts
    undone: bool = False

    @property
    def money(self) -> Money | None:
        amount = self.facts.get("amount")
        return amount if isinstance(amount, Money) else None

    @property
    def money_words(self) -> str:
        """Its amount, or the revenue that it ends: `$650.00 USD`, `$80.00 USD a month`, `unknown`, or a dash."""
        lost = self.facts.get("mrr_lost")
        if "amount" not in self.facts and lost is not None:
            return f"{lost} a month" if isinstance(lost, Money) else "unknown"
        return str(self.money) if self.money else "unknown" if self.facts.get("amount") is UNKNOWN else "–"


@dataclass(frozen=True, slots=True)
class Answered:
    """What the policy says to it, and by what."""

    asked: Asked
    answer: Answer
    by: tuple[str, ...]
    date: str


@dataclass(frozen=True, slots=True)
class Backtest:
    """`answers` are in the order of time; `outlook` are their days. `since` and `until` are milliseconds."""

    policy: CompiledPolicy
    outlook: Outlook
    answers: tuple[Answered, ...]
    since: int
    until: int

    @property
    def questions_per_week(self) -> float:
        return self.outlook.questions * _WEEK / max(self.until - self.since, 1)


def concerned(policy: CompiledPolicy, history: Iterable[Asked]) -> frozenset[str]:
    """The ids of rules and limits that have to do with anything that happened, whatever their amounts say of it."""
    conditions = [(rule.id, rule.when) for rule in policy.policy.rules]
    conditions += [(limit.id, limit.when) for limit in policy.policy.limits]
    checks = {}
    for id, when in conditions:
        rest = tuple(test for test in when if test.fact.type is not FactType.MONEY)
        checks[id] = compile_condition(rest, policy.converter, trusting=False)
    found: set[str] = set()
    for asked in history:
        facts = {**asked.facts, **clock_facts(policy, asked.at)}
        found |= {id for id, check in checks.items() if id not in found and check(facts, today_of(facts))}
    return frozenset(found)


def backtest(policy: CompiledPolicy, history: Iterable[Asked], *, since: int, until: int) -> Backtest:
    """Decides `history`, oldest first, under `policy`. `since` and `until` (milliseconds) are what it is the history of."""
    ledger, past, outlook = Ledger(), _Past(policy.repeat_window * 1000), Outlook()
    answers = []
    for number, each in enumerate(history):
        facts: dict[str, FactValue] = {**each.facts, **clock_facts(policy, each.at), **past.facts(each)}
        matching = policy.matching(facts, today_of(facts))
        usages = ledger.usages([bucket for _, bucket in matching], each.at)
        decision = decide(policy, facts, usages, matching=matching)
        answer, date = answer_to(decision), str(facts.get("date"))
        outlook.add(date, answer, facts)
        answers.append(Answered(each, answer, spoke(decision), date))
        ledger.reserve(str(number), decision.buckets, at=each.at, waiting=False)
        if answer is Answer.BLOCK or each.undone:
            ledger.settle(str(number), release=True)
        past.add(each, refused=answer is Answer.BLOCK)
    return Backtest(policy, outlook, tuple(answers), since, until)


class _Past:
    """The facts of history, as the gate's own records would have them if all had come through it."""

    def __init__(self, repeat_window: int) -> None:
        self._window = repeat_window
        self._day: deque[tuple[int, bool]] = deque()
        self._refused = 0
        self._customers: dict[str, deque[int]] = {}
        self._last: dict[Sequence[object], int] = {}

    def facts(self, asked: Asked) -> dict[str, FactValue]:
        while self._day and self._day[0][0] <= asked.at - _DAY:
            self._refused -= self._day.popleft()[1]
        found: dict[str, FactValue] = {
            "requests_24h_agent": len(self._day),
            "refused_24h_agent": self._refused,
            "denied_24h_object": 0,
            "possible_duplicate": self._last.get(_same(asked), -self._window) > asked.at - self._window,
        }
        if "customer" in asked.facts:
            times = self._customers.get(str(asked.facts["customer"]), deque())
            while times and times[0] <= asked.at - _WEEK:
                times.popleft()
            found["requests_7d_customer"] = len(times)
        return found

    def add(self, asked: Asked, *, refused: bool) -> None:
        self._day.append((asked.at, refused))
        self._refused += refused
        if "customer" in asked.facts:
            self._customers.setdefault(str(asked.facts["customer"]), deque()).append(asked.at)
        if not refused:
            self._last[_same(asked)] = asked.at


def _same(asked: Asked) -> tuple[object, ...]:
    """Equal for two that do the same to the same thing."""
    return (asked.action, asked.money, asked.facts.get("object"), asked.facts.get("destination"))
