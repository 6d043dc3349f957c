"""Rolling sums in memory, with the meaning that the store gives them: for sequences that are only imagined.

Rows of a bucket stand in the order of their time, and each window over them remembers where it began when it was last asked
for, so that a sum costs what has moved since then: a hundred thousand requests are counted in seconds. A clock that goes
back is answered as well, it only costs more.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runplane_mcp.core.decision import Bucket, Usage
from runplane_mcp.core.money import Money


@dataclass(slots=True)
class _Row:
    """One request in one bucket. `money` is None once it was given back, or where it was never known."""

    at: int
    money: Money | None
    waits: bool


@dataclass(slots=True)
class _Sums:
    """Rows and money by currency. A row without money counts under an empty name."""

    rows: dict[str, int] = field(default_factory=dict)
    money: dict[str, int] = field(default_factory=dict)

    def add(self, money: Money | None, sign: int) -> None:
        currency, amount = ("", 0) if money is None else (money.currency, money.amount)
        self.rows[currency] = self.rows.get(currency, 0) + sign
        self.money[currency] = self.money.get(currency, 0) + sign * amount


@dataclass(slots=True)
class _Window:
    """What is later than `since`: everything from `first` on in the bucket's order."""

    since: int
    first: int
    sums: _Sums


@dataclass(slots=True)
class _Book:
    """One bucket: its rows by owner, the order of those that do not wait, and the windows over them."""

    rows: dict[str, _Row] = field(default_factory=dict)
    order: list[tuple[int, str]] = field(default_factory=list)
    waiting: _Sums = field(default_factory=_Sums)
    windows: dict[int, _Window] = field(default_factory=dict)

    def put(self, owner: str, row: _Row) -> None:
        self.rows[owner] = row
        if row.waits:
            self.waiting.add(row.money, 1)
            return
        place = (row.at, owner)
        if not self.order or place > self.order[-1]:
            self.order.append(place)
        else:
            insort(self.order, place)
        for window in self.windows.values():
            if row.at > window.since:
                window.sums.add(row.money, 1)
            else:
                window.first += 1

    def take(self, owner: str) -> _Row | None:
        row = self.rows.pop(owner, None)
        if row is None:
            return None
        if row.waits:
            self.waiting.add(row.money, -1)
            return row
        del self.order[bisect_left(self.order, (row.at, owner))]
        for window in self.windows.values():
            if row.at > window.since:
                window.sums.add(row.money, -1)
            else:
                window.first -= 1
        return row

    def since(self, seconds: int, since: int) -> _Sums:
        """The sums of all that is later than `since`, by the window of so many seconds."""
        window = self.windows.get(seconds)
        if window is None:
            window = self.windows[seconds] = _Window(since, bisect_right(self.order, since, key=_time), _Sums())
            for _, owner in self.order[window.first :]:
                window.sums.add(self.rows[owner].money, 1)
            return window.sums
        while window.first < len(self.order) and self.order[window.first][0] <= since:
            window.sums.add(self.rows[self.order[window.first][1]].money, -1)
            window.first += 1
        while window.first and self.order[window.first - 1][0] > since:
            window.first -= 1
            window.sums.add(self.rows[self.order[window.first][1]].money, 1)
        window.since = since
        return window.sums


def _time(place: tuple[int, str]) -> int:
    return place[0]


class Ledger:
    """The rolling sums of one sequence of requests, each with a name of its own. Times are milliseconds of policy time."""

    def __init__(self) -> None:
        self._books: dict[tuple[str, str], _Book] = {}
        self._held: dict[str, tuple[tuple[str, str], ...]] = {}
        self._until: list[tuple[int, str]] = []
        self._ends: dict[str, int] = {}

    def usages(self, buckets: Sequence[Bucket], now: int, excluding: str | None = None) -> list[Usage]:
        """How full each bucket is: rows whose time lies within the window before `now`, and all that wait. `excluding`
        leaves out one request's own row. Questions whose time is over by `now` have expired first."""
        self._expire(now)
        return [self._usage(bucket, now, excluding) for bucket in buckets]

    def reserve(
        self, request_id: str, buckets: Sequence[Bucket], *, at: int, waiting: bool, until: int | None = None
    ) -> None:
        """Replaces this request's rows. A waiting one counts as now, until it is settled or, where that is said, `until` a
        time, at which its money is given back."""
        self.forget(request_id)
        # Limits that differ only in window, maximum or id share one sum: its row is written once.
        apart = {(bucket.key, bucket.bucket): bucket for bucket in buckets}
        for place, bucket in apart.items():
            self._books.setdefault(place, _Book()).put(request_id, _Row(at, bucket.money, waiting))
        self._held[request_id] = tuple(apart)
        if waiting and until is not None:
            self._ends[request_id] = until
            heapq.heappush(self._until, (until, request_id))

    def settle(self, request_id: str, *, release: bool, spent: Mapping[str, Money] | None = None) -> None:
        """`release` gives the money back and keeps the attempt in the count; otherwise the row stands as spent, with the
        money that `spent` says by the key of a bucket, where it says any."""
        self._ends.pop(request_id, None)
        for place in self._held.get(request_id, ()):
            book = self._books[place]
            row = book.take(request_id)
            if row is not None:
                money = None if release else (spent or {}).get(place[0], row.money)
                book.put(request_id, _Row(row.at, money, waits=False))

    def forget(self, request_id: str) -> None:
        """Takes this request out of every sum and count."""
        self._ends.pop(request_id, None)
        for place in self._held.pop(request_id, ()):
            self._books[place].take(request_id)

    def _expire(self, now: int) -> None:
        while self._until and self._until[0][0] <= now:
            until, request_id = heapq.heappop(self._until)
            if self._ends.get(request_id) == until:
                self.settle(request_id, release=True)

    def _usage(self, bucket: Bucket, now: int, excluding: str | None) -> Usage:
        book = self._books.get((bucket.key, bucket.bucket))
        if book is None:
            return Usage()
        since = now - bucket.window * 1000
        own = book.rows.get(excluding) if excluding is not None else None
        left_out = own if own is not None and (own.waits or own.at > since) else None
        counted = book.since(bucket.window, since)
        if left_out is not None:
            (book.waiting if left_out.waits else counted).add(left_out.money, -1)
        waiting = book.waiting
        usage = Usage(
            sum(counted.rows.values()) + sum(waiting.rows.values()),
            _totals(counted, waiting),
            sum(waiting.rows.values()),
            _totals(waiting),
        )
        if left_out is not None:
            (waiting if left_out.waits else counted).add(left_out.money, 1)
        return usage


def _totals(*parts: _Sums) -> dict[str, int]:
    totals: dict[str, int] = {}
    for part in parts:
        for currency, rows in part.rows.items():
            if rows and currency:
                totals[currency] = totals.get(currency, 0) + part.money[currency]
    return totals
