"""The command itself: who decides, what is printed at the end, and the exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.errors import EXIT_REFUSED

EXAMPLES = examples(
    ("runplane demo", "on a terminal you decide one request yourself"),
    ("runplane demo --yes --json", "every step, with what was expected and what came"),
)


def demo(
    yes: Annotated[bool, typer.Option("--yes", help="Let the script decide for finance, on a terminal too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Watch an agent work, without Runplane and with it.

    Everything is simulated: no account, no key, no network. On a terminal you are asked to decide one request. Exit 1
    when any step is not as it should be.
    """
    import logging

    from runplane_mcp.cli.demo.play import play
    from runplane_mcp.cli.demo.report import Report
    from runplane_mcp.cli.output import note, print_json
    from runplane_mcp.cli.signals import Stopped, run

    terminal = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    asking = terminal and not yes and not as_json
    # The demo kills a server on purpose; the SDK's words about that belong to nobody's screen.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    report = Report(quiet=as_json)
    try:
        run(play, report, asking)
    except Stopped as stopped:
        if report.home is None:
            note("\nStopped. Its processes have ended and its folders are removed.")
        raise typer.Exit(stopped.exit_code) from None
    except BaseExceptionGroup as group:
        # Nobody reads any more, as behind `| head`: what ends the program then comes out of the middle of the story.
        if group.subgroup(SystemExit) is None:
            raise
        raise typer.Exit(EXIT_REFUSED) from None
    if as_json:
        print_json(report.as_json())
    if not report.ok:
        raise typer.Exit(EXIT_REFUSED)
