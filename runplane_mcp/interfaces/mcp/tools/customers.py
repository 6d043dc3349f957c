"""Customers."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import with_config

from runplane_mcp.interfaces.mcp.fields import STRICT, Paging, text_of
from runplane_mcp.interfaces.mcp.row import BOTH, DEFAULT, READ, ToolRow


@with_config(STRICT)
class ListCustomers(Paging, total=False):
    email: Annotated[str, text_of(512, "Only customers with exactly this address.")]


TOOLS: Final = (
    ToolRow(
        "list_customers",
        "List customers",
        "Customers, newest first. With email, those with exactly that address.",
        ListCustomers,
        READ,
        DEFAULT | BOTH,
        "GetCustomers",
    ),
)
