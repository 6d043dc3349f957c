"""What runs by itself when its time comes, as listings show it, and `runplane stop`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.card import Card
from runplane_mcp.errors import UsageError

if TYPE_CHECKING:
    from runplane_mcp.core.request import ActionRequest
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.gate.stopping import Upcoming

EXAMPLES = examples(
    ("runplane stop RP-7F3K", "this one never runs"),
    ("runplane stop --all", "everything that is scheduled"),
    ("runplane stop --all --agent support-bot --reason 'wrong order numbers'", "whoever goes by that label"),
)


def stop(
    request: Annotated[
        list[str] | None, typer.Argument(metavar="[REQUEST]...", help="References (RP-7F3K) or ids.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is scheduled.")] = False,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="A", help="With --all: only what this agent's label asked for.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the record. Agents do not see it.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Stop what is scheduled before it runs.

    Anybody may; it takes no secret. What is stopped never runs. Its agent may ask for the same again: a signed no
    (runplane deny) stands for that too, and a freeze holds all that is like it. Of several named requests all are
    stopped or, where one is not scheduled any more, none.
    """
    from runplane_mcp.cli.freeze import system_user
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.gate.stopping import stop as stop_these
    from runplane_mcp.gate.stopping import stop_all

    names = request or []
    if everything is bool(names):
        raise UsageError(
            "usage.stop", "Say which requests to stop, or --all.", next_step="See them: runplane approvals list"
        )
    if agent is not None and not everything:
        raise UsageError("usage.stop", "--agent belongs to --all.", next_step="Leave it out, or add --all.")
    said_by = system_user()

    async def work(desk: Desk) -> tuple[ActionRequest, ...]:
        if everything:
            return await stop_all(desk, agent=agent, said_by=said_by, reason=reason)
        return await stop_these(desk, names, said_by=said_by, reason=reason)

    stopped = at_desk(settings_of_home(), work)
    if as_json:
        print_json(
            [{"request_id": each.id, "reference": each.reference, "status": each.state.value} for each in stopped]
        )
        return
    if not stopped:
        say("Nothing of this kind is scheduled.")
        return
    for each in stopped:
        say(f"Stopped. {each.reference} will not run.", "red")
    say("To stop what is asked for from now on: runplane freeze", "dim")


def digest_line(soon: Upcoming, now: int) -> str:
    """`3 scheduled: $412.00 USD, next in 2 min`."""
    parts = [str(each) for each in soon.totals]
    if soon.without_money:
        parts.append(f"{soon.without_money} of no or unknown amount")
    if soon.next_at is not None:
        parts.append(f"next {runs_in(soon.next_at, now)}")
    return f"{soon.count} scheduled{': ' if parts else ''}{', '.join(parts)}"


def runs_in(release_at: int, now: int) -> str:
    """`in 7 min`, or `now` for what a gate runs as soon as it looks."""
    from runplane_mcp.cli.output import span

    return f"in {span(release_at - now)}" if release_at > now else "now"


def upcoming_json(soon: Upcoming) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    totals: list[Json] = [{"amount": each.amount, "currency": each.currency} for each in soon.totals]
    return {"count": soon.count, "totals": totals, "without_money": soon.without_money, "next_at": iso(soon.next_at)}


def print_scheduled(cards: Sequence[Card], now: int) -> None:
    """The listing, below what waits for people."""
    from runplane_mcp.cli.card_table import card_table
    from runplane_mcp.cli.output import Column, console, say
    from runplane_mcp.gate.stopping import upcoming

    if not cards:
        return
    say()
    say(f"{digest_line(upcoming(cards), now)}. Nobody is asked; each runs by itself.", "bold")
    runs = Column("RUNS", whole=True, styles={"frozen": "bold red"})
    console().print(
        card_table(cards, runs, lambda card: "frozen" if card.frozen else runs_in(card.release_at or 0, now))
    )
    say("Stop one or all: runplane stop REQUEST   or   runplane stop --all", "dim")
