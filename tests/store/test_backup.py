"""Backups: one moment of a store, whoever writes meanwhile, checked, and never over something else."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from functools import partial
from pathlib import Path

import pytest

from runplane_mcp.core.request import State
from runplane_mcp.errors import StoreError
from runplane_mcp.store import backup as module
from runplane_mcp.store.backup import MARK, back_up
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.crash import Probe, race, run_and_kill
from tests.damage import emptied
from tests.store.things import brought_to, received


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "runplane.db"
    fill(path, 20)
    return path


def fill(path: Path, requests: int) -> int:
    """So many writes, one after the other: the process of a gate that works."""

    async def main() -> int:
        store = open_store(path, busy_timeout_ms=15_000)
        for _ in range(requests):
            await store.write(lambda tx: brought_to(tx, State.SUCCEEDED))
        await store.close()
        return requests

    return asyncio.run(main())


def test_a_backup_is_the_store_as_it_was_and_says_what_is_in_it(source: Path, tmp_path: Path) -> None:
    fill(source, 1)
    made = back_up(source, tmp_path / "copy")
    original, copy = verify(source), verify(tmp_path / "copy")

    assert (copy.ok, copy.root, copy.events) == (True, original.root, original.events)
    assert (made.root, made.events) == (original.root, original.events)
    assert made.size == (tmp_path / "copy").stat().st_size
    assert made.unfinished == 0


def test_it_is_one_file_for_its_owner_alone_whatever_the_mask(source: Path, tmp_path: Path) -> None:
    """THREATS 23."""
    mask = os.umask(0)
    try:
        back_up(source, tmp_path / "copy")
    finally:
        os.umask(mask)

    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("copy")] == ["copy"]
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600


def test_it_is_marked_so_that_nothing_runs_from_it(source: Path, tmp_path: Path) -> None:
    made = back_up(source, tmp_path / "copy")

    async def mark(path: Path) -> str | None:
        store = open_store(path)
        try:
            return await store.read(lambda reader: reader.meta(MARK))
        finally:
            await store.close()

    assert asyncio.run(mark(tmp_path / "copy")) == str(made.taken_at)
    assert asyncio.run(mark(source)) is None


@pytest.mark.parametrize("what", ["file", "folder", "link", "dangling link", "the store itself"])
def test_it_never_overwrites(what: str, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    match what:
        case "file":
            target.write_text("last week's")
        case "folder":
            target.mkdir()
        case "link":
            target.symlink_to(source)
        case "dangling link":
            target.symlink_to(tmp_path / "elsewhere")
        case "the store itself":
            target = source
    before = target.read_bytes() if target.is_file() else None
    with pytest.raises(StoreError) as refused:
        back_up(source, target)

    assert refused.value.code == "store.backup_exists"
    assert (target.read_bytes() if target.is_file() else None) == before
    assert not (tmp_path / "elsewhere").exists()


def test_where_there_is_no_folder_or_no_store_it_says_so(source: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as nowhere:
        back_up(source, tmp_path / "none" / "copy")
    with pytest.raises(StoreError, match="no store"):
        back_up(tmp_path / "none.db", tmp_path / "copy")
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match="no store"):
        back_up(tmp_path / "empty.db", tmp_path / "copy")

    assert nowhere.value.code == "store.unwritable"
    assert not (tmp_path / "copy").exists()


def test_a_damaged_store_is_found_out_and_leaves_no_backup(source: Path, tmp_path: Path) -> None:
    with sqlite3.connect(source, isolation_level=None) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'decision'").fetchone()[0]
    connection.close()
    damaged = bytearray(source.read_bytes())
    damaged[(page - 1) * 4096 : (page - 1) * 4096 + 100] = b"\xff" * 100
    source.write_bytes(damaged)
    with pytest.raises(StoreError) as found:
        back_up(source, tmp_path / "copy")

    assert found.value.code == "store.corrupt"
    assert str(source) in found.value.message
    assert not (tmp_path / "copy").exists()


def test_an_index_that_lacks_rows_is_found_out(source: Path, tmp_path: Path) -> None:
    """THREATS 24: whoever looks a request up in the backup would not find it."""
    emptied(source, "request_principal")
    with pytest.raises(StoreError) as found:
        back_up(source, tmp_path / "copy")

    assert (found.value.code, "request_principal" in found.value.message) == ("store.corrupt", True)
    assert not (tmp_path / "copy").exists()


def test_a_log_that_was_cut_is_found_out(source: Path, tmp_path: Path) -> None:
    """THREATS 24: a backup of a broken log would replace a good one."""
    with sqlite3.connect(source, isolation_level=None) as connection:
        connection.execute("DROP TRIGGER event_delete")
        connection.execute("DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)")
    connection.close()
    with pytest.raises(StoreError) as found:
        back_up(source, tmp_path / "copy")

    assert found.value.code == "store.corrupt"
    assert "audit verify" in found.value.message
    assert not (tmp_path / "copy").exists()


@pytest.mark.timeout(120)
def test_it_is_consistent_and_comes_to_an_end_while_processes_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "runplane.db"
    fill(source, 200)
    # Many small steps, so that others commit between any two of them.
    monkeypatch.setattr(module, "STRIDE", 1)
    before = verify(source)

    def keep() -> list[tuple[int, str]]:
        taken = []
        for number in range(5):
            steps: list[int] = []

            def progress(done: int, total: int, steps: list[int] = steps) -> None:
                steps.append(done)

            made = back_up(source, tmp_path / f"copy-{number}", progress)
            assert len(steps) > 50
            assert steps == sorted(steps), "the copy began anew"
            taken.append((made.events, made.root))
        return taken

    *written, taken = race([*[partial(fill, source, 60)] * 3, keep])
    checked = [verify(tmp_path / f"copy-{number}") for number in range(5)]

    assert written == [60] * 3
    assert [each.problem for each in checked] == [None] * 5
    assert [[each.events, each.root] for each in checked] == taken
    assert [each.events for each in checked] == sorted(each.events for each in checked)
    assert checked[0].events >= before.events
    assert verify(source).events == before.events + 3 * 60 * 4


def test_what_a_power_cut_leaves_is_no_backup(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"

    def work(probe: Probe) -> None:
        module.STRIDE = 5  # type: ignore[misc]
        back_up(source, target, lambda done, total: probe("copied"))

    run_and_kill(work, "copied#4")
    with pytest.raises(StoreError):
        verify(target)
    with pytest.raises(StoreError) as there:
        back_up(source, target)

    assert there.value.code == "store.backup_exists"


def test_whatever_stops_it_takes_the_beginnings_away(source: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(source, tmp_path / "copy", stop)

    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("copy")] == []


def test_what_is_not_finished_is_counted(source: Path, tmp_path: Path) -> None:
    async def ask() -> None:
        store = open_store(source)
        await store.write(received)
        await store.write(lambda tx: brought_to(tx, State.WAITING))
        await store.close()

    asyncio.run(ask())

    assert back_up(source, tmp_path / "copy").unfinished == 2
