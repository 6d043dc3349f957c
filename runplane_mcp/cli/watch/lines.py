"""The watch for programs: one line of JSON for each change, until a signal comes or nobody reads any more."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runplane_mcp.cli.card import card_json
from runplane_mcp.cli.output import iso, json_line
from runplane_mcp.cli.watch.board import Board, Change, changes
from runplane_mcp.cli.watch.pace import boards
from runplane_mcp.core.canonical import Json

if TYPE_CHECKING:
    from anyio import CancelScope

    from runplane_mcp.gate.desk import Desk

#: How often it is looked whether anybody still reads (seconds): with nothing to write, no write would tell.
_LISTENING: Final = 1.0


async def lines(desk: Desk, gates: Path) -> None:
    """Writes to stdout. Ends without a word on SIGINT, SIGTERM, or when the reader has gone."""
    import anyio

    async with anyio.create_task_group() as group:
        group.start_soon(_until_told, group.cancel_scope)
        group.start_soon(_until_nobody_reads, group.cancel_scope)
        before: Board | None = None
        async for board in boards(desk, gates):
            for change in changes(before, board):
                if not _write(change_json(change, board.at)):
                    group.cancel_scope.cancel()
            before = board


def change_json(change: Change, at: int) -> dict[str, Json]:
    """`card` where there is something to answer, else the status it went to. `at` is wall time."""
    moved = change.moved
    content: dict[str, Json] = {
        "change": change.kind.value,
        "at": iso(at),
        "request_id": change.request_id,
        "reference": change.reference,
        "status": change.status,
    }
    if moved is not None:
        content |= {"action": moved.action, "agent": moved.agent, "amount": moved.amount, "currency": moved.currency}
        content["code"] = moved.code
    if change.card is not None:
        content["card"] = card_json(change.card)
    return content


def _write(content: dict[str, Json]) -> bool:
    """False when nobody reads any more."""
    try:
        sys.stdout.write(json_line(content))
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go()
        return False
    return True


def _let_go() -> None:
    """Sends the rest nowhere, or the interpreter would complain about the pipe when it flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


async def _until_told(scope: CancelScope) -> None:
    import anyio

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async for _ in signals:
            scope.cancel()


async def _until_nobody_reads(scope: CancelScope) -> None:
    import anyio

    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # not a file of the system's: a test reads along
    watched = select.poll()
    watched.register(descriptor, 0)
    while True:
        await anyio.sleep(_LISTENING)
        if any(events & (select.POLLERR | select.POLLHUP) for _, events in watched.poll(0)):
            break
    _let_go()
    scope.cancel()
