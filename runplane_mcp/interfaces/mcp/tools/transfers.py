"""Transfers."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.wire import Value
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.fields import STRICT, Currency, Metadata, OwnWords, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import BILLING, GOVERNED, MONEY_OUT, READ, Operation, ToolRow, renamed


@with_config(STRICT)
class CreateTransfer(OwnWords, total=False):
    amount: Annotated[
        int,
        Field(
            ge=1,
            le=LARGEST_AMOUNT,
            examples=[2500],
            description="In the currency's smallest unit. Left out only with source_transaction: the whole charge.",
        ),
    ]
    currency: Required[Currency]
    destination: Required[Annotated[str, id_of("acct_1Abc", "The connected account that gets the money.")]]
    description: Annotated[str, text_of(1000, "Shown in Stripe's Dashboard.")]
    source_transaction: Annotated[str, id_of("ch_3Abc", "The charge whose money is transferred.")]
    source_type: Annotated[
        Literal["bank_account", "card", "fpx"], Field(description="Which part of the balance to draw on.")
    ]
    transfer_group: Annotated[str, text_of(255, "Groups transfers with the charges they belong to.")]
    metadata: Metadata


_TransferId = Annotated[str, id_of("tr_1Abc", "The transfer.")]


@with_config(STRICT)
class CreateTransferReversal(OwnWords, total=False):
    transfer: Required[_TransferId]
    amount: Annotated[
        int,
        Field(
            ge=1,
            le=LARGEST_AMOUNT,
            examples=[2500],
            description="In the currency's smallest unit: 2500 is $25.00. Left out: ALL that is left of the transfer.",
        ),
    ]
    description: Annotated[str, text_of(1000, "Shown in Stripe's Dashboard.")]
    metadata: Metadata


@with_config(STRICT)
class RetrieveTransfer(TypedDict, total=False):
    transfer: Required[_TransferId]


@with_config(STRICT)
class ListTransfers(Paging, total=False):
    destination: Annotated[str, id_of("acct_1Abc", "Only those to this connected account.")]
    transfer_group: Annotated[str, text_of(255, "Only those of this group.")]


def _transfer(parameters: dict[str, Value]) -> Operation:
    if "amount" not in parameters and "source_transaction" not in parameters:
        raise ParameterError(
            "parameter.missing",
            "`amount` is missing.",
            next_step="Only with source_transaction may it be left out.",
            param="amount",
        )
    return "PostTransfers", parameters


TOOLS: Final = (
    ToolRow(
        "create_transfer",
        "Transfer to a connected account",
        f"Sends money from the Stripe balance to a connected account. {GOVERNED}",
        CreateTransfer,
        MONEY_OUT,
        BILLING,
        _transfer,
        "PostTransfers",
    ),
    ToolRow(
        "create_transfer_reversal",
        "Take back a transfer",
        f"Takes money of a transfer back from the connected account. Without amount, all that is left of it. {GOVERNED}",
        CreateTransferReversal,
        MONEY_OUT,
        BILLING,
        renamed("PostTransfersIdReversals", transfer="id"),
        "PostTransfersIdReversals",
    ),
    ToolRow(
        "retrieve_transfer",
        "Look at a transfer",
        "One transfer: amount, account, how much was taken back, and its reversals.",
        RetrieveTransfer,
        READ,
        BILLING,
        "GetTransfersTransfer",
    ),
    ToolRow(
        "list_transfers",
        "List transfers",
        "Transfers to connected accounts, newest first.",
        ListTransfers,
        READ,
        BILLING,
        "GetTransfers",
    ),
)
