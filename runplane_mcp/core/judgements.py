"""Reading the catalog's files (`data/`) into operations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

from runplane_mcp.core.actions import action_of
from runplane_mcp.core.declaration import Declared
from runplane_mcp.core.facts import EVERYWHERE, GROUPS, REGISTRY, Source
from runplane_mcp.core.operation import EFFECT_FACTS, EffectKind, Judgement, Operation, Variant
from runplane_mcp.core.request import Kind
from runplane_mcp.core.shapes import Shapes
from runplane_mcp.core.told import Meanings, Telling, read_meanings, read_telling
from runplane_mcp.core.wire import path_parameters

#: A row as JSON has it: what it holds is checked as it is read.
_Row: TypeAlias = Mapping[str, Any]

#: What an operation counts as until somebody has judged it: the worst of everything, under the name that the rule gives.
_UNJUDGED: Final[Mapping[bool, _Row]] = {
    reads: {
        "operation_id": "unjudged",
        "effect": EffectKind.UNJUDGED.value,
        "facts": EFFECT_FACTS,
        "money_out": not reads,
        "secret_answer": True,
        "answers": "",
        "reason": "Nobody has judged it yet.",
    }
    for reads in (True, False)
}
_GROUPS: Final = frozenset(GROUPS)
_HISTORY: Final = frozenset(name for name, fact in REGISTRY.items() if fact.source is Source.HISTORY)
#: The facts that all operations of a kind have.
_COMMON: Final = {Kind.WRITE: EVERYWHERE, Kind.READ: EVERYWHERE - _HISTORY}
_KEYS: Final = frozenset(
    """
    operation_id action kind groups effect facts reversible money_out money_in secret_answer answers reason types variants
    plain adds
    """.split()
)
_VARIANT_KEYS: Final = frozenset("only given positive when if_given lacks action groups effect facts".split())


def read_operations(published: str, judged: Iterable[str], meanings: str, shapes: Shapes) -> Iterator[Operation]:
    """The operations of all texts, in the order they are published. ValueError or KeyError for what cannot be right."""
    rows = cast("list[_Row]", json.loads(published)["operations"])
    judgements: dict[object, _Row] = {}
    for text in judged:
        for judgement in cast("list[_Row]", json.loads(text)["judgements"]):
            if judgements.setdefault(judgement["operation_id"], judgement) is not judgement:
                raise ValueError(f"{judgement['operation_id']} is judged twice")
            variants = cast("list[_Row]", judgement.get("variants", []))
            if not judgement.keys() <= _KEYS or not all(variant.keys() <= _VARIANT_KEYS for variant in variants):
                raise ValueError(f"{judgement['operation_id']} says what no judgement can")
    by_route = {f"{row['method']} {row['path']}": row for row in rows}
    if unknown := judgements.keys() - {row["operation_id"] for row in rows if row["alias_of"] is None}:
        raise ValueError(f"judged, but no operation of its own: {', '.join(sorted(map(str, unknown)))}")
    document = cast("_Row", json.loads(meanings))
    common, families = read_meanings(document), _families(document)
    inside: dict[int, frozenset[str]] = {}
    for row in rows:
        # An alias is what it aliases. Stripe lists no parameters for it: it takes the target's, but for those in its path.
        target = by_route[cast("str", row["alias_of"])] if row["alias_of"] is not None else row
        known = judgements.get(target["operation_id"])
        try:
            id = cast("str", target["operation_id"])
            told = known is not None and ("plain" in known or "adds" in known)
            names = shapes.names_inside(id, inside) & common.adds.keys() if told else frozenset[str]()
            of_sdk = _OfSdk(shapes.types(id), names)
            judged_as = known if known is not None else _unjudged(target, families)
            yield _operation(row, target, judged_as, common, of_sdk, judged=known is not None)
        except (ValueError, KeyError) as error:
            raise ValueError(f"{row['operation_id']}: {error}") from error


def _families(document: _Row) -> list[tuple[str, list[str]]]:
    """The groups of paths that begin alike, for operations that nobody has judged: the longest beginning first."""
    families = cast("Mapping[str, list[str]]", document["families"])
    return sorted(families.items(), key=lambda item: -len(item[0]))


def _unjudged(row: _Row, families: list[tuple[str, list[str]]]) -> _Row:
    if row["method"] == "GET":
        return _UNJUDGED[True]
    path = cast("str", row["path"])
    groups = next((groups for start, groups in families if path.startswith(start)), [])
    return {**_UNJUDGED[False], "groups": groups}


@dataclass(frozen=True, slots=True)
class _OfSdk:
    """What Stripe's SDK knows better than the published list: all types, and which telling names stand inside."""

    types: Mapping[str, str]
    inside: frozenset[str]


