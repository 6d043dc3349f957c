"""Operations of the catalog for people and for programs: one line, one page, or the groups they are in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from runplane_mcp.cli.catalog_search import groups_of
from runplane_mcp.cli.output import Column, table
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.facts import GROUP_SENTENCES, REGISTRY
from runplane_mcp.core.operation import EFFECT_FACTS, Operation, Variant
from runplane_mcp.core.text import visible
from runplane_mcp.core.told import Addition, When

_AVAILABILITY = {
    "ga": "generally available",
    "public_preview": "public preview",
    "private_preview": "private preview",
    "legacy_alias": "an older path that Stripe still serves",
    "spec_alias": "another path that Stripe still serves",
    "spec_only": "in Stripe's specification only",
}
_UNDO = {True: "yes", False: "no", None: "it depends"}
#: Columns of the lines for other programs: what is longer pushes the rest of its line.
_ACTION_WIDTH, _METHOD_WIDTH, _PATH_WIDTH = 36, 6, 48
_LONGEST = 2_000


def operation_json(operation: Operation) -> dict[str, Json]:
    """An operation in a listing. `groups` are all that its parameters can put it in; `reversible` null: it depends."""
    return {
        "method": operation.method,
        "path": operation.path,
        "operation_id": operation.operation_id,
        "action": operation.action,
        "groups": sorted(groups_of(operation)),
        "kind": operation.kind.value,
        "effects": list(operation.effects),
        "reversible": operation.reversible,
        "availability": operation.availability,
        "alias_of": operation.alias_of,
        "judged": operation.judged,
        "money_out": operation.money_out,
        "secret_answer": operation.secret_answer,
        "reason": operation.reason,
    }


def details_json(catalog: Catalog, operation: Operation) -> dict[str, Json]:
    """All of an operation. `variants` narrow it in this order, the first that fits holds."""
    from runplane_mcp.interfaces.mcp.tools import callers_of

    variants: list[Json] = [
        {
            "only": sorted(each.only),
            "when": dict(each.when),
            "if_given": dict(each.if_given),
            "action": each.judgement.action,
            "groups": sorted(each.judgement.groups),
            "effect": each.judgement.effect.value,
            "facts": sorted(each.judgement.facts & EFFECT_FACTS),
        }
        for each in operation.variants
    ]
    return {
        **operation_json(operation),
        "host": operation.host,
        "api_version": operation.api_version,
        "parameters": [
            {"name": name, "type": type_, "required": required, "in": place}
            for name, type_, required, place in _parameters(operation)
        ],
        "takes_metadata": operation.takes_metadata,
        "answers": operation.answers or None,
        "effect": operation.effect.value,
        "facts": sorted(operation.facts & EFFECT_FACTS),
        "variants": variants,
        "adds": [
            {
                "when": str(when),
                "groups": sorted(each.groups),
                "facts": sorted(each.facts),
                "reason": f"`{when.path.rsplit('.', 1)[-1]}` {each.reason}",
            }
            for when, each in _additions(operation)
        ],
        "aliases": [f"{each.method} {each.path}" for each in _aliases(catalog, operation)],
        "tools": list(callers_of(operation.operation_id)),
    }


def groups_json(catalog: Catalog) -> list[Json]:
    return [
        {
            "group": name,
            "sentence": GROUP_SENTENCES[name],
            "actions": list(actions),
            "operations": [each.operation_id for each in _members(catalog, name)],
        }
        for name, actions in catalog.groups().items()
    ]


def listing(operations: Iterable[Operation]) -> Table:
    """Operations on a terminal, folded to its width."""
    rows = [(each.action, each.method, each.path, _marks(each)) for each in operations]
    return table([Column("ACTION"), Column("METHOD", whole=True), Column("PATH"), Column("GROUPS AND EFFECTS")], rows)


def in_brief(operations: Iterable[Operation]) -> Iterator[str]:
    """Operations for a pipe, a line each."""
    for each in operations:
        path = f"{each.method:<{_METHOD_WIDTH}} {each.path:<{_PATH_WIDTH}}"
        yield f"{each.action:<{_ACTION_WIDTH}} {path} {_marks(each)}".rstrip()


def operation_view(catalog: Catalog, operation: Operation) -> RenderableType:
    """The page of one operation."""
    from runplane_mcp.interfaces.mcp.tools import callers_of

    status = _AVAILABILITY.get(operation.availability, operation.availability)
    title = Text(operation.operation_id, style="bold")
    route = Text(f"{operation.method} {operation.path}", overflow="fold")
    about = [
        ("Action", operation.action),
        ("Groups", _groups(operation)),
        ("Kind", f"{operation.kind.value}, {status}"),
        ("Effects", _effects(operation)),
    ]
    if operation.kind.value == "write" and operation.judged:
        about.append(("Can be undone", _UNDO[operation.reversible]))
    about.append(("Judgement", operation.reason))
    if not operation.judged:
        about.append(("", "Until then it counts as the worst, and `otherwise.unjudged` of the policy decides."))
    if operation.alias_of is not None:
        about.append(("Same as", operation.alias_of))
    about.append(("Answers", operation.answers or "unknown"))
    about.append(("Tools", ", ".join(callers_of(operation.operation_id)) or "none"))
    aliases = _aliases(catalog, operation)
    if aliases:
        about.append(("Other paths", "\n".join(f"{each.method} {each.path}" for each in aliases)))
    parts: list[RenderableType] = [title, route, _pairs(about)]
    rows = [
        (name, type_.replace("|", " or "), f"{place}, required" if required else place)
        for name, type_, required, place in _parameters(operation)
    ]
    if rows:
        parts.append(Text("\nParameters", style="bold"))
        parts.append(_inside(table([Column("NAME"), Column("TYPE"), Column("WHERE")], rows)))
    if operation.judged and operation.facts & EFFECT_FACTS:
        facts = [(name, REGISTRY[name].sentence) for name in REGISTRY if name in operation.facts & EFFECT_FACTS]
        parts.append(Text("\nFacts of its effect, which rules can test", style="bold"))
        parts.append(_inside(_pairs(facts)))
    additions = [(str(when), _in_words(each)) for when, each in _additions(operation)]
    if additions:
        parts.append(Text("\nWhat parameters add, wherever they stand", style="bold"))
        parts.append(_inside(_pairs(additions)))
    if operation.variants:
        parts.append(Text("\nNarrowed by parameters, the first that fits", style="bold"))
        for number, each in enumerate(operation.variants):
            parts.append(Padding(_pairs(_variant(each)), (1 if number else 0, 0, 0, 2), expand=False))
    return Group(*parts)


def groups_view(catalog: Catalog) -> RenderableType:
    parts: list[RenderableType] = []
    for name, sentence in GROUP_SENTENCES.items():
        members = [(_actions_in(each, name), f"{each.method} {each.path}") for each in _members(catalog, name)]
        if parts:
            parts.append(Text(""))
        parts.append(Text(name, style="bold"))
        parts.append(Text(sentence))
        parts.append(_inside(_pairs(members or [("nothing yet", "")])))
    return Group(*parts)


def _members(catalog: Catalog, group: str) -> list[Operation]:
    return [each for each in catalog.operations if each.alias_of is None and group in groups_of(each)]


def _actions_in(operation: Operation, group: str) -> str:
    return ", ".join(sorted({judged.action for judged in operation.judgements if group in judged.groups}))


def _aliases(catalog: Catalog, operation: Operation) -> list[Operation]:
    route = f"{operation.method} {operation.path}"
    return [each for each in catalog.operations if each.alias_of == route]


def _groups(operation: Operation) -> str:
    """All that it can be in, those first that it is in whatever its parameters."""
    always, sometimes = operation.least.groups, operation.groups - operation.least.groups
    words = ", ".join(sorted(always)) or "none"
    return f"{words}; with parameters also {', '.join(sorted(sometimes))}" if sometimes else words


def _effects(operation: Operation) -> str:
    return ", ".join(operation.effects) or ("reads only" if operation.kind.value == "read" else "none of note")


def _marks(operation: Operation) -> str:
    """What sets an operation apart, in a listing. One that nobody judged can be anything, so that is all to say of it."""
    marks = [*sorted(groups_of(operation)), *operation.effects] if operation.judged else ["not judged"]
    if operation.alias_of is not None:
        marks.append("alias")
    elif operation.availability != "ga":
        marks.append(operation.availability.replace("_", " "))
    return ", ".join(marks)


def _parameters(operation: Operation) -> Iterator[tuple[str, str, bool, str]]:
    """Name, type, whether it must be given, and where it stands: first the path's, then the required ones."""
    place = "query" if operation.method == "GET" else "body"
    for name in operation.path_parameters:
        yield name, "string", True, "path"
    for name, type_ in sorted(operation.params.items(), key=lambda item: item[0] not in operation.required):
        yield name, type_, name in operation.required, place


def _variant(variant: Variant) -> Sequence[tuple[str, str]]:
    conditions = [f"{name} is {text}" for name, text in sorted(variant.when.items())]
    conditions += [f"{name} is left out or {text}" for name, text in sorted(variant.if_given.items())]
    return [
        ("When", " and ".join(conditions) or "nothing else is given"),
        ("With no other than", ", ".join(sorted(variant.only)) or "nothing"),
        ("Then it is", variant.judgement.action),
        ("In groups", ", ".join(sorted(variant.judgement.groups)) or "none"),
        ("With facts", ", ".join(sorted(variant.judgement.facts & EFFECT_FACTS)) or "none"),
    ]


def _additions(operation: Operation) -> Sequence[tuple[When, Addition]]:
    return operation.telling.told if operation.telling is not None else ()


def _in_words(addition: Addition) -> str:
    brings = ", ".join([*sorted(addition.groups), *sorted(addition.facts)])
    return f"{addition.reason}{f' ({brings})' if brings else ''}"


def _inside(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2), expand=False)


def _pairs(pairs: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        lines = "\n".join(visible(line, _LONGEST) for line in value.split("\n"))
        grid.add_row(Text(visible(name)), Text(lines))
    return grid
