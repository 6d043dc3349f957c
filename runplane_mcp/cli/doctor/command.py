"""The command itself: every check that can be made, in one order, whatever the one before came to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.doctor.finding import Finding, Level, broken, problem
from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import EXIT_REFUSED, RunplaneError

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.gate.status import HomeStatus
    from runplane_mcp.settings import Settings

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.PROBLEM: "bold red"}


EXAMPLES = examples(
    ("runplane doctor", "everything, the key's permissions too"),
    ("runplane doctor --offline", "without asking Stripe"),
    ("runplane doctor --json", "for a monitor; exit 1 when there is a problem"),
)


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Stripe what the key may read.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check machine, home, policy, people and key.

    Each line is ok, warn or problem, and says what to do. Exit 1 when there is a problem. It changes nothing at Stripe
    and never shows the key.
    """
    findings = list(_all(offline=offline))
    problems = sum(each.level is Level.PROBLEM for each in findings)
    if as_json:
        _print(findings, problems)
    else:
        _tell(findings, problems)
    if problems:
        raise typer.Exit(EXIT_REFUSED)


def _all(*, offline: bool) -> Iterator[Finding]:
    from runplane_mcp.cli.doctor.machine import machine
    from runplane_mcp.cli.doctor.surroundings import variables

    yield from variables(os.environ)
    try:
        settings = settings_of_home()
    except RunplaneError as error:
        yield broken("settings", error)
        return
    yield from machine(settings.home)
    if not settings.database.exists():
        yield problem("home", f"There is no Runplane home at {settings.home}.", "runplane init")
        return
    yield from _home(settings, offline=offline)


def _home(settings: Settings, *, offline: bool) -> Iterator[Finding]:
    from runplane_mcp.cli.doctor.account import key
    from runplane_mcp.cli.doctor.anchoring import checkpoint
    from runplane_mcp.cli.doctor.records import integrity
    from runplane_mcp.cli.doctor.surroundings import copies, modes

    # Before the desk opens: opening it mends the home's mode.
    try:
        yield from modes(settings)
        yield from copies(settings)
    except OSError as error:
        yield problem("modes", f"{settings.home} cannot be looked into: {error.strerror}.", "Run it as its owner.")
        return
    yield from integrity(settings)
    yield from checkpoint(settings)
    try:
        findings = at_desk(settings, lambda desk: _at_desk(desk, settings, offline=offline))
    except RunplaneError as error:
        yield broken("home", error)
        yield from key(settings, None)
        return
    yield from findings


async def _at_desk(desk: Desk, settings: Settings, *, offline: bool) -> list[Finding]:
    from runplane_mcp.cli.doctor.account import account, key
    from runplane_mcp.cli.doctor.clock import clock_moved
    from runplane_mcp.cli.doctor.records import approvers, coverage, epoch, left_open, promises, restored
    from runplane_mcp.cli.doctor.rules import rules
    from runplane_mcp.gate.coverage.state import states
    from runplane_mcp.gate.people import pretended

    home: HomeStatus = await desk.status()
    enforced = await desk.store.read(desk.policies.enforced) if home.policy is not None else None
    needs = enforced.policy.approvals() if enforced is not None else ()
    findings = [
        *await clock_moved(desk),
        *promises(home),
        *await epoch(desk),
        *restored(home, settings),
        *rules(settings, home, desk.clock.policy()),
        *approvers(home, await desk.store.read(pretended), needs),
        *await left_open(desk, settings, home),
        *coverage(await desk.store.read(states), settings.coverage_every),
        *key(settings, home),
    ]
    if not offline and not any(each.check == "key" and each.level is Level.PROBLEM for each in findings):
        findings.extend(await account(settings, desk.clock, home))
    return findings


def _print(findings: list[Finding], problems: int) -> None:
    from runplane_mcp.cli.output import print_json

    checks: list[Json] = [
        {"check": each.check, "level": each.level.value, "said": each.said, "advice": each.advice or None}
        for each in findings
    ]
    warnings = sum(each.level is Level.WARN for each in findings)
    print_json({"ok": problems == 0, "problems": problems, "warnings": warnings, "checks": checks})


def _tell(findings: list[Finding], problems: int) -> None:
    from rich.text import Text

    from runplane_mcp.cli.card import Hanging
    from runplane_mcp.cli.output import console, say
    from runplane_mcp.core.text import visible

    out = console()
    for each in findings:
        said = Text(f"{each.check}: ", style="bold")
        said.append(visible(each.said, 1_000), style="not bold")
        out.print(Hanging(f"{each.level.value:<9}", " " * 9, said, style=_STYLES[each.level]))
        if each.advice:
            out.print(Hanging(" " * 9 + "→ ", " " * 11, Text(visible(each.advice, 1_000)), style=_STYLES[each.level]))
    warnings = sum(each.level is Level.WARN for each in findings)
    say()
    if problems:
        say(f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}.", "bold red")
    elif warnings:
        say(f"No problem, {_count(warnings, 'warning')}.", "yellow")
    else:
        say("All is well.", "bold green")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
