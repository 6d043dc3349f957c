"""Whether payloads are found to be what they were, however far from the events that name them they stand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from runplane_mcp.store import commitments
from runplane_mcp.store.commitments import Commitments
from runplane_mcp.store.payloads import commitment

SALT = b"0" * 16
MANY = 40
WHOLE, CHANGED = (True, "rpr_1"), (False, "rpr_1")


def body(number: int) -> bytes:
    return b"%d" % number


def name(number: int) -> str:
    return commitment(SALT, body(number))


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """Payloads 1 to MANY, where a reading takes five and remembers no more than some."""
    monkeypatch.setattr(commitments, "_AT_ONCE", 5)
    monkeypatch.setattr(commitments, "_AHEAD", 10)
    monkeypatch.setattr(commitments, "_REMEMBERED", 10)
    with closing(sqlite3.connect(":memory:")) as made:
        made.execute(
            "CREATE TABLE payload (number INTEGER PRIMARY KEY, commitment TEXT UNIQUE, request_id TEXT, salt BLOB,"
            " body BLOB)"
        )
        rows = [(number, name(number), SALT, body(number)) for number in range(1, MANY + 1)]
        made.executemany("INSERT INTO payload VALUES (?, ?, 'rpr_1', ?, ?)", rows)
        yield made


@pytest.mark.parametrize(
    "order",
    [list(range(1, MANY + 1)), list(range(MANY, 0, -1)), [1, MANY, 2, 1, 20, 1, MANY]],
    ids=["in order", "backwards", "here and there"],
)
@pytest.mark.parametrize(("first", "end"), [(0, MANY + 1), (0, 0), (10, 20)], ids=["all", "by name", "some"])
def test_each_is_found_in_whatever_order_they_are_named(
    connection: sqlite3.Connection, order: list[int], first: int, end: int
) -> None:
    found = Commitments(connection, first, end)

    assert [found.look_up([name(number)]) for number in order] == [{name(number): WHOLE} for number in order]
    assert found.read_all() is None


def test_many_are_found_at_once_though_few_are_remembered(connection: sqlite3.Connection) -> None:
    names = [name(number) for number in range(1, MANY + 1)]

    assert Commitments(connection, 0, MANY + 1).look_up(names) == dict.fromkeys(names, WHOLE)


def test_what_was_changed_or_taken_away_is_told_apart(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE payload SET body = x'78' WHERE number = 3")
    connection.execute("DELETE FROM payload WHERE number = 4")
    found = Commitments(connection, 0, MANY + 1)

    assert found.look_up([name(2), name(3), name(4), None, 7, ["x"]]) == {name(2): WHOLE, name(3): CHANGED}
    assert found.look_up([name(MANY), name(3)]) == {name(MANY): WHOLE, name(3): CHANGED}


def test_what_nothing_names_is_read_at_the_end(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE payload SET salt = x'78' WHERE number = ?", (MANY - 1,))
    found = Commitments(connection, 0, MANY + 1)
    found.look_up([name(1)])

    assert found.read_all() == name(MANY - 1)
