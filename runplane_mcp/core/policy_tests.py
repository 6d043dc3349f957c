"""Runs the tests that a policy file carries: single requests and sequences, over the compiled policy itself.

A sequence keeps its own rolling sums as the store does: what is allowed counts at its time, what waits counts as now
until its question expires, and what is blocked or expired gives its money back and keeps the attempt in the count. What
is allowed after a while counts as now until its time comes, and is then decided again.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from runplane_mcp.core.compile import CompiledPolicy, compile_policy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Decision, Outcome, Verdict
from runplane_mcp.core.facts import EVERYWHERE, REGISTRY, FactValue
from runplane_mcp.core.hours import clock_facts
from runplane_mcp.core.ledger import Ledger
from runplane_mcp.core.money import Money
from runplane_mcp.core.policy import ActionInfo, Policy, PolicyTest
from runplane_mcp.core.request import Kind

#: What a decision computes, and what the clock says: no neutral values.
_FROM_ELSEWHERE: Final = frozenset({"risk", "risk_level", "hour", "weekday", "date", "business_hours"})
_OPERATION_UNKNOWN: Final = ActionInfo("unknown", frozenset(), frozenset(), Kind.WRITE)


@dataclass(frozen=True, slots=True)
class TestResult:
    """How one test of the file came out. `expected` and `got` are counts of outcomes in words, `line` is where the test
    stands, `by` the ids of the rules and limits (or `risk`, `otherwise`, `duplicate`) that applied."""

    __test__: ClassVar[bool] = False  # pytest takes every class named Test… for a test

    it: str
    passed: bool
    expected: str
    got: str
    line: int
    by: tuple[str, ...]


def run_tests(policy: Policy, actions: Mapping[str, ActionInfo]) -> tuple[TestResult, ...]:
    """One result for each test of `policy`, in the file's order. PolicyInvalid as `compile_policy`."""
    compiled = compile_policy(policy, actions=actions)
    return tuple(_run(compiled, test, actions) for test in policy.tests)


def _run(policy: CompiledPolicy, test: PolicyTest, actions: Mapping[str, ActionInfo]) -> TestResult:
    action = _OPERATION_UNKNOWN if test.action is None else actions[test.action]
    calendar = policy.calendar
    start = calendar.neutral_instant(policy.policy.rates.as_of) if test.at is None else calendar.instant(test.at)
    ledger = Ledger()
    scheduled: list[_Scheduled] = []
    outcomes: Counter[Verdict] = Counter()
    applied: set[str] = set()
    for number in range(test.times):
        now = start + number * test.every * 1000
        facts = given_facts(policy, test, action, now, number, repeats=number - outcomes[Verdict.BLOCK])
        _release(policy, test, ledger, scheduled, now)
        buckets = policy.buckets(facts)
        decision = decide(policy, facts, ledger.usages(buckets, now))
        _record(ledger, str(number), decision, now)
        if decision.after is not None:
            heapq.heappush(scheduled, _Scheduled(now + decision.after * 1000, number, facts))
        outcomes[decision.verdict] += 1
        applied |= {reason.id if reason.source in ("rule", "limit") else reason.source for reason in decision.reasons}
    counts = {verdict: test.expected.get(verdict, 0) for verdict in Verdict}
    missing = sorted(set(test.by) - applied)
    passed = all(outcomes[verdict] == count for verdict, count in counts.items()) and not missing
    expected = _words(counts, test.times) + (f" by {', '.join(test.by)}" if test.by else "")
    got = _words(outcomes, test.times) + (f", not by {', '.join(missing)}" if missing else "")
    return TestResult(test.it, passed, expected, got, test.place.line, tuple(sorted(applied)))


def _record(ledger: Ledger, name: str, decision: Decision, now: int) -> None:
    """What is allowed counts at its time, what waits until its question expires, what is blocked only as an attempt."""
    asks = decision.outcome is Outcome.REQUIRE_APPROVAL
    until = now + (decision.expires_in or 0) * 1000 if asks else None
    ledger.reserve(name, decision.buckets, at=now, waiting=decision.held, until=until)
    if decision.outcome is Outcome.BLOCK:
        ledger.settle(name, release=True)


@dataclass(frozen=True, slots=True, order=True)
class _Scheduled:
    """Request `number` of a sequence, which runs by itself at `due`."""

    due: int
    number: int
    facts: Mapping[str, FactValue] = field(compare=False)


def _release(policy: CompiledPolicy, test: PolicyTest, ledger: Ledger, scheduled: list[_Scheduled], now: int) -> None:
    """Decides again what was to run by `now`, each at its own time and with its own place in the limits left out, as the
    gate does. One that would be held back once more has waited, and runs."""
    while scheduled and scheduled[0].due <= now:
        each = heapq.heappop(scheduled)
        name, facts = str(each.number), {**each.facts, **clock_facts(policy, each.due), **test.given}
        usages = ledger.usages(policy.buckets(facts), each.due, excluding=name)
        _record(ledger, name, replace(decide(policy, facts, usages), after=None), each.due)


def given_facts(
    policy: CompiledPolicy, test: PolicyTest, action: ActionInfo, now: int, number: int, *, repeats: int
) -> dict[str, FactValue]:
    """The facts of request `number` of a test: neutral values where the action has the fact, the clock, what is given."""
    names = (EVERYWHERE | action.facts) - _FROM_ELSEWHERE
    facts: dict[str, FactValue] = {name: REGISTRY[name].neutral for name in names}
    facts["kind"] = action.kind.value
    facts["action"] = action.groups | {action.name}
    if "currency" in facts:
        facts["currency"] = policy.policy.currency
    facts |= clock_facts(policy, now)
    facts |= test.given
    if "agent" in test.given and "principal" not in test.given:
        facts["principal"] = facts["agent"]  # in production each agent has its own token
    if test.each_customer:
        facts |= {name: f"{name}_{number + 1}" for name in ("customer", "object") if name in facts}
    amount = facts.get("amount")
    if "amount_on_object" in facts and "amount_on_object" not in test.given and amount is not None:
        times = 1 if test.each_customer else 1 + repeats
        facts["amount_on_object"] = (
            Money(amount.amount * times, amount.currency) if isinstance(amount, Money) else amount
        )
    return facts


def _words(counts: Mapping[Verdict, int], times: int) -> str:
    named = [(verdict, counts[verdict]) for verdict in Verdict if counts.get(verdict)]
    if times == 1:
        return "".join(verdict.value for verdict, _ in named)
    return ", ".join(f"{count} {verdict.value}" for verdict, count in named)
