"""`runplane backup FILE`: a checked copy of the store, while everything goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import require_home, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json

if TYPE_CHECKING:
    from runplane_mcp.settings import Settings
    from runplane_mcp.store.backup import Backup


EXAMPLES = examples(
    ("runplane backup runplane-2026-03-03.db", "a new file; while gates go on working"),
    ("runplane backup /mnt/backups/today.db --json", "for a nightly job: keep the root it prints elsewhere"),
)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file. One that is there is never overwritten.")],
    as_json: JsonFlag = False,
) -> None:
    """Copy requests, votes and the audit log to a file.

    Gates go on meanwhile: the copy is one moment, whatever they write. It is readable by you alone, flushed to the disk,
    and checked before this ends. It is for looking things up: nothing ever runs from a backup.
    """
    from runplane_mcp.cli.output import iso, print_json

    settings = settings_of_home()
    require_home(settings)
    made = _make(settings, file)
    if as_json:
        content: dict[str, Json] = {
            "file": str(made.path.absolute()),
            "bytes": made.size,
            "taken_at": iso(made.taken_at),
            "events": made.events,
            "root": made.root,
            "newest_event_at": iso(made.newest_at) if made.events else None,
            "unfinished": made.unfinished,
        }
        print_json(content)
        return
    _tell(settings, made)


def _make(settings: Settings, file: Path) -> Backup:
    """The copy, with its progress on stderr where a person watches."""
    from runplane_mcp.cli.output import console
    from runplane_mcp.store.backup import back_up

    watched = console(stderr=True)
    if not watched.is_terminal:
        return back_up(settings.database, file)
    with watched.status("Copying") as status:

        def progress(done: int, total: int) -> None:
            checking = " Checking the copy." if done == total else ""
            status.update(f"Copying: {done:,} of {total:,} pages.{checking}")

        return back_up(settings.database, file, progress)


def _tell(settings: Settings, made: Backup) -> None:
    from runplane_mcp.cli.output import moment, say
    from runplane_mcp.core.text import visible

    say(f"Backed up to {visible(str(made.path), 500)}, {_size(made.size)}, readable by you alone.", "bold green")
    newest = f", the newest of {moment(made.newest_at)}" if made.events else ""
    say(f"  events   {made.events:,}{newest}")
    say(f"  root     {made.root}")
    say("  checked  every page and index, and the root from all events; keep the root somewhere else too")
    say(f"It holds requests, decisions, votes, people, policies and the audit log of {settings.home}.")
    say("It does not hold the Stripe key, policies.yaml, or the simulator's world.")
    say("What it is for: in a folder of its own, as runplane.db, it answers why, requests, approvals and audit verify.")
    say(
        "What it will not do: run anything. It does not know what happens after this moment, and what was approved in it"
    )
    say("may have run since; so no gate executes from a backup.")
    if made.unfinished:
        open_ones = "1 request in it is" if made.unfinished == 1 else f"{made.unfinished:,} requests in it are"
        say(f"{open_ones} not finished; only this home will know the end.", "yellow")


def _size(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"
