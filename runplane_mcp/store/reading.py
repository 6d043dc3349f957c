"""One snapshot of a store for whoever only looks, from a connection that cannot change it: on a read-only disk too, in a
backup, and beside processes that write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from runplane_mcp.store import faults
from runplane_mcp.store.files import connect_for_reading, version_of
from runplane_mcp.store.reader import SqliteReader
from runplane_mcp.store.schema import VERSION


@contextmanager
def reading(path: Path) -> Iterator[SqliteReader]:
    """StoreError where there is no store, one that this program does not know, or one that it must bring up to its own
    version first."""
    if not path.is_file():
        raise faults.missing(path)
    try:
        with closing(connect_for_reading(path)) as connection:
            connection.execute("BEGIN")
            version = version_of(connection, path)
            if version == 0:
                raise faults.missing(path)
            if version < VERSION:
                raise faults.too_old(path)
            reader = SqliteReader(connection, path)
            yield reader
            reader.finish()
    except sqlite3.Error as error:
        raise faults.from_sqlite(error, path) from error
