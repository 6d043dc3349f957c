"""The catalog: every Stripe operation somebody has judged, and what a wire request is in its words.

The judgements are in `data/operations.json`, one operation a line, to be read by a person. What is not in it is unknown
and never passes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, cast

from runplane_mcp.core.facts import EVERYWHERE, GROUPS, REGISTRY, Source
from runplane_mcp.core.parameters import check_asked, check_wire
from runplane_mcp.core.request import Kind
from runplane_mcp.core.wire import Parameters, Text, WireRequest, parse, path_parameters
from runplane_mcp.errors import ParameterError

#: Facts that only some operations have: what they would do. All others concern who asks, when, and what went before.
EFFECT_FACTS: Final = frozenset(REGISTRY) - EVERYWHERE
_HISTORY: Final = frozenset(name for name, fact in REGISTRY.items() if fact.source is Source.HISTORY)


class EffectKind(StrEnum):
    """Which file of `core/effects/` knows what an operation does."""

    READ = "read"
    REFUND = "refund"
    PAYOUT = "payout"
    TRANSFER = "transfer"
    CREDIT_NOTE = "credit_note"
    SUBSCRIPTION_CANCEL = "subscription_cancel"
    SUBSCRIPTION_UPDATE = "subscription_update"
    CUSTOMER_DELETE = "customer_delete"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What parameters make of an operation: its action, the groups it is in, the effect and the facts it has."""

    action: str
    groups: frozenset[str]
    effect: EffectKind
    facts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Variant:
    """A narrower judgement for parameters that prove it: no others than `only`, those of `when` given with exactly
    these texts, those of `if_given` left out or exactly so."""

    only: frozenset[str]
    when: Mapping[str, str]
    if_given: Mapping[str, str]
    judgement: Judgement

    def fits(self, given: Mapping[str, Text]) -> bool:
        return (
            given.keys() <= self.only
            and all(given.get(name) == text for name, text in self.when.items())
            and all(given.get(name, text) == text for name, text in self.if_given.items())
        )


@dataclass(frozen=True, slots=True)
class Operation:
    """One Stripe endpoint. `params` maps each top-level parameter outside the path to its type.

    `reversible` is None where it depends. `secret_answer`: the answer carries a secret that opens something. `answers`
    is the `object` of what Stripe answers. `facts` are all the facts it can have, `EFFECT_FACTS` the part of them that
    an effect holds. `judged` false: the catalog has it, but nobody has said what it does.
    """

    method: str
    path: str
    operation_id: str
    host: str
    api_version: str
    availability: str
    alias_of: str | None
    params: Mapping[str, str]
    required: frozenset[str]
    judged: bool
    action: str
    groups: frozenset[str]
    kind: Kind
    effect: EffectKind
    facts: frozenset[str]
    reversible: bool | None
    money_out: bool
    secret_answer: bool
    takes_metadata: bool
    answers: str
    reason: str
    variants: tuple[Variant, ...]

    @property
    def path_parameters(self) -> tuple[str, ...]:
        return path_parameters(self.path)

    @property
    def effects(self) -> tuple[str, ...]:
        """What it can do, in words for listings."""
        marks = {
            "money out": self.money_out,
            "revenue lost": "mrr_lost" in self.facts,
            "destroys": "deletions" in self.groups,
            "redirects funds": "redirects_funds" in self.facts,
            "gives access": "gives_access" in self.facts,
            "secret answer": self.secret_answer,
            "not judged": not self.judged,
        }
        return tuple(name for name, holds in marks.items() if holds)

    def judge(self, parameters: Mapping[str, Text]) -> Judgement:
        """The judgement of these parameters: the first variant that fits, else the widest."""
        given = {name: value for name, value in parameters.items() if name not in self.path_parameters}
        for variant in self.variants:
            if variant.fits(given):
                return variant.judgement
        return Judgement(self.action, self.groups, self.effect, self.facts)

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """Everything it can be."""
        widest = Judgement(self.action, self.groups, self.effect, self.facts)
        return (widest, *(variant.judgement for variant in self.variants))


