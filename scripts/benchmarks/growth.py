"""The same decision after very many others: what a store that has grown adds to it."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from runplane_mcp.app import default_policy_text
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.store.files import connect

from . import house
from .deciding import AT_ONCE, between, refunds
from .figures import Figure, Results
from .rounds import Rounds

#: How far back the earlier requests lie, evenly (milliseconds of policy time).
MONTH = 30 * 24 * 3_600_000
#: How many customers the earlier requests are about.
CUSTOMERS = 10_000
#: Policy time at each look: refunds come every few seconds.
STEP = 1_000
FEW = 1_000
_CHUNK = 20_000
_MAXIMA = re.compile(r"(total|count): \d+")


@dataclass(frozen=True, slots=True)
class _Measured:
    decision: Figure
    whole: Figure


async def measure(results: Results, folder: Path, base: str, *, earlier: int, n: int) -> None:
    """Refunds on a store with few earlier requests and on one with `earlier`, and how many times as long they take."""
    few = await _with(results, folder / "few", base, earlier=FEW, n=n)
    many = await _with(results, folder / "many", base, earlier=earlier, n=n)
    results.ratio(f"decision after {earlier:,} requests ÷ after {FEW:,}", many.decision, few.decision)
    results.ratio(f"whole call after {earlier:,} requests ÷ after {FEW:,}", many.whole, few.whole)


async def _with(results: Results, folder: Path, base: str, *, earlier: int, n: int) -> _Measured:
    group = f"gate alone, on a store with {earlier:,} earlier refunds of a month"
    laps = house.Laps()
    connection = house.connection(base, house.Remembered)
    clock = house.RunningClock(STEP)
    async with connection, house.gate(folder, connection, clock, laps, text=without_bounds()) as gate:
        rounds = Rounds()
        await refunds(gate, laps, rounds, n=house.PAYMENTS)
        _fill(folder / house.DATABASE, earlier, gate)
        await refunds(gate, laps, rounds, n=n // 10)
        alone, passed = await refunds(gate, laps, rounds, n=n)
        decision = results.took(group, "refund, the decision transaction", between(passed, *house.DECISION))
        whole = results.took(group, "refund, whole call with its outcome recorded", alone.each)
        many, _ = await refunds(gate, laps, rounds, n=2 * n, at_once=AT_ONCE)
        results.counted(group, f"{AT_ONCE} at once: refunds a second", many.per_second, "/s", len(many.each))
    return _Measured(decision, whole)


def without_bounds() -> str:
    """The policy that comes with Runplane, its limits so high that what a million requests have in a week fits: they are
    summed all the same."""
    head, limits, rest = re.split(
        r"^(limits:.*?)(?=^tests:)", default_policy_text(), maxsplit=1, flags=re.DOTALL | re.M
    )
    return head + _MAXIMA.sub(r"\1: 1000000", limits) + rest


def _fill(path: Path, count: int, gate: Gate) -> None:
    """Puts `count` requests like the newest one before now, with all their rows but other ids, customers and forms. The log
    they leave could not be verified; that costs minutes, and nothing here reads it."""
    with closing(connect(path, 1000)) as connection:
        execute = connection.execute
        execute("PRAGMA synchronous = OFF")
        guards = execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name <> 'reservation'"
            " AND name NOT IN ('request_asked', 'request_refused')"
        ).fetchall()
        for name, _ in guards:
            execute(f"DROP TRIGGER {name}")
        for start in range(0, count, _CHUNK):
            execute("BEGIN IMMEDIATE")
            _copy(connection, start, min(start + _CHUNK, count), count, gate.clock.policy())
            execute("COMMIT")
        for _, sql in guards:
            execute(sql)
        [size] = execute("SELECT max(seq) FROM event").fetchone()
        execute("UPDATE head SET size = ?, frontier = ?", (size, os.urandom(32 * size.bit_count())))
        execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copy(connection: sqlite3.Connection, start: int, end: int, count: int, now: int) -> None:
    template, id_, before = connection.execute(
        "SELECT number, id, (SELECT max(number) FROM request) FROM request ORDER BY number LIMIT 1"
    ).fetchone()
    last_event = connection.execute("SELECT max(seq) FROM event").fetchone()[0]
    step = MONTH // count
    given = {
        "start": start,
        "end": end,
        "template": template,
        "id": id_,
        "before": before,
        "at": now - MONTH,
        "step": step,
    }
    given |= {"events": last_event, "customers": CUSTOMERS}
    numbers = "WITH RECURSIVE n (i) AS (SELECT :start UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :end)"
    changed = {
        "number": ":before + 1 + i - :start",
        "id": "printf('rpr_%026d', i)",
        "reference": "printf('RB-%d', i)",
        "policy_at": ":at + i * :step",
        "about_customer": "printf('cus_%d', i % :customers)",
        "about_object": "printf('ch_filler%d', i)",
        "object_id": "printf('re_filler%d', i)",
        "stripe_request_id": "printf('req_filler%d', i)",
        **{f"same_{form}": "lower(hex(randomblob(32)))" for form in ("asked", "effective", "effect")},
    }
    columns = [row[1] for row in connection.execute("PRAGMA table_info(request)")]
    values = ", ".join(changed.get(column, f"request.{column}") for column in columns)
    for statement in (
        f"INSERT INTO request ({', '.join(columns)}) SELECT {values} FROM n, request WHERE request.number = :template",
        """
        INSERT INTO event (seq, at, type, request_id, body, leaf)
        SELECT :events + row_number() OVER (ORDER BY i, event.seq), at, type, printf('rpr_%026d', i), body, randomblob(32)
        FROM n, event WHERE request_id = :id
        """,
        """
        INSERT INTO payload (commitment, request_id, salt, body)
        SELECT lower(hex(randomblob(32))), printf('rpr_%026d', i), salt, body FROM n, payload WHERE request_id = :id
        """,
        """
        INSERT INTO decision SELECT printf('rpr_%026d', i), n, round, kind, outcome, at, policy_at, policy_version, risk,
        risk_level, nonce, digest, content FROM n, decision WHERE request_id = :id
        """,
        """
        , own AS MATERIALIZED (SELECT DISTINCT substr(stripe_id, 1, 3) AS form, kind FROM mention WHERE number = :template)
        INSERT INTO mention SELECT printf('%s_filler%d', form, i), kind, :before + 1 + i - :start FROM n, own
        """,
        """
        INSERT INTO reservation SELECT :before + 1 + i - :start, bucket, :at + i * :step, currency, amount, state
        FROM n, reservation WHERE number = :template
        """,
    ):
        connection.execute(f"{numbers} {statement}", given)
