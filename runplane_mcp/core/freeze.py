"""Freezes: what somebody has stopped, and whether a request is among it. Pure functions.

Anybody may start one; only an administrator's signature ends it. An agent's label attributes and does not authenticate:
a freeze of a label holds whoever goes by it; a freeze of a principal, or of everything, holds an agent by any name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scope:
    """What a freeze stops: all that fits every part that is given; nothing given is everything. `action` is an action or
    a group."""

    agent: str | None = None
    principal: str | None = None
    action: str | None = None

    def covers(self, *, agent: str, principal: str, actions: frozenset[str] | None) -> bool:
        """Whether it stops a request with this label, principal, and action with its groups. `actions` None: nobody can
        say what the request does, so it may be anything."""
        if self.agent is not None and self.agent.casefold() != agent.casefold():
            return False
        if self.principal is not None and self.principal != principal:
            return False
        return self.action is None or actions is None or self.action in actions

    def words(self) -> str:
        """`everything`, `refunds of agent support-bot`. The labels in it are as foreign as the agent's own."""
        whose = [
            f"{noun} {name}"
            for noun, name in (("agent", self.agent), ("principal", self.principal))
            if name is not None
        ]
        return " of ".join([self.action or "everything", " and ".join(whose)]) if whose else self.action or "everything"


@dataclass(frozen=True, slots=True)
class Freeze:
    """One freeze. `at` is wall time in milliseconds; `said_by` is whoever started it by their own account, which nobody has
    checked. `lifted_seq` is the audit event that is said to have ended it; whether that event is an administrator's is
    for the gate to see."""

    id: str
    scope: Scope
    at: int
    said_by: str | None = None
    reason: str | None = None
    lifted_seq: int | None = field(default=None, compare=False)

    def sentence(self) -> str:
        """`Frozen: refunds, said to be by max: “prices are wrong”.` Foreign text inside: to be made visible."""
        by = f", said to be by {self.said_by}" if self.said_by else ""
        why = f": “{self.reason}”" if self.reason else "."
        return f"Frozen: {self.scope.words()}{by}{why}"


def freeze_id(random: bytes) -> str:
    """`frz_` and 128 random bits: a signature that ends one freeze can never end another."""
    if len(random) != 16:
        raise ValueError(f"16 random bytes are needed, not {len(random)}")
    return "frz_" + random.hex()


def covering(
    freezes: Iterable[Freeze], *, agent: str, principal: str, actions: frozenset[str] | None
) -> tuple[Freeze, ...]:
    """Those of `freezes` that stop such a request."""
    return tuple(each for each in freezes if each.scope.covers(agent=agent, principal=principal, actions=actions))
