"""What a decision says: the outcome, everything that voted for it, the risk, and who must say yes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from runplane_mcp.core.money import Money


class Outcome(StrEnum):
    """Ordered: the strictest of all that apply wins."""

    ALLOW = "allow"
    REQUIRE_APPROVAL = "require_approval"
    BLOCK = "block"

    @property
    def strictness(self) -> int:
        return (Outcome.ALLOW, Outcome.REQUIRE_APPROVAL, Outcome.BLOCK).index(self)


class Verdict(StrEnum):
    """An outcome as a policy's own tests count it: what is allowed after a while stands apart from what runs at once."""

    ALLOW = "allow"
    ALLOW_AFTER = "allow_after"
    REQUIRE_APPROVAL = "require_approval"
    BLOCK = "block"


class RiskLevel(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class RiskFactor:
    """One thing that raised the risk. `floor` raises the level instead of adding points, where a number could hide
    danger."""

    name: str
    points: int
    sentence: str
    floor: RiskLevel | None = None


class Risk(NamedTuple):
    score: int
    level: RiskLevel
    factors: tuple[RiskFactor, ...] = ()


@dataclass(frozen=True, slots=True)
class Need:
    """One approval that is needed: `people` different people, each in any of `groups`."""

    groups: frozenset[str]
    people: int = 1

    def sentence(self) -> str:
        who = " or ".join(sorted(self.groups))
        return who if self.people == 1 else f"{self.people} people of {who}"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that spoke. `source`: rule, limit, risk, otherwise, duplicate, error, freeze, lowered, restored, secret.
    `id` names it."""

    source: str
    id: str
    outcome: Outcome
    why: str
    tell_agent: str | None = None
    need: Need | None = None
    expires_in: int | None = None  # seconds
    after: int | None = None  # seconds that what is allowed is held back


class Bucket(NamedTuple):
    """One rolling sum that this request counts into. A tuple, since every decision makes one for each limit.

    `key` is SHA-256 of the limit's when, per and of, so that a new id, maximum or window keeps the history. `bucket` is
    the canonical text of the values of `per`. `money` is None when it is unknown (then `unknown_amount`) or not summed.
    `of` is the fact that is summed: what Stripe says has moved settles amounts, not revenue.
    """

    limit_id: str
    key: str
    bucket: str
    window: int  # seconds
    money: Money | None
    unknown_amount: bool = False
    of: str = "amount"


@dataclass(frozen=True, slots=True)
class Usage:
    """How full a bucket is before this request. Totals are minor units per currency. `waiting_*` are the part of it that
    still waits, for people or for its own time."""

    count: int = 0
    totals: Mapping[str, int] = field(default_factory=dict)
    waiting_count: int = 0
    waiting_totals: Mapping[str, int] = field(default_factory=dict)


class LimitState(NamedTuple):
    """How full a limit was when a request was decided, for cards and explanations. `total`, in minor units of the policy's
    currency, and `requests` are with this request; `complete` is whether all of the total is known. `words` says them."""

    limit_id: str
    exceeded: bool
    share: int | None  # percent of the fuller of total and count after this request, None when unknown
    at_risk: int | None  # the same as the risk counts it: where the limit is shared, without what waits for people
    shadow: bool
    total: int | Fraction
    requests: int
    complete: bool
    words: Callable[[int | Fraction, int, bool], str]

    @property
    def sentence(self) -> str:
        """For people only; nothing is compared with it. Made when somebody reads it: most decisions nobody explains."""
        return self.words(self.total, self.requests, self.complete)


@dataclass(frozen=True, slots=True)
class Decision:
    """The pure result of deciding. `requirement`: every one of them must be met. `expires_in` is seconds, and so is
    `after`: how long what is allowed is held back, None where it runs at once. `shadow` is what rules and limits in shadow
    mode would have said."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    risk: Risk
    requirement: tuple[Need, ...]
    expires_in: int | None
    buckets: tuple[Bucket, ...]
    limits: tuple[LimitState, ...]
    policy_version: str
    after: int | None = None
    shadow: tuple[Reason, ...] = ()

    @property
    def verdict(self) -> Verdict:
        later = self.outcome is Outcome.ALLOW and self.after is not None
        return Verdict.ALLOW_AFTER if later else Verdict(self.outcome.value)

    @property
    def held(self) -> bool:
        """Whether it does not run at once: people are asked, or it is allowed after a while."""
        return self.verdict in {Verdict.ALLOW_AFTER, Verdict.REQUIRE_APPROVAL}

    @property
    def decisive(self) -> tuple[Reason, ...]:
        """The reasons that made the outcome what it is."""
        return tuple(reason for reason in self.reasons if reason.outcome is self.outcome)
