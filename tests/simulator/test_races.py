"""Several processes, each with its own listener, on one world."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import signal
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Simulator, SimulatorServer
from tests.simulator.world import FORM, Clock, World, audit

KEYS = 60
SPAWN = multiprocessing.get_context("spawn")


def send(connection: http.client.HTTPConnection, key: str, **parameters: object) -> int:
    headers = {"Authorization": f"Bearer {SIMULATOR_KEY}", "Idempotency-Key": key, "Content-Type": FORM}
    connection.request("POST", "/v1/refunds", urlencode(parameters), headers)
    answer = connection.getresponse()
    json.loads(answer.read())
    return answer.status


def race(path: Path, start: Barrier, attempts: list[tuple[str, dict[str, object]]], results: Any) -> None:
    """One process: its own simulator, its own listener, the attempts one after another."""
    simulator = Simulator(path, Clock())
    with SimulatorServer(simulator) as server:
        connection = http.client.HTTPConnection(server.base_url.removeprefix("http://"), timeout=30)
        start.wait(timeout=30)
        statuses = [send(connection, key, **parameters) for key, parameters in attempts]
        connection.close()
    simulator.close()
    results.put(statuses)


def run(path: Path, *attempts: list[tuple[str, dict[str, object]]]) -> list[list[int]]:
    start = SPAWN.Barrier(len(attempts))
    results = SPAWN.Queue()
    racers = [SPAWN.Process(target=race, args=(path, start, each, results)) for each in attempts]
    for racer in racers:
        racer.start()
    statuses = [results.get(timeout=40) for _ in racers]
    for racer in racers:
        racer.join(timeout=20)
        assert racer.exitcode == 0
    return statuses


def test_processes_racing_with_the_same_keys_have_one_effect_per_key(world_file: Path, simulator: Simulator) -> None:
    attempts: list[tuple[str, dict[str, object]]] = [
        (f"k{number}", {"payment_intent": SEED.payment_intents_235[number]}) for number in range(KEYS)
    ]

    statuses = run(world_file, attempts, attempts)

    assert statuses == [[200] * KEYS, [200] * KEYS]
    summary = simulator.summary()
    assert summary["effects_by_key"] == {f"k{number}": 1 for number in range(KEYS)}
    assert summary["refunds"] == {"count": KEYS, "total": {"usd": KEYS * 23_500}}
    assert summary["writes"]["replayed"] == KEYS


def test_processes_racing_for_one_charge_never_take_more_than_it_holds(world_file: Path, simulator: Simulator) -> None:
    def mine(name: str) -> list[tuple[str, dict[str, object]]]:
        return [(f"{name}{number}", {"charge": SEED.charge_900, "amount": 7_000}) for number in range(20)]

    statuses = run(world_file, mine("a"), mine("b"))

    assert sorted(statuses[0] + statuses[1]) == [200] * 12 + [400] * 28
    summary = simulator.summary()
    assert summary["refunds"] == {"count": 12, "total": {"usd": 84_000}}
    assert set(summary["effects_by_key"].values()) == {1}


def hammer(path: Path, begun: Event) -> None:
    world = World(Simulator(path, Clock()))
    for number, intent in enumerate(SEED.payment_intents_235):
        world.post("/v1/refunds", payment_intent=intent, key=f"k{number}")
        if number == 20:
            begun.set()


def test_a_killed_process_leaves_whole_requests_only(world_file: Path, simulator: Simulator) -> None:
    begun = SPAWN.Event()
    process = SPAWN.Process(target=hammer, args=(world_file, begun))
    process.start()
    assert begun.wait(timeout=30)

    process.kill()
    process.join(timeout=20)

    assert process.exitcode in (0, -signal.SIGKILL)
    audit(world_file)
    summary = simulator.summary()
    assert summary["effects"] == summary["refunds"]["count"] == summary["events"]["refund.created"] >= 21
    for number in range(summary["effects"]):
        intent = SEED.payment_intents_235[number]
        answer = World(simulator).answer("POST", "/v1/refunds", payment_intent=intent, key=f"k{number}")
        assert (answer.status, answer.headers["Idempotent-Replayed"]) == (200, "true")


def test_threads_of_one_process_follow_one_another(simulator: Simulator, server: SimulatorServer) -> None:
    def one(number: int) -> int:
        connection = http.client.HTTPConnection(server.base_url.removeprefix("http://"), timeout=30)
        try:
            return send(connection, f"k{number % 10}", charge=SEED.charge_900, amount=1_000)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(one, range(80)))

    assert set(statuses) == {200}
    assert simulator.summary()["refunds"] == {"count": 10, "total": {"usd": 10_000}}
