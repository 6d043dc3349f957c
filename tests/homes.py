"""Homes as `runplane init` leaves them, with the simulated company beside. Making one takes a tenth of a second of the
processor, copying one a few thousandths: each process makes the first of a kind and copies it from then on."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from runplane_mcp.app import create_home, open_desk
from runplane_mcp.core.approval import Role
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import Simulator

#: Two in the afternoon in New York, on a business day: 2026-03-03T14:00-05:00.
AFTERNOON = 1_772_564_400_000
DANA, DANAS = "dana", "correct horse battery"


def new_home(home: Path) -> Settings:
    """A home without people, whose company was founded in the afternoon."""
    return _copied(_in_the_afternoon(), home)


def new_home_of_dana(home: Path) -> Settings:
    """The same with an administrator whose passphrase costs little to check."""
    return _copied(_with_dana(), home)


def _copied(template: Path, home: Path) -> Settings:
    shutil.copytree(template, home, dirs_exist_ok=True)
    return Settings(home=home)


@cache
def _in_the_afternoon() -> Path:
    return _elsewhere(_made())


@cache
def _with_dana() -> Path:
    async def made() -> Path:
        home = await _made()
        async with open_desk(Settings(home=home), scrypt_n=2**4) as desk:
            await desk.add_person(DANA, role=Role.ADMIN, groups=frozenset({"finance"}), secret=DANAS)
        return home

    return _elsewhere(made())


def _elsewhere(work: Coroutine[None, None, Path]) -> Path:
    """In a thread of its own: whoever asks may be running a loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="runplane-homes-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # Not what a single test has set.
    settings = Settings(home=folder / "home", policy=None, simulator_now=None)
    async with create_home(settings):
        pass
    Simulator(settings.simulator_file, now=lambda: AFTERNOON // 1000).close()
    return settings.home
