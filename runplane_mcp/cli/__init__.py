"""The command line: the only room above `app`. What is heavy is imported by the command that needs it."""

from __future__ import annotations

import sys


def main() -> None:
    """`runplane`."""
    from runplane_mcp.cli.commands import app

    app(prog_name="runplane")


def mcp_main() -> None:
    """`runplane-mcp`: `runplane mcp` under a name of its own, for clients that start one program without arguments."""
    from runplane_mcp.cli.commands import app

    app(["mcp", *sys.argv[1:]], prog_name="runplane-mcp")
