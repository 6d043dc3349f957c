"""Payouts."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Required

from pydantic import Field, with_config

from runplane_mcp.interfaces.mcp.fields import STRICT, Amount, Currency, Metadata, OwnWords, id_of, text_of
from runplane_mcp.interfaces.mcp.row import BILLING, DEFAULT, GOVERNED, MONEY_OUT, ToolRow


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
)
