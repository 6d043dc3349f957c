"""What only the catalog can tell about a policy: actions that do not exist, and conditions that can never hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runplane_mcp.core.catalog import ActionInfo
from runplane_mcp.core.facts import EVERYWHERE, GROUPS
from runplane_mcp.core.policy.conditions import Condition, FactTest, Op
from runplane_mcp.core.policy.model import Limit, Policy, PolicyTest
from runplane_mcp.core.policy.problems import Problems, shown

#: A customer that is not there is replaced by the card's fingerprint.
_INSTEAD = {"customer": "guest"}


def check_catalog(policy: Policy, actions: Mapping[str, ActionInfo], problems: Problems) -> None:
    """Adds a problem for each action that the catalog does not have, and for each fact that none of the actions of its
    rule, limit or test can have."""
    members = _members(actions)
    for rule in policy.rules:
        candidates = _candidates(rule.when, actions, members, problems)
        _check_facts([*rule.when, *rule.unless], candidates, problems)
        _candidates(rule.unless, actions, members, problems)
    for limit in policy.limits:
        candidates = _candidates(limit.when, actions, members, problems)
        _check_facts(limit.when, candidates, problems)
        _check_limit(limit, candidates, problems)
    for test in policy.tests:
        _check_test(test, actions, problems)


def _members(actions: Mapping[str, ActionInfo]) -> Mapping[str, Sequence[ActionInfo]]:
    """The actions of each group that has any, and each action under its own name."""
    members: dict[str, list[ActionInfo]] = {name: [action] for name, action in actions.items()}
    for action in actions.values():
        for group in _groups(action):
            members.setdefault(group, []).append(action)
    return members


def _groups(action: ActionInfo) -> frozenset[str]:
    """Those it can be in: whatever asks for a secret in its answer gives access too."""
    return action.groups | {"access"}


def _candidates(
    condition: Condition,
    actions: Mapping[str, ActionInfo],
    members: Mapping[str, Sequence[ActionInfo]],
    problems: Problems,
) -> Sequence[ActionInfo] | None:
    """The actions a condition can hold for, or None where the catalog cannot tell: no action is named, or a group that
    has no operation yet."""
    candidates: list[ActionInfo] | None = None
    for test in condition:
        if test.fact.name != "action":
            continue
        if not _all_known(test, actions, problems):
            return None
        named = set(test.texts)
        if test.op is Op.ANY_IN:
            if any(name not in members for name in named):
                return None
            if candidates is None:
                candidates = list({each.name: each for name in test.texts for each in members[name]}.values())
            else:
                candidates = [each for each in candidates if each.name in named or _groups(each) & named]
    return candidates


def _all_known(test: FactTest, actions: Mapping[str, ActionInfo], problems: Problems) -> bool:
    known = True
    for name in test.texts:
        if name not in GROUPS and name not in actions:
            options = {*GROUPS, *actions}
            problems.add_unknown(test.place, "unknown_action", name, "an action of the catalog", options)
            known = False
    return known


def _check_facts(tests: Sequence[FactTest], candidates: Sequence[ActionInfo] | None, problems: Problems) -> None:
    if candidates is None:
        return
    for test in tests:
        if not _can_have(test.fact.name, candidates):
            message = f"{_have_no(candidates)} {test.fact.name}, so this condition can never hold: remove it."
            problems.add(test.place, "never", message)


def _check_limit(limit: Limit, candidates: Sequence[ActionInfo] | None, problems: Problems) -> None:
    if candidates is None:
        return
    if limit.total is not None and not _can_have(limit.of, candidates):
        message = f"{_have_no(candidates)} {limit.of}, so its total is always 0: limit the count."
        problems.add(limit.place, "never", message)
    for name in limit.per:
        if not _can_have(name, candidates) and not _can_have(_INSTEAD.get(name, name), candidates):
            message = f"{_have_no(candidates)} {name}, so the limit cannot count by it: remove it from `per`."
            problems.add(limit.place, "never", message)


def _check_test(test: PolicyTest, actions: Mapping[str, ActionInfo], problems: Problems) -> None:
    if test.action is None:
        return
    action = actions.get(test.action)
    if action is None:
        problems.add_unknown(test.place, "unknown_action", test.action, "an action of the catalog", actions.keys())
        return
    for name in test.given:
        if not _can_have(name, (action,)):
            problems.add(test.place, "never", f"{action.name} has no {name}: remove it from the test {shown(test.it)}.")


def _can_have(name: str, candidates: Sequence[ActionInfo]) -> bool:
    # Whatever asks for a secret in its answer gives access too.
    return name in EVERYWHERE or name == "gives_access" or any(name in each.facts for each in candidates)


def _have_no(candidates: Sequence[ActionInfo]) -> str:
    names = sorted(each.name for each in candidates)
    return f"{', '.join(names[:4])}{' …' if len(names) > 4 else ''} {'has' if len(names) == 1 else 'have'} no"
