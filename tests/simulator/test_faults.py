from __future__ import annotations

import threading
from typing import Any

import httpx2
import pytest
import stripe

from runplane_mcp.errors import ParameterError
from runplane_mcp.simulator import SEED, Fault, FaultKind, Simulator, SimulatorServer
from tests.simulator.world import Clock, World

REFUND = {"charge": SEED.charge_900, "amount": "100"}
KEY = {"Idempotency-Key": "k1"}


def fail(http: httpx2.Client, kind: str, **more: Any) -> None:
    """Orders a fault for the next refund, as another process would."""
    fault = {"kind": kind, "match": {"method": "POST", "path_prefix": "/v1/refunds"}, **more}
    http.post("/_simulator/faults", json=fault).raise_for_status()


def refunded(http: httpx2.Client) -> int:
    return int(http.get(f"/v1/charges/{SEED.charge_900}").json()["amount_refunded"])


def test_a_dropped_request_has_no_effect(http: httpx2.Client) -> None:
    fail(http, "drop_request")

    with pytest.raises(httpx2.RemoteProtocolError):
        http.post("/v1/refunds", data=REFUND, headers=KEY)

    assert refunded(http) == 0
    assert http.post("/v1/refunds", data=REFUND, headers=KEY).status_code == 200


def test_a_dropped_answer_keeps_its_effect_and_the_key_replays_it(http: httpx2.Client) -> None:
    fail(http, "drop_answer")

    with pytest.raises(httpx2.RemoteProtocolError):
        http.post("/v1/refunds", data=REFUND, headers=KEY)

    assert refunded(http) == 100
    again = http.post("/v1/refunds", data=REFUND, headers=KEY)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert refunded(http) == 100


@pytest.mark.parametrize(("effect", "money"), [(False, 0), (True, 100)])
def test_a_reset_connection_may_hide_an_effect(http: httpx2.Client, effect: bool, money: int) -> None:
    fail(http, "reset", effect=effect)

    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        http.post("/v1/refunds", data=REFUND, headers=KEY)

    assert refunded(http) == money


def test_the_sdk_sees_a_connection_error_when_the_answer_is_dropped(sdk: stripe.StripeClient, world: World) -> None:
    world.simulator.add_fault(Fault(FaultKind.DROP_ANSWER, path_prefix="/v1/refunds"))

    with pytest.raises(stripe.APIConnectionError):
        sdk.v1.refunds.create({"charge": SEED.charge_900})

    assert world.simulator.summary()["refunds"]["count"] == 1


@pytest.mark.parametrize(("effect", "money"), [(False, 0), (True, 100)])
def test_a_500_is_what_the_key_remembers(http: httpx2.Client, effect: bool, money: int) -> None:
    fail(http, "500", effect=effect)

    first = http.post("/v1/refunds", data=REFUND, headers=KEY)
    again = http.post("/v1/refunds", data=REFUND, headers=KEY)

    assert (first.status_code, first.json()["error"]["type"]) == (500, "api_error")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (500, "true")
    assert refunded(http) == money


@pytest.mark.parametrize(("effect", "replayed"), [(False, False), (True, True)])
def test_a_500_at_the_edge_leaves_the_truth_with_the_key(http: httpx2.Client, effect: bool, replayed: bool) -> None:
    fail(http, "500", effect=effect, remembered=False)

    assert http.post("/v1/refunds", data=REFUND, headers=KEY).status_code == 500
    again = http.post("/v1/refunds", data=REFUND, headers=KEY)

    assert again.status_code == 200
    assert ("Idempotent-Replayed" in again.headers) == replayed
    assert refunded(http) == 100


