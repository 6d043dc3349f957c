from __future__ import annotations

from tests.interfaces.tool_cases.case import read

CASES = (
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
)
