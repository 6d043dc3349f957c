"""The places of the demo: one folder, in it a home for each act, and the processes that work on them.

Every process is started with an environment of the demo's own: a Stripe key, a policy or a home that the viewer has set
for real use is never seen by it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import anyio

from runplane_mcp.app import create_home, open_desk
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import InternalError
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import Simulator

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk

#: When the simulated days begin, in the zone of the policy that every home starts with: a Tuesday in business hours.
AFTERNOON = "2026-03-03T14:00"
ZONE = ZoneInfo("America/New_York")
#: How long one command, one call of the agent or one wait may take (seconds). It is a bound, not an expectation.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Home:
    """A home with its own store, policy, people and simulated Stripe."""

    folder: Path

    @property
    def settings(self) -> Settings:
        """Made without looking at the viewer's environment."""
        return Settings.model_construct(home=self.folder)

    @property
    def log(self) -> Path:
        """What the home's server processes write to stderr."""
        return self.folder.with_name(f"{self.folder.name}.log")

    async def create(self) -> None:
        async with create_home(self.settings):
            pass

    def environment(self, now: str = AFTERNOON) -> dict[str, str]:
        return {**clean_environment(), "RUNPLANE_HOME": str(self.folder), "RUNPLANE_SIMULATOR_NOW": now}

    async def command(self, *words: str, stdin: Sequence[str] = ()) -> Mapping[str, Json]:
        """What `runplane WORDS --json` answers, run as a process. InternalError with its words when it fails."""
        return await run_json(
            [sys.executable, "-m", "runplane_mcp", *words, "--json"],
            environment=self.environment(),
            stdin="".join(f"{line}\n" for line in stdin),
        )

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        async with open_desk(self.settings) as desk:
            yield desk

    @contextmanager
    def world(self) -> Iterator[Simulator]:
        """The home's simulated Stripe, to be counted. Its clock stands at the beginning: looking makes no time pass."""
        with closing(world_in(self.settings.simulator_file)) as world:
            yield world


@dataclass(frozen=True, slots=True)
class Stage:
    """The one folder that everything of the demo is in."""

    folder: Path

    @property
    def unguarded(self) -> Path:
        """The simulated Stripe that has nothing in front of it."""
        return self.folder / "without-runplane.db"

    def home(self, name: str) -> Home:
        return Home(self.folder / name)

    def remove_all_but(self, kept: Home) -> None:
        for path in self.folder.iterdir():
            if path == kept.folder:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def open_stage() -> Stage:
    return Stage(Path(tempfile.mkdtemp(prefix="runplane-demo-")))


def world_in(path: Path) -> Simulator:
    """A simulated Stripe in a file, at the moment at which the demo begins."""
    beginning = int(datetime.fromisoformat(AFTERNOON).replace(tzinfo=ZONE).timestamp())
    return Simulator(path, now=lambda: beginning)


def clean_environment() -> dict[str, str]:
    """The viewer's environment without what would lead the demo to something real, or to a proxy on the way to itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RUNPLANE_", "STRIPE_"))}
    return {**kept, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


async def run_json(command: Sequence[str], *, environment: Mapping[str, str], stdin: str = "") -> Mapping[str, Json]:
    """The JSON object that a process prints. InternalError `internal.demo` with what it said when it fails."""
    with anyio.fail_after(PATIENCE):
        done = await anyio.run_process(command, input=stdin.encode(), env=environment, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        words = shlex.join(command[1:4])
        raise InternalError("internal.demo", f"`{words} …` ended with {done.returncode}: {said[:600]}")
    answer = json.loads(done.stdout)
    if not isinstance(answer, dict):
        raise InternalError("internal.demo", f"`{shlex.join(command[1:4])} …` printed no JSON object.")
    return answer
