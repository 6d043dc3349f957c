"""`runplane audit prove`: a receipt for one request, and the program that checks it anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import require_home, settings_of_home
from runplane_mcp.cli.new_file import new_file
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.errors import UsageError

EXAMPLES = examples(
    ("runplane audit prove RP-7F3K --out receipt.json", "what the log has of it, with proofs"),
    ("runplane audit prove RP-7F3K --without-payloads", "the same, and nothing that it says of anybody"),
    ("runplane audit prove --checker check_receipt.py", "the program that checks it, without Runplane"),
)


def prove(
    request: Annotated[
        str | None, typer.Argument(metavar="[REQUEST]", help="A reference (RP-7F3K) or id. Not needed for --checker.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the receipt here; left out: on stdout.")
    ] = None,
    without_payloads: Annotated[
        bool,
        typer.Option(
            "--without-payloads", help="Leave out parameters, facts, names and the policy: only their hashes."
        ),
    ] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE", help="Prove it under this checkpoint, which was kept elsewhere."),
    ] = None,
    from_checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--from-checkpoint", metavar="FILE", help="Prove also that the log only grew since this checkpoint."
        ),
    ] = None,
    checker: Annotated[
        Path | None,
        typer.Option("--checker", metavar="FILE", help="Write the program that checks receipts here."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Prove what the audit log has of a request to somebody outside.

    The receipt holds the request's events with proofs that they are in the log, the log's signed checkpoint, the votes
    with their signatures, who enrolled the voters, and what was asked, decided and run; of a read that the policy
    allowed, its own record under the event that speaks for it and others, which follows within a second of its end.
    It is checked offline: python check_receipt.py receipt.json. With --out, --json says what was written.
    """
    from runplane_mcp.cli.output import print_json

    if request is None and checker is None:
        raise UsageError("usage.request_missing", "Which request?", next_step="Name one, such as RP-7F3K.")
    if checker is not None:
        source = Path(__file__).parents[1] / "check_receipt.py"
        _write(checker, source.read_text(encoding="utf-8"))
        _say(f"The checker is in {checker}. It needs Python 3.11 and `cryptography`, and nothing of Runplane.")
    if request is None:
        return
    import json

    from runplane_mcp.core.checkpoint import LONGEST_NOTE, parse
    from runplane_mcp.gate.audit.proving import last_event, receipt
    from runplane_mcp.store.checkpoints import Kept
    from runplane_mcp.store.covering import covering
    from runplane_mcp.store.reading import reading

    settings = settings_of_home()
    require_home(settings)
    older = None
    if from_checkpoint is not None:
        with from_checkpoint.open("rb") as file:
            older = parse(file.read(LONGEST_NOTE + 1))
    with reading(settings.database) as reader:
        seq = last_event(reader, request)
    note, key = covering(settings.database, Kept(settings.checkpoint_file, settings.log_key), seq, named=checkpoint)
    with reading(settings.database) as reader:
        made = receipt(reader, request, note=note, log_key=key, payloads=not without_payloads, older=older)
    if out is None:
        print_json(made.content)
        if as_json:
            return
    else:
        _write(out, json.dumps(made.content, indent=1, ensure_ascii=False) + "\n")
    if as_json:
        print_json(
            {
                "request_id": made.request.id,
                "reference": made.request.reference,
                "events": made.events,
                "log_key": key.public.hex(),
                "checkpoint_events": made.size,
                "undisclosed": made.undisclosed,
                "file": str(out),
            }
        )
        return
    _say(f"{made.request.reference}: {made.events} events, under a checkpoint of {made.size:,} events by the log's key")
    _say(f"{key.public.hex()}. Tell it to whoever checks, by another way than the receipt.")
    if made.undisclosed:
        _say(f"Left out or erased: what {made.undisclosed} payloads say. Their hashes are there.")


def _say(text: str) -> None:
    """Beside the receipt, which may go to stdout."""
    from runplane_mcp.cli.output import tell

    tell("", text, stderr=True)


def _write(path: Path, text: str) -> None:
    """It may say what was asked of whom: for its owner alone."""
    with new_file(path) as file:
        file.write(text)
