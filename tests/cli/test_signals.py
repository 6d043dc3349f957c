"""Work that a signal ends: whatever it is in the middle of, and whatever goes wrong in that moment."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio
import pytest

from runplane_mcp.cli import signals
from runplane_mcp.cli.signals import ENDINGS, Stopped, run
from tests.cli.conftest import CHECKOUT

#: So long nothing here has to wait (seconds).
LONG = 5.0
#: Sends itself a Ctrl-C that it was started to ignore.
STARTED_TO_IGNORE = """
import os, signal, anyio
from runplane_mcp.cli.signals import Stopped, run

async def work():
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(10):
        await anyio.sleep(0)
    print("went on")

try:
    run(work)
except Stopped:
    print("stopped")
"""


@pytest.fixture
def all_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the tests were started to ignore."""
    monkeypatch.setattr(signals, "_heard", lambda: list(ENDINGS))


def tell(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.usefixtures("all_heard")
@pytest.mark.parametrize("number", ENDINGS)
def test_a_signal_ends_the_work_and_what_it_began_is_taken_down(number: int, tmp_path: Path) -> None:
    async def work() -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path):
            tell(number)
            await anyio.sleep(LONG)

    with pytest.raises(Stopped) as stopped:
        run(work)

    assert stopped.value.exit_code == 128 + number
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("all_heard")
def test_a_signal_that_is_swallowed_is_told_again() -> None:
    swallowed = []

    async def work() -> None:
        tell()
        for _ in range(3):
            try:
                await anyio.sleep(LONG)
            except asyncio.CancelledError as error:
                swallowed.append(error)
        await anyio.sleep(LONG)

    with pytest.raises(Stopped):
        run(work)

    assert len(swallowed) == 3


@pytest.mark.usefixtures("all_heard")
def test_what_goes_wrong_while_work_is_taken_down_does_not_hide_that_it_was_stopped() -> None:
    """A task group that ends with an error forgets that it was told to end."""

    async def child() -> None:
        try:
            await anyio.sleep(LONG)
        finally:
            raise ConnectionError("the other process has gone too")

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child)
            await anyio.sleep(0)
            tell()

    with pytest.raises(Stopped):
        run(work)


@pytest.mark.usefixtures("all_heard")
def test_work_that_has_done_its_last_wait_is_done() -> None:
    async def work() -> str:
        await anyio.sleep(0)
        tell()
        return "told to the end"

    assert run(work) == "told to the end"


@pytest.mark.usefixtures("all_heard")
def test_an_error_of_its_own_comes_out_as_it_is() -> None:
    async def work() -> None:
        await anyio.sleep(0)
        raise LookupError("not there")

    with pytest.raises(LookupError, match="not there"):
        run(work)


@pytest.mark.parametrize(("terminal", "ends"), [(False, "went on"), (True, "stopped")])
def test_what_a_script_started_to_ignore_ctrl_c_hears_it_at_a_terminal_alone(terminal: bool, ends: str) -> None:
    """A script's `&` starts its programs so, and gives them no terminal to read from."""
    above, below = pty.openpty()
    try:
        ran = subprocess.run(
            [sys.executable, "-c", STARTED_TO_IGNORE],
            stdin=below if terminal else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=CHECKOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
    finally:
        os.close(above)
        os.close(below)

    assert (ran.stdout.strip(), ran.stderr) == (ends, "")
