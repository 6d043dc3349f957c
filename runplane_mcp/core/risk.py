"""The risk of a request: published points that add up, floors where a number could hide danger, and the level.

Nothing that the agent wrote enters: no label, client, justification or ticket. Facts that could not be found out count as
their worst, so that an unknown never scores less than any value. Points are not configurable, only the levels' borders.

With the default borders (30, 60, 85) money out of the balance always asks, an ordinary refund in business hours does
not even at 94 % of a limit, and the amount with its kind and irreversibility comes to 65 at most: critical takes
several red flags together.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Final, TypeAlias

from runplane_mcp.core.decision import Risk, RiskFactor, RiskLevel
from runplane_mcp.core.facts import NONE, Facts, FactValue, may_be
from runplane_mcp.core.money import Money, exponent
from runplane_mcp.core.policy.conditions import Converter, Number
from runplane_mcp.core.policy.model import Levels

#: The kind of effect, from the most to the least: the first of the request's groups counts, and no other.
KIND_POINTS: Final[dict[str, int]] = {
    "bank_details": 30,
    "access": 30,
    "payouts": 30,
    "transfers": 30,
    "cancellations": 25,
    "deletions": 25,
    "disputes": 25,
    "discounts": 20,
    "write_offs": 20,
    "refunds": 10,
    "credits": 10,
    "charges": 10,
}
OTHER_WRITE: Final = 5
#: Over this many major units of the policy's currency: this many points. In currencies without decimals, times 100.
AMOUNT_POINTS: Final = ((20_000, 30), (5_000, 25), (1_000, 15), (500, 10), (200, 5), (50, 3))
#: The facts whose largest is the amount on the ladder.
AMOUNTS: Final = ("amount", "amount_on_object", "mrr_lost", "platform_loss")
IRREVERSIBLE: Final = 5
NEW_DESTINATION: Final = 15
OUT_OF_HOURS: Final = 10
#: At least this many percent of the fullest limit are used after this request. A limit that is just full is kept.
SHARE_POINTS: Final = ((101, 10), (75, 5), (50, 2))
DISPUTED: Final = 20
#: At least this many requests of this agent were blocked or denied in 24 hours.
REFUSED_POINTS: Final = ((10, 15), (3, 10), (1, 5))
DENIED_BEFORE: Final = 15
DUPLICATE: Final = 15
#: Floors: facts that are true or unknown, groups, and amounts that are unknown make the level at least high.
FLOOR_FACTS: Final = {
    "gives_access": "It gives somebody access or a secret.",
    "redirects_funds": "It changes where money goes.",
    "bulk": "One request acts on many things.",
}
FLOOR_GROUPS: Final = {
    "access": "It gives somebody access.",
    "bank_details": "It changes where money goes.",
    "deletions": "It destroys something for good.",
}
FLOOR_AMOUNTS: Final = {
    "amount": "The amount could not be found out, or has no rate.",
    "mrr_lost": "The revenue lost could not be found out, or has no rate.",
}

_NO_FACTORS: Final = Risk(0, RiskLevel.LOW)
#: Steps as (from this on, what it adds), the highest first.
_Steps: TypeAlias = tuple[tuple[int, RiskFactor], ...]


class Scorer:
    """Scores requests under one policy: its currency for the ladder of amounts, its borders for the levels."""

    __slots__ = ("_amount_unknown", "_amounts", "_converter", "_levels")

    def __init__(self, converter: Converter, levels: Levels) -> None:
        self._converter = converter
        self._levels = levels
        currency = converter.currency
        # A yen is about a cent: without this, 50 yen would stand on the ladder where 50 dollars do.
        unit = max(100, 10 ** exponent(currency))
        self._amounts: _Steps = tuple(
            (step * unit, RiskFactor("amount", points, f"The amount is over {Money(step * unit, currency)}."))
            for step, points in AMOUNT_POINTS
        )
        self._amount_unknown = RiskFactor("amount", AMOUNT_POINTS[0][1], "An amount is unknown: it may be any.")

    @property
    def borders(self) -> tuple[int, ...]:
        """Over which amounts, in minor units of the policy's currency, the points for the amount change."""
        return tuple(step for step, _ in self._amounts)

    def score(self, facts: Facts, share: int | None, today: date | None) -> Risk:
        """The risk of a request with these facts. `share`: percent of the fullest limit after this request, 0 without
        limits, None where it is unknown. `today` is for the age of the rates."""
        if facts.get("kind") == "read":
            # Reads change nothing; but one that hands out a secret is more than a read.
            found = [_FLOORS["gives_access"]] if may_be(facts.get("gives_access", False)) else []
            return self._risk(found) if found else _NO_FACTORS
        if facts.get("known") is True and facts.get("judged") is False:
            # All its facts are unknown, which says nothing of it: it is as high as a level can be that people decide.
            return self._risk([_UNJUDGED])
        action = facts.get("action")
        groups = action if type(action) is frozenset else _ALL_KINDS
        kind, floors = _of_groups(groups)
        factors = [kind]
        factors += self._amount(facts, today)
        if facts.get("reversible", True) is not True:
            factors.append(_IRREVERSIBLE)
        if facts.get("destination_paid_before", True) not in (True, NONE):
            factors.append(_NEW_DESTINATION)
        if facts.get("business_hours", True) is not True:
            factors.append(_OUT_OF_HOURS)
        factors += _step(_SHARE, share)
        if may_be(facts.get("disputed", False)):
            factors.append(_DISPUTED)
        factors += _step(_REFUSED, facts.get("refused_24h_agent", 0))
        if facts.get("denied_24h_object", 0) not in (0, NONE):
            factors.append(_DENIED_BEFORE)
        if may_be(facts.get("possible_duplicate", False)):
            factors.append(_DUPLICATE)
        for name, floor in _FLOORS.items():
            if name in facts and may_be(facts[name]):
                factors.append(floor)
        factors += floors
        return self._risk(factors)

    def _amount(self, facts: Facts, today: date | None) -> list[RiskFactor]:
        """The step of the largest of the amounts, and the floors of those that nobody can tell."""
        factors: list[RiskFactor] = []
        largest: Number = 0
        unknown = False
        for name in AMOUNTS:
            value = facts.get(name, NONE)
            if value is NONE:
                continue
            minor = self._converter.minor(value, today) if type(value) is Money else None
            if minor is None:
                unknown = True
                if name in _AMOUNT_FLOORS:
                    factors.append(_AMOUNT_FLOORS[name])
            elif minor > largest:
                largest = minor
        if unknown:
            factors.append(self._amount_unknown)
            return factors
        for step, factor in self._amounts:
            if largest > step:
                factors.append(factor)
                break
        return factors

    def _risk(self, factors: list[RiskFactor]) -> Risk:
        points, floor = 0, False
        for factor in factors:
            points += factor.points
            floor = floor or factor.floor is not None
        if floor:
            # The score rises with the level: a rule on `risk` must not see a smaller danger than one on `risk_level`.
            points = max(points, self._levels.high)
        points = min(100, points)
        return Risk(points, self.level(points), tuple(factors))

    def level(self, points: int) -> RiskLevel:
        if points >= self._levels.critical:
            return RiskLevel.CRITICAL
        if points >= self._levels.high:
            return RiskLevel.HIGH
        return RiskLevel.MEDIUM if points >= self._levels.medium else RiskLevel.LOW


