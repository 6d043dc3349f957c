"""What is wrong with a policy file, on a terminal: as compilers say it, each with its line and a mark under its place.

`file:line:column: message` stands at the beginning of a line, where editors look for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import EXIT_REFUSED

if TYPE_CHECKING:
    from rich.console import Console

    from runplane_mcp.core.policy.problems import PolicyInvalid, Problem

_BREAKS: Final = re.compile("\r\n?|[\n\x85\u2028\u2029]")
_SPACES: Final = re.compile("( +)")
_INDENT: Final = "  "


def tell(error: PolicyInvalid) -> None:
    """Every problem on stderr, then the error's code."""
    from rich.text import Text

    from runplane_mcp.cli.output import console, note
    from runplane_mcp.core.policy.problems import MOST_SHOWN
    from runplane_mcp.core.text import visible

    show(error.problems[:MOST_SHOWN], error.text, to=console(stderr=True), style="bold red")
    count = len(error.problems)
    if count > MOST_SHOWN:
        note(f"… and {count - MOST_SHOWN} more.")
    last = Text("error: ", style="bold red")
    found = f"{count} problems" if count > 1 else "one problem"
    last.append(f"{visible(error.problems[0].file, 400)} does not load: {found}.", style="not bold default")
    last.append(f" [{error.code}]", style="not bold dim")
    note(last)


def show(problems: Iterable[Problem], text: str, *, to: Console, style: str, codes: bool = False) -> None:
    """Each of `problems` with the line of `text` that it stands in, the mark in `style`. With `codes`, each says its
    own."""
    from rich.text import Text

    from runplane_mcp.core.text import visible

    lines = _BREAKS.split(text.removeprefix("\ufeff"))
    for each in problems:
        said = Text(f"{visible(each.file, 400)}:{each.line}:{each.column}: ", style="bold")
        said.append(visible(each.message, 2_000), style="not bold")
        if codes:
            said.append(f" [{each.code}]", style="not bold dim")
        to.print(said, soft_wrap=True)
        line = lines[each.line - 1] if each.line <= len(lines) else ""
        if line.strip():
            shown, before = excerpt(line, each.column, to.width - len(_INDENT))
            # Cut at the edge and never wrapped: what somebody wrote far to the right would begin a line of its own.
            to.print(Text(_INDENT + shown, style="dim"), no_wrap=True, overflow="ellipsis")
            to.print(Text(_INDENT + " " * before + "^", style=style), no_wrap=True)


def excerpt(line: str, column: int, width: int) -> tuple[str, int]:
    """A line of a file as it is shown, and how many cells of it stand before `column` (from 1). Somebody's text: nothing
    hidden is left in it, while blanks stay as they are, since they mean something in YAML. Of what stands before the
    column so much is shown that a third of `width` is left for what stands behind."""
    from rich.cells import cell_len

    at = min(column - 1, len(line))
    room = max(width * 2 // 3, 1)
    before = _shown(line[max(at - room, 0) : at])
    if at > room or cell_len(before) > room:
        before = before[-room:]
        while cell_len(before) > room - 1:
            before = before[1:]
        before = f"…{before}"
    return before + _shown(line[at : at + width]), cell_len(before)


def _shown(text: str) -> str:
    from runplane_mcp.core.text import visible

    return "".join(each if each.strip(" ") == "" else visible(each, 4_000) for each in _SPACES.split(text))


def problems_json(problems: Iterable[Problem]) -> list[Json]:
    return [{"line": each.line, "column": each.column, "code": each.code, "message": each.message} for each in problems]


@contextmanager
def for_programs(path: Path, *, as_json: bool) -> Iterator[None]:
    """With `--json`, a file that does not load is told with each of its problems as a value of its own. Exit 1."""
    from runplane_mcp.cli.output import error_json, print_json
    from runplane_mcp.core.policy.problems import PolicyInvalid

    try:
        yield
    except PolicyInvalid as error:
        if not as_json:
            raise
        problems = problems_json(error.problems)
        print_json({"ok": False, "file": str(path), **error_json(error), "problems": problems})
        raise typer.Exit(EXIT_REFUSED) from None
