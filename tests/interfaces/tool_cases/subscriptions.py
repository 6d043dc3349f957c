from __future__ import annotations

from fractions import Fraction

from runplane_mcp.core.facts import NONE
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
    Case(
        tool="update_subscription",
        given={
            "subscription": SEED.subscription_office,
            "items": [{"id": "si_cleo_office_2", "quantity": 6}],
            "proration_behavior": "none",
        },
        sends=f"POST /v1/subscriptions/{SEED.subscription_office} items[0][id]=si_cleo_office_2&items[0][quantity]=6"
        "&proration_behavior=none",
        action="subscription.update",
        asks=lambda v1, made: v1.subscriptions.retrieve(made["id"]),
        hints=CHANGE,
        groups=frozenset({"cancellations", "charges", "credits", "discounts"}),
        facts={
            "mrr_lost": Money(5_400, "usd"),
            "amount": NONE,
            "ends": NONE,
            "discount_percent": NONE,
            "customer": SEED.customer_cleo,
            "object": SEED.subscription_office,
        },
        decision="require_approval",
        changed={f"/v1/subscriptions/{SEED.subscription_office}": {"items.data.1.quantity": 6}},
        also=(
            (
                {
                    "subscription": "sub_1",
                    "items": [{"id": "si_1", "deleted": True}, {"price": "price_1"}],
                    "trial_end": 1_900_000_000,
                    "cancel_at": 1_900_000_000,
                    "cancel_at_period_end": False,
                    "description": "x",
                    "metadata": {"a": "b"},
                },
                "POST /v1/subscriptions/sub_1 cancel_at=1900000000&cancel_at_period_end=false&description=x"
                "&items[0][deleted]=true&items[0][id]=si_1&items[1][price]=price_1&metadata[a]=b&trial_end=1900000000",
            ),
            (
                {"subscription": "sub_1", "pause_collection": {"behavior": "void", "resumes_at": 1_900_000_000}},
                "POST /v1/subscriptions/sub_1 pause_collection[behavior]=void&pause_collection[resumes_at]=1900000000",
            ),
            ({"subscription": "sub_1", "resume_collection": True}, "POST /v1/subscriptions/sub_1 pause_collection="),
        ),
    ),
    Case(
        name="discount",
        tool="update_subscription",
        given={"subscription": SEED.subscription_monthly, "discounts": [{"coupon": SEED.coupon_months}]},
        sends=f"POST /v1/subscriptions/{SEED.subscription_monthly} discounts[0][coupon]={SEED.coupon_months}",
        action="subscription.update",
        asks=lambda v1, made: v1.subscriptions.retrieve(made["id"]),
        hints=CHANGE,
        groups=frozenset({"discounts"}),
        facts={"discount_percent": Fraction(50), "mrr_lost": Money(1_450, "usd"), "amount": NONE},
        decision="require_approval",
        changed={f"/v1/coupons/{SEED.coupon_months}": {"times_redeemed": 1}},
    ),
    Case(
        name="metadata",
        tool="update_subscription",
        given={"subscription": SEED.subscription_monthly, "metadata": {"tier": "gold"}},
        sends=f"POST /v1/subscriptions/{SEED.subscription_monthly} metadata[tier]=gold",
        action="subscription.update",
        asks=lambda v1, made: v1.subscriptions.retrieve(made["id"]),
        hints=CHANGE,
        facts={"reversible": True},
        changed={f"/v1/subscriptions/{SEED.subscription_monthly}": {"metadata.tier": "gold"}},
    ),
    read(
        "retrieve_subscription",
        "subscription.retrieve",
        {"subscription": SEED.subscription_office},
        f"GET /v1/subscriptions/{SEED.subscription_office}",
        lambda v1, _: v1.subscriptions.retrieve(SEED.subscription_office),
        object=SEED.subscription_office,
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
