"""Limits on revenue lost instead of amounts, through the real gate on the simulator."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any, Final

import pytest

from runplane_mcp.core.request import State
from runplane_mcp.simulator import SEED
from tests.gate.conftest import House, submission
from tests.simulator.world import Clock, World

POLICY = """
version: 1
currency: usd
timezone: America/New_York
approval: {from: finance}
rules:
  - {id: fine, when: {action: [cancellations, deletions]}, then: allow}
limits:
  - {id: revenue, when: {action: cancellations}, of: mrr_lost, at_most: {total: 100000, count: 100}, within: 24h}
"""
SUMMED = "SELECT state, currency, amount, of FROM reservation JOIN bucket ON bucket.id = reservation.bucket"
SUBSCRIPTION = SEED.subscription_office
#: Cleo's office pays $137.00 a month, $29.00 of it for the club and $9.00 for each of twelve seats.
OFFICE: Final = 13_700


@pytest.fixture
async def limited(house: House) -> House:
    house.settings.policy_file.write_text(POLICY, encoding="utf-8")
    return house


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("DeleteSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": SUBSCRIPTION}),
        (
            "PostSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": SUBSCRIPTION, "cancel_at_period_end": True},
        ),
        (
            "PostSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": SUBSCRIPTION, "pause_collection": {"behavior": "void"}},
        ),
    ],
    ids=["cancel", "update", "pause"],
)
async def test_lost_revenue_counts_however_it_is_lost(
    limited: House, operation: str, parameters: dict[str, object]
) -> None:
    async with limited.gate() as gate:
        view = await gate.submit(submission(operation, parameters))

    with closing(sqlite3.connect(limited.settings.database)) as connection:
        [(_, currency, amount, of)] = connection.execute(SUMMED).fetchall()
    assert view.status in {State.SUCCEEDED, State.WAITING}
    assert (currency, of) == ("usd", "mrr_lost")
    assert amount > 0


# ── by schedules and deletions ────────────────────────────────────────────────────────────────────────────────────


def world_of(house: House) -> World:
    return World(house.world, Clock())


def scheduled(house: House, *later: tuple[str, int]) -> dict[str, Any]:
    """A schedule for the office's subscription, made by a person, that changes it to these prices and quantities."""
    world = world_of(house)
    made: dict[str, Any] = world.post("/v1/subscription_schedules", from_subscription=SUBSCRIPTION)
    if later:
        items = [{"price": price, "quantity": quantity} for price, quantity in later]
        made = world.post(f"/v1/subscription_schedules/{made['id']}", **flat({"phases": [*now(made), phase(*items)]}))
    return made


def now(schedule: dict[str, Any]) -> list[dict[str, object]]:
    """Its phases as they must be given again where more are added."""
    return [
        {
            "start_date": each["start_date"],
            "end_date": each["end_date"],
            "items": [{"price": item["price"], "quantity": item["quantity"]} for item in each["items"]],
        }
        for each in schedule["phases"]
    ]


def phase(*items: dict[str, object]) -> dict[str, object]:
    return {"items": list(items), "duration": {"interval": "month"}}


def flat(value: object, name: str = "") -> dict[str, object]:
    """Parameters in brackets, lists by number, as the simulator is asked behind everybody's back."""
    if isinstance(value, dict):
        pairs = [(f"{name}[{inner}]" if name else str(inner), each) for inner, each in value.items()]
    elif isinstance(value, list):
        pairs = [(f"{name}[{number}]", each) for number, each in enumerate(value)]
    else:
        return {name: value}
    return {inner: each for path, held in pairs for inner, each in flat(held, path).items()}


def counted(house: House) -> list[tuple[str, str | None, int | None]]:
    with closing(sqlite3.connect(house.settings.database)) as connection:
        return connection.execute(
            "SELECT state, currency, amount FROM reservation JOIN bucket ON bucket.id = bucket ORDER BY number"
        ).fetchall()


async def asked(house: House, operation: str, **parameters: object) -> State:
    async with house.gate() as gate:
        return (await gate.submit(submission(operation, dict(parameters)))).status


