"""Why nothing runs from a home's database, whatever its requests say: a gate does not start in it, and `status` tells
people before they wonder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from runplane_mcp.errors import StoreError
from runplane_mcp.gate.audit.anchoring import own_public
from runplane_mcp.gate.clock import iso
from runplane_mcp.gate.restored import check_epoch
from runplane_mcp.store.anchors import look, refusal
from runplane_mcp.store.backup import MARK
from runplane_mcp.store.base import Reader, Store
from runplane_mcp.store.checkpoints import Kept


def refuse_backup(reader: Reader, database: Path) -> None:
    """StoreError `store.backup`: what stood approved in a backup may have run since it was taken."""
    taken_at = reader.meta(MARK)
    if taken_at is not None:
        raise StoreError(
            "store.backup",
            f"{database} is a backup, taken {iso(int(taken_at))}: nothing runs from it.",
            next_step="To go on from it, as an administrator: runplane restore --here --as ADMIN",
        )


async def bars(store: Store, database: Path, kept: Kept) -> tuple[StoreError, ...]:
    """Every error with which a gate would refuse to start in this store; none where nothing is wrong."""
    found = []
    checks: tuple[Callable[[Reader], None], ...] = (partial(refuse_backup, database=database), check_epoch)
    for check in checks:
        try:
            await store.read(check)
        except StoreError as error:
            found.append(error)
    behind = _behind(database, kept)
    return (*found, *([] if behind is None else [behind]))


def _behind(database: Path, kept: Kept) -> StoreError | None:
    try:
        _, comparison = look(database, kept.file, own_public(kept.key))
    except StoreError as error:
        return error
    return refusal(comparison, database, kept.file)
