"""The connected account or bank account that parameters name as where money goes."""

from __future__ import annotations

from collections.abc import Iterable

from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.told import Added


def named(added: Iterable[Added]) -> FactValue:
    """The only one that is named; unknown among several, and where none can be read."""
    found: set[object] = set()
    for each in added:
        if "destination" in each.addition.facts:
            inner = each.value
            if isinstance(inner, dict):
                inner = inner.get("destination", inner.get("account", ""))
            found.add(inner if isinstance(inner, str) else "")
    only = found.pop() if len(found) == 1 else None
    return only if isinstance(only, str) and o.is_id(only) else UNKNOWN


def said(classified: Classified) -> str:
    """Whose the money is, where parameters make it somebody else's."""
    if "destination" not in classified.facts:
        return ""
    to = named(classified.added)
    return f" The money is for {f'account {to}' if isinstance(to, str) else 'an account that could not be found out'}."
