"""Stores that keep checkpoints, for tests."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runplane_mcp.core.checkpoint import Note, parse
from runplane_mcp.store.anchors import Comparison, look
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.checkpoints import Kept
from runplane_mcp.store.log_key import make_key, public_hex, read_key, tell_key
from runplane_mcp.store.sqlite import no_probe, open_store
from tests.store.things import NOW


def kept(path: Path) -> Kept:
    """Where they lie for the store at `path`, as in a home."""
    return Kept(path.with_name(f"{path.name}.checkpoint"), path.with_name("log-signing-key"))


def event(tx: Transaction) -> int:
    """Another one each time: two histories of equal events would be one."""
    return tx.append("something", {"n": os.urandom(8).hex()}, at=NOW)


def keep(
    path: Path,
    *works: Callable[[Transaction], object],
    probe: Callable[[str], None] = no_probe,
    every: float = 3600.0,
    where: Kept | None = None,
) -> list[Any]:
    """One process's life: opens the store, tells its key, does the works one after another, and closes it."""

    async def main() -> list[Any]:
        files = where or kept(path)
        store = open_store(path, probe=probe, kept=files, checkpoint_every=every)
        try:
            key = make_key(files.key)
            await store.write(lambda tx: tell_key(tx, key, at=NOW))
            return [await store.write(work) for work in works]
        finally:
            await store.close()

    return asyncio.run(main())


def checkpoint(path: Path) -> Note:
    return parse(kept(path).file.read_bytes())


def standing(path: Path) -> Comparison:
    """The store against its checkpoint, with the key of its home."""
    own = bytes.fromhex(public_hex(read_key(kept(path).key))) if kept(path).key.exists() else None
    return look(path, kept(path).file, own)[1]


def put_back(old: Path, path: Path) -> None:
    """Puts the closed database `old` in the place of `path`, as somebody does with a copy."""
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    shutil.copy(old, path)


def events(number: int) -> Sequence[Callable[[Transaction], object]]:
    return [event] * number
