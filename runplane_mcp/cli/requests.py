"""`runplane requests list show resolve`: every attempt, the whole life of one, and the end of one that nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli import resolve
from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.request import ActionRequest, Kind, State
from runplane_mcp.core.text import label

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk

requests = typer.Typer(help="Every attempt of every agent.", no_args_is_help=True)
requests.command("resolve", epilog=resolve.EXAMPLES)(resolve.resolve)

LIST_EXAMPLES = examples(
    ("runplane requests list", "the newest 50"),
    ("runplane requests list --kind write --state blocked --state denied", "what agents were kept from doing"),
    ("runplane requests list --action refund.create --limit 500 --json", "for programs"),
)
SHOW_EXAMPLES = examples(
    ("runplane requests show RP-7F3K", "its life, with its events in the audit log"),
    ("runplane requests show RP-7F3K --json", "all of it, for programs"),
)


@requests.command("list", epilog=LIST_EXAMPLES)
def list_(
    state: Annotated[list[State] | None, typer.Option("--state", help="Only these states. Can be given again.")] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only reads, or only writes.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only this action, such as refund.create.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List what agents asked for, the newest first."""
    from runplane_mcp.cli.life import request_json
    from runplane_mcp.cli.output import STATE_STYLES, Column, brief, console, print_json, say, table
    from runplane_mcp.store.records import RequestFilter

    settings = settings_of_home()
    wanted = RequestFilter(states=frozenset(state) if state else None, kind=kind, action=action, limit=limit)

    async def look(desk: Desk) -> tuple[list[ActionRequest], frozenset[str]]:
        requests = await desk.requests(wanted)
        return requests, await desk.held_by_freezes(requests)

    found, frozen = at_desk(settings, look)
    if as_json:
        print_json([request_json(request, frozen=request.id in frozen) for request in found])
        return
    if not found:
        say("There are no such requests.")
        return
    rows = [
        (
            request.reference,
            request.state.value,
            request.action,
            label(request.agent),
            brief(request.created_at),
            request.failure.code if request.failure else "frozen" if request.id in frozen else "",
        )
        for request in found
    ]
    columns = [
        Column("REQUEST", whole=True),
        Column("STATUS", whole=True, styles=STATE_STYLES),
        Column("ACTION", whole=True),
        Column("AGENT"),
        Column("ASKED"),
        Column("CODE", styles={"frozen": "bold red"}),
    ]
    console().print(table(columns, rows))
    if frozen:
        say("What is marked frozen does not run while the freeze stands: runplane status", "bold red")


@requests.command("show", epilog=SHOW_EXAMPLES)
def show(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="A reference (RP-7F3K) or id.")],
    as_json: JsonFlag = False,
) -> None:
    """Show one request from first to last.

    Asked, decided, voted on, executed, and its events in the audit log.
    """
    from runplane_mcp.cli.life import life_json, life_view
    from runplane_mcp.cli.output import console, print_json

    life = at_desk(settings_of_home(), lambda desk: desk.life(request))
    if as_json:
        print_json(life_json(life))
        return
    console().print(life_view(life))
