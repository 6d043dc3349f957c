"""What happened on an account as requests with facts, the same that the gate would have had."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from runplane_mcp.core.backtest import Asked
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.effects import effect_of
from runplane_mcp.core.facts import FactValue
from runplane_mcp.core.history import Happened
from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.core.wire import encode
from runplane_mcp.errors import ParameterError
from runplane_mcp.gate.deciding import standing_facts

#: Who asks, in a history of which nobody knows who did it: one agent for all, which is the strictest that it can be.
AGENT: Final = "history"


def asked_for(history: Iterable[Happened], catalog: Catalog, identity: StripeIdentity) -> tuple[tuple[Asked, ...], int]:
    """`history` as requests, and how many of it could be none (their ids are not Stripe's)."""
    found, unreadable = [], 0
    for each in history:
        operation = catalog.by_id(each.operation_id)
        if operation is None:
            unreadable += 1
            continue
        try:
            classified = catalog.classify(encode(operation.method, operation.path, each.parameters))
        except ParameterError:
            unreadable += 1
            continue
        facts: dict[str, FactValue] = standing_facts(
            principal=AGENT, agent=AGENT, via="mcp", client=None, identity=identity, classified=classified
        )
        facts.update(effect_of(classified, each.looked).facts)
        found.append(Asked(each.at, each.object_id, classified.action, facts, each.undone))
    return tuple(found), unreadable
