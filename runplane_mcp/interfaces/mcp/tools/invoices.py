"""Invoices and their items."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.wire import Value
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.fields import STRICT, Currency, Metadata, OwnWords, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import (
    BILLING,
    BOTH,
    CANCEL,
    CREATE,
    GOVERNED,
    MONEY_OUT,
    READ,
    Operation,
    ToolRow,
)

_Invoice = Annotated[str, id_of("in_1Abc", "The invoice.")]
_Collection = Literal["charge_automatically", "send_invoice"]
_AutoAdvance = Annotated[
    bool, Field(description="true: Stripe finalizes it and CHARGES OR SENDS it by itself, in about an hour.")
]


@with_config(STRICT)
class CreateInvoice(OwnWords, total=False):
    customer: Required[Annotated[str, id_of("cus_Abc", "Who it is for.")]]
    days_until_due: Annotated[
        int, Field(ge=1, le=3650, examples=[30], description="Sends the invoice, to be paid within so many days.")
    ]
    collection_method: Annotated[_Collection, Field(description="charge_automatically if left out.")]
    auto_advance: _AutoAdvance
    pending_invoice_items_behavior: Annotated[
        Literal["exclude", "include"],
        Field(description="include: takes the customer's pending items; else it is empty."),
    ]
    currency: Currency
    description: Annotated[str, text_of(1500, "Stands on the invoice.")]
    footer: Annotated[str, text_of(5000, "Stands at its foot.")]
    metadata: Metadata


@with_config(STRICT)
class CreateInvoiceItem(OwnWords, total=False):
    customer: Required[Annotated[str, id_of("cus_Abc", "Who is billed.")]]
    price: Annotated[str, id_of("price_1Abc", "A price that is paid once. Give this, or amount and currency.")]
    quantity: Annotated[
        int, Field(ge=1, le=1_000_000, examples=[2], description="With price: how many; 1 if left out.")
    ]
    amount: Annotated[
        int,
        Field(
            ge=-LARGEST_AMOUNT,
            le=LARGEST_AMOUNT,
            examples=[2500],
            description="In the currency's smallest unit: 2500 is $25.00. Below zero it is a CREDIT.",
        ),
    ]
    currency: Currency
    invoice: Annotated[str, id_of("in_1Abc", "The draft to put it on; the customer's next invoice if left out.")]
    description: Annotated[str, text_of(500, "What it is for; stands on the invoice.")]
    discountable: Annotated[bool, Field(description="false: discounts leave it alone.")]
    metadata: Metadata


@with_config(STRICT)
class FinalizeInvoice(OwnWords, total=False):
    invoice: Required[Annotated[str, id_of("in_1Abc", "The draft to finalize.")]]
    auto_advance: _AutoAdvance


@with_config(STRICT)
class PayInvoice(OwnWords, total=False):
    invoice: Required[Annotated[str, id_of("in_1Abc", "The invoice to collect.")]]
    payment_method: Annotated[str, id_of("pm_1Abc", "What to charge; the customer's default if left out.")]
    off_session: Annotated[bool, Field(description="true: the customer is not there to confirm.")]
    paid_out_of_band: Annotated[bool, Field(description="true: nothing is charged; it was paid OUTSIDE of Stripe.")]
    forgive: Annotated[bool, Field(description="true: what cannot be collected is GIVEN UP.")]


@with_config(STRICT)
class VoidInvoice(OwnWords, total=False):
    invoice: Required[Annotated[str, id_of("in_1Abc", "The open invoice to void.")]]


@with_config(STRICT)
class RetrieveInvoice(TypedDict, total=False):
    invoice: Required[_Invoice]


@with_config(STRICT)
class ListInvoices(Paging, total=False):
    customer: Annotated[str, id_of("cus_Abc", "Only this customer's.")]
    subscription: Annotated[str, id_of("sub_1Abc", "Only this subscription's.")]
    status: Literal["draft", "open", "paid", "uncollectible", "void"]
    collection_method: _Collection


def _invoice(parameters: dict[str, Value]) -> Operation:
    if "days_until_due" not in parameters:
        return "PostInvoices", parameters
    if parameters.get("collection_method", "send_invoice") != "send_invoice":
        raise ParameterError(
            "parameter.conflict",
            "`days_until_due` only goes with an invoice that is sent.",
            next_step="Leave out days_until_due, or give collection_method send_invoice.",
            param="days_until_due",
        )
    return "PostInvoices", {"collection_method": "send_invoice", **parameters}


def _item(parameters: dict[str, Value]) -> Operation:
    if ("price" in parameters) == ("amount" in parameters):
        both = "price" in parameters
        raise ParameterError(
            "parameter.conflict" if both else "parameter.missing",
            "price and amount are both given." if both else "It does not say how much.",
            next_step="Give price, or amount and currency.",
            param="amount",
        )
    if "amount" in parameters:
        if "currency" not in parameters or "quantity" in parameters:
            raise ParameterError(
                "parameter.conflict",
                "An amount needs a currency, and takes no quantity.",
                next_step="Give amount and currency, or price and quantity.",
                param="currency",
            )
        return "PostInvoiceitems", parameters
    rest = {name: value for name, value in parameters.items() if name != "price"}
    return "PostInvoiceitems", {**rest, "pricing": {"price": parameters["price"]}}


TOOLS: Final = (
    ToolRow(
        "create_invoice",
        "Create an invoice",
        "Makes a DRAFT invoice, empty unless pending items are included. Then create_invoice_item, finalize_invoice, "
        f"pay_invoice. {GOVERNED}",
        CreateInvoice,
        CREATE,
        BILLING,
        _invoice,
        "PostInvoices",
    ),
    ToolRow(
        "create_invoice_item",
        "Put something on an invoice",
        f"Adds a charge, or below zero a credit, to a draft or to the customer's next invoice. {GOVERNED}",
        CreateInvoiceItem,
        CREATE,
        BILLING,
        _item,
        "PostInvoiceitems",
    ),
    ToolRow(
        "finalize_invoice",
        "Finalize an invoice",
        f"Makes a draft final: it is owed from then on, and can no longer be changed or deleted. {GOVERNED}",
        FinalizeInvoice,
        CANCEL,
        BILLING,
        "PostInvoicesInvoiceFinalize",
    ),
    ToolRow(
        "pay_invoice",
        "Collect an invoice",
        f"Charges the customer for what remains of an invoice. {GOVERNED}",
        PayInvoice,
        MONEY_OUT,
        BILLING,
        "PostInvoicesInvoicePay",
    ),
    ToolRow(
        "void_invoice",
        "Void an invoice",
        f"Gives up an open invoice FOR GOOD: nothing of it is owed any more. {GOVERNED}",
        VoidInvoice,
        CANCEL,
        BILLING,
        "PostInvoicesInvoiceVoid",
    ),
    ToolRow(
        "retrieve_invoice",
        "Look at an invoice",
        "One invoice: status, lines, total, what is due and what was paid.",
        RetrieveInvoice,
        READ,
        BOTH,
        "GetInvoicesInvoice",
    ),
    ToolRow(
        "list_invoices",
        "List invoices",
        "Invoices, newest first: status, customer, total, what remains to be paid.",
        ListInvoices,
        READ,
        BOTH,
        "GetInvoices",
    ),
)
