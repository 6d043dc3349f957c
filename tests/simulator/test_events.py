from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, NOW, Clock, World, response_of


def test_an_event_carries_the_idempotency_key_of_its_request(sdk: stripe.StripeClient) -> None:
    refund = sdk.v1.refunds.create({"charge": SEED.charge_900, "amount": 100}, {"idempotency_key": "rp_ours"})

    listed = sdk.v1.events.list({"types": ["refund.created", "charge.refunded"], "created": {"gte": NOW}})
    events = listed.data

    assert {event.type for event in events} == {"refund.created", "charge.refunded"}
    for event in events:
        assert event.request is not None
        assert event.request.idempotency_key == "rp_ours"
        assert event.request.id == response_of(refund).request_id
    made = next(event for event in events if event.type == "refund.created")
    assert made.data.object["id"] == refund.id


def test_a_replayed_request_writes_no_second_event(world: World) -> None:
    for _ in range(3):
        world.post("/v1/refunds", charge=SEED.charge_900, amount=100, key="k1")

    assert len(world.get("/v1/events", type="refund.created", created={"gte": NOW})["data"]) == 1


def test_a_refused_request_writes_no_event(world: World) -> None:
    before = world.get("/v1/events", limit=100)["data"]

    world.refused("POST", "/v1/refunds", charge=SEED.charge_refunded, key="k1")

    assert world.get("/v1/events", limit=100)["data"] == before


def test_a_deletion_has_no_idempotency_key_in_its_event(world: World) -> None:
    world.ask("DELETE", f"/v1/subscriptions/{SEED.subscription_monthly}", key="ignored")

    (event, *_) = world.get("/v1/events", type="customer.subscription.deleted")["data"]
    assert event["data"]["object"]["id"] == SEED.subscription_monthly
    assert event["request"]["idempotency_key"] is None
    assert event["request"]["id"].startswith("req_")


def test_an_update_names_what_changed(world: World) -> None:
    world.post(f"/v1/customers/{SEED.customer_ada}", name="Ada M.")

    (event,) = world.get("/v1/events", type="customer.updated", limit=1)["data"]
    assert event["data"]["previous_attributes"] == {"name": "Ada Moreno"}


def test_events_are_found_by_group_and_time(world: World, clock: Clock) -> None:
    world.post("/v1/payouts", amount=500, currency="usd")
    clock.now += 10
    world.post("/v1/payouts", amount=600, currency="usd")

    late = world.get("/v1/events", type="payout.*", created={"gt": clock.now - 10})

    assert [event["data"]["object"]["amount"] for event in late["data"]] == [600]
    assert world.refused("GET", "/v1/events", type="a", types=["b"])[0] == 400


def test_events_are_kept_for_thirty_days(world: World, clock: Clock) -> None:
    world.post("/v1/customers", name="x")
    (event,) = world.get("/v1/events", type="customer.created")["data"]

    clock.now += 30 * DAY + 1

    assert world.get("/v1/events", type="customer.created")["data"] == []
    assert world.refused("GET", f"/v1/events/{event['id']}")[0] == 404


def test_events_of_a_connected_account_are_seen_from_there(world: World) -> None:
    account = SEED.connected_account_new
    world.post("/v1/transfers", amount=500, currency="usd", destination=account, key="k1")

    (event,) = world.get("/v1/events", account=account)["data"]

    assert (event["type"], event["request"]["idempotency_key"]) == ("payment.created", "k1")


@pytest.mark.parametrize("id", ["evt_nobody", SEED.charge_900])
def test_an_event_that_is_not_there_is_missing(world: World, id: str) -> None:
    assert world.refused("GET", f"/v1/events/{id}")[0] == 404
