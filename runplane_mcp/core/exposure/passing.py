"""What passes with nobody asked: each judgement of each operation, sorted by what the policy can tell of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from runplane_mcp.core.compile import CompiledPolicy, CompiledRule
from runplane_mcp.core.decision import Outcome, Risk
from runplane_mcp.core.exposure.candidates import Candidate
from runplane_mcp.core.exposure.cells import Scale, TooManyCells
from runplane_mcp.core.exposure.loosened import loosened
from runplane_mcp.core.exposure.tried import FIXED, SCORED, Search
from runplane_mcp.core.exposure.ways import MONEY_OUT, REVENUE, Way
from runplane_mcp.core.facts import Facts, FactValue
from runplane_mcp.core.policy.conditions import FactTest, compile_test
from runplane_mcp.core.policy.model import Writes
from runplane_mcp.core.request import Kind
from runplane_mcp.core.risk import FLOOR_GROUPS, KIND_POINTS, SHARE_POINTS, Scorer

#: Percent of its fullest limit from which on the risk of a request rises, the lowest first. None goes over 100.
SHARES: Final = tuple(sorted(share for share, _ in SHARE_POINTS if share <= 100))
_RISK: Final = frozenset({"risk", "risk_level"})


class Passing:
    """Finds the ways past one policy. `policy` is compiled with `scale.rates()`."""

    def __init__(self, policy: CompiledPolicy, scale: Scale) -> None:
        self._policy = policy
        self._scale = scale
        self._filled = [(share, replace(policy, scorer=_Filled(policy, share))) for share in SHARES]
        rules = [test for each in policy.rules for test in (*each.rule.when, *each.rule.unless)]
        tests = [*rules, *(test for each in policy.limits for test in each.limit.when)]
        self._fixed = [compile_test(test, policy.converter) for test in tests if test.fact.name in FIXED]
        keys = frozenset(name for each in policy.limits for name in each.limit.needs)
        self._named = frozenset(test.fact.name for test in tests) | keys
        self._known: dict[object, tuple[Way, ...]] = {}

    @property
    def names_operations(self) -> bool:
        """Whether a rule or limit tests `operation`, so that other paths to the same are not the same to it."""
        return "operation" in self._named

    @property
    def allows_access(self) -> bool:
        """Whether a rule can allow what gives access."""
        return any(not each.restricting and "gives_access" in each.named for each in self._policy.rules)

    def ways(self, candidate: Candidate) -> tuple[Way, ...]:
        """Every way past everybody that this judgement opens. Of several that count into the same, the one with most."""
        fixed = fixed_facts(candidate)
        alike = (
            tuple(check(fixed, None) for check in self._fixed),
            candidate.facts & (self._named | SCORED),
            next((group for group in KIND_POINTS if group in candidate.groups), None),
            candidate.groups & (MONEY_OUT | FLOOR_GROUPS.keys()),
            candidate.groups.isdisjoint(REVENUE),
            (candidate.declared, candidate.reversible, candidate.captures, candidate.kind),
        )
        found = self._known.get(alike)
        if found is None:
            found = self._known[alike] = self._ways(candidate, fixed)
        return tuple(replace(way, candidate=candidate) for way in found)

    def _ways(self, candidate: Candidate, fixed: Facts) -> tuple[Way, ...]:
        rules = [each for each in self._policy.rules if self._applies(each.rule.when, candidate, fixed) != 0]
        limits = [each for each in self._policy.limits if self._applies(each.limit.when, candidate, fixed) != 0]
        if self._hopeless(candidate, fixed, rules):
            return ()
        try:
            return tuple(Search(self._policy, self._filled, self._scale, candidate, fixed, rules, limits).ways())
        except TooManyCells as many:
            # Looser, so that what is found is an upper bound all the same.
            return Passing(loosened(self._policy, str(many)), self._scale).ways(candidate)

    def _applies(self, tests: Iterable[FactTest], candidate: Candidate, fixed: Facts) -> int:
        """2 where every test is about what is fixed and holds, 0 where one can never hold, else 1."""
        verdict = 2
        for test in tests:
            if test.fact.name in FIXED:
                verdict = min(verdict, compile_test(test, self._policy.converter)(fixed, None))
            elif test.fact.name in candidate.facts | _RISK:
                verdict = min(verdict, 1)
            else:
                return 0
        return verdict

    def _hopeless(self, candidate: Candidate, fixed: Facts, rules: Sequence[CompiledRule]) -> bool:
        """What asks whatever its facts are, seen at once: most operations of most policies."""
        asks = allowed = False
        for each in rules:
            if not each.restricting:
                allowed = True
            elif each.rule.then is not Outcome.ALLOW and not each.rule.unless:
                asks = asks or self._applies(each.rule.when, candidate, fixed) == 2
        if asks or allowed:
            return asks
        floor = candidate.kind is Kind.READ or not candidate.groups.isdisjoint(FLOOR_GROUPS)
        return floor or self._policy.policy.otherwise.writes is not Writes.BY_RISK


def fixed_facts(candidate: Candidate) -> dict[str, FactValue]:
    """What a judgement says whatever the request. Only real money counts."""
    return {
        "action": candidate.actions,
        "kind": candidate.kind.value,
        "known": True,
        "judged": True,
        "livemode": True,
        "operation": candidate.operation_id,
    }


class _Filled(Scorer):
    """The scorer of a policy of which some limit is filled up to `share` percent at the least."""

    __slots__ = ("_share",)

    def __init__(self, policy: CompiledPolicy, share: int) -> None:
        super().__init__(policy.converter, policy.policy.risk_levels)
        self._share = share

    def score(self, facts: Facts, share: int | None, today: date | None) -> Risk:
        return super().score(facts, None if share is None else max(share, self._share), today)
