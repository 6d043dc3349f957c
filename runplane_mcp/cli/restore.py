"""`runplane restore`: puts a backup in force, or an older copy that lies there already, as an administrator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import settings_of_home
from runplane_mcp.cli.options import AsAdmin, JsonFlag, SecretStdin
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import StoreError, UsageError

if TYPE_CHECKING:
    from runplane_mcp.gate.restoring import Restore, SetAside

EXAMPLES = examples(
    ("runplane restore runplane-2026-03-03.db --as maria", "a backup takes the place of the database"),
    ("runplane restore --here --as maria", "an older copy lies in the home already: go on from it"),
    ("runplane restore today.db --checkpoint kept.txt --as maria", "it must be what a checkpoint kept elsewhere says"),
    ("runplane requests list --state outcome_unknown", "then: what was open in it, to be gone through"),
)

#: So many requests are listed one by one for people; programs get all of them.
_LISTED = 50


def restore(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A backup, or the copy of a database.")] = None,
    here: Annotated[
        bool, typer.Option("--here", help="Go on from what lies in the home: somebody has put an older copy there.")
    ] = False,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", metavar="FILE", help="Checkpoints kept elsewhere, that the copy must fit."),
    ] = None,
    as_admin: AsAdmin = None,
    secret_stdin: SecretStdin = False,
    as_json: JsonFlag = False,
) -> None:
    """Put a backup in force, as one of its administrators.

    Gates must not run. It is checked whole first: pages, log, signatures. What it replaces is kept beside it. What was
    open in it may have run since: nothing runs until each of these was gone through with `runplane requests resolve`.
    With --secret-stdin the first line on stdin is ADMIN's secret.
    """
    import anyio

    from runplane_mcp.app import restore_home
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.cli.secrets import administrator

    if (file is None) is not here:
        raise UsageError(
            "usage.restore",
            "Name the file to restore, or say --here for what lies in the home already; one of the two.",
            next_step="Such as: runplane restore runplane-2026-03-03.db --as ADMIN",
        )
    settings = settings_of_home()
    if file is not None and not file.is_file():
        raise StoreError("store.unavailable", f"There is no file at {file}.", next_step="Name a backup.")
    if sys.stdin.isatty() and not as_json and not secret_stdin:
        _ask(settings.database, file)
    name, secret = administrator(as_admin, "Restoring", from_stdin=secret_stdin, as_json=as_json)

    async def run() -> Restore:
        return await restore_home(settings, file, admin=name, secret=secret, checkpoints=checkpoint or ())

    done = anyio.run(run)
    if as_json:
        print_json(_json(done))
    else:
        _tell(done)


def _ask(database: Path, file: Path | None) -> None:
    from runplane_mcp.cli.output import say
    from runplane_mcp.core.text import visible

    if file is not None:
        say(f"{visible(str(file), 500)} takes the place of {database}, which is kept beside it under another name.")
    else:
        say(f"{database} is taken for an older copy of this home, and goes on as it is.")
    say(
        "What was open in it is set aside: nothing runs until you have said of each request what became of it.",
        "yellow",
    )
    if not typer.confirm("Restore?", default=False):
        raise StoreError("store.not_restored", "Nothing was restored.")


def _json(done: Restore) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    state, there = done.source.state, done.replaced
    taken = done.source.taken_at
    return {
        "epoch": done.epoch,
        "mode": done.mode,
        "by": done.by,
        "at": iso(done.at),
        "events": state.size,
        "root": state.root.hex(),
        "taken_at": None if taken is None else iso(taken),
        "unknown_since": iso(done.source.newest_at),
        "replaced": None if done.aside.database is None else str(done.aside.database),
        "replaced_checkpoint": None if done.aside.checkpoint is None else str(done.aside.checkpoint),
        "replaced_problem": None if there.problem is None else there.problem.message,
        "earlier_state_of_replaced": there.earlier,
        "to_resolve": [_request_json(each) for each in done.set_aside],
        "reads_ended": done.reads,
        "frozen_again": done.freezes,
        "log_key_changed": done.key_changed,
        "erase_again": list(there.erased),
        "erasures_unnamed": there.erased_unnamed,
        "checkpoint_problem": None if done.checkpoint_problem is None else str(done.checkpoint_problem),
    }


def _request_json(each: SetAside) -> dict[str, Json]:
    request = each.request
    return {
        "request_id": request.id,
        "reference": request.reference,
        "action": request.action,
        "was": request.state.value,
        "in_replaced": None if each.since is None else each.since.value,
        "object_in_replaced": each.object_id,
    }


def _tell(done: Restore) -> None:
    from runplane_mcp.cli.output import moment, say
    from runplane_mcp.core.text import visible

    say(f"Restored by {done.by}: {done.source.state.size:,} events, epoch {done.epoch}.", "bold green")
    for what, file in (("database", done.aside.database), ("checkpoint", done.aside.checkpoint)):
        if file is not None:
            say(f"  the {what} that was there: {visible(str(file), 500)}")
    if done.replaced.problem is not None:
        say(f"  It could not be read: {visible(done.replaced.problem.message, 500)}", "yellow")
    elif done.replaced.earlier is False:
        say("  The copy is no earlier state of it: the two have gone different ways.", "yellow")
    say(f"Unknown here: whatever happened between {moment(done.source.newest_at)} and {moment(done.at)}.", "yellow")
    say("  For a day, what could be a second time asks people; limits lack it until their window is past.")
    say("  What went on at Stripe meanwhile: runplane audit coverage")
    if done.key_changed:
        say("The log has this home's key from now on: the one it had is not here.", "yellow")
    if done.checkpoint_problem is not None:
        say(f"No checkpoint is kept yet: {visible(str(done.checkpoint_problem), 500)}", "bold red")
    if done.freezes:
        say(f"Frozen again, as it was in the database before: {done.freezes} (runplane status)", "bold red")
    _tell_erasures(done)
    say(
        "People and the policy in force are those of the copy: see runplane people list, runplane policy show.",
        "yellow",
    )
    if not done.set_aside:
        say("Nothing was open in it: gates may start.", "green")
        return
    count = len(done.set_aside)
    say(
        f"{'1 request was' if count == 1 else f'{count:,} requests were'} open in it. Nothing runs until you have said",
        "bold",
    )
    say("of each what became of it, with what you saw in Stripe: runplane requests resolve REQUEST", "bold")
    for each in done.set_aside[:_LISTED]:
        say(f"  {_line(each)}")
    if count > _LISTED:
        say(f"  and {count - _LISTED:,} more: runplane requests list --state outcome_unknown")


def _line(each: SetAside) -> str:
    request = each.request
    was = f"{request.reference}  {request.action}  was {request.state.value}"
    if each.since is None:
        return was
    made = f", {each.object_id}" if each.object_id is not None else ""
    return f"{was}; the database before says {each.since.value}{made}"


def _tell_erasures(done: Restore) -> None:
    from runplane_mcp.cli.output import say
    from runplane_mcp.core.text import visible

    there = done.replaced
    if there.erased or there.erased_unnamed:
        say("What was erased after the copy was taken is back. Erase it again:", "bold red")
        for customer in there.erased:
            say(f"  runplane erase --customer {visible(customer, 300)} --as {done.by}")
        if there.erased_unnamed:
            say(f"  and {there.erased_unnamed} erasures of customers that the log does not name")
    elif there.problem is not None:
        say("Whether anything was erased after the copy was taken cannot be told: then it is back.", "yellow")
