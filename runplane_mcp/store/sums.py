"""Rolling sums and counts that stay quick however many requests there are.

Policy time is cut into stretches of three lengths, whose sums triggers keep. A sum over a window reads the rows of less
than one short stretch at its beginning, then short stretches up to where the next longer one begins, and so on: less than a
hundred sums for a week, however many requests it had. What waits counts as now: it is one sum of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from runplane_mcp.core.decision import Bucket, Usage
from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.request import State
from runplane_mcp.store.triggers import listed_texts

# ruff: noqa: S608 - statements are put together from words of our own; every value is bound.

#: How long stretches are, each as a power of two of milliseconds: 66 seconds, 35 minutes, 19 hours.
SPANS: Final = (16, 21, 26)
_SPANS: Final = " OR ".join(f"span = {span}" for span in SPANS)
_WAITING: Final = 0
#: So many buckets in one statement: SQLite takes 500 selects in one union.
MOST_AT_ONCE: Final = 100

#: How the history facts of an agent count what was not allowed.
REFUSED: Final = listed_texts([State.BLOCKED, State.DENIED])

TABLES: Final = (
    # What a limit counts into, once: its rows name it by number.
    """
    CREATE TABLE bucket (
      id INTEGER PRIMARY KEY CHECK (id > 0),
      key TEXT NOT NULL,
      value TEXT NOT NULL,
      UNIQUE (key, value)
    ) STRICT
    """,
    f"""
    CREATE TABLE reservation (
      number INTEGER NOT NULL REFERENCES request (number),
      bucket INTEGER NOT NULL REFERENCES bucket (id),
      at INTEGER NOT NULL,
      currency TEXT CHECK (currency <> ''),
      amount INTEGER CHECK (abs(amount) <= {LARGEST_AMOUNT}),
      state TEXT NOT NULL CHECK (state = 'waiting' OR state = 'spent' OR state = 'released'),
      PRIMARY KEY (number, bucket),
      CHECK ((currency IS NULL) = (amount IS NULL))
    ) STRICT, WITHOUT ROWID
    """,
    # It holds all that a sum needs, so that summing never touches the table itself.
    "CREATE INDEX reservation_in_time ON reservation (bucket, at, state, currency, amount) WHERE state <> 'waiting'",
    # `currency` is empty where there is no money: it was released, or never known. `span` is 0 for all that waits.
    f"""
    CREATE TABLE subtotal (
      bucket INTEGER NOT NULL,
      span INTEGER NOT NULL CHECK (span = {_WAITING} OR {_SPANS}),
      stretch INTEGER NOT NULL,
      currency TEXT NOT NULL,
      count INTEGER NOT NULL CHECK (count >= 0),
      amount INTEGER NOT NULL,
      PRIMARY KEY (bucket, span, stretch, currency)
    ) STRICT, WITHOUT ROWID
    """,
    # How many requests of a principal came, and were refused, by the policy time at which they came.
    f"""
    CREATE TABLE tally (
      principal TEXT NOT NULL,
      what TEXT NOT NULL CHECK (what IN ('asked', 'refused')),
      span INTEGER NOT NULL CHECK ({_SPANS}),
      stretch INTEGER NOT NULL,
      count INTEGER NOT NULL CHECK (count > 0),
      PRIMARY KEY (principal, what, span, stretch)
    ) STRICT, WITHOUT ROWID
    """,
)


def _money(row: str) -> tuple[str, str]:
    """The currency and amount that a row of `reservation` adds to its sums."""
    counts = f"{row}.state <> 'released' AND {row}.amount IS NOT NULL"
    return f"iif({counts}, {row}.currency, '')", f"iif({counts}, {row}.amount, 0)"


def _added(row: str, places: Sequence[tuple[int, str]]) -> str:
    currency, amount = _money(row)
    values = ", ".join(f"({row}.bucket, {span}, {stretch}, {currency}, 1, {amount})" for span, stretch in places)
    return (
        f"INSERT INTO subtotal (bucket, span, stretch, currency, count, amount) VALUES {values}"
        " ON CONFLICT DO UPDATE SET count = count + 1, amount = amount + excluded.amount;"
    )


def _taken(row: str, places: Sequence[tuple[int, str]]) -> str:
    currency, amount = _money(row)
    return " ".join(
        f"UPDATE subtotal SET count = count - 1, amount = amount - {amount} WHERE bucket = {row}.bucket"
        f" AND span = {span} AND stretch = {stretch} AND currency = {currency};"
        for span, stretch in places
    )


def _kept() -> list[str]:
    """The triggers that keep the sums: whatever changes a row takes the old one out of them and puts the new one in."""
    made = []
    for event, row, change in (
        ("insert", "NEW", _added),
        ("update", "OLD", _taken),
        ("update", "NEW", _added),
        ("delete", "OLD", _taken),
    ):
        for which, condition, places in (
            ("waiting", f"{row}.state = 'waiting'", [(_WAITING, "0")]),
            ("in_time", f"{row}.state <> 'waiting'", [(span, f"{row}.at >> {span}") for span in SPANS]),
        ):
            made.append(
                f"CREATE TRIGGER reservation_{event}_{row.lower()}_{which} AFTER {event.upper()} ON reservation"
                f" WHEN {condition} BEGIN {change(row, places)} END"
            )
    return made


def _tallied(what: str) -> str:
    values = ", ".join(f"(NEW.principal, '{what}', {span}, NEW.policy_at >> {span}, 1)" for span in SPANS)
    return (
        "INSERT INTO tally (principal, what, span, stretch, count)"
        f" VALUES {values} ON CONFLICT DO UPDATE SET count = count + 1;"
    )


def tallied_before() -> list[str]:
    """The tallies of requests that were there before the triggers."""
    return [
        "INSERT INTO tally (principal, what, span, stretch, count)"
        f" SELECT principal, '{what}', {span}, policy_at >> {span}, count(*) FROM request{which} GROUP BY 1, 4"
        for what, which in (("asked", ""), ("refused", f" WHERE state IN ({REFUSED})"))
        for span in SPANS
    ]


def _of_rows() -> str:
    """What `subtotal` must hold, out of the rows themselves."""
    spans = " UNION ALL ".join(f"SELECT {span} AS span" for span in SPANS)
    currency, amount = _money("reservation")
    kept = f"SELECT bucket, {currency} AS currency, {amount} AS amount"
    return f"""
    SELECT bucket, span, stretch, currency, count(*), sum(amount) FROM (
      {kept}, {_WAITING} AS span, 0 AS stretch FROM reservation WHERE state = 'waiting'
      UNION ALL {kept}, span, at >> span FROM reservation, ({spans}) WHERE state <> 'waiting'
    ) GROUP BY 1, 2, 3, 4
    """


def summed_before() -> str:
    """The sums of reservations that were there before the triggers: all at once, where triggers at every row would
    take several times as long."""
    return f"INSERT INTO subtotal (bucket, span, stretch, currency, count, amount) {_of_rows()}"


TRIGGERS: Final = (
    *_kept(),
    f"CREATE TRIGGER request_asked AFTER INSERT ON request BEGIN {_tallied('asked')} END",
    # A refused request is final: it is counted once and never comes back.
    f"CREATE TRIGGER request_refused AFTER UPDATE OF state ON request"
    f" WHEN NEW.state IN ({REFUSED}) BEGIN {_tallied('refused')} END",
)


@cache
def _usages(count: int) -> str:
    """How full `count` buckets are: for each its place, whether it waits, currency, rows and money. What waits counts as
    now, whenever it was asked; what is spent or released counts by its time. ?1 is the request to be left out, which
    is taken away again; then come a bucket's key, its value, and the time that its rows must lie behind."""
    wanted = " UNION ALL ".join(
        f"SELECT {place}, (SELECT id FROM bucket WHERE key = ?{3 * place + 2} AND value = ?{3 * place + 3}),"
        f" ?{3 * place + 4}"
        for place in range(count)
    )
    stretches = "".join(
        f"""
        SELECT place, 0, currency, sum(count), sum(amount) FROM wanted
        JOIN subtotal ON bucket = id AND span = {span} AND {stretches} GROUP BY 1, 3
        UNION ALL"""
        for span, stretches in _stretches("since")
    )
    return f"""
    WITH wanted (place, id, since) AS MATERIALIZED ({wanted})
    SELECT place, 1, currency, count, amount FROM wanted JOIN subtotal ON bucket = id AND span = {_WAITING}
    UNION ALL {stretches}
    SELECT place, 0, iif(state = 'spent', currency, ''), count(*), sum(iif(state = 'spent', amount, 0)) FROM wanted
    JOIN reservation ON bucket = id AND state <> 'waiting' AND {_rows("at", "since")} GROUP BY 1, 3
    UNION ALL
    SELECT place, state = 'waiting', iif(state = 'released', '', currency), -1, -iif(state = 'released', 0, amount)
    FROM wanted JOIN reservation ON bucket = id AND number = (SELECT number FROM request WHERE request.id = ?1)
    AND (state = 'waiting' OR at > since)
    """


