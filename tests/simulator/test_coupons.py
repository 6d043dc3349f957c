"""Coupons, and the discounts that redeeming one makes."""

from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, NOW, Clock, World


def test_the_sdk_makes_finds_and_deletes_a_coupon(sdk: stripe.StripeClient) -> None:
    made = sdk.v1.coupons.create(
        {"percent_off": 12.5, "duration": "repeating", "duration_in_months": 3, "id": "SPRING"}
    )
    found = sdk.v1.coupons.retrieve("SPRING")

    assert (made.id, found.percent_off, found.duration_in_months, found.valid) == ("SPRING", 12.5, 3, True)
    assert sdk.v1.coupons.list().data[0].id == "SPRING"
    assert sdk.v1.coupons.delete("SPRING").deleted
    assert "SPRING" not in [coupon.id for coupon in sdk.v1.coupons.list().data]


def test_the_id_of_a_deleted_coupon_is_free_for_another(world: World) -> None:
    for percent in (15, 90):
        world.ask("DELETE", f"/v1/coupons/{SEED.coupon_once}")
        world.ask("POST", "/v1/coupons", id=SEED.coupon_once, percent_off=percent)

        assert world.get(f"/v1/coupons/{SEED.coupon_once}")["percent_off"] == percent
        assert SEED.coupon_once in [each["id"] for each in world.get("/v1/coupons")["data"]]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "parameter_missing"),
        ({"percent_off": 10, "amount_off": 10, "currency": "usd"}, "parameter_missing"),
        ({"amount_off": 10}, "parameter_missing"),
        ({"percent_off": 0}, None),
        ({"percent_off": 100.5}, None),
        ({"percent_off": "nan"}, None),
        ({"percent_off": 10, "duration": "repeating"}, None),
        ({"percent_off": 10, "duration_in_months": 3}, None),
        ({"percent_off": 10, "id": SEED.coupon_once}, "resource_already_exists"),
    ],
)
def test_a_coupon_that_can_not_be_is_refused(world: World, parameters: dict[str, object], code: str | None) -> None:
    status, error = world.refused("POST", "/v1/coupons", **parameters)

    assert (status, error.get("code")) == (400, code)


def test_a_coupon_is_redeemed_as_often_as_it_says(world: World) -> None:
    world.post("/v1/coupons", percent_off=10, id="ONLY1", max_redemptions=1)
    first = world.post("/v1/invoices", customer="cus_ada", **{"discounts[0][coupon]": "ONLY1"})
    status, error = world.refused("POST", "/v1/invoices", customer="cus_ben", **{"discounts[0][coupon]": "ONLY1"})

    assert len(first["discounts"]) == 1
    assert (status, error["code"]) == (400, "coupon_expired")
    assert not world.get("/v1/coupons/ONLY1")["valid"]


def test_a_coupon_is_redeemed_no_longer_than_it_says(world: World, clock: Clock) -> None:
    world.post("/v1/coupons", percent_off=10, id="TODAY", redeem_by=NOW + DAY)
    clock.now += DAY

    assert world.refused("POST", "/v1/invoices", customer="cus_ada", **{"discounts[0][coupon]": "TODAY"})[0] == 400


def test_a_discounted_subscription_names_its_discount(world: World) -> None:
    found = world.get(f"/v1/subscriptions/{SEED.subscription_discounted}", expand=["discounts"])

    assert found["discounts"][0]["source"] == {"coupon": SEED.coupon_forever, "type": "coupon"}
    assert world.get(f"/v1/coupons/{SEED.coupon_forever}")["times_redeemed"] == 1
