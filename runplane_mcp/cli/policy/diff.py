"""`runplane policy diff`: what changed between two policy files, in words, and whether it is provably only tighter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.cli.policy.file import enforced_text
from runplane_mcp.errors import EXIT_REFUSED

EXAMPLES = examples(
    ("runplane policy diff", "what the home's policies.yaml would change of what is enforced"),
    ("runplane policy diff policies.yaml", "the same for another file"),
    ("runplane policy diff policies.yaml policies.yaml --exit-code", "between two files; fails where one is looser"),
)


def diff(
    old: Annotated[
        Path | None, typer.Argument(metavar="[A]", help="The file before. Alone, it is the newer one.")
    ] = None,
    new: Annotated[Path | None, typer.Argument(metavar="[B]", help="The file after.")] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 unless B is provably only tighter.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say what changed between two policies.

    Each change in words, what it does to decisions, and whether the whole is provably only tighter: such a file puts
    itself in force. With one file or none, what is enforced is the older one.
    """
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.cli.policy.differences import compared, comparison_json, tell
    from runplane_mcp.gate.policies import read_policy_file

    settings = settings_of_home()
    if old is not None and new is not None:
        before, before_file, after_path = read_policy_file(old), str(old), new
    else:
        before, before_file = at_desk(settings, enforced_text), "enforced policy"
        after_path = old if old is not None else settings.policy_file
    found = compared(before, read_policy_file(after_path), old_file=before_file, new_file=str(after_path))
    if as_json:
        print_json({"old": before_file, "new": str(after_path), **comparison_json(found)})
    else:
        say(f"From {before_file} to {after_path}", "bold")
        tell(found)
    if exit_code and not found.tighter:
        raise typer.Exit(EXIT_REFUSED)
