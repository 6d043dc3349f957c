"""The database in the hands of somebody who knows everything about it: rules taken off, events rewritten, leaves, head and
checkpoint made anew so that all fits again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.canonical import canonical
from runplane_mcp.core.checkpoint import sign
from runplane_mcp.core.merkle import Frontier, leaf_hash
from runplane_mcp.settings import Settings
from runplane_mcp.store.anchors import log_of

Bodies = list[dict[str, Any]]


@contextmanager
def unguarded(path: Path) -> Iterator[sqlite3.Connection]:
    """The database without its triggers, which are there again afterwards."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # No power cut is waited for here.
        database.execute("PRAGMA synchronous = OFF")
        triggers = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        database.execute("BEGIN")
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        yield database
        for _, statement in triggers:
            database.execute(statement)
        database.execute("COMMIT")


def bodies(path: Path) -> Bodies:
    """What every event says; the first is at 0."""
    with closing(sqlite3.connect(path)) as database:
        return [json.loads(body) for (body,) in database.execute("SELECT body FROM event ORDER BY seq")]


def place_of(path: Path, type: str) -> int:
    """The number of the newest event of a type."""
    return int(next(said["seq"] for said in reversed(bodies(path)) if said["type"] == type))


def rewrite(path: Path, change: Callable[[Bodies], object]) -> None:
    """Writes the whole log anew after `change`: numbers, leaves, frontier, root."""
    said = bodies(path)
    change(said)
    frontier, newest_at = Frontier(), 0
    with unguarded(path) as database:
        database.execute("DELETE FROM event")
        for seq, body in enumerate(said, start=1):
            written = canonical({**body, "seq": seq})
            row = (seq, body["at"], body["type"], body["request_id"], written, leaf_hash(written))
            database.execute("INSERT INTO event (seq, at, type, request_id, body, leaf) VALUES (?, ?, ?, ?, ?, ?)", row)
            frontier, newest_at = frontier.append(leaf_hash(written)), max(newest_at, body["at"])
        database.execute(
            "UPDATE head SET size = ?, frontier = ?, root = ?, newest_at = ?",
            (frontier.size, b"".join(frontier.hashes), frontier.root(), newest_at),
        )


def sign_anew(settings: Settings, key: Ed25519PrivateKey) -> None:
    """Puts a checkpoint of what is there now beside it."""
    state, _ = log_of(settings.database)
    settings.checkpoint_file.write_bytes(sign(state.checkpoint(), key).encode())


def copied_home(settings: Settings, to: Path) -> Settings:
    """A home of its own to do anything with."""
    shutil.copytree(settings.home, to)
    return Settings(home=to)
