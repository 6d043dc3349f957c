"""A policy that does not look at a fact: looser than the one it is made from, whatever the fact is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from runplane_mcp.core.compile import CompiledPolicy, CompiledRule
from runplane_mcp.core.policy.conditions import Condition, all_of, but_not, compile_condition


def loosened(policy: CompiledPolicy, name: str) -> CompiledPolicy:
    """`policy` without the restricting rules and limits that test the fact `name`, and with its `allow` rules as though
    their tests on it held. What passes `policy` passes this one."""
    return replace(
        policy,
        rules=tuple(_rules(policy, name)),
        limits=tuple(each for each in policy.limits if not _tests(each.limit.when, name)),
    )


def _rules(policy: CompiledPolicy, name: str) -> Iterable[CompiledRule]:
    for each in policy.rules:
        rule = each.rule
        if each.restricting:
            if not _tests((*rule.when, *rule.unless), name):
                yield each
        elif _tests(rule.unless, name):
            yield _without(each, name, policy, unless=())
        else:
            yield _without(each, name, policy, unless=rule.unless)


def _without(each: CompiledRule, name: str, policy: CompiledPolicy, *, unless: Condition) -> CompiledRule:
    """An `allow` rule without its tests on `name`. The facts that it names stay: it covers what they make dangerous."""
    when = tuple(test for test in each.rule.when if test.fact.name != name)
    check = compile_condition(when, policy.converter, trusting=True) if when else all_of(())
    if unless:
        check = but_not(check, compile_condition(unless, policy.converter, trusting=True))
    return replace(each, rule=replace(each.rule, when=when, unless=unless), check=check)


def _tests(condition: Condition, name: str) -> bool:
    return any(test.fact.name == name for test in condition)
