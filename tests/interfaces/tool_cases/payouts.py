from __future__ import annotations

from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import CHANGE, MONEY, Case, read

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
    Case(
        tool="cancel_payout",
        given={"payout": SEED.payout_pending},
        sends=f"POST /v1/payouts/{SEED.payout_pending}/cancel",
        action="payout.cancel",
        asks=lambda v1, made: v1.payouts.retrieve(made["id"]),
        hints=CHANGE,
        facts={"object": SEED.payout_pending, "reversible": True, "amount": None, "destination": None},
        changed={
            f"/v1/payouts/{SEED.payout_pending}": {"status": "canceled"},
            "/v1/balance": {"available.0.amount": SEED.available_usd + 420_000},
        },
    ),
    read(
        "retrieve_payout",
        "payout.retrieve",
        {"payout": SEED.payout_pending},
        f"GET /v1/payouts/{SEED.payout_pending}",
        lambda v1, _: v1.payouts.retrieve(SEED.payout_pending),
        object=SEED.payout_pending,
    ),
    read(
        "list_payouts",
        "payout.list",
        {"status": "pending"},
        "GET /v1/payouts status=pending",
        lambda v1, _: v1.payouts.list({"status": "pending"}),
        ({}, "GET /v1/payouts"),
        ({"destination": "ba_1", "limit": 3}, "GET /v1/payouts destination=ba_1&limit=3"),
        ({"starting_after": "po_a"}, "GET /v1/payouts starting_after=po_a"),
        ({"ending_before": "po_b"}, "GET /v1/payouts ending_before=po_b"),
    ),
)
