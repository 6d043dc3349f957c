"""`runplane policy shadow`: a whole policy is tried beside the enforced one, and what would have been different is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import ParameterError

if TYPE_CHECKING:
    from runplane_mcp.gate.shadowing import Flip, Report

EXAMPLES = examples(
    (
        "runplane policy shadow policies.yaml",
        "from now on this file decides beside the enforced one, for the record only",
    ),
    ("runplane policy shadow", "what it, and every rule and limit in shadow, would have said"),
    ("runplane policy shadow --stop", "it no longer does"),
)
_VERBS = {"allow": "allowed", "require_approval": "asked about", "block": "blocked"}


def shadow(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The policy to try. Left out: the report.")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop trying the one that is tried.")] = False,
    since: Annotated[
        str,
        typer.Option("--since", metavar="TIME", help="How far the report looks back for rules and limits in shadow."),
    ] = "30d",
    as_json: JsonFlag = False,
) -> None:
    """Try a policy beside the enforced one.

    With FILE, it decides beside the enforced policy from now on, on the same facts and with limits of its own.
    That is recorded and decides nothing. Without, say what would have been different, and what rules and limits
    in `mode: shadow` would have said.
    """
    from runplane_mcp.cli.output import iso, print_json, say
    from runplane_mcp.core.policy.values import duration
    from runplane_mcp.gate import shadowing
    from runplane_mcp.gate.policies import read_policy_file

    if file is not None and stop:
        raise ParameterError("parameter.conflict", "FILE and --stop cannot be together.", next_step="Give one of them.")
    settings = settings_of_home()
    if file is not None:
        text = read_policy_file(file)
        version = at_desk(settings, lambda desk: shadowing.start(desk, text, file=str(file)))
        if as_json:
            print_json({"candidate": version, "file": str(file.absolute())})
        else:
            say(f"Version {version[:12]} decides beside the enforced policy from now on, for the record only.", "green")
            say("What would have been different: runplane policy shadow")
        return
    if stop:
        ended = at_desk(settings, shadowing.stop)
        if as_json:
            print_json({"ended": ended})
        else:
            say("No policy was tried." if ended is None else f"Version {ended[:12]} is no longer tried.")
        return
    try:
        window = duration(since) * 1000
    except ValueError as error:
        raise ParameterError("parameter.time", f"--since {ascii(since)[:40]} is no time: {error}.") from None
    found = at_desk(settings, lambda desk: shadowing.report(desk, since=desk.clock.wall() - window))
    if as_json:
        print_json(
            {
                "candidate": found.candidate,
                "since": iso(found.since),
                "decided": found.decided,
                "alike": found.alike,
                "flips": [_flip_json(flip) for flip in found.flips],
                "in_shadow": [_flip_json(flip) for flip in found.in_shadow],
                "in_shadow_since": iso(found.looked_since),
            }
        )
    else:
        _tell(found)


def _flip_json(flip: Flip) -> dict[str, Json]:
    by: list[Json] = [*flip.by]
    return {
        "decided": flip.decided.value,
        "instead": flip.instead.value,
        "by": by,
        "count": flip.count,
        "money": dict(flip.money),
    }


def _tell(found: Report) -> None:
    from runplane_mcp.cli.output import moment, say

    if found.candidate is None:
        say("No policy is tried beside the enforced one. To try one: runplane policy shadow FILE")
    else:
        say(f"Version {found.candidate[:12]}, tried since {moment(found.since)}", "bold")
        say(f"  {_requests(found.decided)} decided beside it, {found.alike} of them alike")
        for flip in found.flips:
            say(f"  - {_line(flip)}", "yellow")
    if found.in_shadow:
        say(f"In shadow since {moment(found.looked_since)}", "bold")
    for flip in found.in_shadow:
        say(f"  - {_line(flip)}")


def _line(flip: Flip) -> str:
    from runplane_mcp.cli.output import money
    from runplane_mcp.core.text import visible

    amounts = ", ".join(money(amount, currency) for currency, amount in sorted(flip.money.items()))
    said = "would be" if flip.instead is not flip.decided else "would still be"
    by = visible(", ".join(flip.by), 300)
    decided = (
        f" instead of {_VERBS[flip.decided.value]}" if flip.instead is not flip.decided else ", by others or for longer"
    )
    return f"{_requests(flip.count)}{f' ({amounts})' if amounts else ''} {said} {_VERBS[flip.instead.value]}{decided}: {by}"


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count:,} requests"
