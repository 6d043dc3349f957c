from __future__ import annotations

from typing import Any

import pytest
import stripe

from runplane_mcp.simulator import SEED, Fault, FaultKind, Simulator
from tests.simulator.world import DAY, Clock, World, error_of, response_of


def test_the_same_key_gets_the_first_answer_again_and_moves_no_money(sdk: stripe.StripeClient, world: World) -> None:
    options: stripe.RequestOptions = {"idempotency_key": "k1"}
    first = sdk.v1.refunds.create({"charge": SEED.charge_900, "amount": 100}, options)

    again = sdk.v1.refunds.create({"charge": SEED.charge_900, "amount": 100}, options)

    assert again.id == first.id
    assert "Idempotent-Replayed" not in response_of(first).headers
    assert response_of(again).headers["Idempotent-Replayed"] == "true"
    assert response_of(again).headers["Original-Request"] == response_of(first).request_id
    assert response_of(again).request_id != response_of(first).request_id
    assert world.simulator.summary()["effects_by_key"] == {"k1": 1}


def test_the_same_key_with_other_parameters_is_an_idempotency_error(sdk: stripe.StripeClient) -> None:
    sdk.v1.refunds.create({"charge": SEED.charge_900, "amount": 100}, {"idempotency_key": "k1"})

    with pytest.raises(stripe.IdempotencyError) as refused:
        sdk.v1.refunds.create({"charge": SEED.charge_900, "amount": 101}, {"idempotency_key": "k1"})

    assert refused.value.http_status == 400
    assert error_of(refused.value)["type"] == "idempotency_error"


def test_the_same_key_on_another_endpoint_is_an_idempotency_error(world: World) -> None:
    world.post("/v1/customers", name="x", key="k1")

    status, error = world.refused("POST", "/v1/products", name="x", key="k1")

    assert (status, error["type"]) == (400, "idempotency_error")


def test_the_order_of_parameters_does_not_matter(world: World) -> None:
    first = world.post("/v1/refunds", charge=SEED.charge_900, amount=100, key="k1")

    assert world.post("/v1/refunds", amount=100, charge=SEED.charge_900, key="k1")["id"] == first["id"]


def test_a_key_is_forgotten_after_a_day_and_executes_again(world: World, clock: Clock) -> None:
    first = world.post("/v1/refunds", charge=SEED.charge_900, amount=100, key="k1")
    clock.now += DAY - 1
    assert world.post("/v1/refunds", charge=SEED.charge_900, amount=100, key="k1")["id"] == first["id"]

    clock.now += 1

    assert world.post("/v1/refunds", charge=SEED.charge_900, amount=100, key="k1")["id"] != first["id"]
    assert world.simulator.summary()["refunds"] == {"count": 2, "total": {"usd": 200}}


def test_an_error_is_remembered_once_execution_began(world: World) -> None:
    payout = world.post("/v1/payouts", amount=500, currency="usd")
    asked: dict[str, Any] = {"amount": SEED.available_usd, "currency": "usd"}
    assert world.refused("POST", "/v1/payouts", key="k1", **asked)[1]["code"] == "balance_insufficient"
    world.post(f"/v1/payouts/{payout['id']}/cancel")

    answer = world.answer("POST", "/v1/payouts", key="k1", **asked)

    assert (answer.status, answer.headers["Idempotent-Replayed"]) == (400, "true")


@pytest.mark.parametrize(
    "wrong", [{"amount": "x"}, {"amount": "5", "unknown": "1"}, {"amount": "5", "expand[]": "nothing"}]
)
def test_a_request_that_fails_validation_is_not_remembered(world: World, wrong: dict[str, str]) -> None:
    assert world.refused("POST", "/v1/refunds", charge=SEED.charge_900, key="k1", **wrong)[0] == 400

    assert world.post("/v1/refunds", charge=SEED.charge_900, amount=5, key="k1")["amount"] == 5


def test_while_the_first_request_is_under_way_the_key_is_in_use(world: World, clock: Clock) -> None:
    world.simulator.add_fault(Fault(FaultKind.DELAY, path_prefix="/v1/refunds", seconds=20))
    first = world.answer("POST", "/v1/refunds", charge=SEED.charge_900, key="k1")
    assert (first.status, first.delay) == (200, 20)

    status, error = world.refused("POST", "/v1/refunds", charge=SEED.charge_900, key="k1")
    assert (status, error["code"]) == (409, "idempotency_key_in_use")

    clock.wall += 20
    again = world.answer("POST", "/v1/refunds", charge=SEED.charge_900, key="k1")
    assert (again.status, again.body) == (200, first.body)
    assert world.simulator.summary()["effects_by_key"] == {"k1": 1}


def test_a_key_does_nothing_on_get_and_delete(world: World) -> None:
    balance = world.answer("GET", "/v1/balance", key="k1")
    world.post("/v1/refunds", charge=SEED.charge_900, key="k2")
    charge = world.answer("GET", f"/v1/charges/{SEED.charge_900}", key="k2")
    first, _ = world.ask("DELETE", f"/v1/subscriptions/{SEED.subscription_monthly}", key="k3")
    second, _ = world.ask("DELETE", f"/v1/subscriptions/{SEED.subscription_monthly}", key="k3")

    assert (balance.status, charge.status) == (200, 200)
    assert (first, second) == (200, 404)


def test_keys_belong_to_an_account(world: World) -> None:
    here = world.post("/v1/customers", name="x", key="k1")
    there = world.post("/v1/customers", name="x", key="k1", account=SEED.connected_account_paid)

    assert here["id"] != there["id"]


def test_a_key_has_at_most_255_characters(world: World) -> None:
    assert world.refused("POST", "/v1/customers", key="k" * 256)[0] == 400
    assert world.ask("POST", "/v1/customers", key="k" * 255)[0] == 200


def test_another_process_replays_the_same_answer(world: World, simulator: Simulator, clock: Clock) -> None:
    first = world.answer("POST", "/v1/refunds", charge=SEED.charge_900, key="k1")
    other = Simulator(simulator.path, clock)

    again = World(other, clock).answer("POST", "/v1/refunds", charge=SEED.charge_900, key="k1")
    other.close()

    assert again.body == first.body
