"""Subscriptions."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.wire import Value
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.fields import STRICT, OwnWords, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import BOTH, CANCEL, DEFAULT, GOVERNED, READ, Operation, ToolRow


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
        "list_subscriptions",
        "List subscriptions",
        "Subscriptions, newest first, with their prices and periods.",
        ListSubscriptions,
        READ,
        DEFAULT | BOTH,
        "GetSubscriptions",
    ),
)
