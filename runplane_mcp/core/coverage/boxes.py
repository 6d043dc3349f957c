"""Each money line in exactly one box: who made it, as far as Runplane's record and Stripe's events bear it out.

Metadata proves nothing here: whoever may write to Stripe may write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from runplane_mcp.core.coverage.lines import Line, Lines
from runplane_mcp.core.coverage.listings import CLOCKS_DIFFER, DAY
from runplane_mcp.core.coverage.traces import Trace, Traces
from runplane_mcp.core.request import State


class Box(StrEnum):
    """Who made a line. The order is that of a report."""

    ALLOWED = "allowed"
    APPROVED = "approved"
    DASHBOARD = "dashboard"
    ANOTHER_KEY = "another_key"
    AUTOMATIC = "automatic"
    OTHER_SIDE = "other_side"
    NO_LONGER_KNOWN = "no_longer_known"
    UNEXPLAINED = "unexplained"

    def words(self, people: Sequence[str] = ()) -> str:
        return f"approved by {', '.join(people)}" if self is Box.APPROVED else _WORDS[self]


_WORDS: Final[Mapping[Box, str]] = {
    Box.ALLOWED: "allowed by policy",
    Box.DASHBOARD: "a person in the Dashboard",
    Box.ANOTHER_KEY: "another key",
    Box.AUTOMATIC: "automatic",
    Box.OTHER_SIDE: "counted on the platform",
    Box.NO_LONGER_KNOWN: "no longer known",
    Box.UNEXPLAINED: "unexplained",
}
#: What Stripe does by itself and no request can: its fees, reserves and corrections, and what banks do to payments.
STRIPES_OWN: Final = frozenset(
    """
    fee stripe_fee stripe_fx_fee tax_fee network_cost adjustment advance advance_funding anticipation_repayment
    connect_collection_transfer contribution fee_credit_funding payout_failure payout_minimum_balance_hold
    payout_minimum_balance_release payment_failure_refund payment_network_reserve_hold payment_network_reserve_release
    payment_reversal payment_unreconciled reserve_hold reserve_release reserve_transaction reserved_funds transfer_failure
    """.split()
)
#: Lines that undo an object made before, and the action of the request that asks for it.
_UNDOES: Final[Mapping[str, str]] = {"payout_cancel": "payout.cancel"}
#: What Stripe answers with, for each kind of line: a request that is still open may be the one that made it.
_ANSWERS: Final[Mapping[str, frozenset[str]]] = {
    "charge": frozenset({"charge", "payment_intent", "invoice", "subscription", "checkout.session"}),
    "payment": frozenset({"charge", "payment_intent", "invoice", "subscription", "checkout.session"}),
    "refund": frozenset({"refund", "charge", "credit_note"}),
    "payment_refund": frozenset({"refund", "charge", "credit_note"}),
    "payout": frozenset({"payout"}),
    "payout_cancel": frozenset({"payout"}),
    "transfer": frozenset({"transfer", "charge", "payment_intent"}),
    "transfer_refund": frozenset({"transfer_reversal", "refund", "charge"}),
    "topup": frozenset({"topup"}),
    "topup_reversal": frozenset({"topup"}),
    "application_fee_refund": frozenset({"fee_refund", "refund", "charge"}),
    "refund not booked": frozenset({"refund", "charge", "credit_note"}),
    "credit note": frozenset({"credit_note"}),
}
#: Customers' payments.
_PAID: Final = frozenset({"charge", "payment"})
#: What a line that makes its object makes.
_OBJECT: Final[Mapping[str, str]] = {
    "refund": "refund",
    "payment_refund": "refund",
    "refund not booked": "refund",
    "payout": "payout",
    "payout not booked": "payout",
    "transfer": "transfer",
    "transfer not booked": "transfer",
    "transfer_refund": "transfer_reversal",
    "topup": "topup",
    "application_fee_refund": "fee_refund",
    "credit note": "credit_note",
    "credit grant": "billing.credit_grant",
}
#: Kinds of lines that the record explains by their object; others by Stripe's event alone.
CLAIMABLE: Final = frozenset({*_OBJECT, *_UNDOES})
#: So long after its first attempt (seconds) Stripe may have forgotten a key, so that somebody else can use it once more.
_KEY_KEPT: Final = DAY + CLOCKS_DIFFER
NO_PLATFORM: Final[Mapping[str, str]] = MappingProxyType({})
#: States in which what a request asks for may have happened.
_MAY_HAVE_RUN: Final = frozenset({State.SUCCEEDED, State.EXECUTING, State.OUTCOME_UNKNOWN})
OPEN: Final = frozenset({State.EXECUTING, State.OUTCOME_UNKNOWN})
#: Why, where a key is none that this home ever made and yet looks like one.
UNKNOWN_KEY_OF_OURS: Final = (
    "Its key has Runplane's form, and no request of this home has it: another home on this account made it, or a record was"
    " lost."
)
#: The form of our own idempotency keys.
OUR_KEY: Final = re.compile(r"rp_[0-9a-f]{32}")


BY_SCHEDULE: Final = "A payout by the account's schedule."
TOO_OLD: Final = "Stripe keeps events for 30 days, and it is older."
NO_EVENT: Final = "No event of Stripe's tells who made it"


@dataclass(frozen=True, slots=True)
class Made:
    """A request of Runplane's that was sent, as evidence. `at` is seconds, policy time of its first attempt.

    `approved_by` are the people whose signatures hold; empty for what the policy allowed. `problem` is why nothing bears
    out that it might run, empty where something does. `made` are the ids of objects that its answer made, without those
    that its own bytes name. `money` is what Stripe answered (minor units, currency), None where that is erased or was
    none. `left_something`: it failed, and an object stayed. `intent` is the number of the audit event behind which it
    was first sent.
    """

    request_id: str
    reference: str
    agent: str
    action: str
    state: State
    at: int
    stripe_key: str | None
    stripe_request_id: str | None
    object_id: str | None
    answers: frozenset[str]
    made: frozenset[str] = frozenset()
    approved_by: tuple[str, ...] = ()
    problem: str = ""
    money: tuple[int, str] | None = None
    left_something: bool = False
    intent: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """A line in its box. `people` for what was approved. `made` is Runplane's request, `stripe_request_id` whatever request
    Stripe names. `why` says in a sentence what puts it there; `may_be` a request still open that may have made it."""

    line: Line
    box: Box
    why: str
    people: tuple[str, ...] = ()
    made: Made | None = None
    stripe_request_id: str | None = None
    may_be: str | None = None

    @property
    def words(self) -> str:
        return self.box.words(self.people)


class Records:
    """What Runplane recorded, for finding the request behind a line."""

    def __init__(self, made: Iterable[Made]) -> None:
        self.all = tuple({each.request_id: each for each in made}.values())
        ordered = sorted(self.all, key=lambda each: (each.at, each.request_id))
        self.by_key = {each.stripe_key: each for each in reversed(ordered) if each.stripe_key is not None}
        self.by_request = {each.stripe_request_id: each for each in reversed(ordered) if each.stripe_request_id}
        self._by_object = {id: each for each in reversed(ordered) for id in each.made}
        self._undone = {(each.action, each.object_id): each for each in reversed(ordered) if each.object_id is not None}
        self._open = [each for each in ordered if each.state in OPEN]

    def traced(self, trace: Trace) -> Made | None:
        """The request that Stripe's event names: by our key, which no agent knows, or by Stripe's own id of it."""
        found = self.by_key.get(trace.key) if trace.key is not None else None
        return found or (self.by_request.get(trace.request_id) if trace.request_id is not None else None)

    def claimed(self, line: Line) -> Made | None:
        """The request that recorded to have made this."""
        if line.object_id is None:
            return None
        if line.kind in _OBJECT:
            return self._by_object.get(line.object_id)
        action = _UNDOES.get(line.kind)
        return self._undone.get((action, line.object_id)) if action is not None else None

    def may_be(self, line: Line) -> str | None:
        """A request that is still open and may have made the line."""
        answers = _ANSWERS.get(line.kind, frozenset())
        found = (each for each in self._open if each.at <= line.created + CLOCKS_DIFFER and each.answers & answers)
        return next((each.reference for each in found), None)


def place(
    lines: Iterable[Line],
    traces: Traces,
    records: Records,
    *,
    told_since: int,
    platform: Mapping[str, str] = NO_PLATFORM,
) -> tuple[Placed, ...]:
    """Each line in exactly one box, oldest first. Events of before `told_since` (seconds) Stripe has forgotten.

    For lines of a connected account `platform` holds the objects behind the platform's lines, each with the words for its
    box there: what is only their other side was judged there, and is not counted twice."""
    placed = [_place(line, traces.of(line), records, told_since, platform) for line in lines]
    return tuple(sorted(placed, key=lambda each: (each.line.created, each.line.id)))


def sides(placed: Iterable[Placed]) -> dict[str, str]:
    """The platform's lines as `place` takes them for a connected account."""
    own = (each for each in placed if each.line.kind != "fee")
    return {each.line.object_id: each.words for each in own if each.line.object_id is not None}


