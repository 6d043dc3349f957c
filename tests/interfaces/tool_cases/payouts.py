from __future__ import annotations

from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import MONEY, Case

CASES = (
    Case(
        tool="create_payout",
        given={"amount": 250_000, "currency": "usd"},
        sends=f"POST /v1/payouts amount=250000&currency=usd&destination={SEED.bank_account_usd}",
        action="payout.create",
        asks=lambda v1, made: v1.payouts.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"payouts"}),
        facts={
            "amount": Money(250_000, "usd"),
            "currency": "usd",
            "destination": SEED.bank_account_usd,
            "destination_paid_before": True,
            "reversible": True,
        },
        decision="require_approval",
        changed={"/v1/payouts?status=pending&limit=1": {"data.0.amount": 250_000, "data.0.status": "pending"}},
        also=(
            (
                {
                    "amount": 2500,
                    "currency": "usd",
                    "description": "x",
                    "destination": "ba_1",
                    "method": "instant",
                    "source_type": "card",
                    "statement_descriptor": "y",
                    "metadata": {"a": "b"},
                },
                "POST /v1/payouts amount=2500&currency=usd&description=x&destination=ba_1&metadata[a]=b&method=instant"
                "&source_type=card&statement_descriptor=y",
            ),
        ),
    ),
)
