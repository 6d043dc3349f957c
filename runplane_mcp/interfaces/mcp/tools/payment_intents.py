"""Payments."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.interfaces.mcp.fields import STRICT, Metadata, OwnWords, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import (
    BILLING,
    BOTH,
    CANCEL,
    DEFAULT,
    GOVERNED,
    MONEY_OUT,
    READ,
    SUPPORT,
    ToolRow,
    renamed,
)

_IntentId = Annotated[str, id_of("pi_3Abc", "The PaymentIntent.")]


@with_config(STRICT)
class ListPaymentIntents(Paging, total=False):
    customer: Annotated[str, id_of("cus_Abc", "Only this customer's.")]


@with_config(STRICT)
class RetrievePaymentIntent(TypedDict, total=False):
    payment_intent: Required[_IntentId]


@with_config(STRICT)
class CapturePaymentIntent(OwnWords, total=False):
    payment_intent: Required[_IntentId]
    amount_to_capture: Annotated[
        int,
        Field(
            ge=1,
            le=LARGEST_AMOUNT,
            examples=[2500],
            description="In the currency's smallest unit: 2500 is $25.00. Left out: ALL that is held. What is not captured "
            "is RELEASED for good.",
        ),
    ]
    statement_descriptor: Annotated[str, text_of(22, "What stands on the customer's statement.")]
    metadata: Metadata


@with_config(STRICT)
class CancelPaymentIntent(OwnWords, total=False):
    payment_intent: Required[_IntentId]
    cancellation_reason: Literal["abandoned", "duplicate", "fraudulent", "requested_by_customer"]


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
    ToolRow(
        "retrieve_payment_intent",
        "Look at a payment",
        "One payment: amount, currency, status, what can still be captured, its latest charge.",
        RetrievePaymentIntent,
        READ,
        BOTH,
        renamed("GetPaymentIntentsIntent", payment_intent="intent"),
        "GetPaymentIntentsIntent",
    ),
    ToolRow(
        "capture_payment_intent",
        "Capture a payment",
        "Takes the money that a customer's card holds ready (status requires_capture). Without amount_to_capture, all of "
        f"it; with less, the rest is released for good. {GOVERNED}",
        CapturePaymentIntent,
        MONEY_OUT,
        BILLING,
        renamed("PostPaymentIntentsIntentCapture", payment_intent="intent"),
        "PostPaymentIntentsIntentCapture",
    ),
    ToolRow(
        "cancel_payment_intent",
        "Cancel a payment",
        f"Ends a payment that is not made yet, for good; money that a card holds ready is released. {GOVERNED}",
        CancelPaymentIntent,
        CANCEL,
        BOTH,
        renamed("PostPaymentIntentsIntentCancel", payment_intent="intent"),
        "PostPaymentIntentsIntentCancel",
    ),
)
