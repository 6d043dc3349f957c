"""The balance."""

from __future__ import annotations

from typing import Final

from pydantic import with_config
from typing_extensions import TypedDict

from runplane_mcp.interfaces.mcp.fields import STRICT
from runplane_mcp.interfaces.mcp.row import BILLING, DEFAULT, READ, ToolRow


@with_config(STRICT)
class RetrieveBalance(TypedDict, total=False):
    pass


TOOLS: Final = (
    ToolRow(
        "retrieve_balance",
        "Look at the balance",
        "The Stripe balance: what is available and what is pending, by currency, in smallest units.",
        RetrieveBalance,
        READ,
        DEFAULT | BILLING,
        "GetBalance",
    ),
)
