"""What loads, and yet can hardly be meant: rules that never apply, limits that never bind, side doors left open.

A finding is a warning with a place and what to write instead; it changes no decision. Only what can be proven is said, so
that whoever reads a warning can rely on it: a list of maybes is read once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final

from runplane_mcp.core.catalog import ActionInfo
from runplane_mcp.core.policy.document import Place
from runplane_mcp.core.policy.lint.amounts import cents
from runplane_mcp.core.policy.lint.covered import covered
from runplane_mcp.core.policy.lint.dates import dates
from runplane_mcp.core.policy.lint.dead import dead
from runplane_mcp.core.policy.lint.scope import scope
from runplane_mcp.core.policy.lint.slack import slack
from runplane_mcp.core.policy.model import Policy
from runplane_mcp.core.policy.problems import Problem, Problems

#: Every kind of finding, and what it says. Codes are stable.
KINDS: Final[Mapping[str, str]] = {
    "lint.dead": "A rule or limit that never applies: its tests clash, no action has its facts, or its days are over.",
    "lint.exception": "An `unless` that never holds where its rule does, or always does.",
    "lint.covered": "A rule that another one always covers, and that changes nothing beside it.",
    "lint.contradiction": "Two rules with the same condition that say different things.",
    "lint.pointless_allow": "An `allow` rule that a stricter one always outvotes: the exception belongs in its `unless`.",
    "lint.hindered_allow": "An `allow` rule that never covers anything, since its condition does not name the danger.",
    "lint.slack": "A limit that never binds: another is always tighter, or a rule blocks all that it counts.",
    "lint.front_door": "The operation that everybody thinks of, without the others that come to the same.",
    "lint.unscoped": "A rule or limit without an action, which takes in more than its author thought of.",
    "lint.cents": "An amount so large that it looks as if it were in cents.",
    "lint.rates": "Rates that are older than 30 days. After 90 days other currencies are unknown.",
    "lint.closed_on": "Holidays that are all over.",
    "lint.untested": "A rule or limit that no test of the file reaches.",
}


def lint(policy: Policy, actions: Mapping[str, ActionInfo], today: date) -> tuple[Problem, ...]:
    """All findings about a policy that loads, in the order of the file. `actions` is the catalog's."""
    problems = Problems(policy.file, policy.text)
    dead(policy, actions, today, problems)
    covered(policy, actions, problems)
    slack(policy, actions, problems)
    scope(policy, actions, problems)
    cents(policy, actions, problems)
    dates(policy, today, problems)
    return _in_order(problems)


def untested(policy: Policy, reached: Collection[str]) -> tuple[Problem, ...]:
    """A finding for each rule and limit whose id is not among `reached`, the ids that applied in the file's own tests."""
    problems = Problems(policy.file, policy.text)
    rules: list[tuple[str, Place]] = [(rule.id, rule.place) for rule in policy.rules]
    for name, place in [*rules, *((limit.id, limit.place) for limit in policy.limits)]:
        if name not in reached:
            message = f"No test reaches {name}: add one that it decides, with `by: [{name}]`."
            problems.warn(place, "untested", message)
    return _in_order(problems)


def _in_order(problems: Problems) -> tuple[Problem, ...]:
    return tuple(sorted(problems.found, key=lambda each: (each.line, each.column)))
