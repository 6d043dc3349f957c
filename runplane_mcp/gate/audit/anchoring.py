"""What a home's opening does for the audit log: it has a key, and nothing runs from a database that is not the newest of
its history."""

from __future__ import annotations

import logging
from pathlib import Path

from runplane_mcp.core.log_key import CURRENT
from runplane_mcp.errors import StoreError
from runplane_mcp.store.anchors import Standing, look, refusal
from runplane_mcp.store.backup import MARK
from runplane_mcp.store.base import Reader, Store
from runplane_mcp.store.checkpoints import Kept
from runplane_mcp.store.log_key import make_key, read_key, tell_key

logger = logging.getLogger(__name__)


async def ensure_log_key(store: Store, path: Path, *, at: int) -> None:
    """The log's key in the log, from the first opening on. A home that cannot have one goes on without checkpoints, and
    says so: deciding does not hang on it."""

    def told(reader: Reader) -> bool:
        return any(reader.meta(name) is not None for name in (CURRENT, MARK))

    try:
        if not await store.read(told):
            key = make_key(path)
            await store.write(lambda tx: tell_key(tx, key, at=at))
    except StoreError as error:
        logger.error("no checkpoints of the audit log are kept: %s", error)


def refuse_rolled_back(database: Path, kept: Kept) -> Standing:
    """How the database stands to its checkpoint, where something may run from it. StoreError `store.rolled_back` where it
    is not the newest of its history, and `store.checkpoint_broken` where what lies beside it says nothing that could be
    relied on. A missing one stops nothing, and is said."""
    state, found = look(database, kept.file, own_public(kept.key))
    refused = refusal(found, database, kept.file)
    if refused is not None:
        raise refused
    # In a log that has just begun with its key, there is none yet.
    if found.standing is Standing.MISSING and state.keys and state.size > state.keys[-1].seq:
        logger.error("%s is gone: nothing outside of the database says how far its audit log reached", kept.file)
    return found.standing


def own_public(path: Path) -> bytes | None:
    """The public half of the key in a home, None where it cannot be used: then the log's word on its keys is all there
    is."""
    try:
        return read_key(path).public_key().public_bytes_raw()
    except StoreError:
        return None
