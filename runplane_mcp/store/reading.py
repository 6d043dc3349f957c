"""One snapshot of a store for whoever only looks, from a connection that cannot change it: on a read-only disk too, in a
backup, and beside processes that write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runplane_mcp.store import faults
from runplane_mcp.store.files import snapshot
from runplane_mcp.store.reader import SqliteReader
from runplane_mcp.store.schema import VERSION


@contextmanager
def reading(path: Path) -> Iterator[SqliteReader]:
    """StoreError where there is no store, one that this program does not know, or one that it must bring up to its own
    version first."""
    with snapshot(path) as (connection, version):
        if version < VERSION:
            raise faults.too_old(path)
        reader = SqliteReader(connection, path)
        yield reader
        reader.finish()
