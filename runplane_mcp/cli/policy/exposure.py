"""`runplane policy exposure`: the most that a hijacked agent moves with nobody asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.cli.policy.file import FileArgument
from runplane_mcp.core.canonical import Json

if TYPE_CHECKING:
    from runplane_mcp.core.exposure import Bound, Exposure

EXAMPLES = examples(
    ("runplane policy exposure", "the home's policies.yaml, and how its worst case is reached"),
    ("runplane policy exposure policies.yaml --agents 3", "of any file, with three agents hijacked at once"),
)


def exposure(
    file: FileArgument = None,
    agents: Annotated[int, typer.Option("--agents", min=1, max=10_000, help="Agents hijacked at once.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Say the most money that goes out with nobody asked.

    An upper bound for an agent that is fully hijacked, by the hour, day and week: computed from the rules, the limits, the
    table of risks and the catalog. It leaves out what people approve, and what other keys do. `unbounded` names the
    operation that makes it so.
    """
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.compile import compile_policy
    from runplane_mcp.core.exposure import exposure as compute
    from runplane_mcp.core.policy import load
    from runplane_mcp.gate.policies import read_policy_file

    path = file if file is not None else settings_of_home().policy_file
    catalog = load_catalog()
    loaded = load(read_policy_file(path), file=str(path), known_actions=catalog.actions)
    found = compute(compile_policy(loaded, actions=catalog.actions), catalog, principals=agents)
    if as_json:
        print_json({"file": str(path), "version": loaded.version, **exposure_json(found)})
    else:
        _say(found)


def exposure_json(found: Exposure) -> dict[str, Json]:
    """Amounts are minor units of `currency`; null is unbounded."""
    return {
        "currency": found.currency,
        "agents": found.principals,
        "total": _bounds_json(found.total),
        "at_once": _bounds_json(found.at_once),
        "groups": {group: _bounds_json(bounds) for group, bounds in found.groups.items()},
        "revenue": _bounds_json(found.revenue),
        "unmeasured": list(found.unmeasured),
        "doors": list(found.doors),
        "passing": found.passing,
    }


def _bounds_json(bounds: Mapping[int, Bound]) -> list[Json]:
    from runplane_mcp.gate.records import fact_json

    return [
        {
            "within": span,
            "amount": bound.amount,
            "unbounded_by": list(bound.unbounded_by),
            "sequence": [
                {
                    "operation_id": step.operation_id,
                    "action": step.action,
                    "moves": step.what.value,
                    "amount": step.each,
                    "count": step.count,
                    "can_be_stopped": step.stoppable,
                    "facts": {name: fact_json(value) for name, value in step.facts.items()},
                }
                for step in bound.sequence
            ],
        }
        for span, bound in bounds.items()
    ]


def _say(found: Exposure) -> None:
    from runplane_mcp.cli.output import Column, console, say, table
    from runplane_mcp.core.exposure.bound import SPANS
    from runplane_mcp.core.exposure.words import (
        SPAN_WORDS,
        amount_words,
        operations_words,
        revenue_case,
        step_words,
        worst_case,
    )

    for line in (worst_case(found), revenue_case(found)):
        if line:
            say(line, "bold")
    kinds = {"money out": found.total}
    if found.at_once != found.total:
        kinds["  at once"] = found.at_once
    kinds |= {f"  {group}": bounds for group, bounds in found.groups.items() if group not in _BESIDE}
    kinds |= {group: found.groups[group] for group in _BESIDE} | {"revenue a month": found.revenue}
    rows = [[name, *(amount_words(bounds[span], found.currency) for span in SPANS)] for name, bounds in kinds.items()]
    columns = [Column("WHAT", whole=True), *(Column(SPAN_WORDS[span].upper(), right=True) for span in SPANS)]
    console().print(table(columns, rows))
    for span in SPANS:
        bound = found.total[span]
        if bound.amount is None or bound.sequence:
            say(f"{SPAN_WORDS[span][0].upper()}{SPAN_WORDS[span][1:]}, by:", "bold")
        for step in bound.sequence:
            say(f"  {step_words(step, found.currency)}")
        if bound.amount is None:
            say(f"  Unbounded: {operations_words(bound.unbounded_by)}. Write a limit or a rule for it.", "bold yellow")
            break
    for ids, what in (
        (found.unmeasured, "belong to money out and have no amount, so they are not in it"),
        (found.doors, "give somebody access; what they let others do is not in it"),
    ):
        if ids:
            say(f"Pass with nobody asked: {operations_words(ids)} {what}.", "yellow")
    say(f"Besides, {found.passing} operations pass that move no money. What people approve is not in it.")


#: Groups that are no money out: what customers are charged, and what they pay less.
_BESIDE = ("charges", "discounts")
