"""Payouts."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.interfaces.mcp.fields import STRICT, Amount, Currency, Metadata, OwnWords, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import BILLING, CANCEL, DEFAULT, GOVERNED, MONEY_OUT, READ, ToolRow


@with_config(STRICT)
class CreatePayout(OwnWords, total=False):
    amount: Required[Amount]
    currency: Required[Currency]
    description: Annotated[str, text_of(1000, "Shown in Stripe's Dashboard.")]
    destination: Annotated[str, id_of("ba_1Abc", "Bank account or card; the currency's default one if left out.")]
    method: Annotated[Literal["standard", "instant"], Field(description="instant costs a fee and cannot be canceled.")]
    source_type: Annotated[
        Literal["bank_account", "card", "fpx"], Field(description="Which part of the balance to draw on.")
    ]
    statement_descriptor: Annotated[str, text_of(22, "What stands on the bank statement.")]
    metadata: Metadata


_PayoutId = Annotated[str, id_of("po_1Abc", "The payout.")]


@with_config(STRICT)
class CancelPayout(OwnWords, total=False):
    payout: Required[_PayoutId]


@with_config(STRICT)
class RetrievePayout(TypedDict, total=False):
    payout: Required[_PayoutId]


@with_config(STRICT)
class ListPayouts(Paging, total=False):
    destination: Annotated[str, id_of("ba_1Abc", "Only those to this bank account or card.")]
    status: Literal["pending", "in_transit", "paid", "failed", "canceled"]


TOOLS: Final = (
    ToolRow(
        "create_payout",
        "Pay out the balance",
        f"Sends money from the Stripe balance to the company's bank account or card. {GOVERNED}",
        CreatePayout,
        MONEY_OUT,
        DEFAULT | BILLING,
        "PostPayouts",
    ),
    ToolRow(
        "cancel_payout",
        "Cancel a payout",
        f"Stops a payout that is still pending; its money stays in the balance. {GOVERNED}",
        CancelPayout,
        CANCEL,
        BILLING,
        "PostPayoutsPayoutCancel",
    ),
    ToolRow(
        "retrieve_payout",
        "Look at a payout",
        "One payout: amount, status, when it arrives, where it goes.",
        RetrievePayout,
        READ,
        BILLING,
        "GetPayoutsPayout",
    ),
    ToolRow(
        "list_payouts",
        "List payouts",
        "Payouts, newest first. With status, only those that stand so.",
        ListPayouts,
        READ,
        BILLING,
        "GetPayouts",
    ),
)
