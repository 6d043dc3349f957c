"""What keeping checkpoints costs a commit: stores that keep none, that keep them as homes do, and twenty times as often, in
turns, so that a disk that is slow for a while is slow for all of them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from runplane_mcp.store.base import Transaction
from runplane_mcp.store.checkpoints import EVERY, Kept
from runplane_mcp.store.log_key import make_key, tell_key
from runplane_mcp.store.sqlite import SqliteStore, open_store

from .figures import Results

GROUP = "one event appended, durable on disk"
#: So many commits in a row on one store before it is the next one's turn.
_TURN = 50


def kept_in(folder: Path) -> Kept:
    return Kept(folder / "runplane.db.checkpoint", folder / "log-signing-key")


async def tell(store: SqliteStore, kept: Kept) -> None:
    """Puts the key into the log, as the opening of a home does."""
    key = make_key(kept.key)
    await store.write(lambda tx: tell_key(tx, key, at=time.time_ns() // 1_000_000))


async def measure(results: Results, folder: Path, *, n: int) -> None:
    """`n` commits on each."""
    without = await _opened(folder / "without", None)
    usual = await _opened(folder / "usual", EVERY)
    often = await _opened(folder / "often", EVERY / 20)
    took: dict[str, list[float]] = {"without": [], "usual": [], "often": []}
    try:
        for _ in range(max(1, n // _TURN)):
            for name, store in (("without", without), ("usual", usual), ("often", often)):
                for _ in range(_TURN):
                    began = time.perf_counter()
                    await store.write(_event)
                    took[name].append(time.perf_counter() - began)
    finally:
        await asyncio.gather(*(store.close() for store in (without, usual, often)))
    bare = results.took(GROUP, "without checkpoints", took["without"])
    with_them = results.took(GROUP, "with a checkpoint a second, as homes have", took["usual"])
    results.took(GROUP, "with twenty a second", took["often"])
    results.difference("what checkpoints add to a commit", with_them, bare)


async def _opened(folder: Path, every: float | None) -> SqliteStore:
    store = _made(folder, every)
    await tell(store, kept_in(folder))
    return store


def _made(folder: Path, every: float | None) -> SqliteStore:
    folder.mkdir(parents=True)
    if every is None:
        return open_store(folder / "runplane.db")
    return open_store(folder / "runplane.db", kept=kept_in(folder), checkpoint_every=every)


def _event(tx: Transaction) -> int:
    return tx.append("something", {"words": "x" * 200}, at=1_764_000_000_000)
