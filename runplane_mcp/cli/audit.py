"""`runplane audit verify`: whether the audit log and the tables still say what was written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli import log_key
from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import require_home, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import EXIT_AUDIT_MISMATCH, EXIT_UNANCHORED

if TYPE_CHECKING:
    from runplane_mcp.gate.audit.auditing import Audit, Compared
    from runplane_mcp.settings import Settings

audit = typer.Typer(help="The tamper-evident log.", no_args_is_help=True)

VERIFY_EXAMPLES = examples(
    ("runplane audit verify", "every event, table and signature, and the checkpoint beside the database"),
    ("runplane audit verify --checkpoint kept.txt", "a copy from elsewhere proves more; it may hold many"),
    ("runplane audit verify --require-anchor --json", "for programs that must not be content with less"),
)


@audit.command("verify", epilog=VERIFY_EXAMPLES)
def verify(
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", metavar="FILE", help="Checkpoints of this log that were kept elsewhere."),
    ] = None,
    require_anchor: Annotated[
        bool, typer.Option("--require-anchor", help="Fail unless a checkpoint says the same as the log.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check the whole audit log, every table against it, and every signature.

    It is compared with the checkpoint beside the database and with those that you name, and says what that proves.
    Exit 3 on a mismatch, 4 when --require-anchor is given and there is none.
    """
    from runplane_mcp.cli.output import print_json

    settings = settings_of_home()
    require_home(settings)
    found = _audit(settings, checkpoint or [])
    if as_json:
        print_json(_json(found))
    else:
        _tell(found)
    if not found.ok:
        raise typer.Exit(EXIT_AUDIT_MISMATCH)
    if require_anchor and not found.anchored:
        raise typer.Exit(EXIT_UNANCHORED)


audit.command("checkpoint", epilog=log_key.CHECKPOINT_EXAMPLES)(log_key.checkpoint)
audit.command("rotate-key", epilog=log_key.ROTATE_EXAMPLES)(log_key.rotate_key)


def _audit(settings: Settings, copies: list[Path]) -> Audit:
    """The check, with its progress on stderr where a person watches."""
    from runplane_mcp.cli.output import console
    from runplane_mcp.gate.audit.auditing import audit as check

    watched = console(stderr=True)
    if not watched.is_terminal:
        return check(settings.database, settings.checkpoint_file, copies=copies)
    with watched.status("Reading the audit log") as status:

        def progress(done: int, total: int) -> None:
            status.update(f"Reading the audit log: {done:,} of {total:,} events")

        return check(settings.database, settings.checkpoint_file, copies=copies, progress=progress)


def _json(found: Audit) -> dict[str, Json]:
    checkpoints: list[Json] = [_compared_json(each) for each in found.compared]
    content: dict[str, Json] = {
        "ok": found.ok,
        "anchored": found.anchored,
        "events": found.verification.events,
        "root": found.verification.root,
        "first_bad": found.first_bad,
        "events_per_second": found.verification.events_per_second,
        "pending_reads": found.verification.pending_reads,
        "checkpoints": checkpoints,
        "signatures": {"checked": found.signatures.checked, "unchecked": dict(found.signatures.unchecked)},
    }
    if found.between is not None:
        content["first_bad_between"] = list(found.between)
    if found.problem is not None:
        content["problem"] = found.problem
    return content


def _compared_json(each: Compared) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    return {
        "file": str(each.file),
        "beside": each.beside,
        "said": each.said.value,
        "origin": each.origin,
        "size": each.size,
        "at": None if each.at is None else iso(each.at),
        "key": each.key,
        "problem": each.problem,
    }


def _tell(found: Audit) -> None:
    from runplane_mcp.cli.output import tell
    from runplane_mcp.core.text import visible

    if found.ok:
        what = f"{found.verification.events:,} events, each where it belongs, and every table agrees with them."
        tell("OK  ", what, "bold green")
    else:
        where = f" at event {found.first_bad}" if found.first_bad is not None else ""
        if found.between is not None:
            where = f" at one of the events {found.between[0]:,} to {found.between[1]:,}"
        tell("", f"MISMATCH{where}  {visible(found.problem or '', 800)}", "bold red")
    _tell_signatures(found)
    for each in found.compared:
        _tell_compared(each)
    tell("Root        ", found.verification.root)
    if found.verification.pending_reads:
        some = f"{found.verification.pending_reads:,} of the last moment are recorded"
        tell("Reads       ", f"{some}; the event that speaks for them follows.")
    tell("Speed       ", f"{found.verification.events_per_second:,} events a second")
    if found.ok:
        _tell_proof(found)


def _tell_signatures(found: Audit) -> None:
    from runplane_mcp.cli.output import tell

    unchecked = ", ".join(f"{count:,} {type}" for type, count in sorted(found.signatures.unchecked.items()))
    said = "every one by who it says" if found.signatures.problem is None else "then one that is not right"
    rest = f"; not to be checked: {unchecked}" if unchecked else ""
    tell("Signatures  ", f"{found.signatures.checked:,} checked, {said}{rest}")


def _tell_compared(each: Compared) -> None:
    from runplane_mcp.cli.output import moment, tell
    from runplane_mcp.core.text import visible
    from runplane_mcp.gate.audit.auditing import Said

    size = "" if each.size is None else f"{each.size:,} events"
    when = "" if each.at is None else f" until {moment(each.at)}"
    key = "" if each.key is None else f", key {each.key[:16]}"
    where = "beside the database" if each.beside else "kept elsewhere"
    words = {Said.SAME: "says the same", Said.LEFT_BEHIND: "of what a restore left behind: says nothing of this log"}
    said = words.get(each.said, each.problem or "")
    styles = {Said.SAME: "green", Said.LEFT_BEHIND: "yellow"}
    about = f"{size}{when}{key}: " if size else ""
    tell(
        "Compared    ",
        f"{visible(str(each.file), 300)} ({where}): {about}{visible(said, 500)}",
        styles.get(each.said, "bold red"),
    )


def _tell_proof(found: Audit) -> None:
    """What this proves, and what it does not."""
    from runplane_mcp.cli.output import tell
    from runplane_mcp.gate.audit.auditing import Said

    checkpoint = "runplane audit checkpoint"

    if not found.anchored:
        gone = " One was kept, and it is gone." if found.expected else ""
        tell(
            "",
            f"Unanchored: compared with no checkpoint.{gone} That rules out accidents, not somebody who rewrote"
            " everything consistently. Keep one elsewhere:",
            "bold yellow" if found.expected else "yellow",
            command=checkpoint,
        )
        return
    later = found.verification.events - found.covered
    rest = f" The {later:,} after that are under no checkpoint." if later else ""
    kept = max((each.size or 0 for each in found.compared if each.said is Said.SAME and not each.beside), default=0)
    if kept:
        tell(
            "",
            f"Anchored: events 1 to {kept:,} are what they were when the copy was made, whoever could write here since.",
            "green",
        )
    if found.covered > kept:
        tell(
            "",
            f"Anchored beside the database: up to event {found.covered:,} it is what Runplane last signed.{rest} Who can"
            " write the database, the checkpoint and read the key, could have made all three anew; in trial mode that is"
            " every program that runs as you. A copy kept elsewhere rules it out:",
            "yellow" if not kept else None,
            command=checkpoint,
        )
    elif rest:
        tell("", rest.strip())
