"""Subscription schedules: phases come and go with time."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, NOW, Clock, World

PATH = "/v1/subscription_schedules"
ADA = f"/v1/subscriptions/{SEED.subscription_monthly}"
TWO = {
    "customer": "cus_ben",
    "start_date": "now",
    "phases[0][items][0][price]": SEED.price_monthly,
    "phases[0][duration][interval]": "month",
    "phases[1][items][0][price]": SEED.price_seat,
    "phases[1][items][0][quantity]": 4,
    "phases[1][duration][interval]": "month",
    "phases[1][duration][interval_count]": 2,
}


def test_the_sdk_plans_phases_and_time_enters_them(sdk: stripe.StripeClient, world: World, clock: Clock) -> None:
    made = sdk.v1.subscription_schedules.create(
        {
            "customer": "cus_ben",
            "start_date": "now",
            "end_behavior": "cancel",
            "phases": [
                {"items": [{"price": SEED.price_monthly}], "duration": {"interval": "month"}},
                {"items": [{"price": SEED.price_seat, "quantity": 4}], "duration": {"interval": "month"}},
            ],
        }
    )
    assert made.status == "active"
    path = f"/v1/subscriptions/{made.subscription}"
    first = world.get(path, expand=["latest_invoice"])
    assert (first["schedule"], first["latest_invoice"]["total"]) == (made.id, 2_900)

    clock.now = made.phases[0].end_date + 3_600
    second = world.get(path, expand=["latest_invoice"])
    assert [(item["price"]["id"], item["quantity"]) for item in second["items"]["data"]] == [(SEED.price_seat, 4)]
    assert (second["latest_invoice"]["total"], second["latest_invoice"]["status"]) == (3_600, "paid")
    found = sdk.v1.subscription_schedules.retrieve(made.id)
    assert found.current_phase is not None
    assert found.current_phase.start_date == made.phases[0].end_date

    clock.now = made.phases[1].end_date
    assert sdk.v1.subscription_schedules.retrieve(made.id).status == "completed"
    assert world.get(path)["status"] == "canceled"


def test_after_the_last_phase_the_subscription_goes_on(world: World, clock: Clock) -> None:
    made = world.post(PATH, **TWO)
    clock.now = made["phases"][-1]["end_date"]
    found = world.get(f"{PATH}/{made['id']}")

    assert (found["status"], found["released_subscription"]) == ("released", made["subscription"])
    after = world.get(f"/v1/subscriptions/{made['subscription']}")
    assert (after["status"], after["schedule"]) == ("active", None)


def test_one_that_begins_later_has_no_subscription_yet(world: World, clock: Clock) -> None:
    made = world.post(PATH, **{**TWO, "start_date": NOW + 5 * DAY})
    assert (made["status"], made["subscription"]) == ("not_started", None)
    assert [each["id"] for each in world.get(PATH, scheduled=True)["data"]] == [made["id"]]
    preview = world.post("/v1/invoices/create_preview", schedule=made["id"])
    assert (preview["total"], preview["customer"]) == (2_900, "cus_ben")

    clock.now += 5 * DAY
    begun = world.get(f"{PATH}/{made['id']}")
    assert begun["status"] == "active"
    assert world.get(f"/v1/subscriptions/{begun['subscription']}")["start_date"] == NOW + 5 * DAY


def test_a_subscription_gets_a_schedule_that_changes_it_later(world: World, clock: Clock) -> None:
    made = world.post(PATH, from_subscription=SEED.subscription_monthly)
    (phase,) = made["phases"]
    later = {
        "phases[0][items][0][price]": SEED.price_monthly,
        "phases[0][start_date]": phase["start_date"],
        "phases[0][end_date]": phase["end_date"],
        "phases[1][items][0][price]": SEED.price_monthly,
        "phases[1][items][0][quantity]": 3,
        "phases[1][discounts][0][coupon]": SEED.coupon_forever,
    }
    changed = world.post(f"{PATH}/{made['id']}", **later)
    assert len(changed["phases"]) == 2
    preview = world.post("/v1/invoices/create_preview", subscription=SEED.subscription_monthly)
    assert (preview["subtotal"], preview["total"]) == (8_700, 6_960)
    assert world.get(ADA)["items"]["data"][0]["quantity"] == 1

    clock.now = phase["end_date"] + 3_600
    found = world.get(ADA, expand=["latest_invoice"])
    assert (found["items"]["data"][0]["quantity"], found["latest_invoice"]["total"]) == (3, 6_960)


def test_a_phase_may_begin_with_something_paid_once(world: World, clock: Clock) -> None:
    made = world.post(PATH, **TWO, **{"phases[1][add_invoice_items][0][price]": SEED.price_beans})
    clock.now = made["phases"][0]["end_date"]
    found = world.get(f"/v1/subscriptions/{made['subscription']}", expand=["latest_invoice"])

    assert found["latest_invoice"]["total"] == 3_600 + 1_800


def test_the_phase_that_runs_can_be_changed(world: World) -> None:
    made = world.post(PATH, from_subscription=SEED.subscription_office)
    (phase,) = made["phases"]
    world.post(
        f"{PATH}/{made['id']}",
        **{
            "phases[0][start_date]": phase["start_date"],
            "phases[0][end_date]": phase["end_date"],
            "phases[0][items][0][price]": SEED.price_monthly,
            "phases[0][items][1][price]": SEED.price_seat,
            "phases[0][items][1][quantity]": 6,
        },
    )
    waiting = world.get("/v1/invoiceitems", customer="cus_cleo", pending=True)["data"]

    assert [
        item["quantity"] for item in world.get(f"/v1/subscriptions/{SEED.subscription_office}")["items"]["data"]
    ] == [1, 6]
    assert [item["amount"] for item in waiting] == [1_800, -3_600]


def test_releasing_leaves_the_subscription_and_canceling_ends_it(world: World) -> None:
    made = world.post(PATH, from_subscription=SEED.subscription_monthly)
    assert world.post(f"{PATH}/{made['id']}/release")["status"] == "released"
    assert (world.get(ADA)["status"], world.get(ADA)["schedule"]) == ("active", None)
    assert world.refused("POST", f"{PATH}/{made['id']}/cancel")[0] == 400

    again = world.post(PATH, from_subscription=SEED.subscription_monthly)
    assert world.post(f"{PATH}/{again['id']}/cancel")["status"] == "canceled"
    ended = world.get(ADA, expand=["latest_invoice"])
    assert ended["status"] == "canceled"
    assert ended["latest_invoice"]["total"] < 0


def test_ending_the_subscription_ends_its_schedule(world: World) -> None:
    made = world.post(PATH, from_subscription=SEED.subscription_monthly)
    world.ask("DELETE", ADA)

    assert world.get(f"{PATH}/{made['id']}")["status"] == "canceled"


@pytest.mark.parametrize(
    "changed",
    [
        {"customer": "cus_nobody"},
        {"phases[0][items][0][price]": SEED.price_beans},
        {"phases[1][items][0][price]": SEED.price_monthly_eur},
        {"phases[0][end_date]": NOW - 5},
        {"phases[0][end_date]": NOW + 5},
        {"phases[1][start_date]": NOW + 90 * DAY},
        {"from_subscription": SEED.subscription_monthly},
        {"end_behavior": "whatever"},
        {"phases[0][iterations]": 3},
    ],
)
def test_a_schedule_that_can_not_be_is_refused(world: World, changed: dict[str, Any]) -> None:
    assert world.refused("POST", PATH, **{**TWO, **changed})[0] == 400
    assert world.get(PATH)["data"] == []


def test_an_ended_subscription_has_no_schedule(world: World) -> None:
    assert world.refused("POST", PATH, from_subscription=SEED.subscription_canceled)[0] == 400
    world.post(PATH, from_subscription=SEED.subscription_monthly)
    assert world.refused("POST", PATH, from_subscription=SEED.subscription_monthly)[0] == 400


def test_the_words_and_settings_of_a_schedule_change(world: World, clock: Clock) -> None:
    made = world.post(PATH, **{**TWO, "start_date": NOW + DAY}, **{"default_settings[description]": "Beans"})
    changed = world.post(
        f"{PATH}/{made['id']}",
        end_behavior="cancel",
        metadata={"a": "b"},
        **{
            "default_settings[collection_method]": "send_invoice",
            "default_settings[invoice_settings][days_until_due]": 9,
        },
    )
    assert (changed["end_behavior"], changed["metadata"]) == ("cancel", {"a": "b"})
    clock.now += DAY
    found = world.get(f"{PATH}/{made['id']}", expand=["subscription.latest_invoice"])["subscription"]

    assert (found["collection_method"], found["days_until_due"], found["description"]) == ("send_invoice", 9, "Beans")
    assert found["latest_invoice"]["status"] == "draft"


def test_a_price_that_was_agreed_is_entered_even_if_it_is_archived_since(world: World, clock: Clock) -> None:
    made = world.post(PATH, **TWO)
    world.post(f"/v1/prices/{SEED.price_seat}", active=False)
    clock.now = made["phases"][0]["end_date"]
    found = world.get(f"/v1/subscriptions/{made['subscription']}")

    assert [item["price"]["id"] for item in found["items"]["data"]] == [SEED.price_seat]


def test_a_phase_may_be_a_trial(world: World) -> None:
    made = world.post(PATH, **TWO, **{"phases[0][trial]": True})
    found = world.get(f"/v1/subscriptions/{made['subscription']}", expand=["latest_invoice"])

    assert (found["status"], found["trial_end"]) == ("trialing", made["phases"][0]["end_date"])
    assert found["latest_invoice"]["total"] == 0


def test_one_that_never_began_is_canceled_by_itself(world: World) -> None:
    made = world.post(PATH, **{**TWO, "start_date": NOW + DAY})["id"]

    assert world.post(f"{PATH}/{made}/cancel")["status"] == "canceled"
    assert world.get(PATH, customer="cus_ben")["data"][0]["subscription"] is None


@pytest.mark.parametrize(
    "asked",
    [
        {"phases[0][items][0][price]": SEED.price_monthly},
        {"phases[0][items][0][price]": SEED.price_monthly, "phases[0][start_date]": NOW - 400 * DAY},
        {"phases": ""},
        {"phases[0][start_date]": "now", "phases[0][items][0][price]": SEED.price_monthly_eur},
        {"phases[0][start_date]": "now", "phases[0][items][0][quantity]": 2},
        {"status": "canceled"},
    ],
)
def test_a_change_of_phases_that_can_not_be_is_refused(world: World, asked: dict[str, object]) -> None:
    made = world.post(PATH, from_subscription=SEED.subscription_monthly)

    assert world.refused("POST", f"{PATH}/{made['id']}", **asked)[0] == 400
    assert world.get(f"{PATH}/{made['id']}") == made
