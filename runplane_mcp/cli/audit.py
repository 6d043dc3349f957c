"""`runplane audit verify`: whether the audit log and the tables still say what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import require_home, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import EXIT_AUDIT_MISMATCH, EXIT_UNANCHORED

if TYPE_CHECKING:
    from pathlib import Path

    from runplane_mcp.store.verify import Verification

audit = typer.Typer(help="The tamper-evident log.", no_args_is_help=True)


@audit.callback()
def _audit() -> None:
    """Keeps `verify` a command of a group, also while it is the only one."""


VERIFY_EXAMPLES = examples(
    ("runplane audit verify", "every event and every table; keep the root it prints"),
    ("runplane audit verify --require-anchor --json", "for programs that must not be content with less"),
)


@audit.command("verify", epilog=VERIFY_EXAMPLES)
def verify(
    require_anchor: Annotated[
        bool, typer.Option("--require-anchor", help="Fail unless the log was compared with a root kept elsewhere.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check the whole audit log and every table against it.

    Exit 3 on a mismatch, 4 when --require-anchor is given and there is none.
    """
    from runplane_mcp.cli.output import print_json

    settings = settings_of_home()
    require_home(settings)
    found = _signatures(settings.database, _verify(settings.database))
    if as_json:
        content: dict[str, Json] = {
            "ok": found.ok,
            "anchored": found.anchored,
            "events": found.events,
            "root": found.root,
            "first_bad": found.first_bad,
            "events_per_second": found.events_per_second,
            "pending_reads": found.pending_reads,
        }
        if found.problem is not None:
            content["problem"] = found.problem
        print_json(content)
    else:
        _tell(found)
    if not found.ok:
        raise typer.Exit(EXIT_AUDIT_MISMATCH)
    if require_anchor and not found.anchored:
        raise typer.Exit(EXIT_UNANCHORED)


def _verify(path: Path) -> Verification:
    """The check, with its progress on stderr where a person watches."""
    from runplane_mcp.cli.output import console
    from runplane_mcp.store.verify import verify as check

    watched = console(stderr=True)
    if not watched.is_terminal:
        return check(path)
    with watched.status("Reading the audit log") as status:
        return check(path, lambda done, total: status.update(f"Reading the audit log: {done:,} of {total:,} events"))


def _signatures(path: Path, found: Verification) -> Verification:
    """The same, or what is wrong with it: a payload is missing only where an administrator signed that it was erased."""
    from dataclasses import replace

    from runplane_mcp.gate.erasure import unsigned
    from runplane_mcp.store.reading import reading

    if not found.ok or not found.erasures:
        return found
    with reading(path) as reader:
        forged = unsigned(reader, found.erasures)
    if not forged:
        return found
    problem = f"Event {forged[0]} says that something was erased, and no administrator signed it."
    return replace(found, ok=False, first_bad=forged[0], problem=problem)


def _tell(found: Verification) -> None:
    from runplane_mcp.cli.output import say
    from runplane_mcp.core.text import visible

    if found.ok:
        say(f"OK  {found.events:,} events, each where it belongs, and every table agrees with them.", "bold green")
    else:
        where = f" at event {found.first_bad}" if found.first_bad is not None else ""
        say(f"MISMATCH{where}  {visible(found.problem or '', 500)}", "bold red")
    say(f"Root  {found.root}")
    if found.pending_reads:
        say(f"Reads {found.pending_reads:,} of the last moment are recorded; the event that speaks for them follows.")
    say(f"Speed {found.events_per_second:,} events a second")
    if not found.anchored:
        say(
            "Unanchored: compared with no root kept outside the database. That rules out accidents, not somebody",
            "yellow",
        )
        say("who rewrote everything consistently. Keep the root above somewhere else.", "yellow")