def _place(line: Line, trace: Trace | None, records: Records, told_since: int, platform: Mapping[str, str]) -> Placed:
    if line.other_side is not None and line.other_side in platform:
        words = platform[line.other_side]
        why = f"The other side of the platform's {line.other_side}" + (f", which is there: {words}." if words else ".")
        return Placed(line, Box.OTHER_SIDE, why)
    if line.kind in STRIPES_OWN:
        return Placed(line, Box.AUTOMATIC, "Stripe's own: no request makes such a line.")
    claimed = records.claimed(line)
    if trace is None:
        return _untraced(line, claimed, records, told_since)
    named = records.traced(trace)
    here = _traced(line, trace, named, claimed)
    return replace(here, stripe_request_id=trace.request_id)


def _traced(line: Line, trace: Trace, named: Made | None, claimed: Made | None) -> Placed:
    if named is not None:
        if trace.request_id is not None and trace.created > named.at + _KEY_KEPT:
            why = f"It has the key of {named.reference}, which was over by then: somebody used that key once more."
            return Placed(line, Box.UNEXPLAINED, why, made=named)
        return _governed(line, named)
    if claimed is not None and not trace.automatic:
        # Whoever can write to the database could make another one's line look like a request's.
        why = f"Runplane recorded it as {claimed.reference}, and Stripe says that another request made it."
        return Placed(line, Box.UNEXPLAINED, why, made=claimed)
    if claimed is not None:
        return _governed(line, claimed)
    if line.automatic:
        return Placed(line, Box.AUTOMATIC, BY_SCHEDULE)
    if trace.automatic and line.automatic is False:
        why = "Stripe says that somebody asked for this payout, and its event that nobody did."
        return Placed(line, Box.UNEXPLAINED, why)
    box, why = maker(trace, paid=line.kind in _PAID)
    return Placed(line, box, why)


