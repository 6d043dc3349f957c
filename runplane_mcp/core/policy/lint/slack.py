"""Limits that never bind."""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.catalog import ActionInfo
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.facts import EVERYWHERE
from runplane_mcp.core.policy.implies import contradictory, implies
from runplane_mcp.core.policy.lint.covered import no_less
from runplane_mcp.core.policy.model import Limit, Policy
from runplane_mcp.core.policy.problems import Problems


def slack(policy: Policy, actions: Mapping[str, ActionInfo], problems: Problems) -> None:
    limits = [limit for limit in policy.limits if not contradictory(limit.when, actions)]
    for number, limit in enumerate(limits):
        blocker = next(
            (
                rule
                for rule in policy.rules
                if rule.then is Outcome.BLOCK
                and not rule.shadow
                and not rule.unless
                and implies(limit.when, rule.when, actions)
            ),
            None,
        )
        if blocker is not None:
            where = f"{blocker.id} (line {blocker.place.line})"
            message = f"{limit.id} never binds: {where} blocks all that it counts. Remove one."
            problems.warn(limit.place, "slack", message)
            continue
        for other_number, other in enumerate(limits):
            if other is limit or other.shadow or not tighter(other, limit, actions):
                continue
            if tighter(limit, other, actions) and other_number > number:
                continue  # the same twice: the later one is too much
            # What nobody knows whose it is exceeds a limit that counts by that, and no other.
            apart = sorted({*limit.per} - {*other.per} - EVERYWHERE)
            binds = f"binds only where nobody can find out its {' or '.join(apart)}" if apart else "never binds"
            message = (
                f"{limit.id} {binds}: {other.id} (line {other.place.line}) counts all of it, over no less time, and is"
                " exceeded no later. Remove it, or make it tighter."
            )
            problems.warn(limit.place, "slack", message)
            break


def tighter(one: Limit, other: Limit, actions: Mapping[str, ActionInfo]) -> bool:
    """Whether `one` is exceeded wherever `other` is and counts what is known, and says no less then."""
    return (
        implies(other.when, one.when, actions)
        and set(one.per) <= set(other.per)
        and one.within >= other.within
        and (other.total is None or (one.total is not None and one.total <= other.total and one.of == other.of))
        and (other.count is None or (one.count is not None and one.count <= other.count))
        # Where several agents share a limit, those that wait may only make it ask.
        and (one.then is Outcome.REQUIRE_APPROVAL or one.shared == other.shared)
        and (
            one.then.strictness > other.then.strictness
            or (one.then is other.then and (one.then is Outcome.BLOCK or no_less(one.approval, other.approval)))
        )
    )
