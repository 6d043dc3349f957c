"""Invoices are paid by saved cards, their money is shared out, and old paths of billing do the same."""

from __future__ import annotations

import pytest

from runplane_mcp.simulator import SEED
from tests.simulator.world import Clock, World

CLUB = {"items[0][price]": SEED.price_monthly}


def saved(world: World, customer: str, card: str = "pm_card_visa") -> str:
    method = world.post(f"/v1/payment_methods/{card}/attach", customer=customer)["id"]
    world.post(f"/v1/customers/{customer}", **{"invoice_settings[default_payment_method]": method})
    return str(method)


def test_a_saved_card_pays_the_bills(world: World, clock: Clock) -> None:
    customer = world.post("/v1/customers", name="New")["id"]
    method = saved(world, customer)
    made = world.post("/v1/subscriptions", customer=customer, **CLUB, expand=["latest_invoice.payments"])
    (payment,) = made["latest_invoice"]["payments"]["data"]
    intent = world.get(f"/v1/payment_intents/{payment['payment']['payment_intent']}")

    assert (made["status"], intent["payment_method"], intent["status"]) == ("active", method, "succeeded")
    other = world.post("/v1/customers")["id"]
    assert (
        world.refused("POST", f"/v1/customers/{other}", **{"invoice_settings[default_payment_method]": method})[0]
        == 400
    )


@pytest.mark.parametrize("card", ["pm_card_chargeCustomerFail", "pm_card_authenticationRequired"])
def test_a_card_that_does_not_pay_leaves_the_first_invoice_open(world: World, card: str) -> None:
    customer = world.post("/v1/customers", name="New")["id"]
    saved(world, customer, card)
    made = world.post("/v1/subscriptions", customer=customer, **CLUB, expand=["latest_invoice"])

    assert (made["status"], made["latest_invoice"]["status"]) == ("incomplete", "open")
    assert made["latest_invoice"]["attempt_count"] == 1


def test_a_bill_is_shared_out_with_a_connected_account(world: World) -> None:
    there = SEED.connected_account_paid
    before = [each["amount"] for each in world.get("/v1/balance", account=there)["pending"]]
    shared = {"transfer_data[destination]": there, "transfer_data[amount_percent]": 50}
    made = world.post("/v1/subscriptions", customer="cus_ada", **CLUB, **shared)
    (transfer,) = world.get("/v1/transfers", destination=there, limit=1)["data"]

    assert made["status"] == "active"
    assert transfer["amount"] == 1_450
    assert [each["amount"] for each in world.get("/v1/balance", account=there)["pending"]] != before


def test_the_old_paths_under_the_customer_do_the_same(world: World) -> None:
    found = world.post("/v1/customers/cus_ada/subscriptions", **CLUB, **{"discounts[0][coupon]": SEED.coupon_forever})
    path = f"/v1/customers/cus_ada/subscriptions/{found['id']}"

    assert world.ask("DELETE", f"{path}/discount")[1]["deleted"]
    assert world.post(path, cancel_at_period_end=True)["cancel_at_period_end"]
    assert world.refused("POST", path.replace("ada", "ben"), description="x")[0] == 404
    assert world.ask("DELETE", path)[1]["status"] == "canceled"


def test_the_old_preview_is_no_write_either(world: World) -> None:
    seen = world.post("/v1/invoices/upcoming", subscription=SEED.subscription_office)

    assert seen["total"] == 13_700
    assert world.simulator.summary()["writes"]["received"] == 0
