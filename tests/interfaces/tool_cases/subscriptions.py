from __future__ import annotations

from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import CHANGE, Case, read

CASES = (
    Case(
        tool="cancel_subscription",
        given={"subscription": SEED.subscription_office},
        sends=f"DELETE /v1/subscriptions/{SEED.subscription_office}",
        action="subscription.cancel",
        asks=lambda v1, made: v1.subscriptions.retrieve(made["id"]),
        hints=CHANGE,
        groups=frozenset({"cancellations"}),
        facts={
            "mrr_lost": Money(13_700, "usd"),
            "ends": "now",
            "reversible": False,
            "customer": SEED.customer_cleo,
            "object": SEED.subscription_office,
        },
        decision="require_approval",
        changed={f"/v1/subscriptions/{SEED.subscription_office}": {"status": "canceled"}},
        also=(
            (
                {
                    "subscription": "sub_1",
                    "invoice_now": True,
                    "prorate": False,
                    "cancellation_details": {"comment": "x", "feedback": "unused"},
                },
                "DELETE /v1/subscriptions/sub_1 cancellation_details[comment]=x&cancellation_details[feedback]=unused"
                "&invoice_now=true&prorate=false",
            ),
        ),
    ),
    Case(
        name="at_period_end",
        tool="cancel_subscription",
        given={"subscription": SEED.subscription_monthly, "at_period_end": True},
        sends=f"POST /v1/subscriptions/{SEED.subscription_monthly} cancel_at_period_end=true",
        action="subscription.cancel",
        asks=lambda v1, made: v1.subscriptions.retrieve(made["id"]),
        hints=CHANGE,
        groups=frozenset({"cancellations"}),
        facts={"mrr_lost": Money(2_900, "usd"), "ends": "period_end", "reversible": True},
        decision="require_approval",
        changed={f"/v1/subscriptions/{SEED.subscription_monthly}": {"cancel_at_period_end": True, "status": "active"}},
    ),
    read(
        "list_subscriptions",
        "subscription.list",
        {"customer": SEED.customer_ada, "status": "all"},
        f"GET /v1/subscriptions customer={SEED.customer_ada}&status=all",
        lambda v1, _: v1.subscriptions.list({"customer": SEED.customer_ada, "status": "all"}),
        ({}, "GET /v1/subscriptions"),
        ({"price": "price_1", "limit": 3}, "GET /v1/subscriptions limit=3&price=price_1"),
        ({"starting_after": "sub_a"}, "GET /v1/subscriptions starting_after=sub_a"),
        ({"ending_before": "sub_b"}, "GET /v1/subscriptions ending_before=sub_b"),
    ),
)
