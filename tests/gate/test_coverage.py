"""A month of governed requests with others' doings in between: every line in its right box, and all of it to the cent."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.coverage.boxes import Box
from runplane_mcp.core.coverage.sums import books_of, ties_of
from runplane_mcp.core.request import State
from runplane_mcp.gate.coverage.covering import Covered, covered
from runplane_mcp.gate.coverage.reading import read_ends, read_pages, span_to_read
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED, Bypass, Fault, FaultKind, Planted
from runplane_mcp.stripe_api.history import HistoryFolder, Span
from tests.gate.conftest import House, refund, submission, until
from tests.gate.rewriting import unguarded

DAY_MS = 86_400_000
DAYS = 14
BOXES = {
    Planted.OTHER_KEY: Box.ANOTHER_KEY,
    Planted.OTHER_KEY_PAYOUT: Box.ANOTHER_KEY,
    Planted.DASHBOARD: Box.DASHBOARD,
    Planted.DASHBOARD_PAYOUT: Box.DASHBOARD,
    Planted.DISPUTE: Box.AUTOMATIC,
    Planted.FEE: Box.AUTOMATIC,
    Planted.SILENT: Box.UNEXPLAINED,
    Planted.FORGED_KEY: Box.UNEXPLAINED,
    Planted.AUTOMATIC_PAYOUT: Box.AUTOMATIC,
}


@dataclass
class Month:
    """What was done, and in which box it belongs: the object's id, and the sums of refunds and payouts by box."""

    boxes: dict[str, str] = field(default_factory=dict)
    sums: Counter[str] = field(default_factory=Counter)

    def expect(self, id: str, words: str, amount: int) -> None:
        self.boxes[id] = words
        self.sums[words] -= amount


async def asked(house: House, gate: Gate, month: Month, view: RequestView, amount: int) -> None:
    """Answers what waits, every third time with no, and notes where it belongs."""
    words = "allowed by policy"
    if view.status is State.WAITING:
        yes = len(month.boxes) % 3 != 0
        await house.vote(view, Answer.YES if yes else Answer.NO)
        view = await until(gate, view, State.SUCCEEDED, State.DENIED)
        if not yes:
            return
        words = "approved by maria"
    assert view.status is State.SUCCEEDED, view.failure
    result = view.result
    assert result is not None
    made: Any = result["id"]
    if result["object"] == "credit_note":
        made = result["refunds"][0]["refund"]  # type: ignore[index, call-overload]
    month.expect(str(made), words, amount)


async def live_through(house: House) -> Month:
    month = Month()
    planted = list(BOXES)
    await house.enrol()
    async with house.gate() as gate:
        for day in range(DAYS):
            house.clock.forward(DAY_MS if day else 1_000)
            for number in range(2):
                amount = 2_000 + 7 * (2 * day + number)
                if day == 3 and number:
                    house.world.add_fault(Fault(FaultKind.DROP_ANSWER, method="POST", path_prefix="/v1/refunds"))
                order = f"pi_order_{2 * day + number + 1:03d}"
                await asked(house, gate, month, await gate.submit(refund(order, amount)), amount)
            if day in (1, 6, 8, 13):
                payout = {"amount": 10_000 + day, "currency": "usd"}
                await asked(house, gate, month, await gate.submit(submission("PostPayouts", payout)), 10_000 + day)
            if day == 2:
                note = {"invoice": SEED.invoice_paid, "amount": 1_500, "refund_amount": 1_500}
                await asked(house, gate, month, await gate.submit(submission("PostCreditNotes", note)), 1_500)
            if planted:
                kind = planted.pop(0)
                amount = 3_000 + day
                for id in house.world.plant(Bypass(kind, amount=amount)):
                    month.boxes[id] = BOXES[kind].words()
                    if BOXES[kind] is not Box.AUTOMATIC:
                        month.sums[BOXES[kind].words()] -= amount
                if kind is Planted.AUTOMATIC_PAYOUT:  # it took all there was
                    house.world.plant(Bypass(Planted.FEE, amount=1))
                    await top_up(gate)
        assert not planted
    return month


async def top_up(gate: Gate) -> None:
    """Money for the rest of the month, by another key."""
    from runplane_mcp.core.wire import encode

    wire = encode("POST", "/v1/topups", {"amount": 5_000_000, "currency": "usd"})
    await gate.connection.send(wire, idempotency_key="shop-top-up")


@asynccontextmanager
async def read(house: House, folder: Path, since: int) -> AsyncIterator[tuple[Covered, int | None, int | None]]:
    """The coverage since then, and what the balance held at both ends, in US dollars."""
    async with house.gate() as gate:
        identity, now = await gate.identity(), house.clock.policy() // 1000
        span = Span(identity.target, identity.account, identity.livemode, since, now + 1)
        whole = span_to_read(span, now)
        pages, done = await read_pages(gate.connection, HistoryFolder(folder), whole, progress=lambda *_: None)
        ends = await read_ends(gate.connection, pages, span, read=done, now=now)
        found = await covered(gate.store, gate.catalog, identity, pages, since=span.since, until=span.until, now=now)
        ties = ties_of(books_of(found.placed), found.lines, now=ends.now, after=ends.after, whole=ends.whole)
        assert all(tie.ties for tie in ties)
        [usd] = [tie for tie in ties if tie.currency == "usd"]
        yield found, usd.opening, usd.closing


