"""What a policy would mean for the days of a business: how often people are asked, how much money passes, what changes.

Money is summed by currency, and converted only where it is shown, as the policy converts it: what has no rate is said to be
unknown, never left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from runplane_mcp.core.decision import Decision, Outcome
from runplane_mcp.core.facts import UNKNOWN, Facts
from runplane_mcp.core.money import Money


class Answer(StrEnum):
    """What a request gets, from the loosest to the strictest: allowed, allowed after a while, asked about, blocked."""

    ALLOW = "allow"
    LATER = "allow_later"
    ASK = "require_approval"
    BLOCK = "block"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Answer.ALLOW: "allowed",
    Answer.LATER: "allowed after a while",
    Answer.ASK: "asked about",
    Answer.BLOCK: "blocked",
}


def answer_of(outcome: Outcome, after: int | None) -> Answer:
    if outcome is Outcome.ALLOW:
        return Answer.ALLOW if after is None else Answer.LATER
    return Answer.ASK if outcome is Outcome.REQUIRE_APPROVAL else Answer.BLOCK


def answer_to(decision: Decision) -> Answer:
    return answer_of(decision.outcome, decision.after)


def spoke(decision: Decision) -> tuple[str, ...]:
    """The names of what made the answer what it is, as people know them: rules, limits, or what else spoke."""
    return tuple(dict.fromkeys(reason.id or reason.source for reason in decision.decisive))


@dataclass(slots=True)
class Sums:
    """Requests and their money by currency, in minor units. `unknown` counts those whose money nobody knows."""

    count: int = 0
    money: dict[str, int] = field(default_factory=dict)
    unknown: int = 0

    def add(self, facts: Facts) -> None:
        self.count += 1
        amount = facts.get("amount")
        if isinstance(amount, Money):
            self.money[amount.currency] = self.money.get(amount.currency, 0) + amount.amount
        elif amount is UNKNOWN:
            self.unknown += 1


@dataclass(slots=True)
class Day:
    """One day in the policy's zone, `2026-03-03`. `again`: people were asked a second time about something."""

    date: str
    again: int = 0
    by_answer: dict[Answer, Sums] = field(default_factory=lambda: {each: Sums() for each in Answer})

    @property
    def questions(self) -> int:
        return self.by_answer[Answer.ASK].count + self.again

    @property
    def count(self) -> int:
        return sum(each.count for each in self.by_answer.values())


class Outlook:
    """Answers day by day."""

    def __init__(self) -> None:
        self._days: dict[str, Day] = {}

    def add(self, date: str, answer: Answer, facts: Facts) -> None:
        self._day(date).by_answer[answer].add(facts)

    def add_again(self, date: str) -> None:
        self._day(date).again += 1

    def _day(self, date: str) -> Day:
        day = self._days.get(date)
        if day is None:
            day = self._days[date] = Day(date)
        return day

    def days(self, dates: Iterable[str] = ()) -> tuple[Day, ...]:
        """Oldest first; days of `dates` on which nothing happened are among them."""
        return tuple(self._days.get(date, Day(date)) for date in sorted({*self._days, *dates}))

    @property
    def questions(self) -> int:
        return sum(day.questions for day in self._days.values())

    @property
    def largest(self) -> Day | None:
        """The day with the most questions, the first of several; None where nobody was ever asked."""
        asked = [day for day in self.days() if day.questions]
        return max(asked, key=lambda day: day.questions, default=None)

    def sums(self) -> Mapping[Answer, Sums]:
        found = {each: Sums() for each in Answer}
        for day in self._days.values():
            for answer, sums in day.by_answer.items():
                into = found[answer]
                into.count += sums.count
                into.unknown += sums.unknown
                for currency, amount in sums.money.items():
                    into.money[currency] = into.money.get(currency, 0) + amount
        return found
