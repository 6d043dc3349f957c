"""Rules and limits that can never apply, and exceptions that never hold, or always."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from runplane_mcp.core.catalog import ActionInfo
from runplane_mcp.core.facts import EVERYWHERE, GROUPS, REGISTRY
from runplane_mcp.core.policy.conditions import Condition, FactTest, Op
from runplane_mcp.core.policy.implies import contradictory, disjoint, implies, telling_apart
from runplane_mcp.core.policy.lint.reach import candidates, missing, named, named_texts, of_no_operation
from runplane_mcp.core.policy.model import Policy, Rule
from runplane_mcp.core.policy.problems import Problems

#: Facts that tell of a danger, which an `allow` rule covers only where its condition names them, by the group that tells of
#: it too.
_DANGERS = {"access": "gives_access", "bank_details": "redirects_funds"}


def dead(policy: Policy, actions: Mapping[str, ActionInfo], today: date, problems: Problems) -> None:
    for rule in policy.rules:
        why = _never(rule.when, actions)
        if why is not None:
            left = _left(telling_apart(rule.when, (), actions)) if rule.restricting else ""
            does = f"applies only {left}" if left else "can never apply"
            problems.warn(rule.place, "dead", f"{rule.id} {does}: {why}. Change its condition, or remove it.")
        elif _over(rule.when, actions, today):
            problems.warn(rule.place, "dead", f"{rule.id} applies no more: its days are all over. Remove it.")
        else:
            _exception(rule, actions, problems)
            _hindered(rule, problems)
    for limit in policy.limits:
        why = _never(limit.when, actions)
        if why is not None:
            left = _left(telling_apart(limit.when, (), actions))
            does = f"counts only {left}" if left else "counts nothing"
            problems.warn(limit.place, "dead", f"{limit.id} {does}: {why}. Change its condition, or remove it.")
        elif _over(limit.when, actions, today):
            problems.warn(limit.place, "dead", f"{limit.id} counts nothing any more: its days are all over. Remove it.")


def _over(condition: Condition, actions: Mapping[str, ActionInfo], today: date) -> bool:
    """Whether it can hold on no day from `today` on."""
    from_today = FactTest(REGISTRY["date"], Op.AT_LEAST, condition[0].place, texts=(today.isoformat(),))
    return contradictory((*condition, from_today), actions)


def _left(names: Collection[str]) -> str:
    """Where something still applies that is never true: where none of these facts can be found out, which works against
    the request. Empty where one of them is known of every request."""
    return f"where nobody can find out {' and '.join(sorted(names))}" if names and EVERYWHERE.isdisjoint(names) else ""


def _never(condition: Condition, actions: Mapping[str, ActionInfo]) -> str | None:
    """Why no request makes it true, or None."""
    if contradictory(condition, actions):
        return "the tests of its condition exclude each other"
    if of_no_operation(condition) or candidates(condition, actions):
        return None
    infos = named(condition, actions)
    if not infos:
        return "no action is of this kind and in these groups"
    facts = missing(condition, infos)
    return f"no action that it names has {' and '.join(facts)}" if len(facts) > 1 else f"none has {facts[0]}"


def _exception(rule: Rule, actions: Mapping[str, ActionInfo], problems: Problems) -> None:
    if not rule.unless:
        return
    place = rule.unless[0].place
    if implies(rule.when, rule.unless, actions, same_trust=not rule.restricting):
        names = {test.fact.name for test in rule.unless} - EVERYWHERE
        applies = f"applies only {_left(names)}" if rule.restricting and names else "never applies"
        message = f"The exception of {rule.id} always holds where the rule does, so that it {applies}: remove both."
        problems.warn(place, "exception", message)
    elif disjoint(rule.when, rule.unless, actions) or contradictory(rule.unless, actions):
        # What contradicts itself is unknown where its fact is, and then an `allow` rule lets nothing go.
        own = {test.fact.name for test in rule.unless} - {test.fact.name for test in rule.when}
        left = "" if rule.restricting else _left(telling_apart((), rule.unless, actions) & own)
        never = f"holds only {left}" if left else "never holds where the rule does"
        message = f"The exception of {rule.id} {never}: remove it, or change its tests."
        problems.warn(place, "exception", message)
    elif not of_no_operation(rule.when) and not candidates((*rule.when, *rule.unless), actions):
        message = f"The exception of {rule.id} never holds: no action of the rule has all the facts that it tests."
        problems.warn(place, "exception", message)


def _hindered(rule: Rule, problems: Problems) -> None:
    """An `allow` rule for what is dangerous by its group, which never names the danger."""
    if rule.restricting:
        return
    texts = named_texts(rule.when)
    facts = {test.fact.name for test in rule.when}
    for group, fact in _DANGERS.items():
        if texts and texts <= {group} and group in GROUPS and fact not in facts:
            message = (
                f"{rule.id} never allows anything: what is in {group} is only allowed by a condition that names the danger."
                f" If you mean it, add `{fact}: true`."
            )
            problems.warn(rule.place, "hindered_allow", message)
