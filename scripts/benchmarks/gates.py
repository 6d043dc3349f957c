"""Several gates at once on one home, as a company with several agents has them: each a process of its own, all in one
store. Stripe answers each from memory."""

from __future__ import annotations

import argparse
import asyncio
import logging
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from . import house
from .deciding import AT_ONCE, refunds
from .figures import Results
from .growth import STEP, without_bounds
from .rounds import Rounds

GROUP = "several gates at once on one home, Stripe answers from memory"
PROCESSES = (1, 2, 4)
#: Each has amounts of its own, so that nobody's refund is a repeat of another's.
_APART = house.PAYMENTS * 100


def measure(results: Results, folder: Path, base: str, *, n: int) -> None:
    """`n` refunds in all, by one gate, two and four, with as many under way in all each time."""
    folder.mkdir()
    for count in PROCESSES:
        seconds, spent = _together(folder / f"of-{count}", base, count, n=n)
        gates = "1 gate" if count == 1 else f"{count} gates"
        results.counted(GROUP, f"{gates}, {AT_ONCE} at once in all: refunds a second", n / seconds, "/s", n)
        results.counted(GROUP, "  processor time of each, of all gates", spent / n * 1e3, "ms", n)


def _together(folder: Path, base: str, count: int, *, n: int) -> tuple[float, float]:
    """Seconds from the word to begin until the last has ended, and their processor time meanwhile."""
    with ExitStack() as running:
        gates = []
        for place in range(count):
            command = [sys.executable, "-m", "scripts.benchmarks.gates", str(folder), base, str(place)]
            command += [f"--n={n // count}", f"--at-once={AT_ONCE // count}"]
            gate = running.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            running.callback(gate.kill)
            # One after the other: the first makes the store.
            _said(gate)
            gates.append(gate)
        began = time.perf_counter()
        for gate in gates:
            assert gate.stdin is not None
            gate.stdin.write("begin\n")
            gate.stdin.flush()
        spent = sum(float(_said(gate)) for gate in gates)
        return time.perf_counter() - began, spent


def _said(gate: subprocess.Popen[str]) -> str:
    assert gate.stdout is not None
    line = gate.stdout.readline()
    if not line:
        raise RuntimeError("a gate ended before it had anything to say")
    return line


async def _gate(folder: Path, base: str, place: int, *, n: int, at_once: int) -> None:
    """One of the gates: it says when it is ready, begins when it is told to, and says its processor time at the end."""
    laps, rounds = house.Laps(), Rounds(place * _APART)
    connection = house.connection(base, house.Remembered)
    clock = house.RunningClock(STEP)
    async with connection, house.gate(folder, connection, clock, laps, text=without_bounds()) as gate:
        # One round for each of the payments, so that every look-up is remembered.
        await refunds(gate, laps, rounds, n=house.PAYMENTS)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        done, _ = await refunds(gate, laps, rounds, n=n, at_once=at_once)
        print(done.processor, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmarks.gates")
    parser.add_argument("folder", type=Path)
    parser.add_argument("base")
    parser.add_argument("place", type=int)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--at-once", type=int, required=True)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    asyncio.run(_gate(given.folder, given.base, given.place, n=given.n, at_once=given.at_once))


if __name__ == "__main__":
    main()
