"""A disk that is really full, under real processes: a gate over stdio and people's command line. THREATS 19 and 26."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Simulator
from runplane_mcp.store.room import HEADROOM
from runplane_mcp.store.verify import verify
from tests.homes import DANA, DANAS, new_home_of_dana

from .test_mcp_stdio import PATIENCE, Wire, environment, started

pytestmark = pytest.mark.slow

SIZE = HEADROOM + (24 << 20)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    point = tmp_path / "disk"
    point.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(point)]
    mounted = subprocess.run(mounting, capture_output=True, text=True, timeout=PATIENCE)
    if mounted.returncode:
        pytest.skip(f"NOT TRIED: a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield point
    subprocess.run(["umount", "--lazy", str(point)], check=True, timeout=PATIENCE)


@pytest.fixture
def settings(disk: Path, tmp_path: Path) -> Settings:
    """A home on the small disk. Stripe's own disk, where the simulated company is, is another one."""
    settings = new_home_of_dana(disk / "home")
    shutil.move(settings.simulator_file, tmp_path / "simulator.db")
    settings.simulator_file.symlink_to(tmp_path / "simulator.db")
    return settings


def leave(disk: Path, left: int) -> Path:
    """Something else fills the disk until so many bytes are left."""
    filler = disk / "filler"
    with filler.open("ab") as file:
        found = os.statvfs(disk)
        os.posix_fallocate(file.fileno(), 0, file.tell() + max(1, found.f_bavail * found.f_frsize - left))
    return filler


def people(settings: Settings, *arguments: str, stdin: str = "") -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "runplane_mcp", *arguments, "--json"],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(settings.home),
    )
    said = json.loads(done.stdout)
    return said["error"]["code"] if done.returncode else said


def deny(settings: Settings, request_id: str) -> Any:
    digest = people(settings, "approvals", "show", request_id)["digest"]
    secret = ["--as", DANA, "--secret-stdin"]
    return people(settings, "deny", request_id, "--digest", digest, *secret, stdin=f"{DANAS}\n")


class Asking:
    """An agent that asks again and again, with many words."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.n = 0

    async def refund(self, payment: str, amount: int) -> dict[str, Any]:
        self.n += 1
        words = {"payment_intent": payment, "amount": amount, "justification": "please " * 250}
        await self.wire.call(self.n, "create_refund", words)
        content: dict[str, Any] = (await self.wire.answer(self.n))["result"]["structuredContent"]
        return content

    async def until_refused(self) -> dict[str, Any]:
        for more in range(5_000):
            answer = await self.refund(SEED.payment_intent_120, 100 + more)
            if answer.get("error", {}).get("code", "").startswith("store."):
                return answer
        raise AssertionError("the disk was never full")


async def test_what_agents_fill_a_disk_with_leaves_room_for_people_and_a_full_one_stops_everything_until_it_has_room(
    settings: Settings, disk: Path, tmp_path: Path
) -> None:
    world = Simulator(settings.simulator_file)
    async with started(settings.home, tmp_path / "log") as wire:
        await wire.greet()
        agent = Asking(wire)
        held = [await agent.refund(SEED.payment_intent_900, amount) for amount in (80_000, 90_000)]
        leave(disk, HEADROOM + (1 << 18))
        flooded = await agent.until_refused()
        so_far = world.summary()["effects"]
        room = os.statvfs(disk)
        denied = await asyncio.to_thread(deny, settings, held[0]["request_id"])
        frozen = await asyncio.to_thread(people, settings, "freeze", "--action", "payouts")

        filler = leave(disk, 0)
        full = [await agent.refund(SEED.payment_intent_40, 1_000 + each) for each in range(3)]
        unheard = await asyncio.to_thread(people, settings, "freeze", "--action", "refunds")
        waiting = await asyncio.to_thread(people, settings, "approvals", "list")
        filler.unlink()

        after = await agent.refund(SEED.payment_intent_40, 2_000)
        late = await asyncio.to_thread(deny, settings, held[1]["request_id"])
        wire.process.terminate()
        status, _ = await wire.end()
    effects = world.summary()["effects"]
    world.close()
    found = verify(settings.database)

    assert [each["status"] for each in held] == ["waiting"] * 2
    assert (flooded["status"], flooded["error"]["code"]) == ("failed", "store.full")
    assert room.f_bavail * room.f_frsize > HEADROOM // 2
    assert (denied["status"], frozen["scope"]) == ("denied", "payouts")
    assert {(each["status"], each["error"]["code"]) for each in full} == {("failed", "store.full")}
    assert unheard == "store.full"
    assert held[1]["request_id"] in {each["request_id"] for each in waiting}
    assert after["status"] in {"succeeded", "waiting"}
    assert effects == so_far + (after["status"] == "succeeded")
    assert (late["status"], status) == ("denied", 0)
    assert found.ok, found.problem
    assert "Traceback" not in (tmp_path / "log").read_text()
