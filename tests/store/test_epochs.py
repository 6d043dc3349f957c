"""What a restore sets aside, as the database itself holds to it: what was there before the epoch, once, and never back."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runplane_mcp.core.checkpoint import EPOCH_BEGUN
from runplane_mcp.core.request import FINAL, ActionRequest, State, may_follow
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.store.things import NOW, brought_to

EPOCH = 3


def begin(tx: Transaction, epoch: int = EPOCH) -> None:
    tx.begin_epoch(epoch, tx.append(EPOCH_BEGUN, {"epoch": epoch}, at=NOW))


def set_aside(tx: Transaction, request: ActionRequest, epoch: int = EPOCH) -> ActionRequest:
    return tx.move(request, State.OUTCOME_UNKNOWN, at=NOW, event={"restored": epoch}, restored=epoch)


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a request in every state from before the epoch, one of each as left by the restore, and one of each that
    came after it."""
    path = tmp_path_factory.mktemp("epochs") / "runplane.db"

    def fill(tx: Transaction) -> None:
        left = [brought_to(tx, state) for state in State if state not in FINAL]
        for state in State:
            brought_to(tx, state)
        begin(tx)
        for request in left:
            set_aside(tx, request)
        for state in State:
            brought_to(tx, state)

    async def main() -> None:
        store = open_store(path)
        await store.write(fill)
        await store.close()

    asyncio.run(main())
    assert verify(path).ok
    return path


def test_the_database_allows_exactly_the_moves_that_the_core_allows(restored: Path) -> None:
    """Every request, to every state, with every mark: past our own code, which asks the core first."""
    with closing(sqlite3.connect(restored, isolation_level=None)) as connection:
        rows = connection.execute("SELECT number, state, version, restored FROM request").fetchall()
        (last,) = connection.execute("SELECT value FROM meta WHERE key = 'set_aside_to'").fetchone()
        differ = []
        connection.execute("BEGIN")
        # What must stand behind a move is another question.
        connection.execute("DROP TRIGGER request_stands")
        for (number, state, version, was), to, now in itertools.product(rows, State, (None, 1, 2, EPOCH, 4)):
            connection.execute("SAVEPOINT move")
            try:
                connection.execute(
                    "UPDATE request SET state = ?, version = ?, restored = ? WHERE number = ?",
                    (to, version + 1, now, number),
                )
                allowed = True
            except sqlite3.IntegrityError:
                allowed = False
            connection.execute("ROLLBACK TO move")
            expected = may_follow(State(state), to, was=was, now=now)
            if now != was:
                expected = expected and now == EPOCH and number <= int(last)
            if allowed != expected:
                differ.append((number, state, was, to, now, allowed))
        connection.execute("ROLLBACK")

    assert len(rows) == 6 + 2 * len(State)
    assert differ == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET value = '2' WHERE key = 'epoch'",
        "UPDATE meta SET value = '3' WHERE key = 'epoch'",
        "UPDATE meta SET key = 'another' WHERE key = 'epoch'",
        "UPDATE OR REPLACE meta SET key = 'epoch' WHERE key = 'epoch_seq'",
        "DELETE FROM meta WHERE key = 'epoch'",
        "DELETE FROM meta WHERE key = 'set_aside_to'",
        "INSERT OR REPLACE INTO meta VALUES ('epoch', '1')",
    ],
)
def test_no_epoch_goes_back(restored: Path, statement: str) -> None:
    with closing(sqlite3.connect(restored, isolation_level=None)) as connection:
        connection.execute("PRAGMA recursive_triggers = OFF")
        connection.execute("BEGIN")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
        connection.execute("ROLLBACK")


def test_what_is_left_is_told_until_somebody_has_gone_through_it(tmp_path: Path) -> None:
    async def main() -> tuple[list[str], list[str], int | None]:
        store = open_store(tmp_path / "runplane.db")
        assert await store.read(lambda reader: reader.epoch_seq()) is None
        request = await store.write(lambda tx: brought_to(tx, State.APPROVED))
        await store.write(begin)
        aside = await store.write(lambda tx: set_aside(tx, request))
        before = await store.read(lambda reader: reader.set_aside(10))
        await store.write(lambda tx: tx.move(aside, State.CANCELED, at=NOW, event={}))
        after = await store.read(lambda reader: reader.set_aside(10))
        seq = await store.read(lambda reader: reader.epoch_seq())
        await store.close()
        assert before == [request.reference]
        return before, after, seq

    _, after, seq = asyncio.run(main())

    assert after == []
    assert seq is not None
    assert verify(tmp_path / "runplane.db").ok
