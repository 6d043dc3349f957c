"""Refunds."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.wire import Value
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.fields import STRICT, Metadata, OwnWords, Paging, id_of
from runplane_mcp.interfaces.mcp.row import DEFAULT, GOVERNED, MONEY_OUT, READ, SUPPORT, Operation, ToolRow


@with_config(STRICT)
class CreateRefund(OwnWords, total=False):
    payment_intent: Annotated[str, id_of("pi_3Abc", "The PaymentIntent to refund. Give this or charge.")]
    charge: Annotated[str, id_of("ch_3Abc", "The charge to refund. Give this or payment_intent.")]
    amount: Annotated[
        int,
        Field(
            ge=1,
            le=LARGEST_AMOUNT,
            examples=[2500],
            description="In the currency's smallest unit: 2500 is $25.00. Left out: ALL that is left of the payment.",
        ),
    ]
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"]
    refund_application_fee: Annotated[bool, Field(description="Give the application fee back, too (Connect).")]
    reverse_transfer: Annotated[bool, Field(description="Take the money back from the connected account (Connect).")]
    metadata: Metadata


def _refund(parameters: dict[str, Value]) -> Operation:
    given = [name for name in ("payment_intent", "charge") if name in parameters]
    if not given:
        raise ParameterError(
            "parameter.missing",
            "It does not say which payment to refund.",
            next_step="Give payment_intent (pi_…) or charge (ch_…).",
            param="payment_intent",
        )
    if len(given) == 2:
        raise ParameterError(
            "parameter.conflict",
            "payment_intent and charge are both given.",
            next_step="Give only one.",
            param="charge",
        )
    return "PostRefunds", parameters


@with_config(STRICT)
class RetrieveRefund(TypedDict, total=False):
    refund: Required[Annotated[str, id_of("re_3Abc", "The refund.")]]


@with_config(STRICT)
class ListRefunds(Paging, total=False):
    charge: Annotated[str, id_of("ch_3Abc", "Only those of this charge.")]
    payment_intent: Annotated[str, id_of("pi_3Abc", "Only those of this PaymentIntent.")]


TOOLS: Final = (
    ToolRow(
        "create_refund",
        "Refund a payment",
        f"Gives a customer's money back. Without amount, all that is left of the payment. {GOVERNED}",
        CreateRefund,
        MONEY_OUT,
        DEFAULT | SUPPORT,
        _refund,
        "PostRefunds",
    ),
    ToolRow(
        "retrieve_refund",
        "Look at a refund",
        "One refund: amount, status, its payment. A refund can still fail weeks later.",
        RetrieveRefund,
        READ,
        SUPPORT,
        "GetRefundsRefund",
    ),
    ToolRow(
        "list_refunds",
        "List refunds",
        "Refunds, newest first. Of one payment: what was given back of it already.",
        ListRefunds,
        READ,
        SUPPORT,
        "GetRefunds",
    ),
)
