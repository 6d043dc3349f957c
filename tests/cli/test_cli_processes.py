"""The command line as people and clients start it: real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.cli.conftest import CHECKOUT, Run

#: What takes long to import, and which commands may not.
HEAVY = {"mcp", "stripe", "starlette", "uvicorn", "httpx2"}


def imported(*arguments: str) -> set[str]:
    """The top-level packages that a command has imported when it ends."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr))\n"
        "from runplane_mcp.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=30, cwd=CHECKOUT, check=True
    )
    return set(done.stderr.split())


def test_help_imports_nothing_heavy() -> None:
    assert not imported("--help") & {*HEAVY, "pydantic_settings", "aiosqlite", "cryptography", "yaml"}


@pytest.mark.parametrize(
    "command",
    [
        "status",
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ("people list", "approvals list", "requests list", "backup COPY")
        ),
    ],
)
def test_looking_at_a_home_imports_neither_the_protocol_nor_stripe(command: str, home: Path, tmp_path: Path) -> None:
    assert not imported(*command.replace("COPY", str(tmp_path / "copy")).split()) & HEAVY


def test_without_a_terminal_there_are_no_colours(home: Path, process: Run) -> None:
    listed = process("status")

    assert listed.code == 0
    assert "simulator, no real money" in listed.out
    assert "\x1b" not in listed.out + listed.err


def test_a_terminal_that_is_not_utf8_gets_numbers_instead_of_a_fault(home: Path, process: Run) -> None:
    shown = process("people", "list", PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert shown.code == 0
    assert "\\u2013" in shown.out


def test_a_reader_that_goes_away_causes_no_traceback(home: Path) -> None:
    command = f"{sys.executable} -m runplane_mcp policy facts --json | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, cwd=CHECKOUT)

    assert done.stdout.startswith("[")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_simulator_serves_the_homes_world_until_it_is_told_to_end(number: signal.Signals, home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "runplane_mcp", "simulator", "--reset"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as serving:
        assert serving.stdout is not None
        said = [serving.stdout.readline() for _ in range(4)]
        address, key = said[1].split()[-1], said[2].split()[-1]
        asked = Request(f"{address}/v1/balance", headers={"Authorization": f"Bearer {key}"})
        with urlopen(asked, timeout=10) as answer:
            balance = json.load(answer)
        serving.send_signal(number)
        _, err = serving.communicate(timeout=10)

    assert "no real money" in said[0]
    assert balance["object"] == "balance"
    assert (serving.returncode, err) == (0, "")


def test_a_live_key_in_trial_mode_is_refused_before_a_byte_of_protocol(home: Path, process: Run) -> None:
    refused = process("mcp", STRIPE_API_KEY="sk_live_" + "x" * 24, RUNPLANE_SIMULATOR_NOW="")

    assert refused.code == 1
    assert refused.out == ""
    assert "stripe.live_in_trial" in refused.err
    assert "sk_live" not in refused.err


def test_a_client_that_closes_stdin_ends_the_server(home: Path, process: Run) -> None:
    ended = process("mcp", "--agent", "support-bot", "--simulator")

    assert (ended.code, ended.out) == (0, "")
