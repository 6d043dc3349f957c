"""What votes beside rules and limits: unknown operations and amounts, duplicates, the risk, and `otherwise`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from runplane_mcp.core.decision import Decision, Outcome, Reason, Risk, RiskLevel
from runplane_mcp.core.facts import GROUPS, NONE, REGISTRY, Facts, FactType, may_be
from runplane_mcp.core.money import Money
from runplane_mcp.core.policy.conditions import Converter
from runplane_mcp.core.policy.model import Policy, Writes

_MONEY_FACTS: Final = tuple(name for name, fact in REGISTRY.items() if fact.type is FactType.MONEY)
#: Effects that an `allow` rule covers only where its condition names the fact, each with the group that tells of it too.
_DANGERS: Final = (("gives_access", "access"), ("redirects_funds", "bank_details"), ("bulk", ""))
_WORST: Final = Risk(100, RiskLevel.CRITICAL)


@dataclass(frozen=True, slots=True)
class Standing:
    """The reasons of one policy that need no rule, made once. `writes` is None where the risk alone decides."""

    unknown_operation: Reason
    unjudged: Reason
    vouched: Reason
    unknown_amount: Reason
    duplicate: Reason
    reads: Reason
    writes: Reason | None
    risk: Mapping[RiskLevel, Reason]
    again: Reason

    def of_operation(self, facts: Facts, *, vouched: bool) -> Iterator[Reason]:
        """Votes that need no look-up and that nothing silences (THREATS 5). Only a plain True counts: a fact that is
        missing must not let an operation pass that nobody has heard of. `vouched`: an `allow` rule that applies names the
        very action; what nobody has judged then goes to people."""
        if facts.get("known") is not True:
            yield self.unknown_operation
        elif facts.get("judged") is not True:
            yield self.vouched if vouched else self.unjudged

    def votes(
        self,
        facts: Facts,
        risk: Risk,
        *,
        amount_unknown: bool,
        covered: bool,
        without_risk: bool,
        vouched: bool = False,
    ) -> Iterator[Reason]:
        """All standing votes. `covered`: an `allow` rule covers the request, which silences the risk and `otherwise`, but
        neither a duplicate nor an unknown amount."""
        yield from self.of_operation(facts, vouched=vouched)
        write = facts.get("kind") != "read"
        if write and amount_unknown:
            yield self.unknown_amount
        if may_be(facts.get("possible_duplicate", False)):
            yield self.duplicate
        if covered:
            return
        if not write:
            yield self.reads
        elif self.writes is not None:
            yield self.writes
        if without_risk:
            if write and self.writes is None:
                yield self.again
        elif write or risk.level is not RiskLevel.LOW:
            yield self.risk[risk.level]


def standing(policy: Policy) -> Standing:
    """The standing votes of `policy`. What asks asks for its default approval."""

    def reason(source: str, name: str, outcome: Outcome, why: str) -> Reason:
        if outcome is Outcome.REQUIRE_APPROVAL:
            default = policy.approval
            return Reason(source, name, outcome, why, need=default.need, expires_in=default.expires_in)
        return Reason(source, name, outcome, why)

    ask, block, allow = Outcome.REQUIRE_APPROVAL, Outcome.BLOCK, Outcome.ALLOW
    otherwise = policy.otherwise
    return Standing(
        unknown_operation=reason("otherwise", "operation.unknown", block, "The catalog does not have this operation."),
        unjudged=reason("otherwise", "operation.unjudged", otherwise.unjudged, "Nobody has judged this operation yet."),
        vouched=reason(
            "otherwise",
            "operation.unjudged",
            ask,
            "Nobody has judged this operation yet; a rule names it, so people decide.",
        ),
        unknown_amount=reason("otherwise", "amount.unknown", ask, "The amount could not be found out, or has no rate."),
        duplicate=reason(
            "duplicate", "duplicate", ask, "The same is under way, or was done or denied a short while ago."
        ),
        reads=reason("otherwise", "otherwise.reads", otherwise.reads, _READS[otherwise.reads]),
        writes=None
        if otherwise.writes is Writes.BY_RISK
        else reason("otherwise", "otherwise.writes", Outcome(otherwise.writes.value), _WRITES[otherwise.writes]),
        risk={
            RiskLevel.LOW: reason("risk", "risk.low", allow, "The risk is low."),
            RiskLevel.MEDIUM: reason("risk", "risk.medium", ask, "The risk is medium."),
            RiskLevel.HIGH: reason("risk", "risk.high", ask, "The risk is high."),
            RiskLevel.CRITICAL: reason("risk", "risk.critical", block, "The risk is critical."),
        },
        again=reason("otherwise", "otherwise.writes", allow, "The risk was judged when people were asked."),
    )


_READS: Final = {
    Outcome.ALLOW: "Reads are allowed.",
    Outcome.REQUIRE_APPROVAL: "Reads need a person.",
    Outcome.BLOCK: "Reads are blocked.",
}
_WRITES: Final = {
    Writes.REQUIRE_APPROVAL: "Writes need a person unless a rule allows them.",
    Writes.BLOCK: "Writes are blocked unless a rule allows them.",
}


def unknown_amounts(facts: Facts, converter: Converter, today: date | None) -> frozenset[str]:
    """The facts of money that nobody can tell, for want of a look-up or of a rate."""
    found = []
    for name in _MONEY_FACTS:
        value = facts.get(name, NONE)
        if value is not NONE and (type(value) is not Money or converter.minor(value, today) is None):
            found.append(name)
    return frozenset(found)


def hindrances(facts: Facts, risk: Risk, unknown: frozenset[str]) -> frozenset[str]:
    """What keeps an `allow` rule from covering the request, by the fact that its condition would have to name."""
    action = facts.get("action")
    groups = action if type(action) is frozenset else frozenset(GROUPS)
    found = {name for name, group in _DANGERS if may_be(facts.get(name, False)) or group in groups}
    if facts.get("known") is not True:
        found.add("known")
    if risk.level is RiskLevel.CRITICAL:
        found.add("risk_level")
    return unknown | found


def broken(version: str, error: Exception) -> Decision:
    """The decision where deciding itself failed: nothing runs. Only the kind of error is said, never its text."""
    why = f"The policy could not be evaluated ({type(error).__name__})."
    return Decision(
        Outcome.BLOCK, (Reason("error", "policy.error", Outcome.BLOCK, why),), _WORST, (), None, (), (), version
    )
