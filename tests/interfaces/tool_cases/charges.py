from __future__ import annotations

from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import read

CASES = (
    read(
        "retrieve_charge",
        "charge.retrieve",
        {"charge": SEED.charge_disputed},
        f"GET /v1/charges/{SEED.charge_disputed}",
        lambda v1, _: v1.charges.retrieve(SEED.charge_disputed),
        object=SEED.charge_disputed,
    ),
    read(
        "list_charges",
        "charge.list",
        {"customer": SEED.customer_ada, "limit": 5},
        f"GET /v1/charges customer={SEED.customer_ada}&limit=5",
        lambda v1, _: v1.charges.list({"customer": SEED.customer_ada, "limit": 5}),
        ({}, "GET /v1/charges"),
        (
            {"payment_intent": "pi_1", "transfer_group": "g"},
            "GET /v1/charges payment_intent=pi_1&transfer_group=g",
        ),
        ({"starting_after": "ch_a"}, "GET /v1/charges starting_after=ch_a"),
        ({"ending_before": "ch_b"}, "GET /v1/charges ending_before=ch_b"),
    ),
)
