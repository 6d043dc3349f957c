"""`python -m scripts.benchmarks`: measures everything, in a folder of its own, and shows it."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from pathlib import Path

from . import auditing, classifying, deciding, gates, growth, house, policies, pure, stdio, writes
from .figures import IN_MEMORY, Results, file_system, machine, show


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures Runplane on this machine. Compare figures of one run; other programs disturb them.",
    )
    parser.add_argument("--quick", action="store_true", help="a short form: fewer rounds of everything")
    parser.add_argument(
        "--million", action="store_true", help="also after a million requests: ten minutes more, 11 GB of disk"
    )
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout and nothing else")
    parser.add_argument("--folder", type=Path, help="where to measure; the default is a temporary folder on a disk")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="runplane-bench-", dir=given.folder or _on_disk()) as made:
        results = asyncio.run(_measure(Path(made), quick=given.quick, million=given.million))
    if given.json:
        print(json.dumps(results.as_json(), indent=2, ensure_ascii=False))
    else:
        show(results)


async def _measure(folder: Path, *, quick: bool, million: bool) -> Results:
    results = Results(machine(folder))
    with house.simulator(folder / "world") as base:
        _say("the core")
        await pure.measure(results, base, n=1_000 if quick else 10_000)
        policies.measure(results, n=1_000 if quick else 10_000)
        classifying.measure(results, n=500 if quick else 5_000, starts=5 if quick else 20)
        _say("the gate alone")
        await deciding.measure(results, folder / "gate", base, n=200 if quick else 2_000)
        _say("several gates at once")
        gates.measure(results, folder / "gates", base, n=400 if quick else 2_000)
        for earlier in (10_000 if quick else 100_000, *((1_000_000,) if million else ())):
            _say(f"the gate alone after {earlier:,} requests")
            await growth.measure(results, folder / f"after-{earlier}", base, earlier=earlier, n=200 if quick else 1_000)
        _say("the audit log")
        sizes = (1_000, 10_000 if quick else 100_000, *((1_000_000,) if million else ()))
        await auditing.measure(results, folder / "audit", base, sizes=sizes)
        _say("whole writes")
        await writes.measure(results, folder / "writes", base, n=100 if quick else 500)
    _say("calls over stdio, cold starts, memory")
    await stdio.measure(results, folder / "stdio", calls=100 if quick else 500, starts=3 if quick else 10)
    return results


def _on_disk() -> Path:
    """The system's place for temporary folders; this checkout, where that place is in memory."""
    usual = Path(tempfile.gettempdir())
    return Path.cwd() if file_system(usual) in IN_MEMORY else usual


def _say(what: str) -> None:
    print(f"measuring {what}", file=sys.stderr, flush=True)


main()
