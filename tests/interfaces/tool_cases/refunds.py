from __future__ import annotations

from fractions import Fraction

from runplane_mcp.core.facts import NONE
from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import MONEY, Case, read

CASES = (
    Case(
        tool="create_refund",
        given={"payment_intent": SEED.payment_intent_40},
        sends=f"POST /v1/refunds amount=4000&payment_intent={SEED.payment_intent_40}",
        action="refund.create",
        asks=lambda v1, made: v1.refunds.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"refunds"}),
        facts={
            "amount": Money(4_000, "usd"),
            "amount_on_object": Money(4_000, "usd"),
            "share": Fraction(100),
            "object": SEED.charge_40,
            "customer": SEED.customer_ben,
            "guest": NONE,
            "platform_loss": NONE,
            "disputed": False,
            "reversible": False,
        },
        changed={f"/v1/charges/{SEED.charge_40}": {"amount_refunded": 4_000, "refunded": True}},
        also=(
            (
                {
                    "charge": "ch_1",
                    "amount": 1,
                    "reason": "duplicate",
                    "refund_application_fee": False,
                    "reverse_transfer": True,
                    "metadata": {"order": "6735"},
                },
                "POST /v1/refunds amount=1&charge=ch_1&metadata[order]=6735&reason=duplicate"
                "&refund_application_fee=false&reverse_transfer=true",
            ),
        ),
    ),
    Case(
        name="large",
        tool="create_refund",
        given={"payment_intent": SEED.payment_intent_900, "amount": 80_000, "reason": "requested_by_customer"},
        sends=f"POST /v1/refunds amount=80000&payment_intent={SEED.payment_intent_900}&reason=requested_by_customer",
        action="refund.create",
        asks=lambda v1, made: v1.refunds.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"refunds"}),
        facts={"amount": Money(80_000, "usd"), "customer": SEED.customer_ada},
        decision="require_approval",
        changed={f"/v1/charges/{SEED.charge_900}": {"amount_refunded": 80_000}},
    ),
    read(
        "retrieve_refund",
        "refund.retrieve",
        {"refund": SEED.refund_partial},
        f"GET /v1/refunds/{SEED.refund_partial}",
        lambda v1, _: v1.refunds.retrieve(SEED.refund_partial),
        object=SEED.refund_partial,
    ),
    read(
        "list_refunds",
        "refund.list",
        {"payment_intent": SEED.payment_intent_partly_refunded},
        f"GET /v1/refunds payment_intent={SEED.payment_intent_partly_refunded}",
        lambda v1, _: v1.refunds.list({"payment_intent": SEED.payment_intent_partly_refunded}),
        ({}, "GET /v1/refunds"),
        ({"charge": "ch_1", "limit": 3}, "GET /v1/refunds charge=ch_1&limit=3"),
        ({"starting_after": "re_a"}, "GET /v1/refunds starting_after=re_a"),
        ({"ending_before": "re_b"}, "GET /v1/refunds ending_before=re_b"),
    ),
)
