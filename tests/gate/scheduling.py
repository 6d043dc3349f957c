"""What tests of scheduled requests have in common: a policy that holds refunds back, and time that passes."""

from __future__ import annotations

from pathlib import Path

MINUTE = 60_000
#: What the rule of `held_back` waits.
DELAY = 10 * MINUTE
RULE = """
rules:
  - id: refunds-later
    when: {action: refunds, amount: {over: 100}}
    then: allow
    after: 10m
    tell_agent: Refunds take a while here.
"""


def held_back(home: Path, rule: str = RULE) -> None:
    """The shipped policy without its tests, whose first rule holds refunds over $100 back for ten minutes."""
    policy = home / "policies.yaml"
    text, _, _ = policy.read_text().partition("\ntests:")
    policy.write_text(text.replace("\nrules:\n", rule + "\n", 1))
