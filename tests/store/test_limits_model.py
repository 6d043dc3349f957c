"""Rolling sums in any store, and those in memory, against a plain list of rows."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runplane_mcp.core.decision import Usage
from runplane_mcp.core.ledger import Ledger
from runplane_mcp.core.money import Money
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.verify import verify
from tests.store.conftest import STORES
from tests.store.things import NOW, a_bucket, going_on, received

#: A window within few short stretches of the store's sums, and one over many long ones; rows lie in and around it.
WINDOWS_S = (60, 3 * 24 * 3600)


@dataclass(frozen=True)
class Row:
    """One request's reservation, and what became of it."""

    amount: int | None
    currency: str
    age: int
    waiting: bool
    end: str  # "", "spent" or "released"
    moved: tuple[int, str] | None  # what Stripe says of what was spent
    window: int

    @property
    def waits(self) -> bool:
        return self.waiting and not self.end

    @property
    def money(self) -> tuple[int, str] | None:
        if self.end == "released":
            return None
        if self.end == "spent" and self.moved is not None:
            return self.moved
        return None if self.amount is None else (self.amount, self.currency)

    @property
    def counts(self) -> bool:
        return self.waits or self.age < self.window * 1000


def rows(window: int) -> st.SearchStrategy[Row]:
    return st.builds(
        Row,
        amount=st.none() | st.integers(min_value=0, max_value=10**12),
        currency=st.sampled_from(["usd", "eur", "jpy"]),
        age=st.integers(min_value=-window * 1500, max_value=window * 1500),
        waiting=st.booleans(),
        end=st.sampled_from(["", "spent", "released"]),
        moved=st.none() | st.tuples(st.integers(min_value=1, max_value=10**12), st.sampled_from(["usd", "chf"])),
        window=st.just(window),
    )


def modelled(kept: list[Row]) -> Usage:
    counted = [row for row in kept if row.counts]
    totals: dict[str, int] = {}
    waiting: dict[str, int] = {}
    for row in counted:
        if row.money is None:
            continue
        amount, currency = row.money
        totals[currency] = totals.get(currency, 0) + amount
        if row.waits:
            waiting[currency] = waiting.get(currency, 0) + amount
    return Usage(len(counted), totals, sum(row.waits for row in counted), waiting)


def counted_in(tx: Transaction | Ledger, request_id: str, row: Row, where: str) -> None:
    """Reserves what the row says, in the place of what the request reserved before."""
    bucket = a_bucket(row.amount, row.currency, bucket=where, window=row.window)
    tx.reserve(request_id, [bucket], at=NOW - row.age, waiting=row.waiting)
    if row.end:
        spent = None if row.moved is None else Money(*row.moved)
        if isinstance(tx, Ledger):
            tx.settle(request_id, release=row.end == "released", spent={bucket.key: spent} if spent else None)
        else:
            tx.settle(request_id, release=row.end == "released", spent=spent)
    if not isinstance(tx, Ledger):
        going_on(tx, request_id)


@pytest.mark.parametrize("name", sorted(STORES))
def test_a_sum_is_what_a_plain_list_of_rows_says(name: str, tmp_path: Path) -> None:
    store: Store = STORES[name](tmp_path)

    # One store serves all examples: each has a bucket of its own.
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.sampled_from(WINDOWS_S), st.data())
    def check(window: int, data: st.DataObject) -> None:
        kept = data.draw(st.lists(rows(window), max_size=8))
        again = data.draw(st.none() | rows(window)) if kept else None
        where = os.urandom(8).hex()
        left_out = data.draw(st.none() | st.integers(min_value=0, max_value=max(0, len(kept) - 1)))

        ledger = Ledger()

        def both(tx: Transaction, request_id: str, row: Row) -> None:
            counted_in(tx, request_id, row, where)
            counted_in(ledger, request_id, row, where)

        def work(tx: Transaction) -> Usage:
            ids = []
            for row in kept:
                request = received(tx)
                both(tx, request.id, row)
                ids.append(request.id)
            if again is not None:
                both(tx, ids[0], again)
            excluding = ids[left_out] if left_out is not None and ids else None
            asked = [a_bucket(bucket=where, window=window)]
            found = tx.usages(asked, NOW, excluding)
            assert found == ledger.usages(asked, NOW, excluding), "what is only imagined counts as the store does"
            return found[0]

        standing = kept if again is None else [again, *kept[1:]]
        counted = [row for number, row in enumerate(standing) if number != left_out]
        assert runner.run(store.write(work)) == modelled(counted)

    with asyncio.Runner() as runner:
        check()
        runner.run(store.close())
    # Whatever happened to them, each request's own event vouches for what it counts.
    assert verify(tmp_path / "runplane.db").problem is None