@pytest.mark.parametrize(("kind", "code"), [("429", "rate_limit"), ("409", "idempotency_key_in_use")])
def test_turned_away_at_the_door_nothing_is_remembered(http: httpx2.Client, kind: str, code: str) -> None:
    fail(http, kind, times=2)

    for _ in range(2):
        away = http.post("/v1/refunds", data=REFUND, headers=KEY)
        assert (away.status_code, away.json()["error"]["code"]) == (int(kind), code)

    assert refunded(http) == 0
    assert http.post("/v1/refunds", data=REFUND, headers=KEY).status_code == 200


def test_the_sdk_raises_its_own_errors_for_429_and_409(sdk: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.add_fault(Fault(FaultKind.LIMIT_429))
    with pytest.raises(stripe.RateLimitError):
        sdk.v1.balance.retrieve()

    simulator.add_fault(Fault(FaultKind.CONFLICT_409))
    with pytest.raises(stripe.APIError) as refused:
        sdk.v1.refunds.create({"charge": SEED.charge_900})
    assert refused.value.http_status == 409


def test_a_restricted_key_is_told_what_it_may_not_read_and_reads_the_rest(
    sdk: stripe.StripeClient, simulator: Simulator
) -> None:
    simulator.add_fault(Fault(FaultKind.FORBIDDEN_403, method="GET", path_prefix="/v1/events", times=2))
    for _ in range(2):
        with pytest.raises(stripe.PermissionError):
            sdk.v1.events.list()

    assert sdk.v1.refunds.list().data
    assert sdk.v1.events.list() is not None


def test_a_402_leaves_a_failed_object_and_no_money_moved(world: World) -> None:
    before = world.available()
    for path, asked in (
        ("/v1/refunds", {"charge": SEED.charge_900}),
        ("/v1/payouts", {"amount": 500, "currency": "usd"}),
        ("/v1/payment_intents", {"amount": 500, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa"}),
    ):
        world.simulator.add_fault(Fault(FaultKind.DECLINE_402, path_prefix=path))
        status, error = world.refused("POST", path, key=f"key for {path}", **asked)
        kind = path.removeprefix("/v1/").removesuffix("s")
        left = world.get(f"{path}/{error[kind]['id']}")
        assert (status, error["type"], error["code"]) == (402, "card_error", "card_declined")
        assert left["status"] in ("failed", "requires_payment_method")

    assert world.available() == before
    summary = world.simulator.summary()
    assert (summary["effects"], summary["writes"]["declined"]) == (0, 3)


def test_a_402_without_effect_leaves_nothing(world: World) -> None:
    world.simulator.add_fault(Fault(FaultKind.DECLINE_402, effect=False))

    status, error = world.refused("POST", "/v1/refunds", charge=SEED.charge_900)

    assert (status, "refund" in error) == (402, False)
    assert world.get("/v1/refunds", charge=SEED.charge_900)["data"] == []


def test_garbage_comes_with_200_and_hides_an_effect(
    sdk: stripe.StripeClient, http: httpx2.Client, world: World
) -> None:
    fail(http, "garbage")
    with pytest.raises(stripe.APIError) as refused:
        sdk.v1.refunds.create({"charge": SEED.charge_900, "amount": 100}, {"idempotency_key": "k1"})
    assert refused.value.http_status == 200

    fail(http, "garbage", body="{}")
    assert http.post("/v1/refunds", data=REFUND).json() == {}

    replayed = sdk.v1.refunds.create({"charge": SEED.charge_900, "amount": 100}, {"idempotency_key": "k1"})
    assert replayed.amount == 100
    assert world.simulator.summary()["refunds"] == {"count": 2, "total": {"usd": 200}}


def test_a_delayed_answer_holds_up_nobody_else(
    server: SimulatorServer, http: httpx2.Client, simulator: Simulator
) -> None:
    fail(http, "delay", seconds=60)
    seen: list[Exception] = []

    def slow() -> None:
        with httpx2.Client(base_url=server.base_url, headers=http.headers, trust_env=False, timeout=30) as client:
            try:
                client.post("/v1/refunds", data=REFUND, headers=KEY)
            except httpx2.TransportError as error:
                seen.append(error)

    thread = threading.Thread(target=slow)
    thread.start()
    for _ in range(10_000):
        if simulator.summary()["effects"]:
            break

    assert refunded(http) == 100
    busy = http.post("/v1/refunds", data={**REFUND}, headers={"Idempotency-Key": "k2"})
    assert busy.status_code == 200
    server.stop()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert len(seen) == 1


def test_a_fault_counts_and_skips(world: World) -> None:
    world.simulator.add_fault(Fault(FaultKind.LIMIT_429, method="GET", path_prefix="/v1/balance", times=2, skip=1))

    statuses = [world.ask("GET", "/v1/balance")[0] for _ in range(5)]

    assert statuses == [200, 429, 429, 200, 200]
    assert world.simulator.pending_faults() == []


def test_a_fault_matches_method_and_path(world: World) -> None:
    world.simulator.add_fault(Fault(FaultKind.LIMIT_429, method="POST", path_prefix="/v1/payouts"))

    assert world.ask("GET", "/v1/payouts")[0] == 200
    assert world.ask("POST", "/v1/refunds", charge=SEED.charge_900, amount=1)[0] == 200
    assert world.ask("POST", "/v1/payouts", amount=500, currency="usd")[0] == 429


def test_a_fault_ordered_in_one_process_strikes_in_another(simulator: Simulator, clock: Clock) -> None:
    other = Simulator(simulator.path, clock)
    other.add_fault(Fault(FaultKind.LIMIT_429))
    other.close()

    assert World(simulator, clock).ask("GET", "/v1/balance")[0] == 429


def test_faults_are_listed_and_cleared(http: httpx2.Client) -> None:
    fail(http, "500", times=3)

    (listed,) = http.get("/_simulator/faults").json()["faults"]
    assert (listed["kind"], listed["times_left"]) == ("500", 3)
    assert http.delete("/_simulator/faults").json() == {"faults": []}
    assert http.post("/v1/refunds", data=REFUND).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[]",
        b'{"kind": "fire"}',
        b'{"kind": "500", "times": 0}',
        b'{"kind": "500", "times": "x"}',
        b'{"kind": "delay", "seconds": 1e9}',
        b'{"kind": "429", "effect": true}',
        b'{"kind": "500", "match": {"host": "x"}}',
        b'{"kind": "500", "match": {"path_prefix": 5}}',
        b'{"kind": "500", "match": "all"}',
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(http: httpx2.Client, body: bytes) -> None:
    answer = http.post("/_simulator/faults", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "parameter.fault"
    assert http.get("/_simulator/faults").json() == {"faults": []}


def test_a_fault_in_code_is_checked_too() -> None:
    with pytest.raises(ParameterError):
        Fault(FaultKind.DELAY, seconds=-1)


def test_the_summary_says_that_requests_are_effects(world: World) -> None:
    for number in range(3):
        world.post("/v1/refunds", payment_intent=SEED.payment_intents_235[number], key=f"k{number}")
    world.post("/v1/refunds", payment_intent=SEED.payment_intents_235[0], key="k0")
    world.refused("POST", "/v1/refunds", payment_intent=SEED.payment_intents_235[0])
    world.post("/v1/refunds", payment_intent=SEED.payment_intent_jpy, amount=5_000)

    summary = world.simulator.summary()

    assert summary["writes"] == {
        "received": 6, "effect": 4, "declined": 0, "replayed": 1, "refused": 1, "dropped": 0,
    }  # fmt: skip
    assert summary["effects"] == 4
    assert summary["effects_by_key"] == {"k0": 1, "k1": 1, "k2": 1}
    assert summary["refunds"] == {"count": 4, "total": {"jpy": 5_000, "usd": 70_500}}
    assert summary["events"]["refund.created"] == 4
    assert summary["balance"][SEED.account]["usd"]["available"] == SEED.available_usd - 70_500
