"""`runplane policy try`: the answer about a request that nobody made, for people and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.cli.policy.file import policy_of
from runplane_mcp.cli.policy.trace import say_traces, traces_json
from runplane_mcp.core.approval import Person, eligible_people
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import ParameterError

if TYPE_CHECKING:
    from runplane_mcp.cli.attempt import Tried
    from runplane_mcp.core.compile import CompiledPolicy
    from runplane_mcp.settings import Settings

_EMPTY_PAST = "Limits and history are those of a new home: as if nothing had been asked before."


EXAMPLES = examples(
    (
        "runplane policy try create_refund payment_intent=pi_ada_900 amount=65000",
        "$650.00: amounts as Stripe writes them",
    ),
    (
        "runplane policy try create_payout amount=250000 currency=usd --at '2026-03-03 02:00'",
        "the same at two in the morning",
    ),
    (
        "runplane policy try PostTransfers amount=30000 currency=usd destination=acct_1 --agent treasury",
        "by an operation's id",
    ),
)


def try_(
    op: Annotated[str, typer.Argument(metavar="OP", help="A tool, an operation id, or 'METHOD PATH'.")],
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="Stripe's parameters in Stripe's units; or facts by their names."
        ),
    ] = None,
    agent: Annotated[str, typer.Option("--agent", metavar="A", help="The agent's label.")] = "agent",
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Local time in the policy's zone: '2026-03-03 14:00'.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Try this file instead of the enforced policy.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what would be decided, without asking.

    Nothing is looked up in Stripe and nothing is recorded: what a look-up would find is given as facts by their names.
    """
    from runplane_mcp.cli.attempt import attempt
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.core.catalog import load as load_catalog

    settings = settings_of_home()
    policy, source = policy_of(settings, file)
    moment = _moment(settings, policy, at)
    tried = attempt(policy, load_catalog(), op, _split(given or []), agent=agent, at=moment)
    people = at_desk(settings, lambda desk: desk.people()) if settings.database.exists() else []
    if as_json:
        print_json(_json(op, source, moment, tried, people))
    else:
        _tell(op, policy, source, moment, tried, people)


def _moment(settings: Settings, policy: CompiledPolicy, at: str | None) -> int:
    """Policy time in milliseconds: the one that was given, else now."""
    from runplane_mcp.core.policy import values
    from runplane_mcp.gate.clock import SystemClock, simulated_offset

    if at is None:
        simulated = settings.simulator_now
        offset = simulated_offset(simulated, policy.calendar.zone) if simulated is not None else 0
        return SystemClock(offset).policy()
    try:
        return policy.calendar.instant(values.local_time(at))
    except ValueError as error:
        raise ParameterError("parameter.time", f"--at {ascii(at)[:40]} is no time: {error}.", param="at") from None


def _split(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise ParameterError(
                "parameter.form", f"{ascii(each)[:60]} is not KEY=VALUE.", next_step="Write amount=65000."
            )
        if name in found:
            raise ParameterError("parameter.twice", f"{ascii(name)[:60]} is given twice.", param=name)
        found[name] = value
    return found


def _json(op: str, source: str, at: int, tried: Tried, people: list[Person]) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso
    from runplane_mcp.gate.records import facts_json, need_json

    decision = tried.decision
    needs: list[Json] = [
        {**need_json(need), "can_approve": list(eligible_people(need, people))} for need in decision.requirement
    ]
    return {
        "op": op,
        "operation": tried.operation.operation_id if tried.operation else None,
        "action": tried.action.name,
        "groups": sorted(tried.action.groups),
        "outcome": decision.outcome.value,
        "risk": decision.risk.level.value,
        "risk_score": decision.risk.score,
        "risk_factors": [
            {"name": factor.name, "points": factor.points, "sentence": factor.sentence}
            for factor in decision.risk.factors
        ],
        "reasons": [
            {"source": reason.source, "id": reason.id, "outcome": reason.outcome.value, "why": reason.why}
            for reason in decision.reasons
        ],
        "requirement": needs,
        "expires_in": decision.expires_in,
        "at": iso(at),
        "amounts": [
            {"parameter": name, "amount": money.amount, "currency": money.currency, "text": f"{money} ({money.amount})"}
            for name, money in tried.amounts.items()
        ],
        "facts": facts_json(tried.facts),
        "assumed": list(tried.assumed),
        "looked_up": False,
        "note": _EMPTY_PAST,
        "policy": source,
        "policy_version": decision.policy_version,
        "rules": traces_json(tried.traces),
    }


def _tell(op: str, policy: CompiledPolicy, source: str, at: int, tried: Tried, people: list[Person]) -> None:
    from datetime import UTC, datetime

    from rich.text import Text

    from runplane_mcp.cli.output import RISK_STYLES, say
    from runplane_mcp.core.policy.values import duration_text
    from runplane_mcp.core.text import visible

    decision = tried.decision
    local = datetime.fromtimestamp(at // 1000, UTC).astimezone(policy.calendar.zone)
    name = tried.operation.operation_id if tried.operation else f"{visible(op, 100)}, which is not in the catalog"
    say(f"{name}: {tried.action.name}, groups {', '.join(sorted(tried.action.groups)) or 'none'}", "bold")
    for parameter, money in tried.amounts.items():
        say(f"  {parameter} is {money} ({money.amount})")
    say(f"  on {local:%A} {local.day} {local:%B %Y %H:%M %Z}, under {source} (version {decision.policy_version[:12]})")
    styles = {"allow": "bold green", "require_approval": "bold yellow", "block": "bold red"}
    line = Text(decision.outcome.value.replace("_", " ").upper(), style=styles[decision.outcome.value])
    if decision.requirement:
        line.append(f"  from {' and '.join(need.sentence() for need in decision.requirement)}", style="not bold")
    if decision.expires_in is not None:
        line.append(f", within {duration_text(decision.expires_in)}", style="not bold")
    say(line)
    for need in decision.requirement:
        able = eligible_people(need, people)
        if len(able) < need.people:
            say(f"  WARNING  {need.sentence()}: {', '.join(able) or 'nobody'} enrolled", "bold yellow")
    for reason in decision.reasons:
        spoke = reason.id if reason.id.startswith(reason.source) else f"{reason.source} {reason.id}".strip()
        say(f"  - {spoke}: {reason.outcome.value.replace('_', ' ')}. {visible(reason.why, 400)}")
    risk = Text(f"Risk {decision.risk.score} of 100, ")
    risk.append(decision.risk.level.value, style=RISK_STYLES[decision.risk.level.value])
    say(risk)
    for factor in decision.risk.factors:
        say(f"  - {factor.sentence} (+{factor.points})")
    say("Rules and limits", "bold")
    say_traces(tried.traces, source)
    say(f"Nothing was looked up. Taken as neutral: {', '.join(tried.assumed) or 'nothing'}.", "dim")
    say(_EMPTY_PAST, "dim")
