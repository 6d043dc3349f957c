"""Rolling sums in memory against a plain list of rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.decision import Bucket, Usage
from runplane_mcp.core.ledger import Ledger
from runplane_mcp.core.money import Money

NAMES = ("r1", "r2", "r3", "r4")
WINDOWS = (1, 5)
BUCKETS = tuple(
    Bucket(f"{key}-{window}", key, per, window, None) for key in "ab" for per in ("x", "y") for window in WINDOWS
)


@dataclass
class Slow:
    """One row after the other, looked at anew for every question."""

    rows: dict[tuple[str, str, str], tuple[int, Money | None, bool]] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)

    def usage(self, bucket: Bucket, now: int, excluding: str | None) -> Usage:
        count, totals, waiting_count, waiting_totals = 0, dict[str, int](), 0, dict[str, int]()
        for (name, key, per), (at, money, waits) in self.rows.items():
            if (key, per) != (bucket.key, bucket.bucket) or name == excluding:
                continue
            if not waits and at <= now - bucket.window * 1000:
                continue
            count += 1
            waiting_count += waits
            for held in (totals, waiting_totals) if waits else (totals,):
                if money is not None:
                    held[money.currency] = held.get(money.currency, 0) + money.amount
        return Usage(count, totals, waiting_count, waiting_totals)

    def reserve(self, name: str, buckets: list[Bucket], at: int, waiting: bool, until: int | None) -> None:
        self.rows = {place: row for place, row in self.rows.items() if place[0] != name}
        self.ends.pop(name, None)
        for bucket in buckets:
            self.rows[name, bucket.key, bucket.bucket] = (at, bucket.money, waiting)
        if waiting and until is not None:
            self.ends[name] = until

    def settle(self, name: str, release: bool) -> None:
        self.ends.pop(name, None)
        for place, (at, money, _) in list(self.rows.items()):
            if place[0] == name:
                self.rows[place] = (at, None if release else money, False)

    def expire(self, now: int) -> None:
        for name in [name for name, until in self.ends.items() if until <= now]:
            self.settle(name, release=True)


times = st.integers(min_value=0, max_value=12_000)
monies = st.none() | st.builds(Money, st.integers(0, 5), st.sampled_from(["usd", "eur"]))
wanted = st.lists(st.tuples(st.sampled_from(BUCKETS), monies), max_size=4)
steps = st.one_of(
    st.tuples(st.just("reserve"), st.sampled_from(NAMES), wanted, times, st.booleans(), st.none() | times),
    st.tuples(st.just("settle"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("ask"), times, st.none() | st.sampled_from(NAMES)),
)


@given(st.lists(steps, max_size=40))
def test_the_ledger_says_what_a_plain_list_of_rows_says_whatever_the_clock_does(
    taken: list[tuple[object, ...]],
) -> None:
    ledger, slow = Ledger(), Slow()
    for step in taken:
        match step:
            case ("reserve", str(name), list(given_buckets), int(at), bool(waiting), until):
                buckets = [
                    Bucket(each.limit_id, each.key, each.bucket, each.window, money) for each, money in given_buckets
                ]
                ends = until if isinstance(until, int) else None
                ledger.reserve(name, buckets, at=at, waiting=waiting, until=ends)
                slow.reserve(name, buckets, at, waiting, ends)
            case ("settle", str(name), bool(release)):
                ledger.settle(name, release=release)
                slow.settle(name, release)
            case ("ask", int(now), excluding):
                slow.expire(now)
                left_out = excluding if isinstance(excluding, str) else None

                expected = [slow.usage(bucket, now, left_out) for bucket in BUCKETS]

                assert expected == ledger.usages(BUCKETS, now, left_out)


def test_what_was_really_spent_takes_the_place_of_what_was_reserved() -> None:
    ledger = Ledger()
    bucket = Bucket("a-5", "a", "x", 5, Money(300, "usd"))
    ledger.reserve("r1", [bucket], at=0, waiting=True)

    ledger.settle("r1", release=False, spent={"a": Money(275, "usd")})

    assert [Usage(1, {"usd": 275}, 0, {})] == ledger.usages([bucket], 10)


def test_a_question_that_ran_out_gives_its_money_back_and_keeps_its_place_in_the_count() -> None:
    ledger = Ledger()
    bucket = Bucket("a-5", "a", "x", 5, Money(300, "usd"))
    ledger.reserve("r1", [bucket], at=0, waiting=True, until=2_000)

    assert [Usage(1, {"usd": 300}, 1, {"usd": 300})] == ledger.usages([bucket], 1_999)
    assert [Usage(1, {}, 0, {})] == ledger.usages([bucket], 2_000)
    assert [Usage()] == ledger.usages([bucket], 5_000)
