"""Why a policy said what it said: every rule and limit with each condition, the fact's value and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decision import Outcome, Risk, RiskLevel
from runplane_mcp.core.facts import NONE, UNKNOWN, Facts, FactValue
from runplane_mcp.core.policy import Limit, Rule
from runplane_mcp.core.policy.conditions import Condition, Verdict, compile_condition, today_of
from runplane_mcp.core.policy.sentences import words_of
from runplane_mcp.core.standing import hindrances, unknown_amounts

ABSENT: Final = "absent"


@dataclass(frozen=True, slots=True)
class ConditionTrace:
    """One test of a condition: `part` is when or unless; `test` and `value` are words; `verdict` is true, false, unknown,
    or absent where the request has no such fact, which fails every test."""

    part: str
    fact: str
    test: str
    value: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Trace:
    """One rule or limit. `applies` is true, false or unknown; unknown applies where it restricts, and not where it allows.
    Of a limit it says whether the request counts into it, not whether it is exceeded. An `allow` rule that applies covers
    the request only where nothing is in `lacking`: what of its dangers the condition does not name. What is in `shadow`
    decides nothing, whatever it says."""

    kind: str
    id: str
    line: int
    then: Outcome
    applies: str
    tests: tuple[ConditionTrace, ...]
    shadow: bool
    lacking: tuple[str, ...] = ()


def evaluate(policy: CompiledPolicy, facts: Facts, risk: Risk | None = None) -> tuple[Trace, ...]:
    """Every rule, then every limit, over these facts. `risk` is the decision's own, for rules that test it; without it
    such a test is absent."""
    seen = dict(facts)
    if risk is not None:
        seen |= {"risk": risk.score, "risk_level": risk.level.value}
    today = today_of(facts)
    critical = seen.get("risk_level") == RiskLevel.CRITICAL.value
    judged = Risk(0, RiskLevel.CRITICAL if critical else RiskLevel.LOW)
    danger = hindrances(facts, judged, unknown_amounts(facts, policy.converter, today))
    traces = []
    for each in (*policy.rules, *policy.shadow_rules):
        rule = each.rule
        tests = _traces(policy, "when", rule.when, seen, trusting=not each.restricting)
        tests += _traces(policy, "unless", rule.unless, seen, trusting=True)
        verdict = each.check(seen, today)
        applies = verdict == Verdict.TRUE and not each.restricting
        traces.append(_trace("rule", rule, verdict, tests, each.lacks(danger) if applies else frozenset()))
    for limit in policy.limits:
        tests = _traces(policy, "when", limit.limit.when, seen, trusting=False)
        traces.append(_trace("limit", limit.limit, limit.check(seen, today), tests))
    return tuple(traces)


def value_words(value: FactValue | None) -> str:
    """A fact's value as people read it; None is absent."""
    if value is None:
        return ABSENT
    if value is NONE or value is UNKNOWN:
        return value.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "nothing"
    return f"{float(value):g}" if isinstance(value, Fraction) else str(value)


def _trace(
    kind: str,
    what: Rule | Limit,
    verdict: int,
    tests: list[ConditionTrace],
    lacking: frozenset[str] = frozenset(),
) -> Trace:
    applies = Verdict(verdict).name.lower()
    return Trace(kind, what.id, what.place.line, what.then, applies, tuple(tests), what.shadow, tuple(sorted(lacking)))


def _traces(
    policy: CompiledPolicy, part: str, condition: Condition, facts: Facts, *, trusting: bool
) -> list[ConditionTrace]:
    today = today_of(facts)
    found = []
    for test in condition:
        name = test.fact.name
        verdict = compile_condition((test,), policy.converter, trusting=trusting)(facts, today)
        words = Verdict(verdict).name.lower() if name in facts else ABSENT
        found.append(
            ConditionTrace(part, name, words_of(test, policy.policy.currency), value_words(facts.get(name)), words)
        )
    return found
