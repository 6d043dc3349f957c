"""The demo from first to last: its one folder, its two acts, what came of them, and what to look at next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import anyio
import anyio.lowlevel

from runplane_mcp.cli.demo.act_one import act_one
from runplane_mcp.cli.demo.act_two import act_two
from runplane_mcp.cli.demo.finance import VIEWER_PATIENCE
from runplane_mcp.cli.demo.report import Report
from runplane_mcp.cli.demo.report import words as in_words
from runplane_mcp.cli.demo.stage import Home, Stage, open_stage

#: How long all of it may take, the viewer's thinking not counted (seconds). A bound: usually it is a quarter of a minute.
PATIENCE = 240.0
#: How much of what the servers logged is shown when something went wrong.
LOG_LINES = 5


async def play(report: Report, asking: bool) -> None:
    """Plays both acts and fills the report. What goes wrong stands in it; only an interruption is raised, and then nothing
    is kept."""
    report.say("An AI agent in a company's Stripe account: without Runplane, then with it.", "bold")
    report.say("All of it is simulated, on this computer: no account, no key, no real money.")
    stage = open_stage()
    try:
        played = await _acts(report, stage, asking)
        # From here on nothing waits: what is said to be there stays there.
        await anyio.lowlevel.checkpoint_if_cancelled()
    except BaseException:
        stage.remove()
        raise
    if played is None or not report.ok:
        _say_what_is_wrong(report, stage)
        return
    home, reference = played
    stage.remove_all_but(home)
    _say_what_is_next(report, stage, home, reference)


async def _acts(report: Report, stage: Stage, asking: bool) -> tuple[Home, str] | None:
    """The home of act 2 and the request in it that is worth a look; None where an act could not go on."""
    try:
        with anyio.fail_after(PATIENCE + (VIEWER_PATIENCE if asking else 0)):
            await act_one(report, stage)
            return await act_two(report, stage, asking=asking)
    except Exception as error:  # noqa: BLE001 - whatever kept it from going on is a step that is not as it should be
        # Ctrl-C reaches every process of the demo: that one of them has ended is then no fault.
        await anyio.lowlevel.checkpoint_if_cancelled()
        report.broke(error)
        return None


def _say_what_is_wrong(report: Report, stage: Stage) -> None:
    report.home = str(stage.folder)
    report.say()
    report.say("NOT AS IT SHOULD BE", "bold red")
    for step in report.wrong:
        report.say(
            f"  act {step.act}, {step.step}: expected {in_words(step.expected)}, got {in_words(step.got)}", "red"
        )
    for log in sorted(stage.folder.glob("*.log")):
        for line in log.read_text(errors="replace").splitlines()[-LOG_LINES:]:
            report.line(log.stem, line)
    report.say(f"Everything is kept in {stage.folder}")


def _say_what_is_next(report: Report, stage: Stage, home: Home, reference: str) -> None:
    at = f"RUNPLANE_HOME={shlex.quote(str(home.folder))} {_program()}"
    looks = ("status", "requests list", f"requests show {reference}", "audit verify", "policy check")
    report.home = str(home.folder)
    report.next = [f"{at} {look}" for look in looks]
    report.say()
    report.say(f"All {len(report.steps)} steps were as they should be, in {report.seconds:.0f} seconds.", "bold green")
    report.say("Look around in the home of act 2 (nothing runs there any more):")
    report.say()
    for command in report.next:
        report.copyable(command)
    report.say()
    report.say("And when you have seen enough:")
    report.copyable(f"rm -r {shlex.quote(str(stage.folder))}")


def _program() -> str:
    """How the viewer starts the command line from where they are."""
    if os.access("runplane", os.X_OK) and Path("runplane").is_file():
        return "./runplane"
    if shutil.which("runplane") is not None:
        return "runplane"
    return f"{shlex.quote(sys.executable)} -m runplane_mcp"
