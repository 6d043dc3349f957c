"""Finding operations: by filters and words, or the one that somebody means by a name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.facts import GROUPS
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import Kind
from runplane_mcp.core.search import Search
from runplane_mcp.core.text import visible
from runplane_mcp.errors import UsageError

#: How like a name must be to be offered for another; the library's own 0.6 offers what nobody meant.
_LIKE = 0.7
#: Operations that are listed for words which none holds.
_MEANT = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an operation must be to be listed; None and no words: anything. `action` and `group` hold where any of its
    parameters can make it so. `words` are for the search."""

    words: tuple[str, ...] = ()
    group: str | None = None
    action: str | None = None
    kind: Kind | None = None
    judged: bool | None = None

    def fits(self, operation: Operation) -> bool:
        return (
            (self.kind is None or operation.kind is self.kind)
            and (self.judged is None or operation.judged is self.judged)
            and (self.group is None or self.group in groups_of(operation))
            and (self.action is None or self.action in actions_of(operation))
        )


def matching(catalog: Catalog, wanted: Wanted) -> list[Operation]:
    """The operations that fit, in the catalog's order: those that hold all words, or where none does, those that the words
    probably mean, the likeliest first. UsageError for a group or an action that there is not."""
    if wanted.group is not None and wanted.group not in GROUPS:
        raise _unknown("usage.group", "group", wanted.group, GROUPS)
    if wanted.action is not None and wanted.action not in catalog.actions:
        raise _unknown("usage.action", "action", wanted.action, catalog.actions)
    if not wanted.words:
        return [operation for operation in catalog.operations if wanted.fits(operation)]
    # Late: the tools' table needs the MCP types, which a plain listing does not.
    from runplane_mcp.interfaces.mcp.tools import callers_of

    search = Search(catalog, callers_of)
    held = [operation for operation in search.holding(wanted.words) if wanted.fits(operation)]
    return held or [each.operation for each in search.meant(" ".join(wanted.words), most=_MEANT, fits=wanted.fits)]


def named(catalog: Catalog, name: str) -> list[Operation]:
    """What a name means: an operation id, METHOD PATH with or without values in the path, an action, or a tool. Of an
    action all operations but aliases. UsageError `usage.operation` with the nearest name for any other."""
    from runplane_mcp.interfaces.mcp.tools import BY_NAME

    method, _, path = name.partition(" ")
    operation = catalog.find(method.upper(), path) if path else catalog.by_id(name)
    if operation is not None:
        return [operation]
    if name in catalog.actions:
        return [each for each in catalog.operations if each.alias_of is None and name in actions_of(each)]
    row = BY_NAME.get(name)
    if row is not None and row.operations:
        return [each for each in map(catalog.by_id, row.operations) if each is not None]
    if row is not None:
        about = (
            "for any operation"
            if row.generic is not None or name.startswith("stripe_api")
            else "for an agent's own requests"
        )
        raise UsageError(
            "usage.operation",
            f"{name} is no operation of Stripe's: it is a tool {about}.",
            next_step="See `runplane catalog list`.",
        )
    if name in GROUPS:
        raise UsageError(
            "usage.operation",
            f"{name} is a group of operations.",
            next_step=f"List what is in it: runplane catalog list --group {name}",
        )
    known = [*(f"{each.method} {each.path}" for each in catalog.operations)] if path else []
    known += [*BY_NAME, *catalog.actions, *(each.operation_id for each in catalog.operations)]
    raise _unknown("usage.operation", "operation, action or tool", name, known)


def actions_of(operation: Operation) -> frozenset[str]:
    """Every action that its parameters can make it."""
    return frozenset(judged.action for judged in operation.judgements)


def groups_of(operation: Operation) -> frozenset[str]:
    """Every group that its parameters can put it in."""
    return frozenset().union(*(judged.groups for judged in operation.judgements))


def _unknown(code: str, what: str, name: str, known: Iterable[str]) -> UsageError:
    near = get_close_matches(name[:100], list(known), n=1, cutoff=_LIKE)
    hint = f"Did you mean {near[0]}?" if near else "See `runplane catalog list` and `runplane catalog groups`."
    return UsageError(code, f"There is no {what} {visible(name, 100)}.", next_step=hint)
