"""Charges: what each attempt at a payment came to."""

from __future__ import annotations

from typing import Annotated, Final, Required

from pydantic import with_config
from typing_extensions import TypedDict

from runplane_mcp.interfaces.mcp.fields import STRICT, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import BOTH, READ, SUPPORT, ToolRow


@with_config(STRICT)
class RetrieveCharge(TypedDict, total=False):
    charge: Required[Annotated[str, id_of("ch_3Abc", "The charge.")]]


@with_config(STRICT)
class ListCharges(Paging, total=False):
    customer: Annotated[str, id_of("cus_Abc", "Only this customer's.")]
    payment_intent: Annotated[str, id_of("pi_3Abc", "Only those of this PaymentIntent.")]
    transfer_group: Annotated[str, text_of(255, "Only those of this group.")]


TOOLS: Final = (
    ToolRow(
        "retrieve_charge",
        "Look at a charge",
        "One charge: amount, how much was captured and given back, whether it is disputed, how it was paid.",
        RetrieveCharge,
        READ,
        SUPPORT,
        "GetChargesCharge",
    ),
    ToolRow(
        "list_charges",
        "List charges",
        "Charges, newest first, failed ones too. Of a customer or of one payment.",
        ListCharges,
        READ,
        BOTH,
        "GetCharges",
    ),
)
