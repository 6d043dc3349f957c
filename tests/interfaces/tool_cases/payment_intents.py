from __future__ import annotations

from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import read

CASES = (
    read(
        "list_payment_intents",
        "payment_intent.list",
        {"customer": SEED.customer_ada, "limit": 5},
        f"GET /v1/payment_intents customer={SEED.customer_ada}&limit=5",
        lambda v1, _: v1.payment_intents.list({"customer": SEED.customer_ada, "limit": 5}),
        ({}, "GET /v1/payment_intents"),
        ({"starting_after": "pi_a"}, "GET /v1/payment_intents starting_after=pi_a"),
        ({"ending_before": "pi_b"}, "GET /v1/payment_intents ending_before=pi_b"),
    ),
)
