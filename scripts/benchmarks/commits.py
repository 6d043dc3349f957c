"""What the disk takes for one commit, without anything of ours: the measure of all that is durable."""

from __future__ import annotations

import time
from pathlib import Path

from runplane_mcp.store.files import connect

#: About as much as one event of the audit log.
ROW = b"x" * 400


def bare_commits(folder: Path, *, n: int) -> list[float]:
    """Seconds of each of `n` transactions that insert one row, with the store's own settings: a write-ahead log that is
    flushed to the disk at every commit."""
    folder.mkdir(parents=True)
    path = folder / "bare.db"
    path.touch()
    connection = connect(path, 1000)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE row (number INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT")
        each = []
        for _ in range(n):
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO row (content) VALUES (?)", (ROW,))
            connection.execute("COMMIT")
            each.append(time.perf_counter() - began)
        return each
    finally:
        connection.close()
