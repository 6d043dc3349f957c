"""Subscriptions."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.wire import Value
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.fields import STRICT, Metadata, OwnWords, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import BOTH, CANCEL, CHANGE, DEFAULT, GOVERNED, READ, Operation, ToolRow, renamed


@with_config(STRICT)
class CancellationDetails(TypedDict, total=False):
    comment: Annotated[str, text_of(5000, "The customer's words.")]
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
    subscription: Required[Annotated[str, id_of("sub_1Abc", "The subscription to cancel.")]]
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
class ListSubscriptions(Paging, total=False):
    customer: Annotated[str, id_of("cus_Abc", "Only this customer's.")]
    price: Annotated[str, id_of("price_1Abc", "Only those with this price.")]
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


@with_config(STRICT)
class ItemChange(TypedDict, total=False):
    """One item: with id it is changed or removed, without id a price is added."""

    id: Annotated[str, id_of("si_1Abc", "The item that changes.")]
    price: Annotated[str, id_of("price_1Abc", "Its new price. Without quantity the quantity becomes 1.")]
    quantity: Annotated[int, Field(ge=0, le=1_000_000, examples=[5], description="How many.")]
    deleted: Annotated[bool, Field(description="true: the item is removed.")]


@with_config(STRICT)
class Discount(TypedDict, total=False):
    coupon: Required[Annotated[str, id_of("SUMMER25", "The coupon to redeem.")]]


@with_config(STRICT)
class Pause(TypedDict, total=False):
    behavior: Required[
        Annotated[
            Literal["keep_as_draft", "mark_uncollectible", "void"],
            Field(description="What becomes of the invoices meanwhile."),
        ]
    ]
    resumes_at: Annotated[
        int, Field(ge=1, le=10**10, examples=[1798761600], description="Unix time; no end if left out.")
    ]


@with_config(STRICT)
class UpdateSubscription(OwnWords, total=False):
    subscription: Required[Annotated[str, id_of("sub_1Abc", "The subscription to change.")]]
    items: Annotated[list[ItemChange], Field(min_length=1, max_length=20, description="What is not named stays.")]
    proration_behavior: Annotated[
        Literal["always_invoice", "create_prorations", "none"],
        Field(description="How the rest of the period is billed; create_prorations if left out."),
    ]
    discounts: Annotated[
        list[Discount], Field(min_length=1, max_length=10, description="REPLACES the discounts it has.")
    ]
    trial_end: Annotated[
        int, Field(ge=1, le=10**10, examples=[1798761600], description="Unix time: nothing is charged until then.")
    ]
    cancel_at: Annotated[int, Field(ge=1, le=10**10, examples=[1798761600], description="Unix time: it ends then.")]
    cancel_at_period_end: Annotated[
        bool, Field(description="true: it ends with its paid period. false: it runs on after all.")
    ]
    pause_collection: Pause
    resume_collection: Annotated[bool, Field(description="true: ends a pause; it is charged again.")]
    description: Annotated[str, text_of(500, "Stands on its invoices.")]
    metadata: Metadata


@with_config(STRICT)
class RetrieveSubscription(TypedDict, total=False):
    subscription: Required[Annotated[str, id_of("sub_1Abc", "The subscription.")]]


def _update(parameters: dict[str, Value]) -> Operation:
    rest = dict(parameters)
    rest["subscription_exposed_id"] = rest.pop("subscription")
    if len(rest) == 1:
        raise ParameterError(
            "parameter.missing", "It does not say what to change.", next_step="Give items, discounts or another change."
        )
    if "resume_collection" in rest:
        if not rest.pop("resume_collection") or "pause_collection" in rest:
            raise ParameterError(
                "parameter.conflict",
                "`resume_collection` is only ever true, and not beside pause_collection.",
                next_step="Leave one of them out.",
                param="resume_collection",
            )
        rest["pause_collection"] = ""
    return "PostSubscriptionsSubscriptionExposedId", rest


def _cancellation(parameters: dict[str, Value]) -> Operation:
    rest = dict(parameters)
    rest["subscription_exposed_id"] = rest.pop("subscription")
    if not rest.pop("at_period_end", False):
        return "DeleteSubscriptionsSubscriptionExposedId", rest
    for name in ("invoice_now", "prorate"):
        if name in rest:
            raise ParameterError(
                "parameter.conflict",
                f"`{name}` only goes with a cancellation at once.",
                next_step=f"Leave out {name} or at_period_end.",
                param=name,
            )
    return "PostSubscriptionsSubscriptionExposedId", {**rest, "cancel_at_period_end": True}


TOOLS: Final = (
    ToolRow(
        "cancel_subscription",
        "Cancel a subscription",
        f"Ends a subscription at once, or with at_period_end when its paid period ends. {GOVERNED}",
        CancelSubscription,
        CANCEL,
        DEFAULT | BOTH,
        _cancellation,
        "DeleteSubscriptionsSubscriptionExposedId",
        also=("PostSubscriptionsSubscriptionExposedId",),
    ),
    ToolRow(
        "update_subscription",
        "Change a subscription",
        "Changes prices, quantities, discounts, trial, pause or end of a subscription. Find item ids with "
        f"retrieve_subscription. {GOVERNED}",
        UpdateSubscription,
        CHANGE,
        BOTH,
        _update,
        "PostSubscriptionsSubscriptionExposedId",
    ),
    ToolRow(
        "retrieve_subscription",
        "Look at a subscription",
        "One subscription: its items with ids, prices and quantities, its period, discounts, and whether it ends.",
        RetrieveSubscription,
        READ,
        BOTH,
        renamed("GetSubscriptionsSubscriptionExposedId", subscription="subscription_exposed_id"),
        "GetSubscriptionsSubscriptionExposedId",
    ),
    ToolRow(
        "list_subscriptions",
        "List subscriptions",
        "Subscriptions, newest first, with their prices and periods.",
        ListSubscriptions,
        READ,
        DEFAULT | BOTH,
        "GetSubscriptions",
    ),
)
