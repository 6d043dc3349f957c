"""Whatever is done to subscriptions in whatever order: nothing breaks, and the books balance (the fixture audits them)."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, Clock, World

CUSTOMERS = ("cus_ada", "cus_cleo", "cus_nora")
PRICES = (SEED.price_monthly, SEED.price_seat, SEED.price_yearly, SEED.price_weekly)
COUPONS = (SEED.coupon_once, SEED.coupon_months, SEED.coupon_amount, SEED.coupon_forever)
NUMBERS = st.integers(0, 9)
STEPS = st.tuples(st.sampled_from(range(14)), NUMBERS, NUMBERS, NUMBERS)


def step(world: World, clock: Clock, kind: int, first: int, second: int, third: int) -> None:
    """One thing that somebody might do; what it picks follows from the numbers. It may be refused, never break."""
    held = world.get("/v1/subscriptions", limit=50)["data"]
    subscription = held[first % len(held)]
    path, items = f"/v1/subscriptions/{subscription['id']}", subscription["items"]["data"]
    item = items[second % len(items)]["id"]
    price, coupon = PRICES[third % len(PRICES)], COUPONS[third % len(COUPONS)]
    behavior = ("none", "always_invoice", "create_prorations")[third % 3]
    asked: tuple[str, str, dict[str, Any]]
    match kind:
        case 0:
            new = {"items[0][price]": price, "items[0][quantity]": second, "discounts[0][coupon]": coupon}
            asked = "POST", "/v1/subscriptions", {"customer": CUSTOMERS[first % 3], **new}
        case 1 | 2:
            asked = "POST", f"/v1/subscription_items/{item}", {"quantity": first, "proration_behavior": behavior}
        case 3:
            asked = "POST", f"/v1/subscription_items/{item}", {"price": price, "quantity": first}
        case 4:
            asked = "DELETE", f"/v1/subscription_items/{item}", {"proration_behavior": behavior}
        case 5:
            asked = "POST", path, {"discounts[0][coupon]": coupon, "billing_cycle_anchor[type]": "now"}
        case 6:
            asked = "POST", path, {"trial_end": clock.now + (1 + second) * DAY, "proration_behavior": behavior}
        case 7:
            asked = "POST", f"{path}/pause", {"invoicing_behavior": "invoice"} if third % 2 else {}
        case 8:
            anchor = {"billing_cycle_anchor[type]": "unchanged" if third % 2 else "now"}
            asked = "POST", f"{path}/resume", anchor
        case 9:
            asked = "POST", "/v1/subscription_schedules", {"from_subscription": subscription["id"]}
        case 10:
            amount = (first - 4) * 1_000 + third
            asked = "POST", f"/v1/customers/{subscription['customer']}/balance_transactions", {"amount": amount}
            asked[2]["currency"] = "usd"
        case 11:
            card = ("pm_card_visa", "pm_card_chargeDeclined", "")[third % 3]
            asked = "POST", f"/v1/customers/{subscription['customer']}", {}
            asked[2]["invoice_settings[default_payment_method]"] = card
        case 12:
            clock.now += (1 + second * 4) * DAY
            asked = "GET", "/v1/balance", {}
        case _:
            asked = "DELETE", path, {"prorate": bool(third % 2), "invoice_now": bool(second % 2)}
            if len(held) < 4:
                return
    status, body = world.ask(asked[0], asked[1], **asked[2])
    assert status in (200, 400, 402), body


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=3, max_size=14))
def test_any_walk_leaves_books_that_balance(world: World, clock: Clock, walk: list[tuple[int, int, int, int]]) -> None:
    for kind, first, second, third in walk:
        step(world, clock, kind, first, second, third)
