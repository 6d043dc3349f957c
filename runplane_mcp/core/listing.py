"""How one of Stripe's lists is asked for, and what is kept of its objects: only what decides, no names, addresses or words,
for the pages lie in the home until they are read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.wire import Value

Tree: TypeAlias = "Mapping[str, Tree | None]"


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list is asked for, and what is kept of its objects. `dated`: Stripe can leave out what is older; otherwise
    everything is paged through. `earlier`: as long a time before is read too, for who was paid before. `before`: so many
    seconds before are read too."""

    path: str
    parameters: Mapping[str, Value]
    keep: Tree
    dated: bool = True
    earlier: bool = False
    before: int = 0


#: What is never kept: somebody's words.
_WORDS: Final = frozenset({"metadata", "nickname", "name", "description", "statement_descriptor", "unit_label"})


def pruned(found: Mapping[str, object], tree: Tree) -> dict[str, Json]:
    """What is kept of one object of a list."""
    return {name: _part(found[name], below) for name, below in tree.items() if name in found}


def _part(value: object, tree: Tree | None) -> Json:
    if isinstance(value, list):
        return [_part(each, tree) for each in value]
    if isinstance(value, Mapping):
        if tree is not None:
            return pruned(value, tree)
        return {name: _part(below, None) for name, below in value.items() if name not in _WORDS}
    return cast("Json", value)  # it came out of JSON
