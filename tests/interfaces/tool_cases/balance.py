from __future__ import annotations

from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import read

CASES = (
    read("retrieve_balance", "balance.retrieve", {}, "GET /v1/balance", lambda v1, _: v1.balance.retrieve()),
    read(
        "list_balance_transactions",
        "balance_transaction.list",
        {"source": SEED.charge_40},
        f"GET /v1/balance_transactions source={SEED.charge_40}",
        lambda v1, _: v1.balance_transactions.list({"source": SEED.charge_40}),
        (
            {"currency": "usd", "type": "refund", "limit": 3},
            "GET /v1/balance_transactions currency=usd&limit=3&type=refund",
        ),
        ({"starting_after": "txn_a"}, "GET /v1/balance_transactions starting_after=txn_a"),
        ({"ending_before": "txn_b"}, "GET /v1/balance_transactions ending_before=txn_b"),
    ),
)
