"""The command itself: a screen where there is a terminal, lines of JSON elsewhere."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk


EXAMPLES = examples(
    ("runplane approvals watch", "the screen; a name is asked for at each vote"),
    ("runplane approvals watch --as maria --quiet", "as maria, without the bell"),
    ("runplane approvals watch --json", "a line for each change, for a program behind a pipe"),
)


def watch(
    name: Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who votes from the screen.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No bell when something new waits.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON for each change, on a terminal too.")
    ] = False,
) -> None:
    """Watch what waits, live, and answer it.

    On a terminal a screen shows what waits, newest first, and what just ended: choose a card, look at it whole, approve
    or deny it with your passphrase. With --json, or without a terminal, one line of JSON for each change. It ends with
    q, Ctrl-C or SIGTERM.
    """
    from runplane_mcp.cli.watch.lines import lines
    from runplane_mcp.cli.watch.live import live

    settings = settings_of_home()
    screen = not as_json and sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    async def work(desk: Desk) -> None:
        if screen:
            await live(desk, settings.gates, voter=name, bell=not quiet)
        else:
            await lines(desk, settings.gates)

    at_desk(settings, work)
