"""Rules that another one always covers, and pairs that say different things of the same."""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.catalog import ActionInfo
from runplane_mcp.core.decision import Need, Outcome
from runplane_mcp.core.policy.implies import contradictory, implies, part_of
from runplane_mcp.core.policy.model import Approval, Policy, Rule
from runplane_mcp.core.policy.problems import Problems

#: An `allow` rule covers these only where its condition names them.
_DANGERS = frozenset({"gives_access", "redirects_funds", "bulk", "known", "risk", "risk_level"})
_DOES = {
    Outcome.BLOCK: "blocks it",
    Outcome.REQUIRE_APPROVAL: "asks about it",
    Outcome.ALLOW: "holds it back",
}


def covered(policy: Policy, actions: Mapping[str, ActionInfo], problems: Problems) -> None:
    rules = [
        rule for rule in policy.rules if not contradictory(rule.when, actions) and not _always_excepted(rule, actions)
    ]
    for number, rule in enumerate(rules):
        for other_number, other in enumerate(rules):
            if other is rule or other.shadow or not part_of(rule, other, actions):
                continue
            both_ways = part_of(other, rule, actions)
            if both_ways and not rule.restricting and other.then is Outcome.ALLOW and other.restricting:
                continue  # the one holds back what the other keeps the risk from asking about
            # Of two that are the same, the later one is too much.
            if _says_no_less(other, rule, actions) and not (
                both_ways and other_number > number and _says_no_less(rule, other, actions)
            ):
                _tell(rule, other, problems, same=both_ways)
                break


def no_less(one: Approval, other: Approval) -> bool:
    """Whether whoever meets `one` has met `other` too, and as soon."""
    return needs_no_less(one.need, other.need) and one.expires_in <= other.expires_in


def needs_no_less(one: Need, other: Need) -> bool:
    return one.groups <= other.groups and one.people >= other.people


def _always_excepted(rule: Rule, actions: Mapping[str, ActionInfo]) -> bool:
    return bool(rule.unless) and implies(rule.when, rule.unless, actions, same_trust=not rule.restricting)


def _says_no_less(other: Rule, rule: Rule, actions: Mapping[str, ActionInfo]) -> bool:
    """Whether `other` makes `rule` superfluous wherever both apply."""
    if not other.restricting:
        # What names a danger may let through what the wider one does not.
        return (
            not rule.restricting
            and _names(rule) & _DANGERS <= _names(other)
            and _money(rule) <= _money(other)
            and _opened(rule, actions) <= _opened(other, actions)
        )
    if not rule.restricting:
        return True
    if other.then is not rule.then:
        return other.then.strictness > rule.then.strictness
    if rule.approval is not None and other.approval is not None:
        return no_less(other.approval, rule.approval)
    return (other.after or 0) >= (rule.after or 0)


def _names(rule: Rule) -> frozenset[str]:
    return frozenset(test.fact.name for test in rule.when)


def _money(rule: Rule) -> frozenset[str]:
    """Of what is unknown an `allow` rule covers only what its condition names."""
    return _names(rule) & {"amount", "amount_on_object", "platform_loss", "mrr_lost"}


def _opened(rule: Rule, actions: Mapping[str, ActionInfo]) -> frozenset[str]:
    """The actions that nobody has judged, and that it opens to people since it names them."""
    words = (text for test in rule.when if test.fact.name == "action" for text in test.texts)
    return frozenset(word for word in words if word in actions and actions[word].unjudged)


def _tell(rule: Rule, other: Rule, problems: Problems, *, same: bool) -> None:
    where = f"{other.id} (line {other.place.line})"
    if not rule.restricting and other.restricting:
        nothing = "nothing at once" if other.then is Outcome.ALLOW else "nothing"
        message = (
            f"{rule.id} allows {nothing}: {where} always applies too and {_DOES[other.then]}."
            f" Put the exception in `unless` of {other.id}."
        )
        problems.warn(rule.place, "contradiction" if same else "pointless_allow", message)
    elif same and other.then is not rule.then:
        message = (
            f"{rule.id} and {where} are about the same and say different things: {other.then.value} wins. Keep one."
        )
        problems.warn(rule.place, "contradiction", message)
    else:
        message = (
            f"{rule.id} changes nothing: {where} always applies too and is no milder. Remove it, or make it stricter."
        )
        problems.warn(rule.place, "covered", message)
