"""Begins the watch over the account behind a client's first calls, which would wait for its import, too."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Final

import anyio.to_thread

if TYPE_CHECKING:
    from runplane_mcp.core.coverage.accounts import Wanted
    from runplane_mcp.gate.pipeline import Gate

#: A gate that just started serves its client first (seconds).
FIRST_LOOK: Final = 15.0


async def watch_later(gate: Gate, *, every: float, around: bool, accounts: Wanted) -> None:
    """Until it is canceled. The rest as `keep_watch` says."""
    await asyncio.sleep(FIRST_LOOK)
    watching = await anyio.to_thread.run_sync(importlib.import_module, "runplane_mcp.gate.coverage.watching")
    await watching.keep_watch(gate, every=every, around=around, accounts=accounts)
