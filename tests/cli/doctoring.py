"""What the tests of `runplane doctor` share: reading its findings, and writing past the commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from runplane_mcp.store.base import Transaction
from runplane_mcp.store.sqlite import open_store
from tests.cli.conftest import Ran


def lines(ran: Ran, check: str) -> list[tuple[str, str, str | None]]:
    """The findings of one check: level, what was said, what to do."""
    return [(each["level"], each["said"], each["advice"]) for each in ran.json["checks"] if each["check"] == check]


def levels(ran: Ran, check: str) -> list[str]:
    return [level for level, _, _ in lines(ran, check)]


def write(home: Path, work: Callable[[Transaction], object]) -> None:
    async def main() -> None:
        store = open_store(home / "runplane.db")
        await store.write(work)
        await store.close()

    asyncio.run(main())
