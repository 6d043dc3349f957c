"""Payment links."""

from __future__ import annotations

from typing import Annotated, Final, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.wire import Value
from runplane_mcp.interfaces.mcp.fields import STRICT, Metadata, OwnWords, Paging, id_of
from runplane_mcp.interfaces.mcp.row import BILLING, BOTH, CREATE, GOVERNED, READ, Operation, ToolRow


@with_config(STRICT)
class CreatePaymentLink(OwnWords, total=False):
    price: Required[Annotated[str, id_of("price_1Abc", "The price to pay.")]]
    quantity: Required[Annotated[int, Field(ge=1, le=999_999, examples=[1], description="How many of it.")]]
    redirect_url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            examples=["https://example.com/thanks"],
            description="Where the payer is sent afterwards; a confirmation by Stripe if left out.",
        ),
    ]
    metadata: Metadata


@with_config(STRICT)
class RetrievePaymentLink(TypedDict, total=False):
    payment_link: Required[Annotated[str, id_of("plink_1Abc", "The payment link.")]]


@with_config(STRICT)
class ListPaymentLinks(Paging, total=False):
    active: Annotated[bool, Field(description="true: only those that work; false: only those that are switched off.")]


def _link(parameters: dict[str, Value]) -> Operation:
    rest = dict(parameters)
    asked: dict[str, Value] = {"line_items": [{"price": rest.pop("price"), "quantity": rest.pop("quantity")}]}
    if "redirect_url" in rest:
        asked["after_completion"] = {"type": "redirect", "redirect": {"url": rest.pop("redirect_url")}}
    return "PostPaymentLinks", {**asked, **rest}


TOOLS: Final = (
    ToolRow(
        "create_payment_link",
        "Make a payment link",
        f"Makes a web address at which anybody can pay a price, again and again; it is in result.url. {GOVERNED}",
        CreatePaymentLink,
        CREATE,
        BOTH,
        _link,
        "PostPaymentLinks",
    ),
    ToolRow(
        "retrieve_payment_link",
        "Look at a payment link",
        "One payment link: its address, whether it works, what happens after paying.",
        RetrievePaymentLink,
        READ,
        BILLING,
        "GetPaymentLinksPaymentLink",
    ),
    ToolRow(
        "list_payment_links",
        "List payment links",
        "Payment links, newest first. With active, only those that work or those that are switched off.",
        ListPaymentLinks,
        READ,
        BILLING,
        "GetPaymentLinks",
    ),
)
