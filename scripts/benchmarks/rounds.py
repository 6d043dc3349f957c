"""Doing something many times, alone or many at once, and how long each took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

#: What takes a round: it is given the round's number and says how long what counts of it took, in seconds.
Timed = Callable[[int], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Round:
    """What many rounds took: each one's seconds, the seconds of all together, and this process's processor time."""

    each: list[float]
    all: float
    processor: float

    @property
    def per_second(self) -> float:
        return len(self.each) / self.all


class Rounds:
    """Counts rounds over the whole life of what is measured, from `first` on, so that no two ask for the same thing."""

    def __init__(self, first: int = 0) -> None:
        self._next = first

    async def run(self, work: Timed, *, n: int, at_once: int = 1) -> Round:
        """`n` rounds, `at_once` of them under way at any time."""
        numbers = iter(range(self._next, self._next + n))
        self._next += n
        each: list[float] = []
        began, spent = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(_worker(numbers, work, each))
        return Round(each, time.perf_counter() - began, time.process_time() - spent)


async def _worker(numbers: Iterator[int], work: Timed, each: list[float]) -> None:
    for number in numbers:
        each.append(await work(number))


async def timed(work: Awaitable[object]) -> float:
    """Seconds that `work` takes."""
    began = time.perf_counter()
    await work
    return time.perf_counter() - began
