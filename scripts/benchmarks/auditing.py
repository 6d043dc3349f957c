"""The audit log: what an event costs where it is appended, and how quickly all of it is checked again."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import State
from runplane_mcp.store.files import connect
from runplane_mcp.store.reader import SqliteReader
from runplane_mcp.store.transaction import SqliteTransaction
from runplane_mcp.store.verify import verify

from . import house
from .figures import Aim, Results
from .filling import EVENTS_OF_ONE, Made, fill, head_of, made

GROUP = "audit log of refunds, each with its request, decision and payloads"
#: 300,000 events a second, in microseconds of one.
AIM = 3.33
_APPENDED = 2_000
_TIMES = 3


async def measure(results: Results, folder: Path, base: str, *, sizes: tuple[int, ...]) -> None:
    """Appending to logs of these sizes, and verifying them, each the one before grown on."""
    connection = house.connection(base, house.Remembered)
    clock = house.RunningClock(house.REFUNDS)
    async with connection, house.gate(folder, connection, clock, house.Laps()) as gate:
        view = await gate.submit(house.refund(0))
        house.expect(view, State.SUCCEEDED)
        template = await gate.store.read(lambda reader: made(reader, view.request_id))
    path = folder / house.DATABASE
    for size in sizes:
        _one_size(results, path, template, size)


def _one_size(results: Results, path: Path, template: Made, size: int) -> None:
    with closing(connect(path, 1000)) as connection:
        before = SqliteReader(connection, path).head().size
    fill(path, template, (size - before) // EVENTS_OF_ONE)
    appended = [_append(path) for _ in range(_TIMES)]
    results.took(GROUP, f"an event appended after {size:,}, its commit left out", appended, unit="µs")
    each = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        found = verify(path)
        each.append((time.perf_counter() - began) / found.events)
        if not found.ok:
            raise RuntimeError(f"the log that was made does not verify: {found.problem}")
    figure = results.took(GROUP, f"an event of {size:,} verified, with all that it wrote", each, unit="µs")
    results.counted(GROUP, f"  events of {size:,} verified a second, at best", 1 / min(each), "/s", _TIMES)
    results.aims.append(Aim(f"verifying an event of {size:,} (300,000 a second)", AIM, figure))


def _append(path: Path) -> float:
    """Seconds of one of many events, appended in a transaction that is given up."""
    with closing(connect(path, 1000)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tx = SqliteTransaction(connection, path, *head_of(connection, path))
        body: dict[str, Json] = {
            "attempt": 1,
            "digest": "0" * 64,
            "owner": "bench",
            "row": "0" * 64,
            "version": 2,
            "payloads": {},
        }
        began = time.perf_counter()
        for number in range(_APPENDED):
            tx.append("request.executing", body, at=number, request_id="rpr_00000000000000000000000000")
        took = (time.perf_counter() - began) / _APPENDED
        connection.execute("ROLLBACK")
    return took
