"""`runplane policy explain`: why a request that was made came out as it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.cli.policy.trace import say_traces, traces_json
from runplane_mcp.core.canonical import Json

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.gate.explaining import Explained

EXAMPLES = examples(
    ("runplane policy explain RP-7F3K", "its last decision: every rule and limit, each test, each fact"),
    ("runplane policy explain RP-7F3K --decision 1", "the first one"),
)


def explain(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="A reference (RP-7F3K) or id.")],
    number: Annotated[
        int | None, typer.Option("--decision", min=1, metavar="N", help="Which of its decisions; the last by default.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say why a request was decided as it was.

    By the policy that decided it then and the facts that were recorded, however often the policy has changed since.
    """
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.gate.explaining import explained

    async def look(desk: Desk) -> Explained:
        return await desk.store.read(lambda reader: explained(reader, desk.policies, request, number))

    found = at_desk(settings_of_home(), look)
    if as_json:
        print_json(_json(found))
    else:
        _tell(found)


def _json(found: Explained) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    record, detail = found.record, found.record.detail
    return {
        "request_id": found.request.id,
        "reference": found.request.reference,
        "decision": record.n,
        "decisions": len(found.decisions),
        "kind": record.kind,
        "at": iso(record.at),
        "policy_at": iso(record.policy_at),
        "policy_version": record.policy_version,
        "outcome": record.outcome.value,
        "after": detail.get("after"),
        "risk": record.risk_level.value,
        "risk_score": record.risk,
        "risk_factors": detail.get("risk_factors", []),
        "reasons": detail.get("reasons", []),
        "requirement": detail.get("requirement", []),
        "limits": detail.get("limits", []),
        "shadow": detail.get("shadow", []),
        "candidate": detail.get("candidate"),
        "facts": dict(record.facts),
        "erased": not found.facts,
        "rules": traces_json(found.traces),
    }


def _tell(found: Explained) -> None:
    from runplane_mcp.cli.output import RISK_STYLES, moment, say
    from runplane_mcp.core.explain import value_words
    from runplane_mcp.core.policy.values import duration_text
    from runplane_mcp.core.text import visible
    from runplane_mcp.gate.beside import only_recorded

    record, detail, request = found.record, found.record.detail, found.request
    after = detail.get("after")
    held = f", after {duration_text(after)}" if isinstance(after, int) else ""
    say(f"{request.reference}: {request.action}, decision {record.n} of {len(found.decisions)} ({record.kind})", "bold")
    say(f"  at {moment(record.at)}, under policy version {record.policy_version[:12]}")
    styles = {"allow": "bold green", "require_approval": "bold yellow", "block": "bold red"}
    say(f"{record.outcome.value.replace('_', ' ').upper()}{held}", styles[record.outcome.value])
    for reason in _objects(detail.get("reasons")):
        source, name = str(reason.get("source")), str(reason.get("id"))
        spoke = name if name.startswith(source) else f"{source} {name}"
        outcome = str(reason.get("outcome")).replace("_", " ")
        say(f"  - {visible(spoke, 100)}: {outcome}. {visible(str(reason.get('why') or ''), 400)}")
    say(f"Risk {record.risk} of 100, {record.risk_level.value}", RISK_STYLES[record.risk_level.value])
    for factor in _objects(detail.get("risk_factors")):
        say(f"  - {visible(str(factor.get('sentence')), 200)} (+{factor.get('points')})")
    if not found.facts:
        say("Its facts were erased: what each rule said of them cannot be shown any more.", "yellow")
    if found.traces:
        say("Rules and limits", "bold")
        say_traces(found.traces, f"policy {record.policy_version[:12]}")
    limits = _objects(detail.get("limits"))
    if limits:
        say("How full the limits were", "bold")
    for limit in limits:
        full = "exceeded" if limit.get("exceeded") else "not exceeded"
        say(f"  {visible(str(limit.get('id')), 100)}: {visible(str(limit.get('sentence')), 300)}; {full}")
    for line in only_recorded(detail):
        say(f"  {visible(line, 500)}", "dim")
    if found.facts:
        say("Facts", "bold")
    for name, value in sorted(found.facts.items()):
        say(f"  {name}: {visible(value_words(value), 200)}", "dim")


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []
