from __future__ import annotations

from runplane_mcp.core.facts import NONE
from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import MONEY, Case

CASES = (
    Case(
        tool="create_transfer",
        given={"amount": 5_000, "currency": "usd", "destination": SEED.connected_account_new},
        sends=f"POST /v1/transfers amount=5000&currency=usd&destination={SEED.connected_account_new}",
        action="transfer.create",
        asks=lambda v1, made: v1.transfers.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"transfers"}),
        facts={
            "amount": Money(5_000, "usd"),
            "destination": SEED.connected_account_new,
            "destination_paid_before": False,
            "object": NONE,
            "reversible": True,
        },
        decision="require_approval",
        changed={f"/v1/transfers?destination={SEED.connected_account_new}": {"data.0.amount": 5_000}},
        also=(
            (
                {
                    "amount": 1,
                    "currency": "usd",
                    "destination": "acct_1",
                    "description": "x",
                    "source_transaction": "ch_1",
                    "source_type": "card",
                    "transfer_group": "g",
                    "metadata": {"a": "b"},
                },
                "POST /v1/transfers amount=1&currency=usd&description=x&destination=acct_1&metadata[a]=b"
                "&source_transaction=ch_1&source_type=card&transfer_group=g",
            ),
        ),
    ),
)
