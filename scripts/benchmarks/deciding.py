"""The gate alone: deciding and recording durably, with and without the outcome. Stripe answers from memory."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from runplane_mcp.core.request import State
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.store.files import connect

from . import checkpoints, house
from .commits import bare_commits
from .figures import Aim, Figure, Results
from .rounds import Round, Rounds

GROUP = "gate alone, durable on disk, Stripe answers from memory"
AT_ONCE = 64


async def measure(results: Results, folder: Path, base: str, *, n: int) -> None:
    before = bare_commits(folder / "before", n=n)
    await _reads(results, folder / "reads", base, n=n)
    await _blocked(results, folder / "payouts", base, n=n)
    decided = await _allowed(results, folder / "refunds", base, n=n)
    # Before and after, so that a disk that is slow for a while is slow on both sides of the ratio.
    commits = before + bare_commits(folder / "after", n=n)
    commit = results.took(GROUP, "a bare SQLite commit in the same folder", commits)
    results.ratio("decision transaction ÷ bare commit", decided, commit)
    results.aims.append(Aim("a decision, durably recorded", 1.0, decided))
    await checkpoints.measure(results, folder / "checkpoints", n=n)


async def _reads(results: Results, folder: Path, base: str, *, n: int) -> None:
    laps = house.Laps()
    connection = house.connection(base, house.Remembered)
    async with connection, house.gate(folder, connection, house.RunningClock(house.REFUNDS), laps) as gate:
        passed: list[dict[str, float]] = []

        async def look(_: int) -> float:
            points = laps.begin()
            house.expect(await gate.submit(house.BALANCE), State.SUCCEEDED)
            passed.append(points)
            return time.perf_counter() - points["begun"]

        rounds = Rounds()
        await rounds.run(look, n=n // 10)
        passed.clear()
        alone = await rounds.run(look, n=n)
        alone_passed = list(passed)
        many = await rounds.run(look, n=2 * n, at_once=AT_ONCE)
    # Right before the send is right after the commit that allows it.
    decided = between(alone_passed, "begun", "execute.before_send")
    results.took(GROUP, "balance, call to durable decision (one commit)", decided)
    results.took(GROUP, "balance, whole call, its outcome recorded behind it", alone.each)
    results.counted(GROUP, "balance, processor time of a whole call", alone.processor / n * 1e3, "ms", n)
    results.counted(GROUP, f"{AT_ONCE} at once: balances a second", many.per_second, "/s", 2 * n)
    with closing(connect(folder / house.DATABASE, 1000)) as database:
        [(reads, events)] = database.execute(
            "SELECT (SELECT count(*) FROM request), (SELECT size FROM head)"
        ).fetchall()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = (folder / house.DATABASE).stat().st_size
    results.counted(GROUP, "events of the log for a hundred balances", 100 * events / reads, "", reads)
    results.counted(GROUP, "size of the store for one balance", size / reads / 1000, "kB", reads)


async def _blocked(results: Results, folder: Path, base: str, *, n: int) -> None:
    laps = house.Laps()
    clock = house.RunningClock(house.PAYOUTS, start=house.NIGHT)
    async with house.connection(base) as connection, house.gate(folder, connection, clock, laps) as gate:

        async def block(number: int) -> float:
            began = time.perf_counter()
            house.expect(await gate.submit(house.payout(number)), State.BLOCKED)
            return time.perf_counter() - began

        rounds = Rounds()
        await rounds.run(block, n=n // 10)
        alone = await rounds.run(block, n=n)
        many = await rounds.run(block, n=2 * n, at_once=AT_ONCE)
    results.took(GROUP, "payout at night, whole call to its durable block (one commit)", alone.each)
    results.took(GROUP, f"{AT_ONCE} at once: the same", many.each)
    results.counted(GROUP, f"{AT_ONCE} at once: decisions a second", many.per_second, "/s", len(many.each))


async def _allowed(results: Results, folder: Path, base: str, *, n: int) -> Figure:
    """Returns the figure of one decision transaction."""
    laps = house.Laps()
    clock = house.RunningClock(house.REFUNDS)
    connection = house.connection(base, house.Remembered)
    async with connection, house.gate(folder, connection, clock, laps) as gate:
        rounds = Rounds()
        # One round for each of the payments, so that every look-up is remembered.
        await refunds(gate, laps, rounds, n=house.PAYMENTS)
        laps.store.clear()
        alone, points = await refunds(gate, laps, rounds, n=n)
        transactions = _decisions(laps.store)
        statements = await _statements(gate, laps, rounds)
        many, many_points = await refunds(gate, laps, rounds, n=2 * n, at_once=AT_ONCE)

    received, decided = house.DECISION
    decision = results.took(GROUP, "refund, the decision transaction", between(points, received, decided))
    results.counted(GROUP, "  of that, SQL statements, triggers left out", statements, "", 1)
    results.took(GROUP, "  of that, processor time before the commit", [each.processor for each in transactions])
    results.took(GROUP, "  of that, the commit with its flush to the disk", [each.commit for each in transactions])
    results.took(GROUP, "refund, call to durable decision (two commits)", between(points, "begun", decided))
    results.took(GROUP, "refund, whole call with its outcome recorded (three commits)", alone.each)
    results.counted(GROUP, "refund, processor time of a whole call", alone.processor / n * 1e3, "ms", n)
    at_once = f"{AT_ONCE} at once: refund"
    results.took(GROUP, f"{at_once}, the decision transaction", between(many_points, received, decided))
    results.took(GROUP, f"{at_once}, whole call with its outcome recorded", many.each)
    results.counted(GROUP, f"{at_once}s a second, outcomes recorded", many.per_second, "/s", len(many.each))
    return decision


async def refunds(
    gate: Gate, laps: house.Laps, rounds: Rounds, *, n: int, at_once: int = 1
) -> tuple[Round, list[dict[str, float]]]:
    passed: list[dict[str, float]] = []

    async def refund(number: int) -> float:
        points = laps.begin()
        house.expect(await gate.submit(house.refund(number)), State.SUCCEEDED)
        passed.append(points)
        return time.perf_counter() - points["begun"]

    return await rounds.run(refund, n=n, at_once=at_once), passed


async def _statements(gate: Gate, laps: house.Laps, rounds: Rounds) -> int:
    """How many the second of a refund's three transactions has."""
    with house.statements(gate) as seen:
        await refunds(gate, laps, rounds, n=1)
    begun = [place for place, sql in enumerate(seen) if sql.startswith("BEGIN")]
    return begun[2] - begun[1]


def between(passed: list[dict[str, float]], start: str, end: str) -> list[float]:
    return [points[end] - points[start] for points in passed]


@dataclass(frozen=True, slots=True)
class _Transaction:
    """Seconds of one transaction in the store's thread: its processor time there, and its COMMIT."""

    processor: float
    commit: float


def _decisions(stored: list[tuple[str, float, float]]) -> list[_Transaction]:
    """The second of each refund's three transactions: received, decided, done."""
    begun, before, after = (
        [(at, spent) for point, at, spent in stored if point == wanted]
        for wanted in ("store.begun", "store.before_commit", "store.after_commit")
    )
    return [
        _Transaction(processor=spent - at_start, commit=committed - at)
        for (_, at_start), (at, spent), (committed, _) in zip(begun, before, after, strict=True)
    ][1::3]
