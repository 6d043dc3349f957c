"""When to look again: at once when any process has committed, and now and then because time itself changes things."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runplane_mcp.cli.watch.board import Board, Looker

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk

#: How often another process's commits are looked for (seconds): two microseconds each.
POLL: Final = 0.2
#: Without any commit, expiry and living gates are looked at this often (seconds).
TICK: Final = 2.0


async def boards(desk: Desk, gates: Path) -> AsyncIterator[Board]:
    """A board at once, and another whenever something may be different, until the caller has enough."""
    import anyio

    looker = Looker(desk, gates)
    seen = await desk.store.version()
    board = await looker.look()
    last = anyio.current_time()
    yield board
    while True:
        await anyio.sleep(POLL)
        version = await desk.store.version()
        started = anyio.current_time()
        if version != seen:
            seen = version
            board = await looker.look()
        elif started - last >= TICK:
            board = await looker.look_at_time(board)
        else:
            continue
        last = anyio.current_time()
        yield board
        # A home with a thousand cards takes its time: half of ours stays for whoever else waits for the processor.
        await anyio.sleep(last - started)
