"""Disputes."""

from __future__ import annotations

from typing import Annotated, Final, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.wire import MOST_TEXT, Value
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.fields import STRICT, Metadata, OwnWords, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import BOTH, GOVERNED, MONEY_OUT, READ, Operation, ToolRow

_LONG: Final = MOST_TEXT
_DisputeId = Annotated[str, id_of("dp_1Abc", "The dispute.")]


@with_config(STRICT)
class Evidence(TypedDict, total=False):
    """What the bank is shown. Texts are Stripe's own; files were uploaded before."""

    access_activity_log: Annotated[
        str, text_of(_LONG, "What the customer did in your service, with times and addresses.")
    ]
    billing_address: Annotated[str, text_of(_LONG, "Billing address as the customer gave it.")]
    cancellation_policy: Annotated[str, text_of(255, "Id of a file (file_…): the cancellation policy.")]
    cancellation_policy_disclosure: Annotated[
        str, text_of(_LONG, "How and when the customer saw the cancellation policy.")
    ]
    cancellation_rebuttal: Annotated[str, text_of(_LONG, "Why the subscription was not canceled, or not in time.")]
    customer_communication: Annotated[str, text_of(255, "Id of a file (file_…): what the customer wrote.")]
    customer_email_address: Annotated[str, text_of(255, "The customer's email address.")]
    customer_name: Annotated[str, text_of(255, "The customer's name.")]
    customer_purchase_ip: Annotated[str, text_of(255, "Network address that the purchase came from.")]
    customer_signature: Annotated[str, text_of(255, "Id of a file (file_…): the customer's signature or contract.")]
    duplicate_charge_documentation: Annotated[
        str, text_of(255, "Id of a file (file_…): what tells both charges apart.")
    ]
    duplicate_charge_explanation: Annotated[str, text_of(_LONG, "Why it is not the same charge twice.")]
    duplicate_charge_id: Annotated[str, text_of(255, "The charge that it is said to repeat.")]
    product_description: Annotated[str, text_of(_LONG, "What was sold, and how it was described.")]
    receipt: Annotated[str, text_of(255, "Id of a file (file_…): the receipt.")]
    refund_policy: Annotated[str, text_of(255, "Id of a file (file_…): the refund policy.")]
    refund_policy_disclosure: Annotated[str, text_of(_LONG, "How and when the customer saw the refund policy.")]
    refund_refusal_explanation: Annotated[str, text_of(_LONG, "Why there was no refund.")]
    service_date: Annotated[str, text_of(255, "When the service began or was given.")]
    service_documentation: Annotated[str, text_of(255, "Id of a file (file_…): proof of the service.")]
    shipping_address: Annotated[str, text_of(_LONG, "Where it was sent to.")]
    shipping_carrier: Annotated[str, text_of(255, "Who carried it.")]
    shipping_date: Annotated[str, text_of(255, "When it was sent.")]
    shipping_documentation: Annotated[str, text_of(255, "Id of a file (file_…): proof of sending.")]
    shipping_tracking_number: Annotated[str, text_of(255, "Tracking number.")]
    uncategorized_file: Annotated[str, text_of(255, "Id of a file (file_…): anything else.")]
    uncategorized_text: Annotated[str, text_of(_LONG, "Anything else.")]


@with_config(STRICT)
class ListDisputes(Paging, total=False):
    charge: Annotated[str, id_of("ch_3Abc", "Only those of this charge.")]
    payment_intent: Annotated[str, id_of("pi_3Abc", "Only those of this PaymentIntent.")]


@with_config(STRICT)
class RetrieveDispute(TypedDict, total=False):
    dispute: Required[_DisputeId]


@with_config(STRICT)
class UpdateDispute(OwnWords, total=False):
    dispute: Required[_DisputeId]
    evidence: Evidence
    submit: Annotated[
        bool,
        Field(
            description="false: set aside, and can still be changed. Left out or true: it goes to the bank AT ONCE, for "
            "good; the bank takes one answer only."
        ),
    ]
    metadata: Metadata


def _update(parameters: dict[str, Value]) -> Operation:
    if parameters.keys() <= {"dispute"}:
        raise ParameterError(
            "parameter.missing",
            "It does not say what to change.",
            next_step="Give evidence, submit or metadata.",
            param="evidence",
        )
    return "PostDisputesDispute", parameters


TOOLS: Final = (
    ToolRow(
        "list_disputes",
        "List disputes",
        "Disputes, newest first: amount, reason, status, until when evidence is due.",
        ListDisputes,
        READ,
        BOTH,
        "GetDisputes",
    ),
    ToolRow(
        "retrieve_dispute",
        "Look at a dispute",
        "One dispute with its evidence: amount, reason, status, until when evidence is due.",
        RetrieveDispute,
        READ,
        BOTH,
        "GetDisputesDispute",
    ),
    ToolRow(
        "update_dispute",
        "Answer a dispute",
        "Sets evidence aside with submit=false, or sends all of it to the bank, which decides who gets the money. "
        f"{GOVERNED}",
        UpdateDispute,
        MONEY_OUT,
        BOTH,
        _update,
        "PostDisputesDispute",
    ),
)
