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
    from runplane_mcp.gate.explaining import Explained, Explanation

EXAMPLES = examples(
    ("runplane policy explain RP-7F3K", "each of its decisions: every rule and limit, each test, each fact"),
    ("runplane policy explain RP-7F3K --decision 1", "only the first one"),
)
#: When a decision of each kind is made.
_WHEN = {"first": "when it came", "release": "when its time had come", "execution": "before it ran"}


def explain(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="A reference (RP-7F3K) or id.")],
    number: Annotated[
        int | None, typer.Option("--decision", min=1, metavar="N", help="Only this one of its decisions.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say why a request was decided as it was.

    Each time: when it came, when its time came, when it was about to run. By the policy that decided it then and the facts
    that were recorded, however often the policy has changed since.
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
    return {
        "request_id": found.request.id,
        "reference": found.request.reference,
        "action": found.request.action,
        "count": found.count,
        "decisions": [_decision_json(each) for each in found.decisions],
    }


def _decision_json(each: Explanation) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    record, detail = each.record, each.record.detail
    return {
        "decision": record.n,
        "round": record.round,
        "kind": record.kind,
        "at": iso(record.at),
        "policy_at": iso(record.policy_at),
        "policy_version": record.policy_version,
        "policy_unreadable": each.unreadable,
        "outcome": record.outcome.value,
        "after": detail.get("after"),
        "risk": record.risk_level.value,
        "risk_score": record.risk,
        "risk_factors": detail.get("risk_factors", []),
        "reasons": detail.get("reasons", []),
        "requirement": detail.get("requirement", []),
        "changed": detail.get("changed", []),
        "limits": detail.get("limits", []),
        "shadow": detail.get("shadow", []),
        "candidate": detail.get("candidate"),
        "facts": dict(record.facts),
        "no_longer_facts": sorted(each.former),
        "erased": not record.facts,
        "rules": traces_json(each.traces),
    }


def _tell(found: Explained) -> None:
    from runplane_mcp.cli.output import say

    before: Explanation | None = None
    for each in found.decisions:
        if before is not None:
            say("")
        _tell_decision(found, each, before)
        before = each


def _tell_decision(found: Explained, each: Explanation, before: Explanation | None) -> None:
    """One decision; after another one, only what differs of facts and of what does not apply."""
    from runplane_mcp.cli.output import RISK_STYLES, moment, say
    from runplane_mcp.core.policy.values import duration_text
    from runplane_mcp.core.text import visible
    from runplane_mcp.gate.beside import only_recorded

    record, detail, request = each.record, each.record.detail, found.request
    after, version = detail.get("after"), record.policy_version[:12]
    held = f", after {duration_text(after)}" if isinstance(after, int) else ""
    when = f"{_WHEN.get(record.kind, record.kind)}, round {record.round}" if record.round else _WHEN[record.kind]
    say(f"{request.reference}: {request.action}, decision {record.n} of {found.count} ({when})", "bold")
    say(f"  at {moment(record.at)}, under policy version {version}")
    styles = {"allow": "bold green", "require_approval": "bold yellow", "block": "bold red"}
    say(f"{record.outcome.value.replace('_', ' ').upper()}{held}", styles[record.outcome.value])
    for reason in _objects(detail.get("reasons")):
        source, name = str(reason.get("source")), str(reason.get("id"))
        spoke = name if name.startswith(source) else f"{source} {name}"
        outcome = str(reason.get("outcome")).replace("_", " ")
        say(f"  - {visible(spoke, 100)}: {outcome}. {visible(str(reason.get('why') or ''), 400)}")
    for change in _texts(detail.get("changed")):
        say(f"  changed: {visible(change, 400)}")
    say(f"Risk {record.risk} of 100, {record.risk_level.value}", RISK_STYLES[record.risk_level.value])
    for factor in _objects(detail.get("risk_factors")):
        say(f"  - {visible(str(factor.get('sentence')), 200)} (+{factor.get('points')})")
    if not record.facts:
        say("Its facts were erased: what each rule said of them cannot be shown any more.", "yellow")
    if each.unreadable is not None:
        say(f"This version of Runplane cannot read policy {version}: {visible(each.unreadable, 400)}", "yellow")
    if each.traces:
        say("Rules and limits", "bold")
        say_traces(each.traces, f"policy {version}", before.traces if before is not None else ())
    limits = _objects(detail.get("limits"))
    if limits:
        say("How full the limits were", "bold")
    for limit in limits:
        full = "exceeded" if limit.get("exceeded") else "not exceeded"
        say(f"  {visible(str(limit.get('id')), 100)}: {visible(str(limit.get('sentence')), 300)}; {full}")
    for line in only_recorded(detail):
        say(f"  {visible(line, 500)}", "dim")
    _tell_facts(each, before)


def _tell_facts(each: Explanation, before: Explanation | None) -> None:
    from runplane_mcp.cli.output import say
    from runplane_mcp.core.canonical import canonical
    from runplane_mcp.core.explain import value_words
    from runplane_mcp.core.text import visible

    again = before is not None and bool(before.record.facts)
    told = {name: value_words(value) for name, value in each.facts.items()}
    earlier = {name: value_words(value) for name, value in before.facts.items()} if before is not None else {}
    if again and each.record.facts:
        gone = {name: value_words(None) for name in earlier.keys() - told.keys()}
        told = {name: value for name, value in (told | gone).items() if earlier.get(name) != value}
        say("Facts that changed" if told else "No fact has changed", "bold")
    elif told:
        say("Facts", "bold")
    for name, value in sorted(told.items()):
        was = f"  (was {visible(earlier.get(name, value_words(None)), 200)})" if again else ""
        say(f"  {name}: {visible(value, 200)}{was}", "dim")
    for name, written in sorted(each.former.items()):
        say(f"  {visible(name, 100)}: {visible(canonical(written).decode(), 200)}  (no longer a fact)", "yellow")


def _texts(value: Json) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list | tuple) else []


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []
