from __future__ import annotations

from fractions import Fraction

from runplane_mcp.core.facts import UNKNOWN
from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import CREATE, Case, read

CASES = (
    Case(
        tool="create_coupon",
        given={"percent_off": 12.5, "duration": "repeating", "duration_in_months": 3, "id": "SPRING", "name": "Spring"},
        sends="POST /v1/coupons duration=repeating&duration_in_months=3&id=SPRING&name=Spring&percent_off=12.5",
        action="coupon.create",
        asks=lambda v1, made: v1.coupons.retrieve(made["id"]),
        hints=CREATE,
        groups=frozenset({"discounts"}),
        facts={"discount_percent": Fraction(25, 2), "reversible": True},
        decision="require_approval",
        changed={"/v1/coupons/SPRING": {"percent_off": 12.5, "duration_in_months": 3}},
        also=(
            (
                {
                    "amount_off": 500,
                    "currency": "usd",
                    "max_redemptions": 9,
                    "redeem_by": 1_900_000_000,
                    "metadata": {"a": "b"},
                },
                "POST /v1/coupons amount_off=500&currency=usd&max_redemptions=9&metadata[a]=b&redeem_by=1900000000",
            ),
            ({"percent_off": 25}, "POST /v1/coupons percent_off=25"),
            ({"percent_off": 25.0}, "POST /v1/coupons percent_off=25"),
            ({"percent_off": 100, "duration": "forever"}, "POST /v1/coupons duration=forever&percent_off=100"),
        ),
    ),
    Case(
        name="amount",
        tool="create_coupon",
        given={"amount_off": 500, "currency": "usd", "id": "FIVE"},
        sends="POST /v1/coupons amount_off=500&currency=usd&id=FIVE",
        action="coupon.create",
        asks=lambda v1, made: v1.coupons.retrieve(made["id"]),
        hints=CREATE,
        groups=frozenset({"discounts"}),
        facts={"amount": Money(500, "usd"), "discount_percent": UNKNOWN},
        decision="require_approval",
        changed={"/v1/coupons/FIVE": {"amount_off": 500}},
    ),
    read(
        "retrieve_coupon",
        "coupon.retrieve",
        {"coupon": SEED.coupon_once},
        f"GET /v1/coupons/{SEED.coupon_once}",
        lambda v1, _: v1.coupons.retrieve(SEED.coupon_once),
        object=SEED.coupon_once,
    ),
    read(
        "list_coupons",
        "coupon.list",
        {"limit": 3},
        "GET /v1/coupons limit=3",
        lambda v1, _: v1.coupons.list({"limit": 3}),
        ({"starting_after": "a"}, "GET /v1/coupons starting_after=a"),
        ({"ending_before": "b"}, "GET /v1/coupons ending_before=b"),
    ),
)
