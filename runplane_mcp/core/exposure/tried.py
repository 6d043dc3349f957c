"""The cells of one judgement, each put to the real decision with every limit empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import prod
from typing import Final

from runplane_mcp.core.compile import CompiledPolicy, CompiledRule
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Bucket, Decision, Outcome, Usage
from runplane_mcp.core.exposure.candidates import DECLARED_YES, Candidate
from runplane_mcp.core.exposure.cells import (
    CLOCK,
    MAY_BE_NONE,
    OTHER,
    Cell,
    Scale,
    Span,
    TooManyCells,
    cells,
    clock_cells,
)
from runplane_mcp.core.exposure.ways import REVENUE, Counted, Way, What
from runplane_mcp.core.facts import NONE, REGISTRY, Fact, Facts, FactType, FactValue
from runplane_mcp.core.limits import CompiledLimit
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.policy.conditions import FactTest, Number, today_of
from runplane_mcp.core.risk import AMOUNTS, SHARE_POINTS

#: What one judgement fixes.
FIXED: Final = frozenset({"action", "kind", "known", "judged", "livemode", "operation"})
#: Facts that the risk looks at.
SCORED: Final = frozenset(
    {
        *AMOUNTS,
        "reversible",
        "destination_paid_before",
        "disputed",
        "refused_24h_agent",
        "denied_24h_object",
        "possible_duplicate",
        *DECLARED_YES,
    }
)
#: Cells of one judgement that are looked through one by one. Beyond it, tests are taken for passed, which is looser.
MOST_CELLS: Final = 1500
_NEVER_TESTED: Final = frozenset({"risk", "risk_level", *FIXED, *CLOCK})
#: The least dangerous value of a yes/no fact is no, but for these.
_BETTER_YES: Final = frozenset({"reversible", "destination_paid_before"})
#: A gate acts on one account, so that a limit by account is one sum.
_ONE: Final = frozenset({"account"})
_NOTHING: Final = frozenset({""})
_EMPTY: Final = Usage()
_MOST_FOR_SHARE: Final = max(points for _, points in SHARE_POINTS)


class Search:
    """The ways that one judgement opens. `filled` are the policy as it decides when limits are filled so many percent, the
    lowest first; `rules` and `limits` those that can apply."""

    def __init__(
        self,
        policy: CompiledPolicy,
        filled: Sequence[tuple[int, CompiledPolicy]],
        scale: Scale,
        candidate: Candidate,
        fixed: Facts,
        rules: Sequence[CompiledRule],
        limits: Sequence[CompiledLimit],
    ) -> None:
        self._policy, self._filled, self._scale = policy, filled, scale
        self._candidate, self._limits = candidate, limits
        tests = [test for each in rules for test in (*each.rule.when, *each.rule.unless)]
        tests += [test for each in limits for test in each.limit.when]
        self._tests_risk = any(test.fact.name in {"risk", "risk_level"} for test in tests)
        self._tests: dict[str, list[FactTest]] = {}
        for test in tests:
            if test.fact.name in candidate.facts:
                self._tests.setdefault(test.fact.name, []).append(test)
        settled = _settled(candidate)
        self._base: dict[str, FactValue] = {
            name: _harmless(REGISTRY[name], scale.currency) for name in candidate.facts - _NEVER_TESTED
        }
        self._base |= {**fixed, **settled}
        self._free: dict[str, list[Cell]] = {
            name: cells(REGISTRY[name], self._tests[name], policy.converter)
            for name in sorted(self._tests.keys() - _NEVER_TESTED - settled.keys())
            if REGISTRY[name].type is not FactType.MONEY
        }
        clock = [test for name in CLOCK for test in self._tests.get(name, ())]
        self._clock = [policy.calendar.facts(each) for each in clock_cells(policy.calendar, clock, policy.converter)]
        self._tested = tuple(name for name in (*self._free, *CLOCK) if name in self._tests)

    def ways(self) -> Iterator[Way]:
        """Each way once for all that count into the same."""
        for what in self._whats():
            yield from self._of(what)

    def _whats(self) -> Iterator[What]:
        groups, facts = self._candidate.groups, self._candidate.facts
        if groups and "amount" in facts:
            yield What.AMOUNT
        if self._candidate.captures and "write_offs" in groups:
            yield What.RELEASED
        if "mrr_lost" in facts and not groups.isdisjoint(REVENUE):
            yield What.REVENUE
        if "amount" not in facts or not groups or "bank_details" in groups:
            yield What.NOTHING

    def _of(self, what: What) -> Iterator[Way]:
        """The ways to move one thing: of those that count into the same, the one with the most."""
        others = self._other_amounts(what)
        sizes: dict[str, int] = {name: len(each) for name, each in self._free.items()}
        sizes |= {name: len(spans) for name, spans in others.items()}
        if sizes and prod(sizes.values()) * len(self._clock) > MOST_CELLS:
            raise TooManyCells(max(sizes, key=lambda name: sizes[name]))
        combinations = [
            (dict(zip(self._free, chosen, strict=True)), clock, dict(zip(others, amounts, strict=True)))
            for chosen in product(*self._free.values())
            for clock in self._clock
            for amounts in product(*others.values())
        ]
        best: dict[object, Way] = {}
        spans = list(reversed(self._spans(what)))
        for chosen, clock, amounts in combinations:
            for span in spans:
                facts = self._base | {name: cell.value for name, cell in chosen.items()} | clock
                if not self._put_amounts(facts, what, span, amounts):
                    continue
                way = self._way(what, span, facts, chosen, best)
                if way is not None:
                    best[way.unlike] = way
                    if way.free:
                        return iter([way])
                    if way.below is None and not way.stoppable and not self._limits_test(what):
                        break  # less counts into the same
        return iter(best.values())

    def _limits_test(self, what: What) -> bool:
        names = {what.value, "amount_on_object"}
        return any(test.fact.name in names for each in self._limits for test in each.limit.when)

    # -- amounts ---------------------------------------------------------------------------------------------------

    def _spans(self, what: What) -> list[Span]:
        """The amounts of what is to be the most, cut wherever anything about them changes."""
        if what is What.NOTHING:
            return self._scale.spans(())[:1]
        names = {what.value, "amount_on_object"} if self._follows(what) else {what.value}
        borders: list[Number] = [number for name in names for number in self._numbers(name)]
        borders += self._policy.scorer.borders
        for each in self._limits:
            if each.limit.total is not None and each.limit.of == what.value:
                borders += (Fraction(each.limit.total * share, 100) for share in (*dict(self._filled), 100))
        return self._scale.spans(borders)

    def _numbers(self, name: str) -> Iterator[Number]:
        return (number for test in self._tests.get(name, ()) for number in test.numbers)

    def _follows(self, what: What) -> bool:
        """Whether what was given back of an object in all is at least what is given back now."""
        return what is What.AMOUNT and not self._candidate.captures and "amount_on_object" in self._candidate.facts

    def _other_amounts(self, what: What) -> dict[str, list[Span | None]]:
        """The other facts of money that are tested, cut by their own tests. None is that there is none."""
        found: dict[str, list[Span | None]] = {}
        for name in AMOUNTS:
            if name != what.value and name in self._tests:
                none = [None] if name in MAY_BE_NONE else []
                found[name] = [*self._scale.spans(self._numbers(name)), *none]
        return found

    def _put_amounts(
        self, facts: dict[str, FactValue], what: What, span: Span, amounts: Mapping[str, Span | None]
    ) -> bool:
        """Writes the amounts into the facts; False where they cannot be so together."""
        for name, each in amounts.items():
            facts[name] = NONE if each is None else each.smallest
        if what is not What.NOTHING:
            facts[what.value] = span.value
        if self._follows(what):
            on_object = amounts.get("amount_on_object")
            if on_object is None or (on_object.least <= span.least and span.top <= on_object.top):
                facts["amount_on_object"] = span.value
            elif on_object.top <= span.least:
                return False
        if self._candidate.captures and "reversible" in facts:
            facts["reversible"] = (
                facts["amount_on_object"] == self._base["amount_on_object"]
            )  # what is released is gone
        return True

    # -- one cell --------------------------------------------------------------------------------------------------

    def _way(
        self, what: What, span: Span, facts: Facts, chosen: Mapping[str, Cell], best: Mapping[object, Way]
    ) -> Way | None:
        """The way that this cell opens, None where it opens none, or less of one than is known."""
        matching = self._policy.matching(facts, today_of(facts))
        counting = [each for each, _ in matching if not each.limit.shadow]
        way = Way(
            candidate=self._candidate,
            what=what,
            most=None if span.top >= LARGEST_AMOUNT else span.top,
            counts=tuple(
                Counted(each.limit.id, tuple(_key(name, facts, chosen) for name in each.limit.per)) for each in counting
            ),
            below=None,
            stoppable=False,
            redirects="bank_details" in self._candidate.groups
            or (facts.get("redirects_funds") is True and "amount" not in facts),
            facts=facts,
            tested=self._tested,
        )
        if _at_least(best.get(way.unlike), way):
            return None
        decision = self._passed(self._policy, facts, matching)
        if decision is None:
            return None
        if counting and self._may_rise(decision):
            full = (share for share, policy in self._filled if self._passed(policy, facts, matching) is None)
            way = replace(way, below=next(full, None))
        if decision.after is not None:
            way = replace(way, stoppable=True)
        return None if _at_least(best.get(way.unlike), way) else way

    def _passed(
        self, policy: CompiledPolicy, facts: Facts, matching: Sequence[tuple[CompiledLimit, Bucket]]
    ) -> Decision | None:
        decision = decide(policy, facts, [_EMPTY] * len(matching), matching=matching)
        return decision if decision.outcome is Outcome.ALLOW else None

    def _may_rise(self, decision: Decision) -> bool:
        """Whether the decision could be another one where limits are fuller: the risk is all that looks at them."""
        risk = decision.risk
        return self._tests_risk or self._policy.scorer.level(risk.score + _MOST_FOR_SHARE) is not risk.level


def _at_least(known: Way | None, way: Way) -> bool:
    return known is not None and (known.most is None or (way.most is not None and known.most >= way.most))


def _key(name: str, facts: Facts, chosen: Mapping[str, Cell]) -> frozenset[str] | None:
    """The texts that one fact of a limit's `per` can be, None where it can be any: the agent takes another each time."""
    if name == "customer" and facts.get(name, NONE) is NONE:
        name = "guest"
    if facts.get(name, NONE) is NONE:
        return _NOTHING
    if name in chosen:
        return chosen[name].texts
    return _NOTHING if name in _ONE else None


def _settled(candidate: Candidate) -> dict[str, FactValue]:
    """The facts of its effect that a judgement settles."""
    settled: dict[str, FactValue] = {name: True for name in DECLARED_YES & candidate.facts if candidate.declared}
    if "reversible" in candidate.facts:
        if candidate.captures:
            settled["reversible"] = True  # but for what is released: `_put_amounts`
        elif candidate.reversible is not None:
            settled["reversible"] = candidate.reversible
    return settled


def _harmless(fact: Fact, currency: str) -> FactValue:
    """The value of a fact that nothing tests: the one with the least risk."""
    match fact.type:
        case FactType.YES_NO:
            return fact.name in _BETTER_YES
        case FactType.NUMBER:
            return 0
        case FactType.MONEY:
            return Money(0, currency)
        case FactType.SET:
            return frozenset()
        case _:
            return fact.choices[0] if fact.choices else OTHER
