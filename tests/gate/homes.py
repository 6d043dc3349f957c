"""Homes on disk for tests with processes of their own, and what is looked at in them from outside."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from runplane_mcp.app import create_home, open_desk
from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.gate.view import RequestView
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import Simulator
from runplane_mcp.store.verify import verify
from tests.gate.conftest import CHEAP_SCRYPT, SECRET, FakeClock


def home_of(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path / "home")

    async def make() -> None:
        async with create_home(settings):
            pass

    asyncio.run(make())
    return settings


async def vote(settings: Settings, view: RequestView) -> None:
    """Enrols maria, who says yes."""
    async with open_desk(settings, clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
        await desk.add_person("maria", role=Role.ADMIN, groups=frozenset({"finance"}), secret=SECRET)
        card = await desk.card(view.request_id)
        await desk.vote(view.request_id, digest=card.digest, person="maria", secret=SECRET, answer=Answer.YES)


def effects(settings: Settings) -> int:
    """How many writes Stripe has done; no key of ours did anything twice."""
    world = Simulator(settings.simulator_file)
    try:
        summary = world.summary()
        assert set(summary["effects_by_key"].values()) <= {1}
        return int(summary["effects"])
    finally:
        world.close()


def check_log(settings: Settings) -> None:
    found = verify(settings.database)
    assert found.ok, found
    connection = sqlite3.connect(settings.database)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