def _rows(column: str, since: str) -> str:
    """The rows of a window that lie before its first whole stretch, and can be in no sum."""
    return f"{column} > {since} AND {column} < ({since} >> {SPANS[0]}) + 1 << {SPANS[0]}"


def _stretches(since: str) -> list[tuple[int, str]]:
    """Of each span the stretches that the rest of the window is made of: the whole ones up to where the first whole longer
    one begins, of the longest all. It has no end: what lies in the future counts too."""
    found = []
    for span, longer in zip(SPANS, (*SPANS[1:], None), strict=True):
        end = "" if longer is None else f" AND stretch < ({since} >> {longer}) + 1 << {longer - span}"
        found.append((span, f"stretch > {since} >> {span}{end}"))
    return found


class _Sum:
    """A bucket's usage while it is added up, in parts that are each by currency."""

    __slots__ = ("rows", "totals")

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str], int] = {}
        self.totals: dict[tuple[int, str], int] = {}

    def add(self, waiting: int, currency: str | None, rows: int, amount: int | None) -> None:
        part = (waiting, currency or "")
        self.rows[part] = self.rows.get(part, 0) + rows
        self.totals[part] = self.totals.get(part, 0) + (amount or 0)

    def usage(self) -> Usage:
        count = waiting_count = 0
        totals: dict[str, int] = {}
        waiting_totals: dict[str, int] = {}
        for part, rows in self.rows.items():
            if rows < 0:
                raise ValueError("the sums of a limit are not those of its rows")
            waiting, currency = part
            count += rows
            waiting_count += rows if waiting else 0
            if rows and currency:
                totals[currency] = totals.get(currency, 0) + self.totals[part]
                if waiting:
                    waiting_totals[currency] = self.totals[part]
        return Usage(count, totals, waiting_count, waiting_totals)


