"""The one table of tools, a file for each of Stripe's resources: the arguments of a tool, and its row beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runplane_mcp.interfaces.mcp.row import ToolRow
from runplane_mcp.interfaces.mcp.tools import (
    balance,
    charges,
    coupons,
    credit_notes,
    customers,
    disputes,
    invoices,
    payment_intents,
    payment_links,
    payouts,
    products,
    refunds,
    requests,
    stripe_api,
    subscriptions,
    transfers,
)
from runplane_mcp.interfaces.mcp.toolset import Toolset

#: In the order in which clients see them.
TOOLS: Final[tuple[ToolRow, ...]] = (
    *refunds.TOOLS,
    *payouts.TOOLS,
    *transfers.TOOLS,
    *subscriptions.TOOLS,
    *balance.TOOLS,
    *payment_intents.TOOLS,
    *charges.TOOLS,
    *customers.TOOLS,
    *disputes.TOOLS,
    *payment_links.TOOLS,
    *invoices.TOOLS,
    *credit_notes.TOOLS,
    *products.TOOLS,
    *coupons.TOOLS,
    *stripe_api.TOOLS,
    *requests.TOOLS,
)
BY_NAME: Final[Mapping[str, ToolRow]] = {row.name: row for row in TOOLS}
#: Every Stripe operation that has a tool of its own.
REACHABLE: Final = frozenset(operation_id for row in TOOLS for operation_id in row.operations)
_CALLERS: Final[Mapping[str, tuple[str, ...]]] = {
    operation_id: tuple(row.name for row in TOOLS if operation_id in row.operations) for operation_id in REACHABLE
}


def tools_of(toolset: Toolset) -> tuple[ToolRow, ...]:
    """The tools that a client of this toolset is shown. All others stay callable, and governed."""
    return tuple(row for row in TOOLS if toolset is Toolset.ALL or toolset in row.toolsets)


def callers_of(operation_id: str) -> tuple[str, ...]:
    """The tools of its own that an operation has: those of which a call can become it."""
    return _CALLERS.get(operation_id, ())
