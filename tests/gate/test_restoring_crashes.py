"""A restore that is cut anywhere leaves the old database or the new one, each whole, never a mix; and it is done again."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from runplane_mcp.app import open_gate, restore_home
from runplane_mcp.core.request import State
from runplane_mcp.errors import StoreError
from runplane_mcp.gate.audit.auditing import audit
from runplane_mcp.gate.view import RequestView
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED
from runplane_mcp.store.anchors import Standing, look
from runplane_mcp.store.backup import back_up
from runplane_mcp.store.files import in_use_by_nobody
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.crash import Probe, every_point_of, race, run_and_kill
from tests.gate.conftest import SECRET, FakeClock, refund, until
from tests.gate.homes import effects, home_of, vote

#: Before the copy is complete, and around the moment at which it takes the old one's place.
POINTS = ("restore.told", "restore.closed", "restore.kept", "restore.replaced", "checkpoint.before_rename")


@dataclass(frozen=True)
class Story:
    """A home in which a request was approved, backed up and then run; to be copied for each cut."""

    home: Path
    file: Path
    view: RequestView
    root: str

    def copied(self, to: Path) -> Settings:
        shutil.copytree(self.home, to)
        return Settings(home=to)

    def attempt(self, settings: Settings, probe: Probe) -> None:
        self.restore(settings, probe)

    def restore(self, settings: Settings, probe: Probe) -> int:
        done = asyncio.run(
            restore_home(settings, self.file, admin="maria", secret=SECRET, clock=FakeClock(), probe=probe)
        )
        return done.epoch


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("restoring")
    settings = home_of(folder)

    async def submit() -> RequestView:
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            return await gate.submit(refund(SEED.payment_intent_900))

    async def run() -> None:
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            await until(gate, view, State.SUCCEEDED)

    view = asyncio.run(submit())
    asyncio.run(vote(settings, view))
    back_up(settings.database, folder / "backup.db")
    asyncio.run(run())
    # What a process wrote that died lies in the write-ahead log alone: beside another database it would be read as its own.
    run_and_kill(lambda probe: asyncio.run(write(settings, probe)), "store.after_commit")
    assert settings.database.with_name("runplane.db-wal").stat().st_size > 0
    return Story(settings.home, folder / "backup.db", view, verify(settings.database).root)


async def write(settings: Settings, probe: Probe) -> None:
    store = open_store(settings.database, probe=probe)
    await store.write(lambda tx: tx.append("something", {}, at=0))


def check_cut_and_again(story: Story, settings: Settings, point: str) -> None:
    run_and_kill(lambda probe: story.attempt(settings, probe), point)
    found = verify(settings.database)
    state, standing = look(settings.database, settings.checkpoint_file, None)
    with closing(sqlite3.connect(settings.database)) as database:
        whole = database.execute("PRAGMA integrity_check").fetchone()

    assert whole == ("ok",)
    assert (found.ok, found.problem) == (True, None)
    assert standing.standing is Standing.HELD
    if state.epoch == 1:
        assert found.root == story.root, point
    else:
        assert not state.backup
        with closing(sqlite3.connect(settings.database)) as database:
            assert database.execute("SELECT state, restored FROM request").fetchall() == [("outcome_unknown", 2)]

    epoch = story.restore(settings, lambda _: None)
    after = audit(settings.database, settings.checkpoint_file)
    assert epoch == state.epoch + 1
    assert (after.ok, after.anchored, after.problem) == (True, True, None)
    assert not (settings.home / "restoring").exists()
    kept = [verify(path).root for path in settings.home.glob("runplane.db.replaced-*") if path.suffix != ".checkpoint"]
    assert story.root in kept
    asyncio.run(look_again(settings, story))
    assert effects(settings) == 1


async def look_again(settings: Settings, story: Story) -> None:
    async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
        assert (await gate.wait("stdio", story.view.request_id, 0.2)).status is State.OUTCOME_UNKNOWN


@pytest.mark.parametrize("point", ["restore.kept", "restore.replaced"])
def test_cut_around_the_moment_it_leaves_one_of_the_two_and_is_done_again(
    story: Story, tmp_path: Path, point: str
) -> None:
    check_cut_and_again(story, story.copied(tmp_path / "home"), point)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_cut_anywhere_it_leaves_one_of_the_two_and_is_done_again(story: Story, tmp_path: Path) -> None:
    points = every_point_of(lambda probe: story.attempt(story.copied(tmp_path / "whole"), probe))
    names = {point.partition("#")[0] for point in points}
    for number, point in enumerate(points):
        check_cut_and_again(story, story.copied(tmp_path / f"home-{number}"), point)

    assert names >= {*POINTS, "restore.alone", "restore.copied", "restore.checked", "restore.ready", "restore.anchored"}
    assert names >= {"store.before_commit", "store.after_commit", "checkpoint.renamed"}


def test_of_two_at_once_one_is_told_that_the_other_is_at_it(story: Story, tmp_path: Path) -> None:
    settings = story.copied(tmp_path / "home")

    def attempt() -> str:
        try:
            return str(story.restore(settings, lambda _: None))
        except StoreError as error:
            return error.code

    said = race([attempt] * 3)

    assert set(said) <= {"2", "3", "4", "store.in_use"}
    assert verify(settings.database).ok
    assert (
        max(int(each) for each in said if each.isdecimal())
        == look(settings.database, settings.checkpoint_file, None)[0].epoch
    )


def test_nobody_opens_the_store_while_another_takes_its_place(story: Story, tmp_path: Path) -> None:
    settings = story.copied(tmp_path / "home")
    with in_use_by_nobody(settings.database):
        with pytest.raises(StoreError) as told:
            open_store(settings.database, busy_timeout_ms=0)
        with pytest.raises(StoreError) as second:
            story.restore(settings, lambda _: None)

    assert (told.value.code, second.value.code) == ("store.restoring", "store.in_use")


def test_a_kill_leaves_no_lock_behind(story: Story, tmp_path: Path) -> None:
    settings = story.copied(tmp_path / "home")
    run_and_kill(lambda probe: story.attempt(settings, probe), "restore.alone")
    store = open_store(settings.database, busy_timeout_ms=0)
    asyncio.run(store.close())