@dataclass(frozen=True, slots=True)
class ActionInfo:
    """An action over all its operations: every group it can be in, every fact it can have."""

    name: str
    groups: frozenset[str]
    facts: frozenset[str]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Classified:
    """A wire request in the catalog's words. `parameters` are read from its bytes, path parameters included; `facts`
    are those that these parameters have, so that a fact which is not among them is *absent*."""

    operation: Operation
    action: str
    groups: frozenset[str]
    effect: EffectKind
    facts: frozenset[str]
    parameters: Mapping[str, Text]
    wire: WireRequest


class Catalog:
    """All operations, found by id or by method and path."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.operations: Final = tuple(operations)
        self._by_id = {operation.operation_id: operation for operation in self.operations}
        self._by_length: dict[tuple[str, int], list[tuple[tuple[str | None, ...], Operation]]] = {}
        for operation in self.operations:
            steps = tuple(None if step.startswith("{") else step for step in operation.path.split("/"))
            self._by_length.setdefault((operation.method, len(steps)), []).append((steps, operation))
        for same in self._by_length.values():
            # `/v1/invoices/create_preview` is not `/v1/invoices/{invoice}`: what is written out goes first.
            same.sort(key=lambda entry: tuple(step is None for step in entry[0]))

    def by_id(self, operation_id: str) -> Operation | None:
        return self._by_id.get(operation_id)

    def find(self, method: str, path: str) -> Operation | None:
        """The operation of a method and a quoted path without query. None for every other spelling of either: a
        trailing slash, another case, an empty or quoted segment is not the same path."""
        asked = path.split("/")
        for steps, operation in self._by_length.get((method, len(asked)), ()):
            if all(there == step or (step is None and there) for step, there in zip(steps, asked, strict=True)):
                return operation
        return None

    def check(self, operation: Operation, parameters: Parameters) -> None:
        """ParameterError for what an agent sent wrongly: a parameter that the operation does not have, another type, a
        missing one, an amount that is none, a key of ours in the metadata. To be asked before anything is encoded."""
        check_asked(operation.params, operation.required, operation.path_parameters, parameters)

    def classify(self, wire: WireRequest) -> Classified:
        """What the bytes of a wire request are. ParameterError where they are not what `encode` writes or do not fit the
        operation, `parameter.operation` where the catalog has no such operation: then it never passes.

        The bytes alone say which operation it is. A value in the path can make it another one than was meant.
        """
        operation = self.find(wire.method, wire.path)
        if operation is None:
            raise ParameterError(
                "parameter.operation",
                f"Runplane knows no operation {wire.method} {ascii(wire.path)[1:81]}.",
                next_step="List the tools.",
            )
        parameters = parse(operation.path, wire)
        check_wire(operation.params, operation.required, operation.path_parameters, parameters)
        judged = operation.judge(parameters)
        return Classified(
            operation, judged.action, judged.groups, judged.effect, judged.facts, MappingProxyType(parameters), wire
        )

    def actions(self) -> Mapping[str, ActionInfo]:
        """Every action, with all that any of its operations can be."""
        found: dict[str, ActionInfo] = {}
        for operation in self.operations:
            for judged in operation.judgements:
                before = found.get(judged.action, ActionInfo(judged.action, frozenset(), frozenset(), operation.kind))
                found[judged.action] = replace(
                    before, groups=before.groups | judged.groups, facts=before.facts | judged.facts
                )
        return dict(sorted(found.items()))

    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Each of the twelve groups with the actions that can be in it."""
        actions = self.actions().values()
        return {group: tuple(info.name for info in actions if group in info.groups) for group in GROUPS}


@cache
def load() -> Catalog:
    """The catalog that comes with the package, read once: some milliseconds."""
    text = files("runplane_mcp.core").joinpath("data/operations.json").read_text(encoding="utf-8")
    return read_catalog(text)


