"""Reads, which do nothing, and operations that nobody has judged, of which nothing is known."""

from __future__ import annotations

from runplane_mcp.core.effect import Effect, LookedUp, Read
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.expansions import secret_expansions
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.operation import Classified


def reads(_classified: Classified, _looked: LookedUp) -> tuple[Read, ...]:
    return ()


def read_effect(classified: Classified, _looked: LookedUp) -> Effect:
    resource, verb = classified.action.rsplit(".", 1)
    named = classified.operation.path_parameters
    id = classified.parameters[named[-1]] if named else None
    facts: dict[str, FactValue] = {"object": id if isinstance(id, str) and o.is_id(id) else UNKNOWN} if named else {}
    if "gives_access" in classified.facts:
        facts["gives_access"] = True
    secrets = secret_expansions(classified.parameters)
    shown = f" The answer shows {', '.join(secrets)}." if secrets else ""
    what = resource.replace("_", " ") + ("s" if verb == "list" else f" {o.shown(id)}" if named else "")
    return Effect(
        sentence=f"{verb.replace('_', ' ').capitalize()} {what}.{shown}", facts=facts, undo="Changes nothing."
    )


def unjudged_effect(classified: Classified, _looked: LookedUp) -> Effect:
    return Effect(
        sentence=f"Run {classified.operation.operation_id}, which nobody has judged yet.",
        facts={},
        undo="Nobody has said whether it can be undone.",
    )
