"""Limits: what a request counts into, and whether a rolling sum or count is exceeded. Exact, over several currencies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from runplane_mcp.core.canonical import canonical, digest_of
from runplane_mcp.core.decision import Bucket, LimitState, Outcome, Reason, Usage
from runplane_mcp.core.facts import NONE, Facts
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.policy.conditions import Check, Converter, Number
from runplane_mcp.core.policy.model import Limit
from runplane_mcp.core.policy.sentences import in_words

#: The bucket of a request whose key nobody could find out. It counts as exceeded.
UNKNOWN_BUCKET: Final = "unknown"

#: JSON of one text. A whole encoder for two words takes longer than all the rest of a limit.
_quoted: Final = json.encoder.encode_basestring_ascii
_NOTHING: Final[Mapping[str, int]] = {}


@dataclass(frozen=True, slots=True)
class CompiledLimit:
    """`reason` is what the exceeded limit says, `asking` what it says where it may only ask. `key` names its history,
    `where` says which bucket of it a request counts into, `words` how full that is."""

    limit: Limit
    check: Check
    key: str
    reason: Reason
    asking: Reason
    where: Callable[[Facts], str]
    words: LimitWords

    def bucket(self, facts: Facts) -> Bucket:
        """What this request would count into, whatever the limit's condition says about it."""
        limit = self.limit
        value = facts.get(limit.of, NONE)
        money = value if type(value) is Money and 0 <= value.amount <= LARGEST_AMOUNT else None
        unknown = money is None and value is not NONE
        return Bucket(limit.id, self.key, self.where(facts), limit.within, money, unknown, limit.of)

    def measure(
        self, bucket: Bucket, usage: Usage, converter: Converter, today: date | None
    ) -> tuple[LimitState, Reason | None]:
        """How full the limit is after this request, and its vote where it is exceeded.

        What is unknown of the request itself exceeds a limit. What is unknown of others' requests (a currency without a
        rate) makes it ask at most, and so do their waiting requests where the limit is shared: nobody may lock others
        out with requests that nobody approved, or in a currency that nobody listed.
        """
        limit = self.limit
        own: Number | None = 0
        total: Number = 0
        complete = True
        if limit.total is not None:
            own = None if bucket.unknown_amount else converter.minor(bucket.money, today) if bucket.money else 0
            if usage.totals:
                total, complete = _sum(usage.totals, _NOTHING, converter, today)
        count = usage.count + 1
        share = None
        if complete and own is not None and bucket.bucket != UNKNOWN_BUCKET:
            share = self._share(total + own, count)
            exceeded = share >= 100 and self._exceeded(bucket, own, total, count)
        else:
            exceeded = self._exceeded(bucket, own, total, count)
        vote, at_risk = None, share
        # What waits makes a shared limit ask at most: neither its own vote nor the risk may block for it.
        waits = limit.shared and (usage.waiting_count or usage.waiting_totals)
        rest, settled = _sum(usage.totals, usage.waiting_totals, converter, today) if waits else (total, complete)
        if waits and own is not None and bucket.bucket != UNKNOWN_BUCKET:
            at_risk = self._share(rest + own, count - usage.waiting_count) if settled or limit.total is None else None
        if exceeded:
            only_waiting = waits and not self._exceeded(bucket, own, rest, count - usage.waiting_count)
            vote = self.asking if limit.then is Outcome.BLOCK and only_waiting else self.reason
        elif not complete:
            vote = self.asking
        if own is None:
            own, complete = 0, False
        words = self.words
        state = LimitState(
            limit.id, vote is not None, share, at_risk, limit.shadow, total + own, count, complete, words
        )
        return state, vote

    def fill(self, usage: Usage, converter: Converter, today: date | None) -> Fill:
        """How full a bucket is as it stands, for people who look."""
        total, complete = _sum(usage.totals, _NOTHING, converter, today)
        waiting, _ = _sum(usage.waiting_totals, _NOTHING, converter, today)
        return Fill(
            total=-int(-total // 1),
            waiting=-int(-waiting // 1),
            count=usage.count,
            waiting_count=usage.waiting_count,
            share=self._share(total, usage.count) if complete or self.limit.total is None else None,
        )

    def _exceeded(self, bucket: Bucket, own: Number | None, total: Number, count: int) -> bool:
        limit = self.limit
        if bucket.bucket == UNKNOWN_BUCKET or (limit.count is not None and count > limit.count):
            return True
        return limit.total is not None and (own is None or total + own > limit.total)

    def _share(self, total: Number, count: int) -> int:
        """Percent of the fuller of the two, rounded down; 100 and more is where it may be exceeded."""
        limit = self.limit
        share = int(total * 100 // limit.total) if limit.total is not None else 0
        if limit.count is None:
            return share
        of_count = count * 100 // limit.count
        return of_count if of_count > share else share


@dataclass(frozen=True, slots=True)
class LimitWords:
    """Says how full one limit is. `bounds` are its maximum in words; `sums` and `counts` are what it bounds."""

    bounds: str
    currency: str
    sums: bool
    counts: bool

    def __call__(self, total: Number, count: int, complete: bool) -> str:
        """Fractions of a cent are rounded up."""
        requests = "1 request" if count == 1 else f"{count} requests"
        if not self.sums:
            return f"{requests}, this one included, of {self.bounds}"
        unknown = "" if complete else " and an unknown amount"
        counted = f" and {requests}" if self.counts else ""
        return f"{self.amount(total)}{unknown}{counted}, this one included, of {self.bounds}"

    def amount(self, minor: Number) -> str:
        return in_words(self.currency)(-int(-minor // 1))


@dataclass(frozen=True, slots=True)
class Fill:
    """How full a bucket is. Sums are minor units of the policy's currency, fractions rounded up. `waiting` is the part of
    them that people have not answered. `share` is percent of the fuller of sum and count, None where a currency in it
    has no rate."""

    total: int
    waiting: int
    count: int
    waiting_count: int
    share: int | None


@dataclass(frozen=True, slots=True)
class Spent:
    """One row of a bucket that leaves its window some time. `money` is None where it was released or never known."""

    at: int
    money: Money | None


def room_at(
    limit: CompiledLimit, usage: Usage, rows: Iterable[Spent], converter: Converter, today: date | None
) -> int | None:
    """When a bucket that is full has room again if nothing more comes (policy time): once enough of `rows`, the oldest
    first, have left the window. None where they never do: what waits counts until people have answered."""
    totals, count = dict(usage.totals), usage.count
    for row in rows:
        count -= 1
        if row.money is not None:
            totals[row.money.currency] = totals.get(row.money.currency, 0) - row.money.amount
        share = limit.fill(Usage(count, totals), converter, today).share
        if share is not None and share < 100:
            return row.at + limit.limit.within * 1000
    return None


def _sum(
    totals: Mapping[str, int], without: Mapping[str, int], converter: Converter, today: date | None
) -> tuple[Number, bool]:
    """The sum in minor units of the policy's currency, and whether all of it could be converted."""
    total: Number = 0
    complete = True
    for currency, amount in totals.items():
        left = amount - without[currency] if currency in without else amount
        if currency == converter.currency:
            total += left
        elif left:
            minor = converter.sum_minor(Money(left, currency), today)
            if minor is None:
                complete = False
            else:
                total += minor
    return total, complete


def limit_key(limit: Limit, currency: str) -> str:
    """SHA-256 of the canonical when, per and of: a new id, maximum or window keeps the history."""
    when = sorted((test.canonical(currency) for test in limit.when), key=canonical)
    return digest_of({"when": when, "per": list(limit.per), "of": limit.of})


def bucket_text(per: tuple[str, ...]) -> Callable[[Facts], str]:
    """Says the canonical text of the values of `per`: JSON pairs, or `unknown`, which no JSON list can be.

    A guest has no customer: the card's fingerprint stands in, and where there is none all such guests share one bucket.
    Never skipped, or a refund without customer would count nowhere.
    """

    def text(facts: Facts) -> str:
        pairs = []
        for name in per:
            value = facts.get(name, NONE)
            if name == "customer" and value is NONE:
                name, value = "guest", facts.get("guest", NONE)
            if type(value) is str:
                pairs.append(f'["{name}",{_quoted(value)}]')
            elif value is NONE:
                pairs.append(f'["{name}",null]')
            else:
                return UNKNOWN_BUCKET
        return f"[{','.join(pairs)}]"

    def of_all(_facts: Facts) -> str:
        return "[]"

    def of_one(facts: Facts) -> str:
        value = facts.get(only)
        return f'[["{only}",{_quoted(value)}]]' if type(value) is str else text(facts)

    if not per:
        return of_all
    only = per[0]
    return of_one if len(per) == 1 else text
