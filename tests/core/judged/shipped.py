"""Requests decided by the policy that comes with Runplane."""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.compile import compile_policy
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.effect import Looked
from runplane_mcp.core.effects import effect_of
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.policy import load
from tests.core.policies import SHIPPED, decided, facts_around
from tests.core.stripe_objects import CATALOG

POLICY = compile_policy(load(SHIPPED.read_text(encoding="utf-8")), actions=CATALOG.actions)


def outcome_of(seen: Classified, looked: Mapping[str, Looked]) -> tuple[Outcome, set[str]]:
    """What the policy that comes with Runplane says of a quiet request, and by which rules and limits."""
    decision = decided(POLICY, facts_around(seen, effect_of(seen, looked), date="2026-11-10"))
    return decision.outcome, {reason.id for reason in decision.reasons if reason.source in {"rule", "limit"}}
