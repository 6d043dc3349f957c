"""A store that can only be looked at: read with all that was committed, and nothing is made beside it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.errors import StoreError
from runplane_mcp.store.looking import copy_of, open_for_looking
from runplane_mcp.store.schema import VERSION
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.powerless import as_auditor, everybodys, read_only
from tests.store.earlier import bring_back
from tests.store.things import received


def copied_while_open(folder: Path, ends: Sequence[str]) -> Path:
    """What somebody copied of a store with twenty requests while a process had it open: most is in its write-ahead log."""
    to = folder / "copy"
    to.mkdir()

    async def main() -> None:
        store = open_store(folder / "runplane.db")
        for _ in range(20):
            await store.write(received)
        for end in ends:
            shutil.copy(folder / f"runplane.db{end}", to / f"runplane.db{end}")
        await store.close()

    asyncio.run(main())
    return to / "runplane.db"


def looked_at(path: Path) -> dict[str, Any]:
    async def main() -> dict[str, Any]:
        store = open_for_looking(path)
        try:
            size = (await store.read(lambda reader: reader.head())).size
            versions = [await store.version(), await store.version()]
            refused = []
            for attempt in (store.write(received), store.scrub()):
                try:
                    await attempt
                except StoreError as error:
                    refused.append(error.code)
        finally:
            await store.close()
        with copy_of(path) as copy:
            whole = verify(copy).events
        return {"size": size, "same": len(set(versions)) == 1, "refused": refused, "copied": whole}

    return asyncio.run(main())


@pytest.mark.parametrize("ends", [("", "-wal", "-shm"), ("", "-wal")], ids=["with its index", "without an index"])
def test_what_is_in_its_write_ahead_log_counts(ends: Sequence[str]) -> None:
    with everybodys() as folder:
        path = copied_while_open(folder, ends)
        with read_only(path.parent):
            found, verified = as_auditor(lambda: [looked_at(path), verify(path).events])
        left = sorted(each.name for each in path.parent.iterdir())

    assert found == {"size": 20, "same": True, "refused": ["store.readonly"] * 2, "copied": 20}
    assert verified == 20
    assert left == sorted(f"runplane.db{end}" for end in ends)


def test_a_database_of_an_earlier_version_is_not_looked_at_as_if_it_were_of_this_one(tmp_path: Path) -> None:
    async def main() -> None:
        store = open_store(tmp_path / "runplane.db")
        await store.write(received)
        await store.close()

    asyncio.run(main())
    bring_back(tmp_path / "runplane.db", VERSION - 1)
    with pytest.raises(StoreError) as refused:
        open_for_looking(tmp_path / "runplane.db")

    assert refused.value.code == "store.schema"
