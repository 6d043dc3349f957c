from __future__ import annotations

from fractions import Fraction

from runplane_mcp.core.facts import NONE
from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import CHANGE, MONEY, Case, read

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
    read(
        "retrieve_payment_intent",
        "payment_intent.retrieve",
        {"payment_intent": SEED.payment_intent_held_180},
        f"GET /v1/payment_intents/{SEED.payment_intent_held_180}",
        lambda v1, _: v1.payment_intents.retrieve(SEED.payment_intent_held_180),
        object=SEED.payment_intent_held_180,
    ),
    Case(
        tool="capture_payment_intent",
        given={"payment_intent": SEED.payment_intent_held_180},
        sends=f"POST /v1/payment_intents/{SEED.payment_intent_held_180}/capture amount_to_capture=18000",
        action="payment_intent.capture",
        asks=lambda v1, made: v1.payment_intents.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"charges", "write_offs"}),
        facts={
            "amount": Money(18_000, "usd"),
            "amount_on_object": Money(0, "usd"),
            "share": Fraction(100),
            "customer": "cus_nora",
            "object": SEED.payment_intent_held_180,
            "destination": NONE,
            "reversible": True,
            "redirects_funds": None,
        },
        changed={
            f"/v1/payment_intents/{SEED.payment_intent_held_180}": {"status": "succeeded", "amount_received": 18_000},
            f"/v1/charges/{SEED.charge_held_180}": {"captured": True, "amount_captured": 18_000, "amount_refunded": 0},
        },
        also=(
            (
                {
                    "payment_intent": "pi_1",
                    "amount_to_capture": 5,
                    "statement_descriptor": "x",
                    "metadata": {"a": "b"},
                },
                "POST /v1/payment_intents/pi_1/capture amount_to_capture=5&metadata[a]=b&statement_descriptor=x",
            ),
        ),
    ),
    Case(
        name="a_little_of_much",
        tool="capture_payment_intent",
        given={"payment_intent": SEED.payment_intent_held_900, "amount_to_capture": 100},
        sends=f"POST /v1/payment_intents/{SEED.payment_intent_held_900}/capture amount_to_capture=100",
        action="payment_intent.capture",
        asks=lambda v1, made: v1.payment_intents.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"charges", "write_offs"}),
        facts={"amount": Money(100, "usd"), "amount_on_object": Money(89_900, "usd"), "reversible": False},
        decision="require_approval",
        changed={
            f"/v1/payment_intents/{SEED.payment_intent_held_900}": {"status": "succeeded", "amount_received": 100},
            f"/v1/charges/{SEED.charge_held_900}": {"amount_captured": 100, "amount_refunded": 89_900},
        },
    ),
    Case(
        tool="cancel_payment_intent",
        given={"payment_intent": SEED.payment_intent_held_900, "cancellation_reason": "duplicate"},
        sends=f"POST /v1/payment_intents/{SEED.payment_intent_held_900}/cancel cancellation_reason=duplicate",
        action="payment_intent.cancel",
        asks=lambda v1, made: v1.payment_intents.retrieve(made["id"]),
        hints=CHANGE,
        groups=frozenset({"cancellations", "write_offs"}),
        facts={
            "amount": Money(90_000, "usd"),
            "customer": "cus_omar",
            "object": SEED.payment_intent_held_900,
            "reversible": False,
        },
        decision="require_approval",
        changed={
            f"/v1/payment_intents/{SEED.payment_intent_held_900}": {"status": "canceled", "amount_capturable": 0},
            f"/v1/charges/{SEED.charge_held_900}": {"refunded": True, "captured": False},
        },
    ),
)