def maker(trace: Trace, *, paid: bool = False) -> tuple[Box, str]:
    """Whom an event names that no request of Runplane's caused, and why in a sentence. `paid`: it is a customer's payment,
    whose page has a key of its own and no need of idempotency keys."""
    if trace.key is not None and OUR_KEY.fullmatch(trace.key):
        return Box.UNEXPLAINED, UNKNOWN_KEY_OF_OURS
    if not trace.told:
        return Box.UNEXPLAINED, "Stripe's event does not say who made it."
    if trace.automatic:
        return Box.AUTOMATIC, "Stripe's event names no request: Stripe did it by itself."
    if trace.key is None and paid:
        return Box.ANOTHER_KEY, "Its request was none of Runplane's: a customer's on a payment page, or a program's."
    if trace.key is None:
        return Box.DASHBOARD, "Its request had no idempotency key, as those of the Dashboard have none."
    return Box.ANOTHER_KEY, "Its request was none of Runplane's."


def _untraced(line: Line, claimed: Made | None, records: Records, told_since: int) -> Placed:
    if claimed is not None:
        return _governed(line, claimed)
    if line.automatic:
        return Placed(line, Box.AUTOMATIC, BY_SCHEDULE)
    if line.created < told_since:
        return Placed(line, Box.NO_LONGER_KNOWN, TOO_OLD)
    may_be = records.may_be(line)
    more = f"; {may_be} is not finished and may have." if may_be else ", and Runplane has no request for it."
    return Placed(line, Box.UNEXPLAINED, NO_EVENT + more, may_be=may_be)


def _governed(line: Line, made: Made) -> Placed:
    """A line that a request of Runplane's made: explained only where that request might run and did as it recorded."""

    def unexplained(why: str) -> Placed:
        return Placed(line, Box.UNEXPLAINED, f"{made.reference} made it. {why}", made=made)

    if made.problem:
        return unexplained(made.problem)
    if made.state not in _MAY_HAVE_RUN and not (made.state is State.FAILED and made.left_something):
        return unexplained(f"Runplane has it as {made.state.value}, and it happened all the same.")
    if made.object_id is not None and made.answers == {_OBJECT.get(line.kind)} and line.object_id not in made.made:
        return unexplained(f"But what that made is {made.object_id}.")
    own = line.object_id is not None and line.object_id == made.object_id
    if own and line.object_money is not None and made.money is not None and line.object_money != made.money:
        return unexplained("Its amount is another one than Stripe answered then.")
    box = Box.APPROVED if made.approved_by else Box.ALLOWED
    return Placed(line, box, f"{made.reference}, {made.action}", people=made.approved_by, made=made)


#: What Stripe's lists have all of, so that what they lack was not made.
_LISTED: Final = frozenset({"refund", "payout", "transfer", "transfer_reversal", "credit_note"})


def not_there(lines: Lines, placed: Iterable[Placed], made: Iterable[Made]) -> tuple[Made, ...]:
    """What Runplane recorded as done and Stripe does not show, oldest first. `made` are the requests of the period."""
    shown = {each.made.request_id for each in placed if each.made is not None}
    missing = [
        each
        for each in {each.request_id: each for each in made}.values()
        if each.state is State.SUCCEEDED
        and each.request_id not in shown
        and each.object_id is not None
        and each.object_id not in lines.objects
        and each.answers
        and each.answers <= _LISTED
        and each.made
    ]
    return tuple(sorted(missing, key=lambda each: (each.at, each.request_id)))
