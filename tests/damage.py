"""Damage to a database that its own rules do not see."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def emptied(path: Path, index: str) -> None:
    """Takes every row out of an index behind its definition: the tables are whole, and nobody finds anything by it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        made = db.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (index,)).fetchone()[0]
        _redefine(db, index, made.split(" WHERE ")[0] + " WHERE false")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"REINDEX {index}")
        _redefine(db, index, made)


def _redefine(db: sqlite3.Connection, index: str, sql: str) -> None:
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, index))
