"""What a policy file says, as immutable values: rules, limits, defaults and the file's own tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from runplane_mcp.core.decision import Need, Outcome, Verdict
from runplane_mcp.core.facts import FactValue
from runplane_mcp.core.hours import Calendar
from runplane_mcp.core.money import Rates
from runplane_mcp.core.policy.conditions import Condition
from runplane_mcp.core.policy.document import Place


@dataclass(frozen=True, slots=True)
class Approval:
    """Who must say yes, and for how many seconds the question stands."""

    need: Need
    expires_in: int


class Writes(StrEnum):
    """What decides about a write beside rules and limits. The risk always votes too."""

    BY_RISK = "by_risk"
    REQUIRE_APPROVAL = "require_approval"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Stands unless an `allow` rule covers the request, so that adding a restricting rule can never loosen anything."""

    reads: Outcome = Outcome.ALLOW
    writes: Writes = Writes.BY_RISK
    unjudged: Outcome = Outcome.BLOCK


@dataclass(frozen=True, slots=True)
class Levels:
    """From which score on a risk is medium, high, critical. Points and factors are not configurable."""

    medium: int = 30
    high: int = 60
    critical: int = 85


@dataclass(frozen=True, slots=True)
class Rule:
    """`approval` is set where `then` is require_approval. `after` is how many seconds what it allows is held back, so that
    people can stop it. What is in `shadow` mode is recorded and decides nothing."""

    id: str
    place: Place
    when: Condition
    unless: Condition
    then: Outcome
    approval: Approval | None
    why: str | None = None
    tell_agent: str | None = None
    after: int | None = None
    shadow: bool = False

    @property
    def restricting(self) -> bool:
        """Whether it can only make a decision stricter. An `allow` rule that holds back is one: it silences nothing."""
        return self.then is not Outcome.ALLOW or self.after is not None


#: What a limit may count by. `agent` is read as `principal`: the label of an agent is the agent's own word.
PER: Final = ("agent", "principal", "customer", "destination", "account", "object")
#: What a limit may sum.
OF: Final = ("amount", "mrr_lost")


@dataclass(frozen=True, slots=True)
class Limit:
    """A rolling sum and count. `total` is minor units of the policy's currency, `within` seconds. `approval` is set
    whatever `then` says, since waiting requests may make a blocking limit ask."""

    id: str
    place: Place
    when: Condition
    per: tuple[str, ...]
    of: str
    total: int | None
    count: int | None
    within: int
    then: Outcome
    approval: Approval
    why: str | None = None
    tell_agent: str | None = None
    shadow: bool = False

    @property
    def shared(self) -> bool:
        """Whether several agents count into one sum: then waiting requests never block (nobody may lock others out)."""
        return "principal" not in self.per

    @property
    def needs(self) -> frozenset[str]:
        """The facts that its key is made of. A guest's card stands in for the customer."""
        return frozenset({*self.per, "guest"} if "customer" in self.per else self.per)


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """One test of the file. `expected` says how many of `times` requests have each verdict. `given` has the facts that
    the test names; `at` is local time, `every` seconds between the requests of a sequence."""

    it: str
    place: Place
    action: str | None
    given: Mapping[str, FactValue]
    at: datetime | None
    times: int
    every: int
    each_customer: bool
    expected: Mapping[Verdict, int]
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy file. `approval` is the default of everything that asks."""

    text: str
    file: str
    rates: Rates
    calendar: Calendar
    approval: Approval
    otherwise: Otherwise
    repeat_window: int
    risk_levels: Levels
    rules: tuple[Rule, ...]
    limits: tuple[Limit, ...]
    tests: tuple[PolicyTest, ...]

    @property
    def version(self) -> str:
        """SHA-256 of the file's text, 64 hex digits; people are shown the first twelve."""
        return version_of(self.text)

    @property
    def currency(self) -> str:
        return self.rates.base

    def approvals(self) -> tuple[Need, ...]:
        """Every approval the policy can ask for, once: what to compare with the people enrolled."""
        asking = [self.approval, *(rule.approval for rule in self.rules if rule.approval and not rule.shadow)]
        limits = [limit.approval for limit in self.limits if not limit.shadow]
        return tuple(dict.fromkeys(each.need for each in [*asking, *limits]))


def version_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
