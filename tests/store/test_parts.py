"""Whether a log that is checked in parts, by several processes, is checked as it is in one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.core.request import State
from runplane_mcp.store import helpers, parts
from runplane_mcp.store import verify as verifying
from runplane_mcp.store.parts import Checked, check_part, parts_of, together
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import Verification, verify
from tests.store import test_batches, test_verify
from tests.store.test_batches import whole as reads  # noqa: F401 - a fixture
from tests.store.test_migrations import made_by_the_first
from tests.store.test_verify import fill, tamper, whole  # noqa: F401 - a fixture
from tests.store.things import brought_to

Changes = tuple[str | Callable[[sqlite3.Connection], object], ...]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 4)
    monkeypatch.setattr(verifying, "_WORTH_HELPERS", 1)


def in_parts(connection: sqlite3.Connection, _path: Path, _processes: int, _progress: object) -> Checked:
    """What helpers do, in this process: how processes are started is tested below."""
    events = connection.execute("SELECT count(*) FROM event").fetchone()[0]
    return together([check_part(connection, part) for part in parts_of(connection, events)])


def said(found: Verification) -> tuple[Any, ...]:
    return (found.ok, found.first_bad, found.problem, found.pending_reads, found.erasures)


TAMPERINGS = {
    **{f"of writes, {name}": ("whole", *changed) for name, changed in test_verify.TAMPERINGS.items()},
    **{f"of reads, {name}": ("reads", *changed) for name, changed in test_batches.TAMPERINGS.items()},
    "of writes, nothing": ("whole", None, ()),
    "of reads, nothing": ("reads", None, ()),
}


@pytest.mark.parametrize(("which", "first_bad", "changes"), TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_parts_find_what_one_pass_finds(
    which: str,
    first_bad: int | None,
    changes: Changes,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verifying, "check_in_processes", in_parts)
    monkeypatch.setattr(parts, "PART", 1 if which == "reads" else 4)
    path = tmp_path / "runplane.db"
    path.write_bytes(request.getfixturevalue(which).read_bytes())
    if changes:
        tamper(path, *changes)
    alone, by_parts = verify(path, processes=1), verify(path, processes=2)

    assert said(by_parts) == said(alone)
    assert by_parts.first_bad == first_bad
    if not changes:
        assert (by_parts.root, by_parts.events) == (alone.root, alone.events)


def test_a_store_of_an_earlier_version_is_checked_in_parts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "check_in_processes", in_parts)
    path = tmp_path / "runplane.db"
    made_by_the_first(path)
    found = verify(path, processes=2)

    assert (found.problem, found.events > 4) == (None, True)


def test_processes_find_it_while_others_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runplane.db"
    heard: list[tuple[int, int]] = []
    helped: list[Checked] = []

    def watched(*given: Any) -> Checked:
        helped.append(helpers.check_in_processes(*given))
        return helped[-1]

    monkeypatch.setattr(verifying, "check_in_processes", watched)

    async def main() -> Verification:
        store = open_store(path)
        await store.write(fill)
        done = asyncio.Event()

        async def write_on() -> None:
            while not done.is_set():
                await store.write(lambda tx: brought_to(tx, State.DENIED))

        writing = asyncio.create_task(write_on())
        found = await asyncio.to_thread(verify, path, lambda *now: heard.append(now), processes=2)
        done.set()
        await writing
        await store.close()
        return found

    found = asyncio.run(main())

    assert (found.ok, found.problem) == (True, None)
    assert [each.frontier.size for each in helped] == [found.events]
    assert found.events > 15
    assert heard[-1] == (found.events, found.events)


def test_without_helpers_it_is_done_alone(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(helpers, "_START", 0.0)
    found = verify(whole, processes=2)

    assert (found.ok, found.events) == (True, 15)
