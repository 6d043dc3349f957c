"""`runplane policy attack`: a hijacked agent played against the real gate, and what it got away with."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.cli.policy.file import FileArgument, policy_of
from runplane_mcp.core.canonical import Json

if TYPE_CHECKING:
    from runplane_mcp.attack import Act, Found, Horizon
    from runplane_mcp.core.compile import CompiledPolicy
    from runplane_mcp.core.exposure import Exposure

EXAMPLES = examples(
    ("runplane policy attack --horizon hour", "the most that is found to move within an hour"),
    ("runplane policy attack --horizon hour --agents 3", "three agents at once"),
    ("runplane policy attack policies.yaml --horizon day --json", "a file, for programs"),
)


class Span(StrEnum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


def attack(
    file: FileArgument = None,
    horizon: Annotated[Span, typer.Option("--horizon", help="How long the attack goes on.")] = Span.WEEK,
    agents: Annotated[
        int, typer.Option("--agents", metavar="N", min=1, max=20, help="How many agents are hijacked at once.")
    ] = 1,
    budget: Annotated[
        int,
        typer.Option("--budget", metavar="STEPS", min=1, max=100_000, help="The most requests that may be run."),
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another order of trying.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Play a hijacked agent against the real gate.

    In a home and a simulated company of its own, with policy time sped up and nobody there to say yes, every operation is
    tried in every way that the catalog knows, and what passes is done again and again. What moved is counted in the
    company's books. It is a lower bound of what can go wrong; `at most` is the upper one, which is computed. Where both are
    the same, the number is proven.
    """
    from runplane_mcp.attack import Attack
    from runplane_mcp.cli.output import console, print_json
    from runplane_mcp.cli.signals import Stopped, run
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.exposure import exposure

    policy, source = policy_of(settings_of_home(), file)
    bound = exposure(policy, load_catalog(), principals=agents)
    hints = tuple(step.each for each in bound.total.values() for step in each.sequence if step.each)
    plan = Attack(horizon.value, agents=agents, budget=budget, seed=seed, hints=hints)
    try:
        with console(stderr=True).status("Setting up a company") as status:
            found = run(plan.on, policy, status.update)
    except Stopped as stopped:
        raise typer.Exit(stopped.exit_code) from None
    if as_json:
        print_json(_json(found, source, bound))
    else:
        _tell(found, source, policy, bound)
    if _beaten(found, bound):
        raise typer.Exit(1)


def _beaten(found: Found, bound: Exposure) -> list[str]:
    """The horizons in which more moved than can: then the bound, or what it is computed from, is wrong."""
    wrong = []
    for horizon in found.horizons:
        most = bound.total[horizon.seconds].amount
        if most is not None and horizon.amount > most:
            wrong.append(horizon.name)
    return wrong


def _json(found: Found, source: str, bound: Exposure) -> dict[str, Json]:
    return {
        "policy": source,
        "policy_version": found.policy_version,
        "currency": found.currency,
        "agents": found.agents,
        "seed": found.seed,
        "budget": found.budget,
        "requests": found.requests,
        "complete": found.complete,
        "endless": list(found.endless),
        "undertold": sorted({act.operation for act in found.undertold}),
        "beaten": list(_beaten(found, bound)),
        "horizons": [
            {
                "name": each.name,
                "seconds": each.seconds,
                "found": each.amount,
                "at_most": bound.total[each.seconds].amount,
                "groups": {
                    group: {"found": each.groups.get(group, 0), "at_most": most[each.seconds].amount}
                    for group, most in bound.groups.items()
                },
                "sequence": [_act_json(act) for act in each.acts],
            }
            for each in found.horizons
        ],
    }


def _act_json(act: Act) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    return {
        "at": iso(act.at),
        "agent": act.agent,
        "operation": act.operation,
        "parameters": list(act.parameters),
        "amount": act.amount,
        "currency": act.currency,
        "counted": act.told,
        "moved": dict(act.moved),
        "held_back": act.held,
    }


def _tell(found: Found, source: str, policy: CompiledPolicy, bound: Exposure) -> None:
    from runplane_mcp.cli.output import Column, console, say, table

    agents = "one agent" if found.agents == 1 else f"{found.agents} agents"
    say(
        f"The most that {agents} got away with, nobody asked, under {source} (version {found.policy_version[:12]})",
        "bold",
    )
    rows = []
    for horizon in found.horizons:
        rows.append(_row(f"within {_a(horizon.name)}", horizon.amount, bound.total[horizon.seconds].amount, found))
        for group, most in bound.groups.items():
            moved, at_most = horizon.groups.get(group, 0), most[horizon.seconds].amount
            if moved or at_most != 0:
                rows.append(_row(f"  {group}", moved, at_most, found))
    console().print(
        table([Column("LOST", whole=True), Column("FOUND", right=True), Column("AT MOST", right=True)], rows)
    )
    say("Charges are what customers are billed, and no part of what is lost.", "dim")
    shortest = found.horizons[0]
    say(f"\nHow, within {_a(shortest.name)}:" if shortest.acts else "\nNothing moves with nobody asked.", "bold")
    for line in _lines(shortest, policy):
        say(line)
    if found.endless:
        say(f"\nNo end was found to: {', '.join(found.endless)}. No limit counts them all.", "bold red")
    if found.undertold:
        named = ", ".join(sorted({act.operation for act in found.undertold}))
        say(
            f"\nMore moved than the amount that limits count: {named}. A hold was let go with what was taken of it.",
            "yellow",
        )
    if not found.complete:
        say(
            f"\nThe budget of {found.budget} requests was used up: there may be more. Give more with --budget.",
            "yellow",
        )
    for name in _beaten(found, bound):
        say(f"\nMORE THAN CAN BE within {_a(name)}: the upper bound is wrong. Please report this.", "bold red")
    say(f"\n{found.requests} requests ran in all, by {found.doors} kinds of door. All of them: --json", "dim")


def _a(name: str) -> str:
    return f"an {name}" if name == "hour" else f"a {name}"


def _row(name: str, moved: int, most: int | None, found: Found) -> tuple[str, str, str]:
    from runplane_mcp.cli.output import money

    return name, money(moved, found.currency), "unbounded" if most is None else money(most, found.currency)


def _lines(horizon: Horizon, policy: CompiledPolicy) -> list[str]:
    """The acts, those that are alike in one line."""
    from collections import Counter
    from datetime import UTC, datetime

    from runplane_mcp.cli.output import money

    def key(act: Act) -> tuple[str, ...]:
        local = datetime.fromtimestamp(act.at // 1000, UTC).astimezone(policy.calendar.zone)
        moved = ", ".join(f"{group} {money(each, policy.policy.currency)}" for group, each in act.moved.items())
        held = ", held back for a while" if act.held else ""
        return f"{local:%a %H:%M}", act.agent, act.operation, ", ".join(act.parameters), moved + held

    alike = Counter(key(act) for act in horizon.acts)
    many = len({act.agent for act in horizon.acts}) > 1
    return [
        f"  {at}  {f'{agent}  ' if many else ''}{count:>3} × {operation}({parameters}): {moved}"
        for (at, agent, operation, parameters, moved), count in alike.items()
    ]
