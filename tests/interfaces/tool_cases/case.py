"""What a case of the table says of one tool: the arguments, and everything that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import stripe

from runplane_mcp.core.facts import FactValue

#: Asks Stripe's own SDK for what the tool answered; gets the tool's `result` too, for the ids in it.
Asks = Callable[[stripe.V1Services, Any], stripe.StripeObject]

#: The hints that hold, by what a tool does. All tools reach out of this machine.
READ = frozenset({"read_only", "idempotent", "open_world"})
CREATE = frozenset({"open_world"})
CHANGE = frozenset({"destructive", "idempotent", "open_world"})
MONEY = frozenset({"destructive", "open_world"})


@dataclass(frozen=True)
class Case:
    """One call of one tool in the founded company, and what must come of it.

    `sends` is the request that Stripe gets: method, path, and the pairs of query or body as `name=value` joined by `&`,
    without our own `metadata[runplane_request]`. `facts` are those of the effect that matter, as the decision record has
    them, None for what this request does not have. `decision` is the shipped policy's; what it asks people for, they
    approve. `changed` says what the simulated Stripe holds afterwards and did not before: path → fields. `also` are more
    arguments that only have to make the right request; all arguments of a tool together must be all that it takes.
    """

    tool: str
    given: Mapping[str, Any]
    sends: str
    action: str
    asks: Asks
    hints: frozenset[str]
    groups: frozenset[str] = frozenset()
    facts: Mapping[str, FactValue | None] = field(default_factory=dict)
    decision: str = "allow"
    changed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    also: tuple[tuple[Mapping[str, Any], str], ...] = ()
    #: Tells several cases of one tool apart.
    name: str = ""

    @property
    def id(self) -> str:
        return f"{self.tool}-{self.name}" if self.name else self.tool

    @property
    def reads(self) -> bool:
        return "read_only" in self.hints


def read(
    tool: str,
    action: str,
    given: Mapping[str, Any],
    sends: str,
    asks: Asks,
    *also: tuple[Mapping[str, Any], str],
    object: str | None = None,
) -> Case:
    """A case of a tool that only looks. `object` is what it looks at, None for lists."""
    case = Case(tool, given, sends, action, asks, READ, also=also)
    return replace(case, facts={"object": object}) if object else case
