"""Every rule and limit over the facts of one request, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runplane_mcp.core.canonical import Json

if TYPE_CHECKING:
    from runplane_mcp.core.explain import Trace

_STYLES = {"true": "bold", "unknown": "yellow", "false": "dim"}


def traces_json(traces: Sequence[Trace]) -> list[Json]:
    return [
        {
            "kind": trace.kind,
            "id": trace.id,
            "line": trace.line,
            "then": trace.then.value,
            "applies": trace.applies,
            "mode": "shadow" if trace.shadow else "enforce",
            "not_covered": list(trace.lacking),
            "tests": [
                {"part": test.part, "fact": test.fact, "test": test.test, "value": test.value, "verdict": test.verdict}
                for test in trace.tests
            ],
        }
        for trace in traces
    ]


def say_traces(traces: Sequence[Trace], file: str, before: Sequence[Trace] = ()) -> None:
    """What applies first, each with where it stands, then each of its tests with the fact's value and what came of it. What
    does not apply, as it did not in an earlier decision's traces (`before`), is only named."""
    from runplane_mcp.cli.output import say
    from runplane_mcp.core.text import visible

    silent = {(each.kind, each.id) for each in before if each.applies == "false"}
    as_before = [each for each in traces if each.applies == "false" and (each.kind, each.id) in silent]
    for trace in sorted(traces, key=lambda each: each.applies == "false"):
        if trace in as_before:
            continue
        applies = {"true": "applies", "false": "does not apply", "unknown": "may apply"}[trace.applies]
        head = f"{trace.kind} {trace.id}, {visible(file, 200)}:{trace.line}: {trace.then.value}"
        shadow = ", in shadow: it decides nothing" if trace.shadow else ""
        names = " and ".join(trace.lacking)
        but = f", but does not cover it: its condition does not name {names}" if names else ""
        say(f"  {head}  {applies}{but}{shadow}", _STYLES[trace.applies])
        for test in trace.tests:
            unless = "unless " if test.part == "unless" else ""
            value = visible(test.value, 120)
            say(f"      {unless}{test.fact} {visible(test.test, 200)}: it is {value}, {test.verdict}", "dim")
    if as_before:
        say(f"  as before, does not apply: {', '.join(each.id for each in as_before)}", "dim")
