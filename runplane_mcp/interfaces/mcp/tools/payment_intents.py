"""Payments."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import with_config

from runplane_mcp.interfaces.mcp.fields import STRICT, Paging, id_of
from runplane_mcp.interfaces.mcp.row import DEFAULT, READ, SUPPORT, ToolRow


@with_config(STRICT)
class ListPaymentIntents(Paging, total=False):
    customer: Annotated[str, id_of("cus_Abc", "Only this customer's.")]


TOOLS: Final = (
    ToolRow(
        "list_payment_intents",
        "List payments",
        "Payments, newest first: amount, currency, status, customer. Where to find what a refund is for.",
        ListPaymentIntents,
        READ,
        DEFAULT | SUPPORT,
        "GetPaymentIntents",
    ),
)
