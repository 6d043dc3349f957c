"""Checkout sessions: what they would take, and when they end."""

from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, NOW, Clock, World

PATH = "/v1/checkout/sessions"
CLUB = {
    "line_items[0][price]": SEED.price_monthly,
    "line_items[0][quantity]": 2,
    "success_url": "https://example.com/ok",
}


def test_the_sdk_makes_a_session_that_adds_up(sdk: stripe.StripeClient, world: World) -> None:
    made = sdk.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "https://example.com/ok",
            "customer": "cus_ada",
            "line_items": [
                {"price": SEED.price_beans, "quantity": 3},
                {
                    "price_data": {"currency": "usd", "product_data": {"name": "Cup"}, "unit_amount": 900},
                    "quantity": 1,
                },
            ],
            "discounts": [{"coupon": SEED.coupon_once}],
            "expand": ["line_items"],
        }
    )

    assert (made.amount_subtotal, made.amount_total, made.currency, made.status) == (6_300, 5_670, "usd", "open")
    assert made.total_details is not None
    assert made.total_details.amount_discount == 630
    assert made.line_items is not None
    lines = sdk.v1.checkout.sessions.line_items.list(made.id).data
    assert sum(line.amount_total for line in lines) == 5_670 == sum(line.amount_total for line in made.line_items.data)
    assert made.url is not None
    assert made.url.startswith("https://checkout.simulator.example/")
    assert world.get(f"/v1/coupons/{SEED.coupon_once}")["times_redeemed"] == 0
    assert [found.id for found in sdk.v1.checkout.sessions.list({"customer": "cus_ada"}).data] == [made.id]
    assert sdk.v1.checkout.sessions.update(made.id, {"metadata": {"a": "b"}}).to_dict()["metadata"] == {"a": "b"}


def test_a_session_expires_once(sdk: stripe.StripeClient, world: World, clock: Clock) -> None:
    made = world.post(PATH, mode="subscription", **CLUB)
    assert (made["amount_total"], made["payment_status"]) == (5_800, "unpaid")
    gone = sdk.v1.checkout.sessions.expire(made["id"])
    assert (gone.status, gone.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.checkout.sessions.expire(made["id"])

    other = world.post(PATH, mode="subscription", **CLUB)["id"]
    clock.now += DAY
    assert world.get(f"{PATH}/{other}")["status"] == "expired"
    assert len(world.get("/v1/events", type="checkout.session.expired")["data"]) == 2


def test_the_payer_may_choose_an_amount(world: World) -> None:
    price = world.post(
        "/v1/prices",
        currency="usd",
        product=SEED.product_beans,
        **{"custom_unit_amount[enabled]": True, "custom_unit_amount[preset]": 1_200},
    )["id"]
    made = world.post(PATH, mode="payment", **{**CLUB, "line_items[0][price]": price, "line_items[0][quantity]": 1})

    assert made["amount_total"] == 1_200


@pytest.mark.parametrize(
    "changed",
    [
        {"mode": "payment"},
        {"mode": "setup"},
        {"line_items[0][price]": SEED.price_beans},
        {"line_items[0][quantity]": 0},
        {"line_items[1][price]": SEED.price_monthly_eur},
        {"line_items[1][price]": SEED.price_yearly},
        {"success_url": "javascript:alert(1)"},
        {"customer": "cus_nobody"},
        {"customer": "cus_ada", "customer_email": "a@example.com"},
        {"discounts[0][coupon]": "NOBODY"},
        {"discounts[0][coupon]": SEED.coupon_once, "allow_promotion_codes": True},
        {"expires_at": NOW + 5},
        {"payment_intent_data[description]": "x"},
        {"subscription_data[transfer_data][destination]": "acct_nobody"},
        {"paymnet_method_types": "card"},
    ],
)
def test_a_session_that_can_not_be_is_refused(world: World, changed: dict[str, object]) -> None:
    assert world.refused("POST", PATH, **{"mode": "subscription", **CLUB, **changed})[0] == 400
    assert world.get(PATH)["data"] == []
    assert "price.created" not in world.simulator.summary()["events"]


def test_codes_that_may_be_used_come_off_too(world: World) -> None:
    promotion = {"promotion[type]": "coupon", "promotion[coupon]": SEED.coupon_amount, "customer": "cus_ada"}
    code = world.post("/v1/promotion_codes", **promotion)["id"]
    asked = {"mode": "subscription", **CLUB, "discounts[0][promotion_code]": code}

    assert world.post(PATH, customer="cus_ada", **asked)["amount_total"] == 4_800
    assert world.refused("POST", PATH, customer="cus_ben", **asked)[0] == 400
    spent = world.post("/v1/coupons", percent_off=5, max_redemptions=1)["id"]
    world.post("/v1/invoices", customer="cus_ben", **{"discounts[0][coupon]": spent})
    assert world.refused("POST", PATH, **{**asked, "discounts[0][coupon]": spent})[0] == 400