def _step(steps: _Steps, value: FactValue | None) -> list[RiskFactor]:
    """The factor of the step that `value` reaches; the highest where it is no number."""
    if value is NONE:
        return []
    if type(value) is not int:
        return [steps[0][1]]
    for least, factor in steps:
        if value >= least:
            return [factor]
    return []


@lru_cache(maxsize=2_000)
def _of_groups(groups: frozenset[str]) -> tuple[RiskFactor, tuple[RiskFactor, ...]]:
    """The most of the request's groups (other writes are in none), and their floors. Remembered for what a catalog has."""
    kind = next((factor for group, factor in _KINDS.items() if group in groups), _OTHER_WRITE)
    return kind, tuple(floor for group, floor in _GROUP_FLOORS.items() if group in groups)


def _floor(name: str, sentence: str) -> RiskFactor:
    return RiskFactor(name, 0, sentence, floor=RiskLevel.HIGH)


_KINDS: Final = {
    group: RiskFactor("kind", points, f"It belongs to {group.replace('_', ' ')}.")
    for group, points in KIND_POINTS.items()
}
_ALL_KINDS: Final = frozenset(KIND_POINTS)
_UNJUDGED: Final = _floor("unjudged", "Nobody has judged what it does.")
_OTHER_WRITE: Final = RiskFactor("kind", OTHER_WRITE, "It changes something in Stripe.")
_IRREVERSIBLE: Final = RiskFactor("irreversible", IRREVERSIBLE, "Stripe cannot undo it.")
_NEW_DESTINATION: Final = RiskFactor("new_destination", NEW_DESTINATION, "No money went to this destination before.")
_OUT_OF_HOURS: Final = RiskFactor("out_of_hours", OUT_OF_HOURS, "It is outside business hours.")
_DISPUTED: Final = RiskFactor("disputed", DISPUTED, "The charge is disputed: the money may go out twice.")
_DENIED_BEFORE: Final = RiskFactor(
    "denied_before", DENIED_BEFORE, "Somebody denied or lowered a request about the same object."
)
_DUPLICATE: Final = RiskFactor(
    "duplicate", DUPLICATE, "The same is under way, or was done or denied a short while ago."
)
_SHARE: Final[_Steps] = tuple(
    (percent, RiskFactor("limit_share", points, f"At least {percent} % of a limit are used."))
    for percent, points in SHARE_POINTS
)
_REFUSED: Final[_Steps] = tuple(
    (count, RiskFactor("refused", points, f"At least {count} of the agent's requests were refused in 24 hours."))
    for count, points in REFUSED_POINTS
)
_FLOORS: Final = {name: _floor(name, sentence) for name, sentence in FLOOR_FACTS.items()}
_GROUP_FLOORS: Final = {name: _floor(name, sentence) for name, sentence in FLOOR_GROUPS.items()}
_AMOUNT_FLOORS: Final = {name: _floor(f"{name}_unknown", sentence) for name, sentence in FLOOR_AMOUNTS.items()}