async def test_a_planned_change_to_less_counts_what_it_will_lose(limited: House) -> None:
    """What is planned happens later without any request, so that it counts now."""
    made = scheduled(limited)
    less = phase({"price": SEED.price_monthly, "quantity": 1})
    done = await asked(
        limited,
        "PostSubscriptionSchedulesSchedule",
        schedule=made["id"],
        phases=[*now(made), less],
        end_behavior="release",
    )

    assert done is State.SUCCEEDED
    assert counted(limited) == [("spent", "usd", OFFICE - 2_900)]


async def test_an_end_that_is_planned_counts_all_that_the_subscription_brings(limited: House) -> None:
    made = scheduled(limited)
    done = await asked(limited, "PostSubscriptionSchedulesSchedule", schedule=made["id"], end_behavior="cancel")

    assert done is State.SUCCEEDED
    assert counted(limited) == [("spent", "usd", OFFICE)]


async def test_a_schedule_that_is_canceled_takes_its_subscription_along(limited: House) -> None:
    made = scheduled(limited)
    done = await asked(limited, "PostSubscriptionSchedulesScheduleCancel", schedule=made["id"])

    assert done is State.SUCCEEDED
    assert counted(limited) == [("spent", "usd", OFFICE)]


async def test_a_raise_that_falls_away_with_its_schedule_is_lost(limited: House) -> None:
    made = scheduled(limited, (SEED.price_monthly, 1), (SEED.price_seat, 20))
    done = await asked(limited, "PostSubscriptionSchedulesScheduleRelease", schedule=made["id"])

    assert done is State.SUCCEEDED
    assert counted(limited) == [("spent", "usd", 8 * 900)]


async def test_a_customer_who_is_deleted_takes_their_revenue_along(limited: House) -> None:
    done = await asked(limited, "DeleteCustomersCustomer", customer=SEED.customer_cleo)

    assert done is State.SUCCEEDED
    assert counted(limited) == [("spent", "usd", OFFICE)]


async def test_what_is_deleted_without_any_loss_counts_one_and_no_money(house: House) -> None:
    """A coupon that is gone leaves the discounts that were given; only a product without a price can be deleted."""
    house.settings.policy_file.write_text(
        POLICY.replace("when: {action: cancellations}, of", "when: {action: deletions}, of").replace(
            "count: 100", "count: 3"
        ),
        encoding="utf-8",
    )
    world = world_of(house)
    bare = world.post("/v1/products", name="Nothing yet")["id"]
    nobody = world.post("/v1/customers", name="Nobody")["id"]
    done = [
        await asked(house, "DeleteCouponsCoupon", coupon=SEED.coupon_once),
        await asked(house, "DeleteProductsId", id=bare),
        await asked(house, "DeleteCustomersCustomer", customer=nobody),
    ]
    over = await asked(house, "DeleteCouponsCoupon", coupon=SEED.coupon_amount)

    assert done == [State.SUCCEEDED] * 3
    assert over is State.WAITING
    assert counted(house) == [*[("spent", None, None)] * 3, ("waiting", None, None)]


async def test_a_limit_of_revenue_holds_over_every_way_to_lose_it(house: House) -> None:
    """THREATS 2 and 4: cancelling, planning and deleting fill one sum, to the cent."""
    house.settings.policy_file.write_text(
        POLICY.replace("when: {action: cancellations}, of", "when: {action: [cancellations, deletions]}, of").replace(
            "total: 100000", "total: 166"
        ),
        encoding="utf-8",
    )
    made = scheduled(house)
    first = await asked(house, "PostSubscriptionSchedulesScheduleCancel", schedule=made["id"])
    second = await asked(house, "DeleteCustomersCustomer", customer=SEED.customer_ada)
    third = await asked(
        house,
        "PostSubscriptionsSubscriptionExposedId",
        subscription_exposed_id=SEED.subscription_yearly,
        cancel_at_period_end=True,
    )

    assert (first, second) == (State.SUCCEEDED, State.SUCCEEDED)
    assert third is State.WAITING
    assert [amount for _, _, amount in counted(house)] == [OFFICE, 2_900, 2_417]