def read_catalog(text: str) -> Catalog:
    """A catalog from the JSON of `data/operations.json`. ValueError or KeyError where a judgement is incomplete, names
    a group, fact or effect that there is not, or makes an action both read and write."""
    rows = cast("list[dict[str, object]]", json.loads(text)["operations"])
    by_route = {f"{row['method']} {row['path']}": row for row in rows}
    catalog = Catalog(_operation(row, by_route) for row in rows)
    kinds: dict[str, Kind] = {}
    for operation in catalog.operations:
        for judged in operation.judgements:
            if kinds.setdefault(judged.action, operation.kind) is not operation.kind:
                raise ValueError(f"{judged.action} both reads and writes")
    return catalog


def _operation(row: Mapping[str, object], by_route: Mapping[str, Mapping[str, object]]) -> Operation:
    path = cast("str", row["path"])
    alias_of = cast("str | None", row["alias_of"])
    # An alias is what it aliases. Stripe lists no parameters for it: it takes the target's, but for those in its path.
    target = by_route.get(alias_of) if alias_of is not None else None
    held = {**target, **row} if target is not None else dict(row)
    if not held["judged"]:
        held = {**_unjudged(cast("str", row["method"])), **held}
    in_path = path_parameters(path)
    kind = Kind(cast("str", held["kind"]))
    widest = _judgement(held, held, kind)
    return Operation(
        method=cast("str", row["method"]),
        path=path,
        operation_id=cast("str", row["operation_id"]),
        host=cast("str", row["host"]),
        api_version=cast("str", row["api_version"]),
        availability=cast("str", row["availability"]),
        alias_of=alias_of,
        params={
            name: type_ for name, type_ in cast("Mapping[str, str]", held["params"]).items() if name not in in_path
        },
        required=frozenset(cast("list[str]", held["required"])) - frozenset(in_path),
        judged=bool(held["judged"]),
        action=widest.action,
        groups=widest.groups,
        kind=kind,
        effect=widest.effect,
        facts=widest.facts,
        reversible=cast("bool | None", held["reversible"]),
        money_out=bool(held["money_out"]),
        secret_answer=bool(held["secret_answer"]),
        takes_metadata=bool(held["takes_metadata"]),
        answers=cast("str", held["answers"]),
        reason=cast("str", held["reason"]),
        variants=tuple(
            Variant(
                only=frozenset(cast("list[str]", variant["only"])),
                when=cast("Mapping[str, str]", variant.get("when", {})),
                if_given=cast("Mapping[str, str]", variant.get("if_given", {})),
                judgement=_judgement(variant, held, kind),
            )
            for variant in cast("list[Mapping[str, object]]", held.get("variants", []))
        ),
    )


def _unjudged(method: str) -> dict[str, object]:
    """What an operation counts as until somebody has judged it: the worst of everything."""
    kind = Kind.READ if method == "GET" else Kind.WRITE
    return {
        "action": f"unjudged.{kind.value}",
        "kind": kind.value,
        "groups": [],
        "effect": EffectKind.UNJUDGED.value,
        "facts": sorted(EFFECT_FACTS),
        "reversible": None,
        "money_out": kind is Kind.WRITE,
        "secret_answer": True,
        "takes_metadata": False,
        "answers": "",
        "reason": "Nobody has judged it yet.",
    }


def _judgement(row: Mapping[str, object], widest: Mapping[str, object], kind: Kind) -> Judgement:
    def of(name: str) -> object:
        return row.get(name, widest[name])

    groups = frozenset(cast("list[str]", of("groups")))
    facts = frozenset(cast("list[str]", of("facts")))
    if not groups <= frozenset(GROUPS) or not facts <= EFFECT_FACTS:
        raise ValueError(f"{widest['operation_id']} names a group or a fact that there is not")
    common = EVERYWHERE if kind is Kind.WRITE else EVERYWHERE - _HISTORY
    return Judgement(cast("str", of("action")), groups, EffectKind(cast("str", of("effect"))), facts | common)