def _operation(row: _Row, target: _Row, known: _Row, common: Meanings, of_sdk: _OfSdk, *, judged: bool) -> Operation:
    method, path = row["method"], row["path"]
    in_path = path_parameters(path)
    declared = known.get("effect")
    if isinstance(declared, dict):
        known = {**known, "effect": EffectKind.DECLARED.value}
    kind = Kind(known.get("kind", "read" if method == "GET" else "write"))
    action = known.get("action") or action_of(target["method"], target["path"])
    least = _judgement(known, {"action": action, "groups": [], "facts": [], "effect": EffectKind.READ.value}, kind)
    params = {**target["params"]}
    for name, type_ in of_sdk.types.items():
        if params.get(name, type_) != type_:
            params[name] = _all_types(name, params[name], type_)
    for name, judged_type in known.get("types", {}).items():
        if judged_type is None:
            params.pop(name, None)
        else:
            params[name] = judged_type
    if method == "GET" and "limit" in params and path.startswith("/v2/"):
        # Stripe's SDKs follow `next_page_url` and declare no parameter; an agent copies its token.
        params["page"] = "string"
    for name in in_path:
        params.pop(name, None)
    telling = read_telling(known, params, common, of_sdk.inside)
    widest = least if telling is None else _widest(least, telling)
    return Operation(
        method=method,
        path=path,
        operation_id=row["operation_id"],
        host=row["host"],
        api_version=row["api_version"],
        availability=row["availability"],
        alias_of=row["alias_of"],
        target_id=target["operation_id"],
        params=params,
        required=frozenset(target["required"]) - frozenset(in_path),
        judged=judged,
        action=widest.action,
        groups=widest.groups,
        kind=kind,
        effect=widest.effect,
        facts=widest.facts,
        reversible=known.get("reversible"),
        money_out=bool(known.get("money_out", False)),
        money_in=bool(known.get("money_in", False)),
        secret_answer=bool(known.get("secret_answer", False)),
        takes_metadata=kind is Kind.WRITE and "metadata" in params,
        answers=known["answers"],
        reason=known["reason"] if row is target else f"Another path of {target['method']} {target['path']}: the same.",
        variants=tuple(
            Variant(
                only=frozenset(variant["only"]),
                given=frozenset(variant.get("given", [])),
                positive=frozenset(variant.get("positive", [])),
                when=variant.get("when", {}),
                if_given=variant.get("if_given", {}),
                lacks=frozenset(variant.get("lacks", [])),
                judgement=_judgement(variant, {**known, "action": action}, kind),
            )
            for variant in known.get("variants", [])
        ),
        least=least,
        telling=telling,
        declared=Declared(declared) if isinstance(declared, dict) else None,
    )


def _all_types(name: str, published: str, of_sdk: str) -> str:
    """The published type of a parameter with those that the SDK adds. Metadata is never unset whole: ours is in it."""
    known = of_sdk.split("|")
    if published not in known:
        return published
    return "|".join(each for each in known if name != "metadata" or each != "unset")


def _widest(least: Judgement, telling: Telling) -> Judgement:
    groups, facts = least.groups, least.facts
    for _, each in telling.told:
        groups, facts = groups | each.groups, facts | each.facts
    if not facts <= EFFECT_FACTS | EVERYWHERE:
        raise ValueError("a parameter adds a fact that there is not")
    return Judgement(least.action, groups, least.effect, facts)


def _judgement(row: _Row, widest: _Row, kind: Kind) -> Judgement:
    def of(name: str) -> Any:
        return row[name] if name in row else widest.get(name, [])

    groups = frozenset(of("groups"))
    facts = frozenset(of("facts"))
    effect = EffectKind(of("effect"))
    all_facts = _with_common(facts, kind)
    if not groups <= _GROUPS or all_facts is None:
        raise ValueError(
            f"{row.get('operation_id', widest.get('operation_id'))} names a group or a fact that there is not"
        )
    if (kind is Kind.READ) != (effect is EffectKind.READ) and effect is not EffectKind.UNJUDGED:
        raise ValueError(f"{row.get('operation_id', widest.get('operation_id'))} has the effect of another kind")
    return Judgement(of("action"), groups, effect, all_facts)


@lru_cache(maxsize=256)
def _with_common(facts: frozenset[str], kind: Kind) -> frozenset[str] | None:
    """The facts of a judgement and those that each request of its kind has; None where one is none of an effect's. Most
    operations have the same."""
    return facts | _COMMON[kind] if facts <= EFFECT_FACTS else None
