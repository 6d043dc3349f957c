"""The sums that SQLite's triggers keep, against what their rows say, and that a window of many is read in few rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.store.schema import migrate
from runplane_mcp.store.sums import REFUSED, SPANS, usages
from tests.store.things import DAY, NOW, a_bucket

SUMS = "SELECT bucket, span, stretch, currency, count, amount FROM subtotal WHERE count > 0 ORDER BY 1, 2, 3, 4"
_ALL_SPANS = " UNION ".join(f"SELECT {span} AS span" for span in (0, *SPANS))
SAID = f"""
SELECT bucket, span, stretch, currency, count(*), sum(amount) FROM (
  SELECT bucket, span, iif(span = 0, 0, at >> span) AS stretch,
  iif(state = 'released' OR amount IS NULL, '', currency) AS currency,
  iif(state = 'released' OR amount IS NULL, 0, amount) AS amount
  FROM reservation JOIN ({_ALL_SPANS}) ON (span = 0) = (state = 'waiting')
) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, 0)
    yield connection
    connection.close()


def requests(connection: sqlite3.Connection, times: list[int], principal: str = "stdio") -> None:
    for number, at in enumerate(times, start=1):
        connection.execute(
            """
            INSERT INTO request (number, id, reference, state, version, principal, agent, via, operation_id, action, kind,
              target, account, livemode, created_at, policy_at, changed_at, round, attempt)
            VALUES (?1, 'rpr_' || ?1, 'RP-' || ?1, 'received', 1, ?3, 'a', 'mcp', 'PostRefunds', 'refund.create', 'write',
              'stripe', 'acct_1', 0, ?2, ?2, ?2, 0, 0)
            """,
            (number, at, principal),
        )


steps = st.lists(
    st.tuples(
        st.sampled_from(["insert", "settle", "move", "delete"]),
        st.integers(min_value=1, max_value=4),
        st.sampled_from(["waiting", "spent", "released"]),
        st.integers(min_value=NOW - 2 * DAY, max_value=NOW + DAY),
        st.none() | st.integers(min_value=0, max_value=10**12),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_the_sums_are_those_of_the_rows_whatever_became_of_them(
    done: list[tuple[str, int, str, int, int | None]],
) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, 0)
    requests(connection, [NOW] * 4)
    connection.execute("INSERT INTO bucket (id, key, value) VALUES (1, 'a limit', '[]'), (2, 'a limit', '[1]')")
    for what, number, state, at, amount in done:
        if what == "insert":
            currency = None if amount is None else "usd"
            connection.execute(
                "INSERT INTO reservation VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (number, 1 + number % 2, at, currency, amount, state),
            )
        elif what == "settle":
            connection.execute("UPDATE reservation SET state = ? WHERE number = ?", (state, number))
        elif what == "move":
            connection.execute("UPDATE reservation SET at = ?, amount = amount / 2 WHERE number = ?", (at, number))
        else:
            connection.execute("DELETE FROM reservation WHERE number = ?", (number,))

    assert connection.execute(SUMS).fetchall() == connection.execute(SAID).fetchall()
    connection.close()


def test_a_week_of_many_is_read_in_few_rows(connection: sqlite3.Connection) -> None:
    count = 20_000
    requests(connection, [NOW - (count - number) * (7 * DAY // count) for number in range(count)])
    connection.execute("INSERT INTO bucket (id, key, value) VALUES (1, 'a limit', '[]')")
    connection.execute("INSERT INTO reservation SELECT number, 1, policy_at, 'usd', 5, 'spent' FROM request")
    read = 0

    def counting() -> int:
        nonlocal read
        read += 1
        return 0

    def ask(sql: str, *values: object) -> list[tuple[object, ...]]:
        return connection.execute(sql, values).fetchall()

    connection.set_progress_handler(counting, 100)
    [found] = usages(ask, [a_bucket(key="a limit", bucket="[]", window=7 * 24 * 3600 - 1)], NOW, None)
    connection.set_progress_handler(None, 0)

    assert found.totals == {"usd": 5 * (count - 1)}
    # Each hundred steps of SQLite's machine; a walk over all rows takes some two thousand.
    assert read < 100


def test_tallies_count_what_came_and_what_was_refused(connection: sqlite3.Connection) -> None:
    requests(connection, [NOW - DAY, NOW, NOW])
    connection.execute("UPDATE request SET state = 'blocked', version = 2 WHERE number IN (1, 3)")

    tallies = connection.execute("SELECT what, span, sum(count) FROM tally GROUP BY 1, 2 ORDER BY 1, 2").fetchall()
    refused = connection.execute(f"SELECT count(*) FROM request WHERE state IN ({REFUSED})").fetchone()[0]
    assert tallies == [*(("asked", span, 3) for span in SPANS), *(("refused", span, refused) for span in SPANS)]
