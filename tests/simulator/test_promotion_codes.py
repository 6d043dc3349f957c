"""Promotion codes, and what a discount takes off which lines until when."""

from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, NOW, Clock, World

ADA = f"/v1/subscriptions/{SEED.subscription_monthly}"
OF_COUPON = {"promotion[type]": "coupon", "promotion[coupon]": SEED.coupon_once}


def code(world: World, **asked: object) -> str:
    return str(world.post("/v1/promotion_codes", **OF_COUPON, **asked)["id"])


def test_the_sdk_makes_finds_and_retires_a_code(sdk: stripe.StripeClient) -> None:
    made = sdk.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": SEED.coupon_once}, "code": "SPRING", "expand": ["promotion.coupon"]}
    )

    assert made.promotion.coupon.percent_off == 10  # type: ignore[union-attr]
    assert [found.id for found in sdk.v1.promotion_codes.list({"code": "spring"}).data] == [made.id]
    assert sdk.v1.promotion_codes.list({"coupon": SEED.coupon_amount}).data == []
    assert sdk.v1.promotion_codes.update(made.id, {"active": False, "metadata": {"a": "b"}}).active is False
    assert sdk.v1.promotion_codes.retrieve(made.id).to_dict()["metadata"] == {"a": "b"}


def test_a_code_is_redeemed_by_whoever_may(world: World) -> None:
    ada = code(world, code="ADA10", customer="cus_ada", max_redemptions=1)
    asked = {"discounts[0][promotion_code]": ada}

    assert world.refused("POST", "/v1/invoices", customer="cus_ben", **asked)[0] == 400
    invoice = world.post("/v1/invoices", customer="cus_ada", expand=["discounts"], **asked)
    assert invoice["discounts"][0]["promotion_code"] == ada
    assert world.get(f"/v1/promotion_codes/{ada}")["times_redeemed"] == 1
    assert world.get(f"/v1/coupons/{SEED.coupon_once}")["times_redeemed"] == 1
    assert world.refused("POST", "/v1/invoices", customer="cus_ada", **asked)[1]["code"] == "coupon_expired"


def test_a_code_asks_for_an_amount_or_a_first_payment(world: World) -> None:
    large = code(world, **{"restrictions[minimum_amount]": 5_000, "restrictions[minimum_amount_currency]": "usd"})
    first = code(world, **{"restrictions[first_time_transaction]": True})
    new = world.post("/v1/customers", **{"invoice_settings[default_payment_method]": "pm_card_visa"})["id"]
    asked = {"items[0][price]": SEED.price_monthly}

    assert (
        world.refused("POST", "/v1/subscriptions", customer=new, **asked, **{"discounts[0][promotion_code]": large})[0]
        == 400
    )
    assert (
        world.refused(
            "POST", "/v1/subscriptions", customer="cus_ben", **asked, **{"discounts[0][promotion_code]": first}
        )[0]
        == 400
    )
    assert (
        world.post("/v1/subscriptions", customer=new, **asked, **{"discounts[0][promotion_code]": first})["discounts"]
        == []
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"code": "no spaces"},
        {"expires_at": NOW - 1},
        {"code": "TAKEN"},
        {"promotion[coupon]": "NOBODY"},
        {"customer": "cus_nobody"},
        {"restrictions[minimum_amount]": 5},
        {"max_redemptions": 0},
        {"coupon": SEED.coupon_once},
    ],
)
def test_a_code_that_can_not_be_is_refused(world: World, asked: dict[str, object]) -> None:
    code(world, code="taken")

    assert world.refused("POST", "/v1/promotion_codes", **{**OF_COUPON, **asked})[0] == 400


def test_a_code_that_expired_is_refused_and_stays_inactive(world: World, clock: Clock) -> None:
    short = code(world, expires_at=NOW + DAY)
    clock.now += DAY

    assert world.refused("POST", ADA, **{"discounts[0][promotion_code]": short})[1]["code"] == "promotion_code_expired"


def test_a_coupon_for_some_products_leaves_the_others(world: World) -> None:
    world.post("/v1/coupons", id="SEATS", percent_off=50, **{"applies_to[products][0]": SEED.product_office})
    found = world.post(
        "/v1/subscriptions",
        customer="cus_ada",
        **{
            "items[0][price]": SEED.price_monthly,
            "items[1][price]": SEED.price_seat,
            "items[1][quantity]": 2,
            "discounts[0][coupon]": "SEATS",
        },
    )
    invoice = world.get(f"/v1/invoices/{found['latest_invoice']}")

    assert (invoice["subtotal"], invoice["total"]) == (4_700, 3_800)
    assert [sum(each["amount"] for each in line["discount_amounts"]) for line in invoice["lines"]["data"]] == [0, 900]


def test_a_deleted_coupon_still_holds_for_who_has_it(world: World) -> None:
    world.ask("DELETE", f"/v1/coupons/{SEED.coupon_forever}")
    preview = world.post("/v1/invoices/create_preview", subscription=SEED.subscription_discounted)

    assert (preview["subtotal"], preview["total"]) == (2_900, 2_320)


def test_a_discount_is_taken_away(sdk: stripe.StripeClient, world: World) -> None:
    path = f"/v1/subscriptions/{SEED.subscription_discounted}"
    gone = world.ask("DELETE", f"{path}/discount")[1]

    assert (gone["deleted"], gone["object"]) == (True, "discount")
    assert world.get(path)["discounts"] == []
    assert world.post("/v1/invoices/create_preview", subscription=SEED.subscription_discounted)["total"] == 2_900
    assert world.refused("DELETE", f"{path}/discount")[0] == 404
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.customers.delete_discount("cus_nora")


def test_a_discount_for_some_months_ends(world: World, clock: Clock) -> None:
    world.post(ADA, **{"discounts[0][coupon]": SEED.coupon_months})
    clock.now += 125 * DAY
    world.get("/v1/balance")
    totals = [each["total"] for each in world.get("/v1/invoices", subscription=SEED.subscription_monthly)["data"]]

    assert totals == [2_900, 1_450, 1_450, 1_450]
