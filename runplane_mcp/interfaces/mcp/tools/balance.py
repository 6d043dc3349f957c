"""The balance, and what it is made of."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import with_config
from typing_extensions import TypedDict

from runplane_mcp.interfaces.mcp.fields import STRICT, Currency, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import BILLING, DEFAULT, READ, ToolRow


@with_config(STRICT)
class RetrieveBalance(TypedDict, total=False):
    pass


@with_config(STRICT)
class ListBalanceTransactions(Paging, total=False):
    currency: Currency
    source: Annotated[str, id_of("re_1Abc", "Only those of this charge, refund, payout or transfer.")]
    type: Annotated[str, text_of(80, "Only this kind, such as charge, refund, payout, transfer or adjustment.")]


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
    ToolRow(
        "list_balance_transactions",
        "List what the balance is made of",
        "Every movement of the balance, newest first: amount, Stripe's fee, what is left of it, and what caused it.",
        ListBalanceTransactions,
        READ,
        BILLING,
        "GetBalanceTransactions",
    ),
)
