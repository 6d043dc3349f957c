from __future__ import annotations

from fractions import Fraction

from runplane_mcp.core.facts import NONE
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import CREATE, Case, read

CASES = (
    Case(
        tool="create_product",
        given={
            "name": "Kettle",
            "description": "Boils",
            "default_price_data": {"currency": "usd", "unit_amount": 4_900, "recurring": {"interval": "year"}},
        },
        sends="POST /v1/products default_price_data[currency]=usd&default_price_data[recurring][interval]=year"
        "&default_price_data[unit_amount]=4900&description=Boils&name=Kettle",
        action="product.create",
        asks=lambda v1, made: v1.products.retrieve(made["id"]),
        hints=CREATE,
        facts={"reversible": True},
        changed={"/v1/products?limit=1": {"data.0.name": "Kettle"}},
        also=(
            (
                {
                    "name": "K",
                    "active": False,
                    "statement_descriptor": "KETTLE",
                    "unit_label": "pot",
                    "metadata": {"a": "b"},
                },
                "POST /v1/products active=false&metadata[a]=b&name=K&statement_descriptor=KETTLE&unit_label=pot",
            ),
        ),
    ),
    read(
        "retrieve_product",
        "product.retrieve",
        {"product": SEED.product_club},
        f"GET /v1/products/{SEED.product_club}",
        lambda v1, _: v1.products.retrieve(SEED.product_club),
        object=SEED.product_club,
    ),
    read(
        "list_products",
        "product.list",
        {"active": True},
        "GET /v1/products active=true",
        lambda v1, _: v1.products.list({"active": True}),
        ({"ids": ["prod_1"], "limit": 3}, "GET /v1/products ids[0]=prod_1&limit=3"),
        ({"starting_after": "a"}, "GET /v1/products starting_after=a"),
        ({"ending_before": "b"}, "GET /v1/products ending_before=b"),
    ),
    Case(
        tool="create_price",
        given={
            "product": SEED.product_club,
            "unit_amount": 1_450,
            "currency": "usd",
            "recurring": {"interval": "month"},
        },
        sends=f"POST /v1/prices currency=usd&product={SEED.product_club}&recurring[interval]=month&unit_amount=1450",
        action="price.create",
        asks=lambda v1, made: v1.prices.retrieve(made["id"]),
        hints=CREATE,
        groups=frozenset({"discounts"}),
        facts={"discount_percent": Fraction(50), "object": SEED.product_club, "reversible": True},
        decision="require_approval",
        changed={"/v1/prices?limit=1": {"data.0.unit_amount": 1_450}},
        also=(
            (
                {
                    "product": "prod_1",
                    "unit_amount": 0,
                    "currency": "eur",
                    "nickname": "n",
                    "lookup_key": "k",
                    "transfer_lookup_key": True,
                    "tax_behavior": "inclusive",
                    "active": False,
                    "metadata": {"a": "b"},
                },
                "POST /v1/prices active=false&currency=eur&lookup_key=k&metadata[a]=b&nickname=n&product=prod_1"
                "&tax_behavior=inclusive&transfer_lookup_key=true&unit_amount=0",
            ),
        ),
    ),
    Case(
        name="of_a_new_product",
        tool="create_price",
        given={"product_data": {"name": "Cup"}, "unit_amount": 900, "currency": "eur"},
        sends="POST /v1/prices currency=eur&product_data[name]=Cup&unit_amount=900",
        action="price.create",
        asks=lambda v1, made: v1.prices.retrieve(made["id"]),
        hints=CREATE,
        facts={"object": NONE, "reversible": True},
        changed={"/v1/products?limit=1": {"data.0.name": "Cup"}},
    ),
    read(
        "retrieve_price",
        "price.retrieve",
        {"price": SEED.price_seat},
        f"GET /v1/prices/{SEED.price_seat}",
        lambda v1, _: v1.prices.retrieve(SEED.price_seat),
        object=SEED.price_seat,
    ),
    read(
        "list_prices",
        "price.list",
        {"product": SEED.product_club, "active": True, "currency": "usd", "type": "recurring"},
        f"GET /v1/prices active=true&currency=usd&product={SEED.product_club}&type=recurring",
        lambda v1, _: v1.prices.list(
            {"product": SEED.product_club, "active": True, "currency": "usd", "type": "recurring"}
        ),
        ({"lookup_keys": ["k"], "limit": 3}, "GET /v1/prices limit=3&lookup_keys[0]=k"),
        ({"starting_after": "a"}, "GET /v1/prices starting_after=a"),
        ({"ending_before": "b"}, "GET /v1/prices ending_before=b"),
    ),
)
