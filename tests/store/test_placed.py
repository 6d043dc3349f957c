"""A database that is taken away or replaced while a process has it open. THREATS 19 and 24."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runplane_mcp.errors import StoreError
from runplane_mcp.store.checkpoints import Kept
from runplane_mcp.store.log_key import make_key, tell_key
from runplane_mcp.store.sqlite import SqliteStore, open_store
from runplane_mcp.store.verify import verify
from tests.crash import race
from tests.store.things import NOW, received


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runplane.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = open_store(path)
    yield store
    await store.close()


def another(path: Path, elsewhere: Path) -> None:
    """Puts a store that is as good as the one at `path` in its place, and that one at `elsewhere`."""
    other = elsewhere.with_name("other.db")
    other.write_bytes(path.read_bytes())
    path.rename(elsewhere)
    other.rename(path)


def taken(path: Path, elsewhere: Path) -> None:
    path.rename(elsewhere)


async def codes(store: SqliteStore) -> list[str]:
    found = []
    for asked in (store.write(received), store.read(lambda reader: reader.head()), store.version()):
        try:
            await asked
            found.append("done")
        except StoreError as error:
            found.append(error.code)
    return found


@pytest.mark.parametrize("how", [another, taken])
@pytest.mark.parametrize("used", [True, False], ids=["in use", "just opened"])
async def test_nothing_is_read_or_written_while_another_file_or_none_lies_there(
    store: SqliteStore, path: Path, tmp_path: Path, how: object, used: bool
) -> None:
    """It would be a database that nobody else sees. The file that was opened is taken up again where it comes back."""
    assert callable(how)
    if used:
        assert await codes(store) == ["done"] * 3
    size = (await store.read(lambda reader: reader.head())).size if used else 0

    how(path, tmp_path / "aside.db")
    assert await codes(store) == ["store.replaced"] * 3
    (tmp_path / "aside.db").rename(path)
    assert await codes(store) == ["done"] * 3

    await store.close()
    found = verify(path)
    assert (found.ok, found.events) == (True, size + 1)


@pytest.mark.parametrize("closed", ["file", "folder"])
async def test_what_was_closed_to_writing_is_written_by_nobody_any_more(
    store: SqliteStore, path: Path, closed: str
) -> None:
    """This process could go on, since it has the file open; nobody could come in to stop it."""
    what = path if closed == "file" else path.parent
    before = what.stat().st_mode
    await store.write(received)
    what.chmod(before & ~0o222)
    shut = await codes(store)
    what.chmod(before)

    assert shut == ["store.readonly", "done", "done"]
    assert await codes(store) == ["done"] * 3


async def test_no_checkpoint_is_written_of_a_file_that_is_not_there_any_more(path: Path, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "checkpoint", tmp_path / "key")
    key = make_key(kept.key)
    store = open_store(path, kept=kept, checkpoint_every=3600)
    await store.write(lambda tx: tell_key(tx, key, at=NOW))
    another(path, tmp_path / "aside.db")
    await store.close()

    assert not kept.file.exists()


async def test_another_file_is_opened_by_nobody_as_long_as_somebody_has_the_one_before_it_open(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    """SQLite would take what is in the log of the one for newer pages of the other."""
    await store.write(received)
    await store.close()
    # As a home lies there that is used, has been copied from elsewhere, and is used again.
    for _ in range(2):
        first, second = open_store(path), open_store(path)
        await second.write(received)
        await second.close()
        another(path, tmp_path / "aside.db")
        with pytest.raises(StoreError) as refused:
            open_store(path, busy_timeout_ms=50)
        await first.close()
        reopened = open_store(path)
        await reopened.write(received)
        await reopened.close()

        assert refused.value.code == "store.replaced"
        assert verify(path).ok


def test_many_that_open_a_copied_store_at_once_all_can(path: Path, tmp_path: Path) -> None:
    async def opened() -> int:
        store = open_store(path)
        await store.write(received)
        await store.close()
        return 1

    asyncio.run(opened())
    another(path, tmp_path / "aside.db")

    assert race([lambda: asyncio.run(opened())] * 6) == [1] * 6
    assert verify(path).events == 7
