from __future__ import annotations

from fractions import Fraction

from runplane_mcp.core.facts import NONE
from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import MONEY, Case, read

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
    Case(
        tool="create_transfer_reversal",
        given={"transfer": SEED.transfer_past},
        sends=f"POST /v1/transfers/{SEED.transfer_past}/reversals amount=50000",
        action="transfer_reversal.create",
        asks=lambda v1, made: v1.transfers.reversals.retrieve(SEED.transfer_past, made["id"]),
        hints=MONEY,
        facts={
            "amount": Money(50_000, "usd"),
            "amount_on_object": Money(50_000, "usd"),
            "share": Fraction(100),
            "object": SEED.transfer_past,
            "destination": None,
            "reversible": True,
        },
        changed={
            f"/v1/transfers/{SEED.transfer_past}": {"amount_reversed": 50_000, "reversed": True},
            "/v1/balance": {"available.0.amount": SEED.available_usd + 50_000},
        },
        also=(
            (
                {"transfer": "tr_1", "amount": 5, "description": "x", "metadata": {"a": "b"}},
                "POST /v1/transfers/tr_1/reversals amount=5&description=x&metadata[a]=b",
            ),
        ),
    ),
    read(
        "retrieve_transfer",
        "transfer.retrieve",
        {"transfer": SEED.transfer_of_charge},
        f"GET /v1/transfers/{SEED.transfer_of_charge}",
        lambda v1, _: v1.transfers.retrieve(SEED.transfer_of_charge),
        object=SEED.transfer_of_charge,
    ),
    read(
        "list_transfers",
        "transfer.list",
        {"destination": SEED.connected_account_paid},
        f"GET /v1/transfers destination={SEED.connected_account_paid}",
        lambda v1, _: v1.transfers.list({"destination": SEED.connected_account_paid}),
        ({}, "GET /v1/transfers"),
        ({"transfer_group": "g", "limit": 3}, "GET /v1/transfers limit=3&transfer_group=g"),
        ({"starting_after": "tr_a"}, "GET /v1/transfers starting_after=tr_a"),
        ({"ending_before": "tr_b"}, "GET /v1/transfers ending_before=tr_b"),
    ),
)
