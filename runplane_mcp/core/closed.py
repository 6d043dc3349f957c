"""What a policy closes to an agent: what it blocks whatever the parameters, the look-ups, the clock and the past.

Agents are told of it once, and are not shown tools for it: a model that runs into the same wall again and again, or that
just sees no payout tool, goes looking for another way to the money.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.facts import GROUPS, REGISTRY, UNKNOWN, Facts, FactValue
from runplane_mcp.core.operation import Judgement, Operation
from runplane_mcp.core.policy.conditions import Op
from runplane_mcp.core.policy.model import Writes
from runplane_mcp.core.request import Kind


@dataclass(frozen=True, slots=True)
class Closed:
    """`names` are groups, and actions that no closed group holds; `operations` are the ids of operations of which no
    parameters can make anything but a blocked request. `kinds`: every operation of that kind is one of those."""

    names: tuple[str, ...] = ()
    operations: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()


def closed_to(policy: CompiledPolicy, catalog: Catalog, who: Facts, *, reachable: Iterable[str]) -> Closed:
    """What `policy` closes to `who`: the facts of the agent that are known before it asks for anything. `reachable` are
    the ids of the operations that it has tools for; only of them, of groups and of actions that rules name is told."""
    operations = [operation for id in reachable if (operation := catalog.by_id(id)) is not None]
    in_group, of_action = _members(catalog)
    closed: dict[tuple[str, int], bool] = {}

    def is_closed(operation: Operation, number: int) -> bool:
        key = operation.operation_id, number
        if key not in closed:
            closed[key] = _always_blocked(policy, who, _facts(operation, operation.judgements[number]), operation.kind)
        return closed[key]

    def all_closed(members: list[tuple[Operation, int]]) -> bool:
        return all(is_closed(*member) for member in members)

    # Named is a group that is closed as such. One whose members are each closed for something else is not: their own
    # groups or actions are named.
    refused = policy.policy.otherwise.writes is Writes.BLOCK
    groups = [
        group
        for group in GROUPS
        if all_closed(in_group[group]) and ((refused and in_group[group]) or _rule_closes(policy, who, group))
    ]
    named = {judged.action for operation in operations for judged in operation.judgements} | _named(policy)
    actions = [
        action
        for action in sorted(named)
        if of_action[action]
        and all_closed(of_action[action])
        and not all(operation.judgements[number].groups & {*groups} for operation, number in of_action[action])
    ]
    return Closed(
        names=(*groups, *actions),
        operations=frozenset(
            each.operation_id for each in operations if all_closed([(each, n) for n in range(len(each.judgements))])
        ),
        kinds=frozenset(kind for kind in Kind if _all_blocked(policy, who, kind)),
    )


def _members(
    catalog: Catalog,
) -> tuple[dict[str, list[tuple[Operation, int]]], dict[str, list[tuple[Operation, int]]]]:
    """For each group and each action, which judgements of which operations are in it. An alias is what it aliases."""
    in_group: dict[str, list[tuple[Operation, int]]] = defaultdict(list)
    of_action: dict[str, list[tuple[Operation, int]]] = defaultdict(list)
    for operation in catalog.operations:
        if operation.alias_of is None:
            for number, judged in enumerate(operation.judgements):
                of_action[judged.action].append((operation, number))
                for group in judged.groups:
                    in_group[group].append((operation, number))
    return in_group, of_action


def _facts(operation: Operation, judged: Judgement) -> dict[str, FactValue]:
    """All facts that a request of this judgement has, those of the operation known and all others not."""
    return {
        **dict.fromkeys(judged.facts, UNKNOWN),
        "operation": operation.operation_id,
        "action": frozenset({judged.action}) | judged.groups,
        "kind": operation.kind.value,
        "known": True,
        "judged": operation.judged,
    }


def _all_blocked(policy: CompiledPolicy, who: Facts, kind: Kind) -> bool:
    """Whether every operation of a kind is closed, whatever it does and whether or not somebody has judged it."""
    any_of: dict[str, FactValue] = {**dict.fromkeys(REGISTRY, UNKNOWN), "kind": kind.value, "known": True}
    return all(_always_blocked(policy, who, {**any_of, "judged": judged}, kind) for judged in (True, False))


def _rule_closes(policy: CompiledPolicy, who: Facts, group: str) -> bool:
    facts: dict[str, FactValue] = {
        **dict.fromkeys(REGISTRY, UNKNOWN),
        "action": frozenset({group}),
        "kind": Kind.WRITE.value,
        "known": True,
        "judged": True,
    }
    return policy.early_block({**facts, **who}, _unknown({**facts, **who})) is not None


def _always_blocked(policy: CompiledPolicy, who: Facts, facts: Facts, kind: Kind) -> bool:
    seen = {**facts, **who}
    if policy.early_block(seen, _unknown(seen)) is not None:
        return True
    otherwise = policy.policy.otherwise
    blocked = otherwise.writes is Writes.BLOCK if kind is Kind.WRITE else otherwise.reads is Outcome.BLOCK
    # Without a rule that could ever allow it, `otherwise` decides, and only a definite no counts here.
    return blocked and not any(not each.restricting and each.check(seen, None) for each in policy.rules)


def _unknown(facts: Facts) -> frozenset[str]:
    return frozenset(name for name, value in facts.items() if value is UNKNOWN)


def _named(policy: CompiledPolicy) -> frozenset[str]:
    """The actions that blocking rules name."""
    return frozenset(
        text
        for each in policy.rules
        if each.rule.then is Outcome.BLOCK
        for test in each.rule.when
        if test.fact.name == "action" and test.op is Op.ANY_IN
        for text in test.texts
    )
