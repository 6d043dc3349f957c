"""What the command line prints: words on a terminal, one JSON value with `--json`, an error in one line.

Nothing foreign is ever read as markup, emoji codes or links: styles are put on by code alone. Without a terminal there
are no colours, and lines are wide enough for a program to read.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.money import CURRENCIES, Money
from runplane_mcp.core.text import visible, visible_lines
from runplane_mcp.errors import RunplaneError
from runplane_mcp.gate import clock

#: How wide lines are where there is no terminal to ask and COLUMNS says nothing.
PIPE_WIDTH = 120

RISK_STYLES: Mapping[str, str] = {"low": "green", "medium": "yellow", "high": "red", "critical": "bold red"}
STATE_STYLES: Mapping[str, str] = {
    "waiting": "yellow",
    "scheduled": "cyan",
    "succeeded": "green",
    "approved": "green",
    "blocked": "red",
    "denied": "red",
    "failed": "red",
    "outcome_unknown": "bold red",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a listing. `styles` by the cell's text; a `whole` one is never folded, so that it can be copied."""

    title: str
    right: bool = False
    whole: bool = False
    styles: Mapping[str, str] | None = None


def console(*, stderr: bool = False) -> Console:
    """A console on the present stdout or stderr that takes all text as plain text."""
    stream = sys.stderr if stderr else sys.stdout
    piped = not stream.isatty() and "COLUMNS" not in os.environ
    return Console(
        file=stream, markup=False, emoji=False, highlight=False, soft_wrap=False, width=PIPE_WIDTH if piped else None
    )


def say(text: str | Text = "", style: str | None = None) -> None:
    """One line of ours for people. It is not wrapped, so that commands and paths in it can be copied whole."""
    console().print(text, style=style, soft_wrap=True)


def tell(label: str, text: str, style: str | None = None, *, command: str = "", stderr: bool = False) -> None:
    """A sentence of ours for people, behind a label. On a terminal it goes on behind the label, broken between words alone;
    the `command` that it ends with stays whole. What is wider than the terminal, such as a path or a hash, is left to the
    terminal to break, so that it too can be copied whole."""
    to = console(stderr=stderr)
    lines = [""]
    for word in (*text.split(" "), *([command] if command else [])):
        together = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and to.is_terminal and cell_len(label + together) > to.width:
            lines.append(word)
        else:
            lines[-1] = together
    to.print(Text(label + f"\n{' ' * len(label)}".join(lines)), style=style, soft_wrap=True)


def note(text: str | Text, style: str | None = None) -> None:
    """One line beside the output proper, on stderr: for people, while a script reads stdout."""
    console(stderr=True).print(text, style=style, soft_wrap=True)


def print_json(value: Json) -> None:
    """One JSON value on stdout. Characters beyond ASCII are escaped, so that foreign text is as harmless here as on a
    card when a person looks at it in a terminal."""
    text = json.dumps(value, ensure_ascii=True, indent=2).replace("\x7f", "\\u007f")
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def json_line(value: Json) -> str:
    """The same in one line, for streams of values."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n"


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Table:
    """A listing. Every cell is shown as `visible` text, whoever wrote it."""
    listing = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        justify: JustifyMethod = "right" if column.right else "left"
        listing.add_column(column.title, justify=justify, overflow="fold", no_wrap=column.whole)
    for row in rows:
        listing.add_row(
            *(
                Text(visible(cell), style=(column.styles or {}).get(cell, ""))
                for column, cell in zip(columns, row, strict=True)
            )
        )
    return listing


def error_json(error: RunplaneError) -> dict[str, Json]:
    """The one form of an error for programs."""
    return {"error": {"code": error.code, "message": error.message, "next_step": error.next_step}}


def report(error: RunplaneError, *, as_json: bool) -> None:
    """An error for whoever typed the command: on stderr what happened, what to do and its code, or with `--json` an
    object on stdout. What is wrong with a policy file is told with its lines: `cli.policy.problems`."""
    if as_json:
        print_json(error_json(error))
        return
    text = Text("error: ", style="bold red")
    message = "\n".join(visible_lines(error.message, 20_000, lines=60))
    text.append(message, style="not bold default")
    if error.next_step:
        text.append(("\n" if "\n" in message else " ") + visible(error.next_step, 1_000), style="not bold default")
    text.append(f" [{error.code}]", style="not bold dim")
    note(text)


def money(amount: int | None, currency: str | None) -> str:
    """`$650.00 USD`, or a dash where a request moves no money or nobody knows how much."""
    if amount is None or currency is None:
        return "–"
    return str(Money(amount, currency)) if currency in CURRENCIES else f"{amount} {currency}"


def iso(milliseconds: int | None) -> str | None:
    """A moment for programs: `2026-03-03T19:00:00Z`."""
    return None if milliseconds is None else clock.iso(milliseconds)


def moment(milliseconds: int | None) -> str:
    """A moment for people, in the terminal's own zone: `Tue 3 Mar 2026 14:00 EST`."""
    if milliseconds is None:
        return "–"
    local = datetime.fromtimestamp(milliseconds // 1000, tz=UTC).astimezone()
    return f"{local:%a} {local.day} {local:%b %Y %H:%M %Z}"


def brief(milliseconds: int | None) -> str:
    """A moment in a listing: `3 Mar 14:00`, in the terminal's own zone."""
    if milliseconds is None:
        return "–"
    local = datetime.fromtimestamp(milliseconds // 1000, tz=UTC).astimezone()
    return f"{local.day} {local:%b %H:%M}"


def span(milliseconds: int) -> str:
    """A length of time in its largest unit: `4 min`, `23 h`, `2 days`. What is over is `0 s`."""
    seconds = max(milliseconds // 1000, 0)
    for size, name in ((86_400 * 2, "days"), (3_600 * 2, "h"), (60 * 2, "min")):
        if seconds >= size:
            unit = size // 2
            return f"{seconds // unit} {name}"
    return f"{seconds} s"
