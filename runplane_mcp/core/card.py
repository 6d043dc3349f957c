"""The card: what people see before they say yes, the same on every channel and always in this order.

What comes from Stripe as ids, amounts, dates and counts is trusted. Every free text is somebody's writing: it is only
ever in `quoted` or in the agent's words, and channels show it fenced, escaped and cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runplane_mcp.core.canonical import Json


@dataclass(frozen=True, slots=True)
class VoteLine:
    person: str
    answer: str
    at: int


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason of the policy's that made people be asked: `source` and `id` as the decision has them, `why` in words."""

    source: str
    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Card:
    """One held request in the words that people decide by. `amount` is minor units; times are milliseconds, policy time.

    `warnings` come first on every channel: one-person mode, nobody enrolled who could meet a need, a payout after hours
    that would be blocked when it runs. `details` are factors, facts and raw parameters, for those who ask.
    """

    request_id: str
    reference: str
    status: str
    simulator: bool
    mode: str  # "trial" or "production"
    headline: str
    to_whom: str | None
    money_lines: tuple[tuple[str, str], ...]
    undo: str
    why: tuple[str, ...]
    needs: tuple[str, ...]
    votes: tuple[VoteLine, ...]
    needed: int
    changed: tuple[str, ...]
    history: tuple[str, ...]
    denials: tuple[str, ...]
    warnings: tuple[str, ...]
    quoted: tuple[tuple[str, str], ...]
    agent: str
    justification: str | None
    ticket: str | None
    action: str
    operation_id: str
    amount: int | None
    currency: str | None
    customer: str | None
    risk: int
    risk_level: str
    risk_factors: tuple[str, ...]
    digest: str
    fingerprint: str
    round: int
    created_at: int
    expires_at: int | None
    method: str
    url: str
    parameters: tuple[tuple[str, str], ...]
    preconditions: tuple[str, ...]
    facts: Mapping[str, Json]
    policy_version: str
    replaces: str | None = None  # the id of the request that a person lowered to this one
    frozen: bool = False  # a freeze holds it: it does not run even with every yes
    principal: str = ""
    causes: tuple[Cause, ...] = ()  # why it is held, and by them it stands in a group with others
    release_at: int | None = None  # when it runs by itself, of what needs nobody's yes
