"""Where others could read the key of a real process: files and their modes, the process list, what it says, its children.
THREATS 23: a test for each, which fails without what keeps it out."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from runplane_mcp.cli.demo.stage import clean_environment
from runplane_mcp.cli.doctor import machine
from runplane_mcp.simulator import SEED, SimulatorServer
from tests.cli.tree import tree
from tests.interfaces.conftest import Company
from tests.interfaces.test_mcp_stdio import PATIENCE, environment

KEY = "rk_test_simulator_9f8e7d6c5b4a"


async def test_the_key_is_in_no_file_no_log_no_answer_and_not_in_the_process_list(
    company: Company, tmp_path: Path
) -> None:
    home = company.settings.home
    with SimulatorServer(company.world) as server, (tmp_path / "log").open("w+") as log:
        process = StdioServerParameters(
            command=sys.executable,
            args=["-m", "runplane_mcp", "mcp", "--agent", "support-bot"],
            env={
                **{name: value for name, value in environment(home).items() if name != "RUNPLANE_SIMULATOR_NOW"},
                "STRIPE_API_KEY": KEY,
                "RUNPLANE_STRIPE_API_BASE": server.base_url,
            },
            cwd=tmp_path,
        )
        async with Client(stdio_client(process, errlog=log), read_timeout_seconds=PATIENCE) as client:
            answers = [
                await client.call_tool("list_payment_intents", {"limit": 3}),
                await client.call_tool("create_refund", {"payment_intent": SEED.payment_intent_40, "ticket": KEY}),
                await client.call_tool("create_refund", {"payment_intent": KEY, "api_key": KEY}),
            ]
            running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)]
        log.seek(0)
        logged = log.read()

    said = json.dumps([answer.model_dump(mode="json") for answer in answers])
    assert '"simulator": false' in said
    assert any(b"support-bot" in line for line in running), "it was there to be seen"
    for place in (said, logged, *map(repr, running)):
        assert KEY not in place
    assert KEY.encode() not in company.stored()


def readable(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


def test_no_command_takes_a_secret_as_an_argument_that_others_can_read() -> None:
    """The process list is everybody's: secrets come on stdin, at a prompt or, the key, in the environment."""
    telling = ("secret", "key", "token", "pass")
    found = {
        f"{' '.join(path)} {option}": parameter
        for path, command in tree()
        for parameter in getattr(command, "params", [])
        for option in parameter.opts
        if any(word in option for word in telling)
    }

    assert any("--secret-stdin" in each for each in found), "the search finds what there is"
    for name, parameter in found.items():
        assert isinstance(parameter, click.Option) or parameter.__class__.__name__ == "TyperOption", name
        assert parameter.is_flag, f"{name} takes a value"


def test_children_do_not_inherit_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tells = tmp_path / "mount"
    tells.write_text("#!/bin/sh\nenv\n")
    tells.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("STRIPE_API_KEY", KEY)

    assert "PATH=" in machine._listed()
    assert KEY not in machine._listed()
    assert KEY not in clean_environment().values()


def test_every_file_of_a_home_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    home = tmp_path / "home"
    code = (
        "import anyio, os, sys\n"
        "from pathlib import Path\n"
        "from runplane_mcp.app import create_home, open_gate\n"
        "from runplane_mcp.settings import Settings\n"
        "async def live():\n"
        "    settings = Settings(home=Path(sys.argv[1]))\n"
        "    async with create_home(settings), open_gate(settings, simulator=True):\n"
        "        for path in (settings.home, *settings.home.rglob('*')):\n"
        "            print(oct(path.stat().st_mode), path.relative_to(settings.home))\n"
        "anyio.run(live)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home)], capture_output=True, text=True, timeout=PATIENCE, check=True, umask=0
    )
    modes = {name: int(mode, 8) for mode, _, name in (line.partition(" ") for line in done.stdout.splitlines())}

    assert {"policies.yaml", "runplane.db", "runplane.db-wal", "simulator.db", "simulator.db.lock"} <= modes.keys()
    for name, mode in modes.items():
        assert stat.S_IMODE(mode) == (0o700 if stat.S_ISDIR(mode) else 0o600), name


def test_a_lock_that_an_earlier_version_left_open_to_all_is_closed(tmp_path: Path) -> None:
    from runplane_mcp.simulator import Simulator

    lock = tmp_path / "simulator.db.lock"
    lock.write_text("")
    lock.chmod(0o644)
    Simulator(tmp_path / "simulator.db").close()

    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
