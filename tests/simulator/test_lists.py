from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import NOW, World


def test_a_list_is_newest_first_and_ten_long(world: World) -> None:
    page = world.get("/v1/charges")

    created = [charge["created"] for charge in page["data"]]
    assert (page["object"], page["url"], page["has_more"]) == ("list", "/v1/charges", True)
    assert len(created) == 10
    assert created == sorted(created, reverse=True)


def test_paging_forwards_visits_everything_once(sdk: stripe.StripeClient) -> None:
    intents = [intent.id for intent in sdk.v1.payment_intents.list({"limit": 100}).auto_paging_iter()]

    assert len(intents) == len(set(intents)) == 218
    assert set(SEED.payment_intents_235) <= set(intents)


def test_paging_backwards_is_the_same_way_back(world: World) -> None:
    first = world.get("/v1/charges", limit=3)["data"]
    second = world.get("/v1/charges", limit=3, starting_after=first[-1]["id"])["data"]

    back = world.get("/v1/charges", limit=3, ending_before=second[0]["id"])

    assert back["data"] == first
    assert back["has_more"] is False


def test_objects_of_one_second_have_an_order_too(world: World) -> None:
    made = [world.post("/v1/customers", name=str(number))["id"] for number in range(5)]

    first = world.get("/v1/customers", limit=2)
    second = world.get("/v1/customers", limit=3, starting_after=first["data"][-1]["id"])

    assert [found["id"] for found in first["data"] + second["data"]] == made[::-1]


@pytest.mark.parametrize("parameters", [{"limit": 0}, {"limit": 101}, {"limit": "many"}, {"limit": -1}])
def test_a_page_has_one_to_a_hundred_objects(world: World, parameters: dict[str, object]) -> None:
    status, error = world.refused("GET", "/v1/charges", **parameters)

    assert (status, error["param"]) == (400, "limit")


def test_a_cursor_must_be_an_object_of_the_list(world: World) -> None:
    status, error = world.refused("GET", "/v1/charges", starting_after=SEED.customer_ada)
    assert (status, error["code"], error["param"]) == (400, "resource_missing", "starting_after")

    both = {"starting_after": SEED.charge_900, "ending_before": SEED.charge_120}
    assert world.refused("GET", "/v1/charges", **both)[0] == 400


def test_created_filters_by_time(world: World) -> None:
    week_ago = NOW - 7 * 86_400
    recent = world.get("/v1/charges", created={"gte": week_ago}, limit=100)["data"]
    exact = world.get("/v1/charges", created=recent[0]["created"])["data"]
    between = world.get("/v1/charges", created={"gt": week_ago, "lt": NOW - 5 * 86_400}, limit=100)["data"]

    assert {charge["created"] >= week_ago for charge in recent} == {True}
    assert {charge["created"] for charge in exact} == {recent[0]["created"]}
    assert 0 < len(between) < len(recent)


def test_a_filter_that_a_list_does_not_have_is_refused(world: World) -> None:
    status, error = world.refused("GET", "/v1/charges", custmer=SEED.customer_ada)

    assert (status, error["code"], error["param"]) == (400, "parameter_unknown", "custmer")


def test_balance_transactions_tell_where_money_came_from(sdk: stripe.StripeClient) -> None:
    (transaction,) = sdk.v1.balance_transactions.list({"source": SEED.charge_900}).data

    assert (transaction.amount, transaction.fee, transaction.net) == (90_000, 2_640, 87_360)
    refunds = sdk.v1.balance_transactions.list({"type": "refund"})
    assert {found.source for found in refunds.data} == {SEED.refund_partial, SEED.refund_full}
