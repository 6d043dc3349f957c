"""Recorded requests decided again under another policy, in the order in which they came.

Each decision was recorded with its facts, so that deciding again is exact; the facts of the clock are made anew in the new
policy's zone and hours. What came before the time that is looked at stands as it was, and fills the limits. From then on a
request whose answer changes changes what later limits see:

- *blocked* instead: its money is given back and the attempt counts.
- *allowed* instead of asked or blocked: it counts at its time; that people said no to it afterwards changes nothing any
  more. Where Stripe refused it, its money is given back as before.
- *asked* instead of allowed or blocked: nobody knows what people would have said. `at_once` takes it for approved at
  once, `never` for a question that waits until it expires. Both are looked at, and what they differ in is said.

What did not come from the policy (freezes, lowered requests, secrets in answers) is kept as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeAlias

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Bucket, Decision, Outcome
from runplane_mcp.core.facts import UNKNOWN, Facts, FactValue
from runplane_mcp.core.hours import clock_facts
from runplane_mcp.core.ledger import Ledger
from runplane_mcp.core.money import Money
from runplane_mcp.core.outlook import Answer, Outlook, answer_to, spoke
from runplane_mcp.core.policy.conditions import today_of
from runplane_mcp.core.request import State

#: Facts of a record that a decision makes itself.
_MADE: Final = frozenset({"risk", "risk_level"})
#: States in which a request counts as now.
_WAITS: Final = frozenset({State.WAITING, State.SCHEDULED})
#: States that a decision brought which give the money back at once.
_NEVER_RAN: Final = frozenset({State.BLOCKED, State.FAILED})
#: What Stripe made of a request that ran.
_ENDS: Final = frozenset({State.SUCCEEDED, State.FAILED})


class People(StrEnum):
    """What people are taken to answer where nobody asked them."""

    AT_ONCE = "at_once"
    NEVER = "never"


class Outside(StrEnum):
    """What decided beside the policy, and is kept as it was."""

    STOPPED = "stopped"  # a freeze, or a lowered request that nothing bore out: it takes no place in any limit
    LOWERED = "lowered"  # people are asked whatever the policy allows: it was lowered, or asked for after a restore


@dataclass(frozen=True, slots=True)
class Decided:
    """One recorded decision. `at` is policy time, `then` the state that it brought. `first` is False at the execution of an
    approved request, and where people were asked again; `release` at the end of a scheduled one's time, where the risk
    votes once more. `spoke` names what made the answer what it was. `secret`: its
    answer carries a secret, so that it waits for nobody. `lacking` are facts that such a request has today and that were
    not recorded then: they are unknown."""

    request_id: str
    reference: str
    agent: str
    action: str
    at: int
    first: bool
    then: State
    outcome: Outcome
    facts: Facts
    spoke: tuple[str, ...] = ()
    outside: Outside | None = None
    secret: bool = False
    release: bool = False
    lacking: frozenset[str] = frozenset()

    @property
    def answer(self) -> Answer:
        if self.outcome is Outcome.ALLOW:
            return Answer.LATER if self.then is State.SCHEDULED else Answer.ALLOW
        return Answer.ASK if self.outcome is Outcome.REQUIRE_APPROVAL else Answer.BLOCK


@dataclass(frozen=True, slots=True)
class Moved:
    """A request came to another state. `release`: its money was given back. `spent` is what really moved, where that is
    known: it takes the place of the amount that was reserved."""

    request_id: str
    to: State
    release: bool = False
    spent: Money | None = None


Step: TypeAlias = Decided | Moved


@dataclass(frozen=True, slots=True)
class Flip:
    """A request whose answer is another one. `by` names what speaks for the stricter of the two. `first` is False where it
    had been approved, and would have been stopped when it was to run. `looked_up` is False where it was blocked before
    anything about it was known: its facts are unknown here, and work against it."""

    decided: Decided
    after: Answer
    by: tuple[str, ...]
    first: bool
    looked_up: bool

    @property
    def stricter(self) -> bool:
        order = tuple(Answer)
        return order.index(self.after) > order.index(self.decided.answer)

    @property
    def money(self) -> Money | None:
        amount = self.decided.facts.get("amount")
        return amount if isinstance(amount, Money) else None


class Replay:
    """One way through the records, under one policy and one guess about people. `since` is policy time."""

    def __init__(self, policy: CompiledPolicy, *, since: int, people: People = People.AT_ONCE) -> None:
        self.policy = policy
        self.people = people
        self.before, self.after = Outlook(), Outlook()
        self.flips: list[Flip] = []
        self.decided = self.kept = 0
        self.lacking: dict[str, int] = {}
        self._since = since
        self._ledger = Ledger()
        self._apart: dict[str, Answer] = {}
        self._on_card: dict[str, frozenset[tuple[str, str]]] = {}

    def take(self, step: Step) -> Decision | None:
        """The next thing that happened. The decision under this policy, None where there is none to make."""
        if isinstance(step, Moved):
            self._move(step)
            return None
        if step.request_id in self._apart:
            return None
        facts = self._facts(step)
        if step.at < self._since:
            self._follow(step, self.policy.buckets(facts))
            return None
        return self._decide(step, facts)

    def _facts(self, step: Decided) -> dict[str, FactValue]:
        facts = {name: value for name, value in step.facts.items() if name not in _MADE}
        facts.update(dict.fromkeys(step.lacking, UNKNOWN))
        facts.update(clock_facts(self.policy, step.at))
        return facts

    def _decide(self, step: Decided, facts: Facts) -> Decision:
        matching = self.policy.matching(facts, today_of(facts))
        usages = self._ledger.usages([bucket for _, bucket in matching], step.at, excluding=step.request_id)
        runs = not step.first and not step.release and step.then is not State.WAITING
        decision = decide(self.policy, facts, usages, without_risk=runs, matching=matching)
        self.decided += 1
        for name in step.lacking:
            self.lacking[name] = self.lacking.get(name, 0) + 1
        if step.first:
            self._first(step, facts, decision)
        elif step.then is State.WAITING:
            # Something else than the policy had changed, or a vote no longer counted.
            for outlook in (self.before, self.after):
                outlook.add_again(str(facts.get("date")))
            self._remember(step, decision)
            self._follow(step, decision.buckets)
        else:
            self._run(step, facts, decision)
        return decision

    def _first(self, step: Decided, facts: Facts, decision: Decision) -> None:
        answer = _with_what_is_kept(step, decision)
        if step.outside is not None:
            self.kept += 1
        date = str(facts.get("date"))
        self.before.add(date, step.answer, facts)
        self.after.add(date, answer, facts)
        self._remember(step, decision)
        if answer is step.answer:
            self._follow(step, decision.buckets)
            return
        self._flip(step, answer, decision)
        self._apart[step.request_id] = answer
        waits = self._unanswered(answer)
        until = step.at + (decision.expires_in or self.policy.policy.approval.expires_in) * 1000
        self._ledger.reserve(step.request_id, decision.buckets, at=step.at, waiting=waits, until=until)
        if answer is Answer.BLOCK or step.then is State.FAILED:
            self._ledger.settle(step.request_id, release=True)

    def _run(self, step: Decided, facts: Facts, decision: Decision) -> None:
        """The execution of what was approved. What is new to people, or only a limit's no, goes back to them; they are
        taken to say yes again. Any other block stops it."""
        stopped = decision.outcome is Outcome.BLOCK
        if stopped and step.then is not State.BLOCKED and any(each.source != "limit" for each in decision.decisive):
            self._flip(step, Answer.BLOCK, decision)
            self._apart[step.request_id] = Answer.BLOCK
            self._ledger.settle(step.request_id, release=True)
            return
        news = _restricting(decision) - self._on_card.get(step.request_id, frozenset())
        if step.then is not State.BLOCKED and (stopped or (decision.outcome is Outcome.REQUIRE_APPROVAL and news)):
            self.after.add_again(str(facts.get("date")))
        self._follow(step, decision.buckets)

    def _follow(self, step: Decided, buckets: Sequence[Bucket]) -> None:
        """The request goes on as it did."""
        if step.outside is Outside.STOPPED:
            return
        if step.first or step.then is not State.BLOCKED:
            waits = step.then in _WAITS
            self._ledger.reserve(step.request_id, buckets, at=step.at, waiting=waits)
        if step.then in _NEVER_RAN:
            self._ledger.settle(step.request_id, release=True)

    def _move(self, step: Moved) -> None:
        apart = self._apart.get(step.request_id)
        if apart is None:
            if step.to is State.REPLACED:
                self._ledger.forget(step.request_id)
            else:
                self._settle(step)
        elif step.to in _ENDS and apart is not Answer.BLOCK and not self._unanswered(apart):
            # It would have run before anybody could say no to it. What Stripe made of it holds all the same.
            self._settle(step)

    def _settle(self, step: Moved) -> None:
        spent = None
        if step.spent is not None:
            # Sums of anything but amounts keep what they have.
            spent = {each.key: step.spent for each in self.policy.limits if each.limit.of == "amount"}
        self._ledger.settle(step.request_id, release=step.release, spent=spent)

    def _unanswered(self, answer: Answer) -> bool:
        return answer is Answer.ASK and self.people is People.NEVER

    def _remember(self, step: Decided, decision: Decision) -> None:
        self._on_card[step.request_id] = _restricting(decision)

    def _flip(self, step: Decided, answer: Answer, decision: Decision) -> None:
        looked_up = step.answer is not Answer.BLOCK or UNKNOWN not in step.facts.values()
        flip = Flip(step, answer, (), step.first, looked_up)
        by = (spoke(decision) or ("secret",)) if flip.stricter else step.spoke
        self.flips.append(replace(flip, by=by))


def _with_what_is_kept(step: Decided, decision: Decision) -> Answer:
    answer = answer_to(decision)
    if step.outside is Outside.STOPPED:
        return Answer.BLOCK
    if step.then is State.FAILED and decision.outcome is step.outcome:
        # Stripe refused it before it could run: nobody can say whether it would have been held back.
        return step.answer
    if step.outside is Outside.LOWERED and answer is not Answer.BLOCK:
        answer = Answer.ASK
    return Answer.BLOCK if answer is Answer.ASK and step.secret else answer


def _restricting(decision: Decision) -> frozenset[tuple[str, str]]:
    return frozenset(
        (reason.source, reason.id)
        for reason in decision.reasons
        if reason.outcome is not Outcome.ALLOW and reason.source in {"rule", "limit", "duplicate"}
    )
