"""Which actions of the catalog a condition can hold for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from runplane_mcp.core.catalog import ActionInfo
from runplane_mcp.core.facts import EVERYWHERE
from runplane_mcp.core.policy.conditions import Condition, FactTest, Op

#: Whatever asks for a secret in its answer gives access too.
_ANYWHERE: Final = EVERYWHERE | {"gives_access"}


def candidates(condition: Condition, actions: Mapping[str, ActionInfo]) -> list[ActionInfo]:
    """The actions that can have all the facts that it tests, and that are of the kind and in the groups that it names."""
    return [info for info in actions.values() if _named(condition, info) and _has_facts(condition, info)]


def named(condition: Condition, actions: Mapping[str, ActionInfo]) -> list[ActionInfo]:
    """The actions that it names, whatever facts they have."""
    return [info for info in actions.values() if _named(condition, info)]


def missing(condition: Condition, infos: Iterable[ActionInfo]) -> list[str]:
    """The facts that it tests and that some of these do not have, in its order."""
    every = list(infos)
    facts = dict.fromkeys(test.fact.name for test in condition)
    return [name for name in facts if name not in _ANYWHERE and any(name not in info.facts for info in every)]


def of_no_operation(condition: Condition) -> bool:
    """Whether it is about operations that the catalog does not have."""
    return any(test.fact.name == "known" and not test.wanted for test in condition)


def named_texts(condition: Condition) -> frozenset[str]:
    """The actions and groups of which one must be there; empty where it names none."""
    for test in condition:
        if test.fact.name == "action" and test.op is Op.ANY_IN:
            return frozenset(test.texts)
    return frozenset()


def _has_facts(condition: Condition, info: ActionInfo) -> bool:
    return all(test.fact.name in _ANYWHERE or test.fact.name in info.facts for test in condition)


def _named(condition: Condition, info: ActionInfo) -> bool:
    return all(_may_pass(test, info) for test in condition)


def _may_pass(test: FactTest, info: ActionInfo) -> bool:
    """As far as the catalog tells: which groups a request is in can depend on its parameters."""
    if test.fact.name == "kind" and test.op in (Op.IN, Op.NOT_IN):
        return (info.kind.value in test.texts) is (test.op is Op.IN)
    if test.fact.name != "action":
        return True
    match test.op:
        case Op.ANY_IN:
            return info.name in test.texts or not info.groups.isdisjoint(test.texts) or "access" in test.texts
        case Op.NONE_IN:
            return info.name not in test.texts
        case Op.ALL_IN:
            return info.name in test.texts
        case _:
            return test.wanted
