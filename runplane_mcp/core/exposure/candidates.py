"""What can be asked for at all: every judgement that any parameters can make of any operation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.operation import EffectKind, Operation
from runplane_mcp.core.request import Kind

#: What holds ready and what is given up of it: `amount` is taken from the customer, `amount_on_object` is released.
CAPTURES: Final = frozenset({EffectKind.CAPTURE, EffectKind.CHARGE_CAPTURE})
#: Facts that a declared effect always answers with yes.
DECLARED_YES: Final = frozenset({"gives_access", "redirects_funds", "bulk"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """One judgement of one operation. `facts` are the names of all the facts it has, `reversible` what that fact always is,
    None where it depends; `captures`: its `amount` is taken and its `amount_on_object` given up."""

    operation_id: str
    action: str
    groups: frozenset[str]
    facts: frozenset[str]
    kind: Kind
    declared: bool
    reversible: FactValue | None
    captures: bool

    @property
    def actions(self) -> frozenset[str]:
        """The fact `action`."""
        return self.groups | {self.action}


def candidates(catalog: Catalog, *, aliases: bool, secrets: bool) -> Iterator[Candidate]:
    """Every write that somebody has judged, and every read that gives access. What nobody has judged always asks.

    `aliases`: other paths to the same too, for policies that test `operation`. `secrets`: each once more as it is when
    its answer is asked to hold a secret, for policies that allow what gives access.
    """
    for operation in catalog.operations:
        if not operation.judged or (operation.alias_of is not None and not aliases):
            continue
        for action, groups, facts in sorted(_judgements(operation), key=_size):
            widened = groups | {"access"}, facts | {"gives_access"}
            for each_groups, each_facts in dict.fromkeys([(groups, facts), *([widened] if secrets else [])]):
                if operation.kind is Kind.WRITE or "gives_access" in each_facts:
                    yield _candidate(operation, action, each_groups, each_facts)


def _candidate(operation: Operation, action: str, groups: frozenset[str], facts: frozenset[str]) -> Candidate:
    return Candidate(
        operation_id=operation.operation_id,
        action=action,
        groups=groups,
        facts=facts,
        kind=operation.kind,
        declared=operation.effect is EffectKind.DECLARED,
        reversible=_reversible(operation),
        captures=operation.effect in CAPTURES,
    )


def _reversible(operation: Operation) -> FactValue | None:
    """What is judged never to be undone never is, whatever Stripe answers (a test asks every effect). Of all else only
    declared effects always say what their judgement does, *unknown* where that leaves it open."""
    if operation.reversible is None:
        return UNKNOWN if operation.effect is EffectKind.DECLARED else None
    return operation.reversible if operation.effect is EffectKind.DECLARED or not operation.reversible else None


_Judged = tuple[str, frozenset[str], frozenset[str]]


def _judgements(operation: Operation) -> set[_Judged]:
    """The widest, the least, each variant, and the least with every choice of what its parameters add. Between the least
    and the widest stands what no rule may have been written for."""
    found: set[_Judged] = {(each.action, each.groups, each.facts) for each in operation.judgements}
    if operation.telling is not None:
        least = operation.least
        between: set[_Judged] = {(least.action, least.groups, least.facts)}
        for addition in {(each.groups, each.facts) for _, each in operation.telling.told}:
            between |= {(action, groups | addition[0], facts | addition[1]) for action, groups, facts in between}
        found |= between
    return found


def _size(judged: _Judged) -> tuple[int, int, list[str]]:
    """The least first, so that what is shown of several is what asks for least."""
    return len(judged[1]), len(judged[2]), sorted(judged[1] | judged[2])
