"""A preview adds up as the change itself does, and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runplane_mcp.simulator import SEED
from tests.simulator.world import World

PATH = "/v1/invoices/create_preview"
OFFICE = f"/v1/subscriptions/{SEED.subscription_office}"


def content(world: World) -> list[Any]:
    """Every object of the world as it is stored."""
    return world.simulator._db.execute("SELECT account, id, body FROM object ORDER BY seq").fetchall()


def amounts(invoice: Any) -> list[int]:
    return sorted(line["amount"] for line in invoice["lines"]["data"])


def test_the_sdk_sees_the_next_invoice(sdk: stripe.StripeClient, world: World) -> None:
    before = content(world)
    seen = sdk.v1.invoices.create_preview({"customer": "cus_cleo", "subscription": SEED.subscription_office})

    assert (seen.total, seen.status, seen.billing_reason) == (13_700, "draft", "upcoming")
    assert seen.created == world.get(OFFICE)["items"]["data"][0]["current_period_end"]
    assert sorted(line.amount for line in seen.lines.data) == [2_900, 10_800]
    assert content(world) == before
    assert world.simulator.summary()["writes"]["received"] == 0


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({"items[0][id]": "si_cleo_office_2", "items[0][quantity]": 6}, [-3_600, 1_800, 2_900, 5_400]),
        (
            {"items[0][id]": "si_cleo_office_2", "items[0][quantity]": 6, "proration_behavior": "none"},
            [2_900, 5_400],
        ),
        (
            {"items[0][id]": "si_cleo_office_2", "items[0][quantity]": 6, "proration_behavior": "always_invoice"},
            [-3_600, 1_800],
        ),
        ({"cancel_now": True}, [-3_600, -967]),
    ],
)
def test_a_change_is_previewed(world: World, change: dict[str, object], lines: list[int]) -> None:
    asked = {
        f"subscription_details[{name.split('[')[0]}]{name[len(name.split('[')[0]) :]}": change[name] for name in change
    }
    before = content(world)

    assert amounts(world.post(PATH, subscription=SEED.subscription_office, **asked)) == lines
    assert content(world) == before


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(quantity=st.integers(0, 40), price=st.sampled_from([SEED.price_seat, SEED.price_yearly, SEED.price_weekly]))
def test_a_bill_is_what_its_preview_said(world: World, quantity: int, price: str) -> None:
    item = {"id": "si_cleo_office_2", "quantity": quantity, "price": price}
    asked = {f"items[0][{name}]": value for name, value in item.items()}
    details = {f"subscription_details[items][0][{name}]": value for name, value in item.items()}
    details["subscription_details[proration_behavior]"] = "always_invoice"
    held = world.get(OFFICE)["items"]["data"][1]
    seen = world.post(PATH, subscription=SEED.subscription_office, **details)
    latest = world.get(OFFICE)["latest_invoice"]
    done = world.post(OFFICE, **asked, proration_behavior="always_invoice")
    if held["price"]["id"] == price and held["quantity"] == quantity:
        # Nothing changes: the preview shows the next renewal.
        assert done["latest_invoice"] == latest
        return
    invoice = world.get(f"/v1/invoices/{done['latest_invoice']}")

    assert (invoice["total"], amounts(invoice)) == (seen["total"], amounts(seen))


def test_a_new_subscription_is_previewed(world: World) -> None:
    asked = {"subscription_details[items][0][price]": SEED.price_seat, "subscription_details[items][0][quantity]": 5}
    seen = world.post(PATH, customer="cus_ada", **asked, **{"discounts[0][coupon]": SEED.coupon_once})

    assert (seen["subtotal"], seen["total"], seen["billing_reason"]) == (4_500, 4_050, "subscription_create")
    assert len(world.get("/v1/subscriptions", customer="cus_ada", status="all")["data"]) == 1


def test_what_waits_and_what_is_added_is_seen(world: World) -> None:
    asked = {"invoice_items[0][amount]": 400, "invoice_items[0][currency]": "usd"}

    assert amounts(world.post(PATH, customer="cus_sofia", **asked)) == [400, 3_600]
    assert amounts(world.post(PATH, customer="cus_sofia")) == [3_600]
    changed = {"invoice_items[0][invoiceitem]": SEED.invoice_item_pending, "invoice_items[0][amount]": 100}
    assert amounts(world.post(PATH, customer="cus_sofia", **changed)) == [100]
    assert amounts(world.post(PATH, customer="cus_ada")) == [2_900]
    priced = {"invoice_items[0][price]": SEED.price_beans, "invoice_items[0][quantity]": 2}
    assert amounts(world.post(PATH, customer="cus_theo", **priced)) == [3_600]
    unit = {"invoice_items[0][unit_amount]": 70, "invoice_items[0][quantity]": 3, "invoice_items[0][currency]": "usd"}
    assert amounts(world.post(PATH, customer="cus_theo", **unit)) == [210]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "parameter_missing"),
        ({"customer": "cus_theo"}, "invoice_upcoming_none"),
        ({"subscription": SEED.subscription_canceled}, "invoice_upcoming_none"),
        ({"subscription": SEED.subscription_ending}, "invoice_upcoming_none"),
        ({"subscription": "sub_nobody"}, "resource_missing"),
        ({"subscription": SEED.subscription_monthly, "customer": "cus_ben"}, "resource_missing"),
        ({"customer": "cus_ada", "subscription_details[items][0][price]": "price_nobody"}, "resource_missing"),
        ({"customer": "cus_ada", "subscription_items[0][price]": SEED.price_seat}, "parameter_unknown"),
    ],
)
def test_what_can_not_be_seen_is_refused(world: World, asked: dict[str, object], code: str) -> None:
    before = content(world)
    _, error = world.refused("POST", PATH, **asked)

    assert error["code"] == code
    assert content(world) == before


def test_phases_are_previewed(world: World) -> None:
    before = content(world)
    phase = {"schedule_details[phases][0][items][0][price]": SEED.price_seat}
    more = {"schedule_details[phases][0][items][0][quantity]": 7}
    assert world.post(PATH, customer="cus_theo", **phase, **more)["total"] == 6_300
    assert content(world) == before

    made = world.post("/v1/subscription_schedules", from_subscription=SEED.subscription_monthly)
    (held,) = made["phases"]
    two = {
        "schedule_details[phases][0][items][0][price]": SEED.price_monthly,
        "schedule_details[phases][0][start_date]": held["start_date"],
        "schedule_details[phases][0][end_date]": held["end_date"],
        "schedule_details[phases][1][items][0][price]": SEED.price_monthly,
        "schedule_details[phases][1][items][0][quantity]": 4,
    }
    assert world.post(PATH, schedule=made["id"], **two)["total"] == 11_600
    assert world.post(PATH, schedule=made["id"])["total"] == 2_900
    assert world.refused("POST", PATH, subscription=SEED.subscription_office, **phase)[0] == 400
    both = {"schedule": made["id"], "subscription": SEED.subscription_monthly}
    assert world.refused("POST", PATH, **both)[0] == 400


def test_a_subscription_that_ends_has_a_last_bill_if_anything_waits(world: World) -> None:
    world.post("/v1/invoiceitems", customer="cus_ivan", amount=700, currency="usd")

    assert amounts(world.post(PATH, subscription=SEED.subscription_ending)) == [700]
    assert amounts(world.post(PATH, subscription=SEED.subscription_trial)) == [1_500]
