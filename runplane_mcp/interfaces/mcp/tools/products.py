"""Products and prices."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.wire import Value
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp.fields import STRICT, Currency, Metadata, OwnWords, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import BILLING, BOTH, CREATE, GOVERNED, READ, Operation, ToolRow, renamed

_UnitAmount = Annotated[
    int,
    Field(
        ge=0,
        le=LARGEST_AMOUNT,
        examples=[2500],
        description="What one costs, in the currency's smallest unit: 2500 is $25.00; 0 is FREE.",
    ),
]
_Active = Annotated[bool, Field(description="false: archived, cannot be bought.")]


@with_config(STRICT)
class Recurring(TypedDict, total=False):
    """How often it is paid. Left out: once."""

    interval: Required[Literal["day", "week", "month", "year"]]
    interval_count: Annotated[int, Field(ge=1, le=1095, examples=[3], description="Every so many; 1 if left out.")]


@with_config(STRICT)
class PriceOfProduct(TypedDict, total=False):
    """A first price, made along with the product."""

    currency: Required[Currency]
    unit_amount: Required[_UnitAmount]
    recurring: Recurring


@with_config(STRICT)
class CreateProduct(OwnWords, total=False):
    name: Required[Annotated[str, text_of(250, "What customers see.")]]
    description: Annotated[str, text_of(5000, "What customers read about it.")]
    default_price_data: PriceOfProduct
    active: _Active
    statement_descriptor: Annotated[str, text_of(22, "What stands on the card statement.")]
    unit_label: Annotated[str, text_of(12, "What one of it is called, like seat.")]
    metadata: Metadata


@with_config(STRICT)
class RetrieveProduct(TypedDict, total=False):
    product: Required[Annotated[str, id_of("prod_Abc", "The product.")]]


@with_config(STRICT)
class ListProducts(Paging, total=False):
    active: Annotated[bool, Field(description="Only those that can be bought, or only archived ones.")]
    ids: Annotated[
        list[Annotated[str, id_of("prod_Abc", "A product.")]],
        Field(min_length=1, max_length=100, description="Only these."),
    ]


@with_config(STRICT)
class NewProduct(TypedDict, total=False):
    """A product made along with the price."""

    name: Required[Annotated[str, text_of(250, "What customers see.")]]
    metadata: Metadata


@with_config(STRICT)
class CreatePrice(OwnWords, total=False):
    product: Annotated[str, id_of("prod_Abc", "What it is the price of. Give this or product_data.")]
    product_data: NewProduct
    unit_amount: Required[_UnitAmount]
    currency: Required[Currency]
    recurring: Recurring
    nickname: Annotated[str, text_of(5000, "A note, seen by staff only.")]
    lookup_key: Annotated[str, text_of(200, "A name that code finds it by.")]
    transfer_lookup_key: Annotated[
        bool,
        Field(description="true: takes the key from the price that has it. What sells by the key sells at THIS price."),
    ]
    tax_behavior: Literal["exclusive", "inclusive", "unspecified"]
    active: _Active
    metadata: Metadata


@with_config(STRICT)
class RetrievePrice(TypedDict, total=False):
    price: Required[Annotated[str, id_of("price_1Abc", "The price.")]]


@with_config(STRICT)
class ListPrices(Paging, total=False):
    product: Annotated[str, id_of("prod_Abc", "Only this product's.")]
    active: Annotated[bool, Field(description="Only those that can be bought at, or only archived ones.")]
    currency: Currency
    type: Literal["one_time", "recurring"]
    lookup_keys: Annotated[
        list[Annotated[str, text_of(200, "A lookup key.")]],
        Field(min_length=1, max_length=10, description="Only those with these keys."),
    ]


def _price(parameters: dict[str, Value]) -> Operation:
    if ("product" in parameters) == ("product_data" in parameters):
        both = "product" in parameters
        raise ParameterError(
            "parameter.conflict" if both else "parameter.missing",
            "product and product_data are both given." if both else "It does not say what it is the price of.",
            next_step="Give product (prod_…), or product_data with a name.",
            param="product",
        )
    return "PostPrices", parameters


TOOLS: Final = (
    ToolRow(
        "create_product",
        "Create a product",
        f"Makes a product. Its price is made with default_price_data or create_price. {GOVERNED}",
        CreateProduct,
        CREATE,
        BILLING,
        "PostProducts",
    ),
    ToolRow(
        "retrieve_product",
        "Look at a product",
        "One product: name, description, default price.",
        RetrieveProduct,
        READ,
        BOTH,
        renamed("GetProductsId", product="id"),
        "GetProductsId",
    ),
    ToolRow("list_products", "List products", "Products, newest first.", ListProducts, READ, BOTH, "GetProducts"),
    ToolRow(
        "create_price",
        "Create a price",
        f"Makes a price of a product, paid once or again and again. A price cannot be changed later. {GOVERNED}",
        CreatePrice,
        CREATE,
        BILLING,
        _price,
        "PostPrices",
    ),
    ToolRow(
        "retrieve_price",
        "Look at a price",
        "One price: amount, currency, how often it is paid.",
        RetrievePrice,
        READ,
        BOTH,
        "GetPricesPrice",
    ),
    ToolRow(
        "list_prices",
        "List prices",
        "Prices, newest first. With product, those of that product.",
        ListPrices,
        READ,
        BOTH,
        "GetPrices",
    ),
)
