"""The arguments of every tool, one typed dictionary each: Stripe's own names, and strict.

Nothing is coerced (`"60000"`, `60000.0` and `true` are not amounts), no other names are taken, and there is no null. What
was not sent is not there, and never reads as a default of ours.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Required

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.money import LARGEST_AMOUNT

STRICT = ConfigDict(strict=True, extra="forbid")

Amount = Annotated[
    int,
    Field(ge=1, le=LARGEST_AMOUNT, examples=[2500], description="In the currency's smallest unit: 2500 is $25.00."),
]
Currency = Annotated[str, Field(pattern=r"^[a-z]{3,4}$", examples=["usd"], description="Lower case, like usd.")]
Metadata = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=40)], Annotated[str, Field(max_length=500)]],
    Field(max_length=50, description="Your own keys and values, all text."),
]
Limit = Annotated[int, Field(ge=1, le=100, examples=[10], description="How many to list; 10 if left out.")]
Cursor = Annotated[str, Field(min_length=1, max_length=255, description="The id of an object to continue from.")]
RequestRef = Annotated[
    str,
    Field(
        min_length=1, max_length=40, examples=["RP-7F3K"], description="The request's id (rpr_…) or reference (RP-…)."
    ),
]


def _id(example: str, description: str) -> Any:
    return Field(min_length=1, max_length=255, examples=[example], description=description)


def _text(longest: int, description: str) -> Any:
    return Field(min_length=1, max_length=longest, description=description)


@with_config(STRICT)
class OwnWords(TypedDict, total=False):
    """What every write takes beside Stripe's parameters. None of it goes to Stripe."""

    justification: Annotated[str, _text(2000, "Why this should be done, for the person who may have to approve it.")]
    ticket: Annotated[str, _text(200, "The order, case or conversation this belongs to.")]
    idempotency_key: Annotated[
        str, _text(255, "The same key with the same parameters always gives the first request's answer.")
    ]
    repeat_of: Annotated[
        str, _text(40, "Id of a finished request, when the same thing is meant to be done a second time.")
    ]


OWN_WORDS = frozenset(OwnWords.__annotations__)


@with_config(STRICT)
class CreateRefund(OwnWords, total=False):
    payment_intent: Annotated[str, _id("pi_3Abc", "The PaymentIntent to refund. Give this or charge.")]
    charge: Annotated[str, _id("ch_3Abc", "The charge to refund. Give this or payment_intent.")]
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


@with_config(STRICT)
class CreatePayout(OwnWords, total=False):
    amount: Required[Amount]
    currency: Required[Currency]
    description: Annotated[str, _text(1000, "Shown in Stripe's Dashboard.")]
    destination: Annotated[str, _id("ba_1Abc", "Bank account or card; the currency's default one if left out.")]
    method: Annotated[Literal["standard", "instant"], Field(description="instant costs a fee and cannot be canceled.")]
    source_type: Annotated[
        Literal["bank_account", "card", "fpx"], Field(description="Which part of the balance to draw on.")
    ]
    statement_descriptor: Annotated[str, _text(22, "What stands on the bank statement.")]
    metadata: Metadata


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
    destination: Required[Annotated[str, _id("acct_1Abc", "The connected account that gets the money.")]]
    description: Annotated[str, _text(1000, "Shown in Stripe's Dashboard.")]
    source_transaction: Annotated[str, _id("ch_3Abc", "The charge whose money is transferred.")]
    source_type: Annotated[
        Literal["bank_account", "card", "fpx"], Field(description="Which part of the balance to draw on.")
    ]
    transfer_group: Annotated[str, _text(255, "Groups transfers with the charges they belong to.")]
    metadata: Metadata


@with_config(STRICT)
class CancellationDetails(TypedDict, total=False):
    comment: Annotated[str, _text(5000, "The customer's words.")]
    feedback: Literal[
        "customer_service",
        "low_quality",
        "missing_features",
        "other",
        "switched_service",
        "too_complex",
        "too_expensive",
        "unused",
    ]


@with_config(STRICT)
class CancelSubscription(OwnWords, total=False):
    subscription: Required[Annotated[str, _id("sub_1Abc", "The subscription to cancel.")]]
    at_period_end: Annotated[
        bool,
        Field(
            description="true: it ends with the period that is paid for, and can be undone. Left out: AT ONCE, for good."
        ),
    ]
    invoice_now: Annotated[bool, Field(description="Bill open usage now. Only for a cancellation at once.")]
    prorate: Annotated[bool, Field(description="Credit unused time. Only for a cancellation at once.")]
    cancellation_details: CancellationDetails


@with_config(STRICT)
class RetrieveBalance(TypedDict, total=False):
    pass


@with_config(STRICT)
class ListPaymentIntents(TypedDict, total=False):
    customer: Annotated[str, _id("cus_Abc", "Only this customer's.")]
    limit: Limit
    starting_after: Cursor
    ending_before: Cursor


@with_config(STRICT)
class ListSubscriptions(TypedDict, total=False):
    customer: Annotated[str, _id("cus_Abc", "Only this customer's.")]
    price: Annotated[str, _id("price_1Abc", "Only those with this price.")]
    status: Annotated[
        Literal[
            "active",
            "past_due",
            "unpaid",
            "canceled",
            "incomplete",
            "incomplete_expired",
            "trialing",
            "paused",
            "all",
            "ended",
        ],
        Field(description="All that are not canceled if left out."),
    ]
    limit: Limit
    starting_after: Cursor
    ending_before: Cursor


@with_config(STRICT)
class ListCustomers(TypedDict, total=False):
    email: Annotated[str, _text(512, "Only customers with exactly this address.")]
    limit: Limit
    starting_after: Cursor
    ending_before: Cursor


@with_config(STRICT)
class GetRequest(TypedDict, total=False):
    request_id: Required[RequestRef]


@with_config(STRICT)
class WaitForRequest(TypedDict, total=False):
    request_id: Required[RequestRef]
    seconds: Annotated[int, Field(ge=1, le=25, examples=[25], description="How long at most; 25 if left out.")]


@with_config(STRICT)
class ListRequests(TypedDict, total=False):
    open_only: Annotated[bool, Field(description="Only those that are not over.")]
    limit: Annotated[int, Field(ge=1, le=50, examples=[20], description="How many, newest first; 20 if left out.")]


@with_config(STRICT)
class CancelRequest(TypedDict, total=False):
    request_id: Required[RequestRef]
