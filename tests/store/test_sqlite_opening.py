"""Opening a SQLite store: private files, the right settings, and a clear word where it cannot be used."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from runplane_mcp.core.request import TRANSITIONS
from runplane_mcp.errors import StoreError
from runplane_mcp.store.files import connect, connect_for_reading, lock_path
from runplane_mcp.store.schema import APPLICATION_ID, VERSION, expected_form, form_of
from runplane_mcp.store.sqlite import SqliteStore, open_store
from runplane_mcp.store.triggers import restoring_triggers, transition_trigger
from tests.crash import race
from tests.store.things import NOW, received


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runplane.db"


def run(path: Path, work: Callable[[SqliteStore], Coroutine[object, object, object]], *, create: bool = True) -> None:
    """Opens, does, closes, as a command line process would."""

    async def main() -> None:
        store = open_store(path, create=create)
        try:
            await work(store)
        finally:
            await store.close()

    asyncio.run(main())


def refusal(path: Path, *, create: bool = True) -> StoreError:
    with pytest.raises(StoreError) as refused:
        open_store(path, create=create)
    assert refused.value.next_step
    return refused.value


def modes(folder: Path) -> dict[str, str]:
    return {entry.name: oct(stat.S_IMODE(entry.stat().st_mode)) for entry in folder.iterdir()}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
async def test_every_file_of_a_store_is_its_owners_alone(path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        store = open_store(path)
        await store.write(received)
        await store.read(lambda reader: reader.head())
        found = modes(path.parent)
        await store.close()
    finally:
        os.umask(before)

    assert found == dict.fromkeys([f"runplane.db{end}" for end in ("", "-shm", "-wal", ".lock", ".open")], "0o600")


async def test_a_link_in_the_place_of_the_lock_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    lock_path(path).symlink_to(tmp_path / "somewhere else")

    assert refusal(path).code == "store.unavailable"
    assert not (tmp_path / "somewhere else").exists()


async def test_what_was_written_is_there_after_opening_again(path: Path) -> None:
    store = open_store(path)
    request = await store.write(received)
    made_with = await store.read(lambda reader: reader.store_id())
    await store.close()

    store = open_store(path, create=False)
    assert await store.read(lambda reader: reader.request(request.id)) == request
    assert await store.read(lambda reader: reader.store_id()) == made_with
    await store.close()


async def test_two_stores_in_one_process_see_each_other(path: Path) -> None:
    one, other = open_store(path), open_store(path)
    before = await other.version()
    request = await one.write(received)

    assert await other.read(lambda reader: reader.request(request.id)) == request
    assert await other.version() != before
    assert await other.write(lambda tx: tx.append("x", {}, at=NOW)) == 2
    await one.close()
    await other.close()


def test_a_store_lives_on_from_one_short_process_to_the_next(path: Path) -> None:
    for _ in range(3):
        run(path, lambda store: store.write(received))
    run(path, lambda store: _expect_events(store, 3), create=False)


async def _expect_events(store: SqliteStore, count: int) -> None:
    assert (await store.read(lambda reader: reader.head())).size == count


def test_several_processes_may_make_one_store_at_once(path: Path) -> None:
    def open_and_write() -> str:
        ids: list[str] = []

        async def work(store: SqliteStore) -> None:
            await store.write(received)
            ids.append(await store.read(lambda reader: reader.store_id()))

        run(path, work)
        return ids[0]

    ids = race([open_and_write] * 6)

    assert len(set(ids)) == 1


async def test_both_kinds_of_connections_have_the_settings_that_protect(path: Path) -> None:
    store = open_store(path)
    await store.close()
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "secure_delete": 1,
        "trusted_schema": 0,
        "busy_timeout": 700,
    }
    for read_only in (False, True):
        connection = connect(path, 700, read_only=read_only)
        assert {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted} == wanted
        assert connection.execute("PRAGMA query_only").fetchone()[0] == read_only
        connection.close()


async def test_the_database_says_whose_it_is_and_which_version(path: Path) -> None:
    store = open_store(path)
    await store.close()
    connection = connect_for_reading(path)

    assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    assert connection.execute("PRAGMA user_version").fetchone()[0] == VERSION
    assert [row[0] for row in connection.execute("SELECT version FROM migration")] == list(range(1, VERSION + 1))
    assert form_of(connection) == expected_form(VERSION)
    connection.close()


def test_every_table_is_strict() -> None:
    tables = [sql for sql in expected_form(VERSION).values() if sql.startswith("CREATE TABLE")]

    assert tables
    assert all("STRICT" in sql.rsplit(")", 1)[1] for sql in tables)


def test_the_databases_transition_table_is_the_one_of_the_core() -> None:
    # A change of the table in core/request.py needs a migration that makes the trigger anew.
    assert expected_form(VERSION)["request_move"] == restoring_triggers()[0]
    assert expected_form(1)["request_move"] == transition_trigger()
    assert all(f"OLD.state = '{state}'" in transition_trigger() for state in TRANSITIONS)


def test_a_store_that_is_not_there_is_not_made_by_looking(path: Path) -> None:
    assert refusal(path, create=False).code == "store.unavailable"
    assert not path.exists()


def test_an_empty_file_becomes_a_store_only_where_one_may_be_made(path: Path) -> None:
    # What a crash between making the file and making the tables leaves.
    path.touch(0o600)

    assert refusal(path, create=False).code == "store.unavailable"
    run(path, lambda store: store.write(received))


def test_a_folder_in_the_place_of_the_file_is_said_to_be_one(path: Path) -> None:
    path.mkdir()

    assert refusal(path).code == "store.unavailable"


@pytest.mark.parametrize("home", ["missing", "file/inside"])
def test_a_home_that_cannot_hold_files_is_unwritable(tmp_path: Path, home: str) -> None:
    (tmp_path / "file").touch()

    assert refusal(tmp_path / home / "runplane.db").code == "store.unwritable"


def test_a_home_of_somebody_else_is_unwritable(path: Path) -> None:
    def attempt() -> str:
        _become_powerless(path.parent)
        return refusal(path).code

    assert race([attempt]) == ["store.unwritable"]
    assert not path.exists()


def test_a_database_that_may_only_be_read_is_not_opened_for_writing(path: Path) -> None:
    run(path, lambda store: store.write(received))
    path.chmod(0o444)
    lock_path(path).chmod(0o666)

    def attempt() -> str:
        _become_powerless(path.parent)

        async def main() -> str:
            store = open_store(path)
            try:
                await store.write(received)
            except StoreError as error:
                return error.code
            finally:
                await store.close()
            return "written"

        try:
            return asyncio.run(main())
        except StoreError as error:
            return error.code

    assert race([attempt])[0] in {"store.readonly", "store.unwritable"}


def _become_powerless(folder: Path) -> None:
    """In a child of the tests: rights for this folder end here, also for root."""
    if os.geteuid() == 0:
        for above in [folder, *folder.parents]:
            if above != Path("/"):
                above.chmod(above.stat().st_mode | 0o055)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    else:
        folder.chmod(0o555)


def test_a_python_with_an_old_sqlite_is_told_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))

    assert refusal(path).code == "store.unavailable"
    assert not path.exists()


def test_what_is_no_database_is_said_to_be_damaged_and_left_alone(path: Path) -> None:
    path.write_bytes(b"This is not a database at all. " * 100)

    assert refusal(path).code == "store.corrupt"
    assert path.read_bytes().startswith(b"This is not")


def test_another_programs_database_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = path.read_bytes()

    assert refusal(path).code == "store.schema"
    assert path.read_bytes() == before


def test_a_store_of_a_newer_program_is_left_alone(path: Path) -> None:
    run(path, lambda store: store.write(received))
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()

    error = refusal(path)
    assert error.code == "store.schema"
    assert "Update" in error.next_step


async def test_a_store_that_a_newer_program_brings_up_meanwhile_is_not_called_damaged(path: Path) -> None:
    store = open_store(path)
    await store.write(received)
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE enforced_policy RENAME COLUMN version TO which")
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()

    # A write whose tables are the same is refused too: it would not keep the newer rules.
    for attempt in (store.write(received), store.read(lambda reader: reader.enforced_version())):
        with pytest.raises(StoreError) as refused:
            await attempt
        assert refused.value.code == "store.schema"
        assert "Update" in refused.value.next_step
    await store.close()


async def test_a_closed_store_says_so(path: Path) -> None:
    store = open_store(path)
    await store.write(received)
    await store.close()

    for attempt in (store.write(received), store.read(lambda reader: reader.head()), store.version()):
        with pytest.raises(StoreError) as refused:
            await attempt
        assert refused.value.code == "store.unavailable"
    await store.close()


async def test_closing_finishes_what_was_handed_in(path: Path) -> None:
    store = open_store(path)
    tasks = [asyncio.create_task(store.write(received)) for _ in range(20)]
    await asyncio.sleep(0)
    await store.close()

    assert len({request.id for request in await asyncio.gather(*tasks)}) == 20
    assert not [name for name in modes(path.parent) if name.endswith(("-wal", "-shm"))]
