"""A quick look at the store's health: every page, of a small file every index as well, the newest events, and whether
its own rules are still in it.

`verify` reads everything and takes its time; this is what a check-up can afford.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runplane_mcp.core.merkle import leaf_hash
from runplane_mcp.store.backup import MARK
from runplane_mcp.store.files import snapshot
from runplane_mcp.store.schema import expected_form, form_of

#: So many of the newest events are hashed again.
NEWEST: Final = 1_000
#: Up to so many bytes every index is compared with its table, which takes some seconds for a large file.
SMALL: Final = 64 * 2**20
_MOST_PROBLEMS: Final = 5


@dataclass(frozen=True, slots=True)
class Health:
    """`problems` are sentences, empty where all is well. `newest_at` is the newest event's time, 0 where there is none;
    `backup_taken_at` says that this store is a backup (milliseconds since 1970). `indexes`: they were compared with their
    tables, which in a large file only `verify` does."""

    version: int
    events: int
    newest_at: int
    backup_taken_at: int | None
    indexes: bool
    problems: tuple[str, ...]


def look(path: Path) -> Health:
    """Reads only, also while others write. StoreError when there is no store, or none that this program knows."""
    with snapshot(path) as (connection, version):
        size, newest_at = connection.execute("SELECT size, newest_at FROM head").fetchone() or (-1, 0)
        mark = connection.execute("SELECT value FROM meta WHERE key = ?", (MARK,)).fetchone()
        indexes = _size(connection) <= SMALL
        problems = (*_pages(connection, indexes), *_newest(connection, size), *_rules(connection, version))
        return Health(version, size, newest_at, None if mark is None else int(mark[0]), indexes, problems)


def _size(connection: sqlite3.Connection) -> int:
    [pages], [bytes_each] = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    return int(pages * bytes_each)


def _pages(connection: sqlite3.Connection, indexes: bool) -> list[str]:
    check = "integrity_check" if indexes else "quick_check"
    found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}({_MOST_PROBLEMS})")]
    return [] if found == ["ok"] else [f"The file is damaged: {each}." for each in found]


def _newest(connection: sqlite3.Connection, size: int) -> list[str]:
    last = connection.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0]
    if last != size:
        return [f"The audit log's head says {size} events, and the newest is {last}."]
    rows = connection.execute("SELECT seq, body, leaf FROM event ORDER BY seq DESC LIMIT ?", (NEWEST,))
    changed = [seq for seq, body, leaf in rows if leaf_hash(body) != leaf]
    return [f"Event {min(changed)} was changed: it does not hash to its leaf."] if changed else []


def _rules(connection: sqlite3.Connection, version: int) -> list[str]:
    found, expected = form_of(connection), expected_form(version)
    changed = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return [f"The database's own rules were changed: {', '.join(changed[:_MOST_PROBLEMS])}."] if changed else []
