from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from runplane_mcp.simulator.clockwork import next_period
from tests.simulator.world import DAY, Clock, World


def test_a_subscription_shows_its_items_prices_and_quantities(sdk: stripe.StripeClient) -> None:
    subscription = sdk.v1.subscriptions.retrieve(SEED.subscription_office)

    items = [(item.price.unit_amount, item.quantity) for item in subscription["items"].data]
    assert items == [(2_900, 1), (900, 12)]
    assert subscription.status == "active"


def test_canceling_ends_a_subscription_at_once_and_cannot_be_repeated(sdk: stripe.StripeClient, clock: Clock) -> None:
    canceled = sdk.v1.subscriptions.cancel(SEED.subscription_monthly, {"cancellation_details": {"comment": "moved"}})

    assert (canceled.status, canceled.canceled_at, canceled.ended_at) == ("canceled", clock.now, clock.now)
    assert canceled.cancellation_details is not None
    assert canceled.cancellation_details.comment == "moved"
    assert sdk.v1.subscriptions.retrieve(SEED.subscription_monthly).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.subscriptions.cancel(SEED.subscription_monthly)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_ending_with_the_period_happens_at_its_end_and_can_be_taken_back(world: World, clock: Clock) -> None:
    path = f"/v1/subscriptions/{SEED.subscription_monthly}"
    ending = world.post(path, cancel_at_period_end=True)
    assert (ending["status"], ending["cancel_at_period_end"]) == ("active", True)
    assert ending["cancel_at"] == ending["items"]["data"][0]["current_period_end"]

    kept = world.post(path, cancel_at_period_end=False)
    assert (kept["cancel_at_period_end"], kept["cancel_at"], kept["canceled_at"]) == (False, None, None)

    world.post(path, cancel_at_period_end=True)
    clock.now = ending["cancel_at"]
    ended = world.get(path)
    assert (ended["status"], ended["ended_at"]) == ("canceled", ending["cancel_at"])


def test_time_renews_a_subscription_and_ends_a_trial(world: World, clock: Clock) -> None:
    first = world.get(f"/v1/subscriptions/{SEED.subscription_monthly}")["items"]["data"][0]
    assert world.get(f"/v1/subscriptions/{SEED.subscription_trial}")["status"] == "trialing"

    clock.now += 32 * DAY

    renewed = world.get(f"/v1/subscriptions/{SEED.subscription_monthly}")["items"]["data"][0]
    assert renewed["current_period_start"] >= first["current_period_end"]
    assert renewed["current_period_end"] > clock.now
    assert world.get(f"/v1/subscriptions/{SEED.subscription_trial}")["status"] == "active"
    assert world.get(f"/v1/subscriptions/{SEED.subscription_ending}")["status"] == "canceled"


def test_a_month_is_followed_by_the_last_day_of_a_shorter_one() -> None:
    january_31 = 1_801_353_600
    monthly = {"interval": "month", "interval_count": 1}

    assert (next_period(january_31, monthly) - january_31) // DAY == 28


def test_a_canceled_subscription_changes_only_its_words(world: World) -> None:
    path = f"/v1/subscriptions/{SEED.subscription_canceled}"

    assert world.post(path, metadata={"a": "1"})["metadata"] == {"a": "1"}
    assert world.refused("POST", path, cancel_at_period_end=True)[0] == 400


def test_subscriptions_are_listed_without_canceled_ones_unless_asked(sdk: stripe.StripeClient) -> None:
    def ids(**parameters: str) -> set[str]:
        return {found.id for found in sdk.v1.subscriptions.list(parameters).data}  # type: ignore[arg-type]

    usual = ids()
    assert SEED.subscription_canceled not in usual
    assert SEED.subscription_trial in usual
    assert ids(status="canceled") == ids(status="ended") == {SEED.subscription_canceled}
    assert ids(status="all") == usual | {SEED.subscription_canceled}
    assert ids(customer=SEED.customer_ada) == {SEED.subscription_monthly}
    assert ids(price=SEED.price_seat) == {SEED.subscription_office}
    assert ids(status="trialing") == {SEED.subscription_trial}


def test_what_the_simulator_cannot_do_is_refused_and_not_ignored(world: World) -> None:
    path = f"/v1/subscriptions/{SEED.subscription_office}"
    status, error = world.refused("POST", path, **{"billing_thresholds[amount_gte]": 5})

    assert (status, error["code"], error["param"]) == (400, "parameter_unknown", "billing_thresholds")
    assert world.get(path)["status"] == "active"


def test_prices_and_products_are_made_and_listed(sdk: stripe.StripeClient) -> None:
    product = sdk.v1.products.create({"name": "Kettle"})
    price = sdk.v1.prices.create(
        {"product": product.id, "currency": "eur", "unit_amount": 9_900, "recurring": {"interval": "year"}}
    )
    with_product = sdk.v1.prices.create(
        {"product_data": {"name": "Cup"}, "currency": "usd", "unit_amount": 900, "lookup_key": "cup"}
    )

    assert (price.type, price.unit_amount) == ("recurring", 9_900)
    assert [found.id for found in sdk.v1.prices.list({"product": product.id}).data] == [price.id]
    assert [found.id for found in sdk.v1.prices.list({"lookup_keys": ["cup"]}).data] == [with_product.id]
    assert {found.id for found in sdk.v1.prices.list({"recurring": {"interval": "year"}}).data} == {
        price.id,
        SEED.price_yearly,
    }
    assert [found.id for found in sdk.v1.products.list({"ids": [product.id]}).data] == [product.id]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"currency": "usd", "unit_amount": 5}, "parameter_missing"),
        ({"currency": "usd", "unit_amount": -5, "product": SEED.product_club}, "parameter_invalid_integer"),
        ({"currency": "usd", "unit_amount": 5, "product": "prod_nobody"}, "resource_missing"),
        ({"currency": "usd", "unit_amount": 5, "product_data": {"nmae": "x"}}, "parameter_unknown"),
        ({"currency": "usd", "unit_amount": 5, "product_data": {"active": "true"}}, "parameter_missing"),
    ],
)
def test_a_price_with_wrong_parameters_is_refused(world: World, parameters: dict[str, object], code: str) -> None:
    assert world.refused("POST", "/v1/prices", **parameters)[1]["code"] == code