def usages(
    ask: Callable[..., Sequence[tuple[Any, ...]]], buckets: Sequence[Bucket], now: int, excluding: str | None
) -> list[Usage]:
    """How full each bucket is. `ask` runs a statement with its values. ValueError where the sums have less than the
    row that is left out of them: somebody has changed them."""
    found = [_Sum() for _ in buckets]
    for start in range(0, len(buckets), MOST_AT_ONCE):
        some = buckets[start : start + MOST_AT_ONCE]
        which = [value for each in some for value in (each.key, each.bucket, now - each.window * 1000)]
        for place, waiting, currency, rows, amount in ask(_usages(len(some)), excluding, *which):
            found[start + place].add(waiting, currency, rows, amount)
    return [each.usage() for each in found]


def unlike_rows(connection: sqlite3.Connection) -> str | None:
    """Which table's sums are not those of its rows, None where all are. It reads all there is."""
    spans = " UNION ALL ".join(f"SELECT {span} AS span" for span in SPANS)
    sums = "SELECT bucket, span, stretch, currency, count, amount FROM subtotal WHERE count > 0"
    of_requests = " UNION ALL ".join(
        f"SELECT principal, '{what}', span, policy_at >> span, count(*) FROM request, ({spans}){which} GROUP BY 1, 3, 4"
        for what, which in (("asked", ""), ("refused", f" WHERE state IN ({REFUSED})"))
    )
    tallies = "SELECT principal, what, span, stretch, count FROM tally"
    for table, rows, kept_sums in (("reservation", _of_rows(), sums), ("request", of_requests, tallies)):
        for one, other in ((rows, kept_sums), (kept_sums, rows)):
            unlike = f"SELECT EXISTS (SELECT * FROM ({one}) EXCEPT SELECT * FROM ({other}))"
            if connection.execute(unlike).fetchone()[0]:
                return table
    return None


def count_since(what: str, principal: str, since: str) -> str:
    """SQL for how many requests of a principal came after a time: `asked`, or of them `refused`."""
    of_these = f" AND state IN ({REFUSED})" if what == "refused" else ""
    tally = f"SELECT coalesce(sum(count), 0) FROM tally WHERE principal = {principal} AND what = '{what}'"
    first = f"(SELECT count(*) FROM request WHERE principal = {principal}{of_these} AND {_rows('policy_at', since)})"
    rest = [f"({tally} AND span = {span} AND {stretches})" for span, stretches in _stretches(since)]
    return " + ".join((first, *rest))
