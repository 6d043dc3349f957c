"""Work on its way between event loops and the store's threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runplane_mcp.store.reader import SqliteReader


@dataclass(slots=True, eq=False)
class Job:
    """A function that waits for its turn with a snapshot, and the future that is told how it ended."""

    work: Callable[[Any], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: object = field(default=None, init=False)
    error: BaseException | None = field(default=None, init=False)

    def run(self, snapshot: SqliteReader) -> None:
        """Runs the work and keeps how it ended, whatever that was: an error belongs to who asked, not to the thread."""
        try:
            self.result = self.work(snapshot)
            snapshot.finish()
        except StopIteration as error:
            # A future cannot carry it; generators have the same rule (PEP 479).
            self.error = RuntimeError("the work raised StopIteration")
            self.error.__cause__ = error
        except BaseException as error:  # noqa: BLE001 - handed on
            self.error = error

    def tell(self) -> None:
        """In the event loop's thread. Nobody may be waiting any more: then the outcome stands all the same."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def tell_all(jobs: list[Job]) -> None:
    """Wakes each event loop once for all of its jobs."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, its_jobs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_tell, its_jobs)
        except RuntimeError:
            continue  # The loop is closed: nobody is left to tell.


def _tell(jobs: list[Job]) -> None:
    for job in jobs:
        job.tell()
