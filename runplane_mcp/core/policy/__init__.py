"""policies.yaml: text to a policy, or to every mistake in it with its place and what to write instead.

This is the face of the policy's parts: `load` reads a file, `core.compile` makes it fast, `core.decide` decides with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.catalog import ActionInfo
from runplane_mcp.core.policy.catalog_check import check_catalog
from runplane_mcp.core.policy.document import Unreadable, read
from runplane_mcp.core.policy.model import (
    Approval,
    Levels,
    Limit,
    Otherwise,
    Policy,
    PolicyTest,
    Rule,
    Writes,
    version_of,
)
from runplane_mcp.core.policy.problems import PolicyInvalid, Problem, Problems
from runplane_mcp.core.policy.reader import PolicyReader

__all__ = [
    "ActionInfo",
    "Approval",
    "Levels",
    "Limit",
    "Otherwise",
    "Policy",
    "PolicyInvalid",
    "PolicyTest",
    "Problem",
    "Rule",
    "Writes",
    "load",
    "version_of",
]


def load(text: str, *, file: str = "policies.yaml", known_actions: Mapping[str, ActionInfo] | None = None) -> Policy:
    """The policy in `text`; `file` only names it in errors. With `known_actions`, the catalog's, actions that do not exist
    and facts that an action cannot have are found too. Raises PolicyInvalid, a PolicyError, with all problems at once."""
    problems = Problems(file, text)
    try:
        root = read(text)
    except Unreadable as error:
        problems.add(error.place, "yaml", f"{error.message}.")
        raise PolicyInvalid(problems.found, text) from None
    policy = PolicyReader(problems).read(root, text)
    if known_actions is not None:
        check_catalog(policy, known_actions, problems)
    problems.raise_any()
    return policy