async def test_every_line_of_a_month_is_in_its_right_box_and_totals_tie_to_the_cent(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runplane_mcp.gate.execution.PAUSES", (0.0,))
    since = house.clock.policy() // 1000 + 1
    before = house.world.summary()["balance"][SEED.account]["usd"]
    month = await live_through(house)
    after = house.world.summary()["balance"][SEED.account]["usd"]

    async with read(house, tmp_path / "coverage", since) as (found, opening, closing):
        pass

    by_object = {each.line.object_id or each.line.id: each.words for each in found.placed if each.line.kind != "fee"}
    sums: Counter[str] = Counter()
    for each in found.placed:
        if each.line.currency == "usd" and each.line.kind in {"refund", "payout"} and each.box is not Box.AUTOMATIC:
            sums[each.words] += each.line.amount
    fee = [each for each in found.placed if each.line.kind == "stripe_fee"]
    wrong = {id: (words, by_object.get(id)) for id, words in month.boxes.items() if by_object.get(id) != words}

    assert {id: both for id, both in wrong.items() if not id.startswith("txn_")} == {}
    assert {each.box for each in fee} == {Box.AUTOMATIC}
    assert sum(words == "allowed by policy" for words in month.boxes.values()) > 20
    assert sum(words == "approved by maria" for words in month.boxes.values()) > 2
    assert dict(month.sums) == dict(sums)
    assert {each.line.object_id for each in found.placed if each.box is Box.UNEXPLAINED} == {
        id for id, words in month.boxes.items() if words == "unexplained"
    }
    assert (opening, closing) == (before["available"] + before["pending"], after["available"] + after["pending"])
    assert found.claimed == ()


async def test_a_line_whose_permission_nothing_bears_out_is_unexplained(house: House, tmp_path: Path) -> None:
    """THREATS 9 and 24: a row in the database is no vote and no decision."""
    await house.enrol()
    since = house.clock.policy() // 1000 + 1
    house.clock.forward(1_000)
    async with house.gate() as gate:
        allowed = await gate.submit(refund(SEED.payment_intent_40, 700))
        approved = await gate.submit(refund(SEED.payment_intent_900, 60_000))
        await house.vote(approved)
        approved = await until(gate, approved, State.SUCCEEDED)
    async with read(house, tmp_path / "coverage", since) as (before, _, _):
        assert {each.words for each in before.placed} == {"allowed by policy", "approved by maria"}

    with sqlite3.connect(house.settings.database) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("UPDATE vote SET proof = ?", ("ab" * 64,))
        db.execute("UPDATE decision SET outcome = 'block' WHERE request_id = ?", (allowed.request_id,))
    db.close()
    async with read(house, tmp_path / "coverage", since) as (after, _, _):
        pass

    assert {each.box for each in after.placed} == {Box.UNEXPLAINED}
    assert {each.made.reference for each in after.placed if each.made} == {allowed.reference, approved.reference}
    assert all("The audit log does not bear out" in each.why for each in after.placed)


async def test_rows_that_no_event_wrote_explain_nothing(house: House, tmp_path: Path) -> None:
    """THREATS 24: whoever can write to the database could write down a request that seems to have made it."""
    since = house.clock.policy() // 1000 + 1
    house.clock.forward(1_000)
    async with house.gate() as gate:
        allowed = await gate.submit(refund(SEED.payment_intent_40, 700))
        [stolen] = house.world.plant(Bypass(Planted.SILENT, amount=700))
    async with read(house, tmp_path / "coverage", since) as (before, _, _):
        pass
    [theft] = [each for each in before.placed if each.line.object_id == stolen]
    assert theft.box is Box.UNEXPLAINED

    copied = """
    CREATE TEMP TABLE copied AS SELECT * FROM request;
    UPDATE copied SET number = 900, id = 'rpr_forged', reference = 'RP-FORGED', object_id = '{}';
    INSERT INTO request SELECT * FROM copied;
    CREATE TEMP TABLE decided AS SELECT * FROM decision;
    UPDATE decided SET request_id = 'rpr_forged';
    INSERT INTO decision SELECT * FROM decided;
    """
    with unguarded(house.settings.database) as db:
        for statement in copied.format(stolen).split(";")[:-1]:
            db.execute(statement)
    async with read(house, tmp_path / "later", since) as (after, _, _):
        pass

    boxes = {each.line.object_id: each.box for each in after.placed}
    assert (boxes[stolen], boxes[allowed.result["id"]]) == (Box.UNEXPLAINED, Box.ALLOWED)  # type: ignore[index]
