"""Node, and the clients of other makers that are tested with, installed once into a folder that is not committed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.settings import Settings
from runplane_mcp.simulator import Simulator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
#: What the installed folder is made of; another content is another folder.
FILES = ("package.json", "package-lock.json", ".npmrc")
OLDEST_NODE = 20
#: Installing, and one session of a client, each bounded (seconds).
INSTALLING, SESSION = 420, 90
#: What npm says when it cannot reach its registry. Anything else that goes wrong is a failure.
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH")


@dataclass(frozen=True)
class Clients:
    """The installed clients. Both start a real `runplane mcp` on `home`, with an almost empty environment."""

    folder: Path
    home: Path

    def server(self, now: str) -> dict[str, Any]:
        return {
            "command": sys.executable,
            "args": ["-m", "runplane_mcp", "mcp", "--simulator", "--agent", "support-bot"],
            "env": {
                "PATH": os.defpath,
                "PYTHONPATH": str(ROOT),
                "RUNPLANE_HOME": str(self.home),
                "RUNPLANE_SIMULATOR_NOW": now,
            },
            "cwd": str(self.home.parent),
        }

    def typescript(self, sdk: str, mode: Any, now: str, *calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        """One session of the TypeScript SDK's client, with what it got."""
        asked = {
            "sdk": sdk,
            "mode": mode,
            "server": self.server(now),
            "calls": [{"name": name, "arguments": arguments} for name, arguments in calls],
        }
        done = self._run("node", str(self.folder / "calls.mjs"), json.dumps(asked))
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def inspector(self, era: str, now: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """One command of the Inspector: its exit code and the result that it printed."""
        server = self.server(now)
        variables = [word for name, value in server["env"].items() for word in ("-e", f"{name}={value}")]
        done = self._run(
            str(self.folder / "node_modules" / ".bin" / "mcp-inspector"),
            *("--cli", "--protocol-era", era, "--format", "json", "--quiet", "--cwd", server["cwd"]),
            *(*variables, *arguments, "--", server["command"], *server["args"]),
        )
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["result"]
        return done.returncode, found

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        # Its own HOME: the Inspector keeps files there.
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home.parent)}
        return subprocess.run(
            command, cwd=self.home.parent, env=environment, capture_output=True, text=True, timeout=SESSION
        )


@pytest.fixture(scope="session")
def installed() -> Path:
    """The folder with `node_modules` beside `calls.mjs`. Skips, and says why, where there is no Node or no registry."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"NOT TESTED WITH CLIENTS OF OTHER MAKERS: there is no {program} here")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=30).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(
            f"NOT TESTED WITH CLIENTS OF OTHER MAKERS: node is {version}, {OLDEST_NODE} is the oldest that will do"
        )
    content = b"".join((HERE / name).read_bytes() for name in FILES)
    folder = ROOT / ".cache" / f"clients-{hashlib.sha256(content).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # Workers of one run, and two runs at once, install once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            for name in FILES:
                shutil.copy(HERE / name, folder / name)
            _install(folder)
            (folder / "done").touch()
        shutil.copy(HERE / "calls.mjs", folder / "calls.mjs")
    return folder


def _install(folder: Path) -> None:
    done = subprocess.run(
        ["npm", "ci", "--loglevel=error"], cwd=folder, capture_output=True, text=True, timeout=INSTALLING
    )
    if done.returncode == 0:
        return
    if any(code in done.stderr for code in UNREACHABLE):
        pytest.skip("NOT TESTED WITH CLIENTS OF OTHER MAKERS: the npm registry cannot be reached")
    pytest.fail(f"npm ci failed: {done.stderr[-2000:]}", pytrace=False)


@pytest.fixture
def clients(installed: Path, tmp_path: Path) -> Clients:
    return Clients(installed, tmp_path / "home")


def refunds_in(home: Path) -> dict[str, Any]:
    """Count and total of the refunds that the simulated Stripe of a home has made."""
    with closing(Simulator(Settings(home=home).simulator_file)) as world:
        found: dict[str, Any] = world.summary()["refunds"]
        return found
