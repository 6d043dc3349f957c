"""Customers."""

from __future__ import annotations

from typing import Annotated, Final, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.wire import Value
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.fields import STRICT, Metadata, OwnWords, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import (
    BOTH,
    CANCEL,
    CHANGE,
    CREATE,
    DEFAULT,
    GOVERNED,
    READ,
    SUPPORT,
    Operation,
    ToolRow,
)

_CustomerId = Annotated[str, id_of("cus_Abc", "The customer.")]


@with_config(STRICT)
class Address(TypedDict, total=False):
    line1: Annotated[str, text_of(500, "Street and number.")]
    line2: Annotated[str, text_of(500, "Floor, suite, building.")]
    city: Annotated[str, text_of(200, "City.")]
    state: Annotated[str, text_of(200, "State, county or province.")]
    postal_code: Annotated[str, text_of(40, "Postal code.")]
    country: Annotated[
        str, Field(pattern=r"^[A-Z]{2}$", examples=["US"], description="Two letters, upper case, like US.")
    ]


@with_config(STRICT)
class Contact(TypedDict, total=False):
    """Who a customer is and how to reach them."""

    name: Annotated[str, text_of(256, "Full or business name.")]
    email: Annotated[str, text_of(512, "Where receipts and invoices go.")]
    phone: Annotated[str, text_of(20, "Phone number.")]
    description: Annotated[str, text_of(5000, "A note, seen by staff only.")]
    address: Address
    preferred_locales: Annotated[
        list[Annotated[str, text_of(10, "Like en or pt-BR.")]],
        Field(max_length=20, description="Languages, most wanted first."),
    ]
    metadata: Metadata


@with_config(STRICT)
class CreateCustomer(Contact, OwnWords, total=False):
    pass


@with_config(STRICT)
class RetrieveCustomer(TypedDict, total=False):
    customer: Required[_CustomerId]


@with_config(STRICT)
class UpdateCustomer(Contact, OwnWords, total=False):
    customer: Required[_CustomerId]
    balance: Annotated[
        int,
        Field(
            ge=-LARGEST_AMOUNT,
            le=LARGEST_AMOUNT,
            examples=[-2500],
            description="Replaces what is owed with the next invoice, in smallest units. Below zero it is CREDIT: -2500 "
            "gives $25.00.",
        ),
    ]


@with_config(STRICT)
class DeleteCustomer(OwnWords, total=False):
    customer: Required[_CustomerId]


@with_config(STRICT)
class ListCustomers(Paging, total=False):
    email: Annotated[str, text_of(512, "Only customers with exactly this address.")]


def _update(parameters: dict[str, Value]) -> Operation:
    if parameters.keys() <= {"customer"}:
        raise ParameterError(
            "parameter.missing",
            "It does not say what to change.",
            next_step="Give at least one of name, email, phone, description, address, metadata, balance.",
        )
    return "PostCustomersCustomer", parameters


TOOLS: Final = (
    ToolRow(
        "create_customer",
        "Create a customer",
        f"Makes a new customer. Look with list_customers first: the same address can be there already. {GOVERNED}",
        CreateCustomer,
        CREATE,
        BOTH,
        "PostCustomers",
    ),
    ToolRow(
        "retrieve_customer",
        "Look at a customer",
        "One customer: name, email, address, balance (below zero is credit), metadata.",
        RetrieveCustomer,
        READ,
        BOTH,
        "GetCustomersCustomer",
    ),
    ToolRow(
        "list_customers",
        "List customers",
        "Customers, newest first. With email, those with exactly that address.",
        ListCustomers,
        READ,
        DEFAULT | BOTH,
        "GetCustomers",
    ),
    ToolRow(
        "update_customer",
        "Change a customer",
        f"Changes what is given and leaves the rest. A balance below zero gives credit. {GOVERNED}",
        UpdateCustomer,
        CHANGE,
        BOTH,
        _update,
        "PostCustomersCustomer",
    ),
    ToolRow(
        "delete_customer",
        "Delete a customer",
        f"Deletes a customer FOR GOOD and ends all their subscriptions at once. {GOVERNED}",
        DeleteCustomer,
        CANCEL,
        SUPPORT,
        "DeleteCustomersCustomer",
    ),
)
