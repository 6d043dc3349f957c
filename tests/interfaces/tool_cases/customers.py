from __future__ import annotations

from runplane_mcp.core.facts import NONE
from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import CHANGE, CREATE, Case, read

ADDRESS = {
    "line1": "1 Main St",
    "line2": "2nd floor",
    "city": "Albany",
    "state": "NY",
    "postal_code": "1",
    "country": "US",
}
CONTACT = {
    "name": "Nia",
    "email": "nia@example.com",
    "phone": "+1 555 0100",
    "description": "x",
    "address": ADDRESS,
    "preferred_locales": ["en", "de"],
    "metadata": {"a": "b"},
}
CONTACT_SENT = (
    "address[city]=Albany&address[country]=US&address[line1]=1 Main St&address[line2]=2nd floor&address[postal_code]=1"
    "&address[state]=NY&{}description=x&email=nia@example.com&metadata[a]=b&name=Nia&phone=+1 555 0100"
    "&preferred_locales[0]=en&preferred_locales[1]=de"
)

CASES = (
    Case(
        tool="create_customer",
        given=CONTACT,
        sends=f"POST /v1/customers {CONTACT_SENT.format('')}",
        action="customer.create",
        asks=lambda v1, made: v1.customers.retrieve(made["id"]),
        hints=CREATE,
        facts={"reversible": True, "amount": None, "customer": None},
        changed={
            "/v1/customers?email=nia@example.com": {
                "data.0.name": "Nia",
                "data.0.address": ADDRESS,
                "data.0.balance": 0,
                "data.0.preferred_locales": ["en", "de"],
            }
        },
    ),
    read(
        "retrieve_customer",
        "customer.retrieve",
        {"customer": SEED.customer_hostile},
        f"GET /v1/customers/{SEED.customer_hostile}",
        lambda v1, _: v1.customers.retrieve(SEED.customer_hostile),
        object=SEED.customer_hostile,
    ),
    read(
        "list_customers",
        "customer.list",
        {"email": "ada@example.com", "limit": 3},
        "GET /v1/customers email=ada@example.com&limit=3",
        lambda v1, _: v1.customers.list({"email": "ada@example.com", "limit": 3}),
        ({}, "GET /v1/customers"),
        ({"starting_after": "cus_a"}, "GET /v1/customers starting_after=cus_a"),
        ({"ending_before": "cus_b"}, "GET /v1/customers ending_before=cus_b"),
    ),
    Case(
        tool="update_customer",
        given={"customer": SEED.customer_ben, "email": "ben@new.example.com"},
        sends=f"POST /v1/customers/{SEED.customer_ben} email=ben@new.example.com",
        action="customer.update",
        asks=lambda v1, made: v1.customers.retrieve(made["id"]),
        hints=CHANGE,
        facts={"customer": SEED.customer_ben, "object": SEED.customer_ben, "reversible": True, "amount": None},
        changed={f"/v1/customers/{SEED.customer_ben}": {"email": "ben@new.example.com"}},
        also=(
            (
                {"customer": "cus_1", "balance": -5, **CONTACT},
                f"POST /v1/customers/cus_1 {CONTACT_SENT.format('balance=-5&')}",
            ),
        ),
    ),
    Case(
        name="small_credit",
        tool="update_customer",
        given={"customer": SEED.customer_ben, "balance": -2_500},
        sends=f"POST /v1/customers/{SEED.customer_ben} balance=-2500",
        action="customer.update",
        asks=lambda v1, made: v1.customers.retrieve(made["id"]),
        hints=CHANGE,
        groups=frozenset({"credits", "charges"}),
        facts={"amount": Money(2_500, "usd"), "currency": "usd", "customer": SEED.customer_ben},
        changed={f"/v1/customers/{SEED.customer_ben}": {"balance": -2_500}},
    ),
    Case(
        name="large_credit",
        tool="update_customer",
        given={"customer": SEED.customer_ada, "balance": -15_000},
        sends=f"POST /v1/customers/{SEED.customer_ada} balance=-15000",
        action="customer.update",
        asks=lambda v1, made: v1.customers.retrieve(made["id"]),
        hints=CHANGE,
        groups=frozenset({"credits", "charges"}),
        facts={"amount": Money(15_000, "usd")},
        decision="require_approval",
        changed={f"/v1/customers/{SEED.customer_ada}": {"balance": -15_000}},
    ),
    Case(
        tool="delete_customer",
        given={"customer": SEED.customer_cleo},
        sends=f"DELETE /v1/customers/{SEED.customer_cleo}",
        action="customer.delete",
        asks=lambda v1, made: v1.customers.retrieve(made["id"]),
        hints=CHANGE,
        groups=frozenset({"deletions", "cancellations"}),
        facts={
            "customer": SEED.customer_cleo,
            "object": SEED.customer_cleo,
            "mrr_lost": Money(13_700, "usd"),
            "ends": "now",
            "reversible": False,
        },
        decision="require_approval",
        changed={
            f"/v1/customers/{SEED.customer_cleo}": {"deleted": True},
            f"/v1/subscriptions/{SEED.subscription_office}": {"status": "canceled"},
        },
    ),
    Case(
        name="without_subscriptions",
        tool="delete_customer",
        given={"customer": "cus_zoe"},
        sends="DELETE /v1/customers/cus_zoe",
        action="customer.delete",
        asks=lambda v1, made: v1.customers.retrieve(made["id"]),
        hints=CHANGE,
        groups=frozenset({"deletions", "cancellations"}),
        facts={"mrr_lost": NONE, "ends": NONE},
        decision="require_approval",
        changed={"/v1/customers/cus_zoe": {"deleted": True}},
    ),
)
