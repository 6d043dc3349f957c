"""Coupons."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal, Required, cast

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.wire import Value
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.fields import STRICT, Amount, Currency, Metadata, OwnWords, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import BILLING, BOTH, CREATE, GOVERNED, READ, Operation, ToolRow


@with_config(STRICT)
class CreateCoupon(OwnWords, total=False):
    name: Annotated[str, text_of(40, "What customers see.")]
    percent_off: Annotated[
        float, Field(ge=0.01, le=100, examples=[25], description="Percent off. Give this or amount_off.")
    ]
    amount_off: Amount
    currency: Currency
    duration: Annotated[
        Literal["once", "repeating", "forever"],
        Field(description="For how long it takes off; once if left out. forever has NO end."),
    ]
    duration_in_months: Annotated[int, Field(ge=1, le=120, examples=[3], description="Only with duration repeating.")]
    max_redemptions: Annotated[int, Field(ge=1, le=1_000_000, examples=[100], description="How often it can be used.")]
    redeem_by: Annotated[
        int, Field(ge=1, le=10**10, examples=[1798761600], description="Unix time: usable until then.")
    ]
    id: Annotated[str, id_of("SUMMER25", "The code; Stripe makes one up if left out.")]
    metadata: Metadata


@with_config(STRICT)
class RetrieveCoupon(TypedDict, total=False):
    coupon: Required[Annotated[str, id_of("SUMMER25", "The coupon's id.")]]


@with_config(STRICT)
class ListCoupons(Paging, total=False):
    pass


def _coupon(parameters: dict[str, Value]) -> Operation:
    if ("percent_off" in parameters) == ("amount_off" in parameters):
        both = "percent_off" in parameters
        raise ParameterError(
            "parameter.conflict" if both else "parameter.missing",
            "percent_off and amount_off are both given." if both else "It does not say what is taken off.",
            next_step="Give percent_off or amount_off, and only one.",
            param="percent_off",
        )
    if "amount_off" in parameters and "currency" not in parameters:
        raise ParameterError(
            "parameter.missing", "`currency` is missing.", next_step="amount_off needs one.", param="currency"
        )
    if "percent_off" not in parameters:
        return "PostCoupons", parameters
    # A number with a point: what goes to Stripe is its text, exactly as it was given.
    written = format(Decimal(repr(cast("float", parameters["percent_off"]))).normalize(), "f")
    return "PostCoupons", {**parameters, "percent_off": written}


TOOLS: Final = (
    ToolRow(
        "create_coupon",
        "Create a coupon",
        f"Makes a discount that customers can be given, as a percentage or an amount. {GOVERNED}",
        CreateCoupon,
        CREATE,
        BILLING,
        _coupon,
        "PostCoupons",
    ),
    ToolRow(
        "retrieve_coupon",
        "Look at a coupon",
        "One coupon: what it takes off, for how long, how often it was used.",
        RetrieveCoupon,
        READ,
        BOTH,
        "GetCouponsCoupon",
    ),
    ToolRow(
        "list_coupons",
        "List coupons",
        "Coupons, newest first: percent or amount off, duration, whether they can still be used.",
        ListCoupons,
        READ,
        BOTH,
        "GetCoupons",
    ),
)
