from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from runplane_mcp.errors import StoreError
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Fault, FaultKind, Simulator
from runplane_mcp.simulator.exchange import Asked
from tests.simulator.world import Clock, World, audit


def test_a_new_world_is_founded_once_and_kept(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "home" / "simulator.db"
    first = Simulator(path, clock)
    world_id = first.world_id
    World(first, clock).post("/v1/refunds", charge=SEED.charge_900)
    first.close()

    again = Simulator(path, clock)

    assert again.world_id == world_id
    assert World(again, clock).get(f"/v1/charges/{SEED.charge_900}")["refunded"] is True
    again.close()
    audit(path)


def test_every_world_has_an_id_of_its_own(tmp_path: Path, clock: Clock) -> None:
    worlds = [Simulator(tmp_path / name, clock) for name in ("a.db", "b.db")]

    assert len({world.world_id for world in worlds}) == 2
    for world in worlds:
        world.close()


def test_a_reset_begins_a_new_world_for_everybody(simulator: Simulator, world: World, clock: Clock) -> None:
    other = Simulator(simulator.path, clock)
    before = simulator.world_id
    world.post("/v1/refunds", charge=SEED.charge_900, key="k1")

    after = other.reset()

    assert after == simulator.world_id != before
    assert world.get(f"/v1/charges/{SEED.charge_900}")["amount_refunded"] == 0
    assert (
        world.answer("POST", "/v1/refunds", charge=SEED.charge_900, key="k1").headers.get("Idempotent-Replayed") is None
    )
    other.close()


def test_a_file_of_another_version_becomes_a_new_world(simulator: Simulator, clock: Clock) -> None:
    before = simulator.world_id
    db = sqlite3.connect(simulator.path)
    db.execute("PRAGMA user_version = 99")
    db.close()

    again = Simulator(simulator.path, clock)

    assert again.world_id != before
    again.close()


def test_a_file_that_is_no_database_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    path = tmp_path / "simulator.db"
    path.write_bytes(b"this is not a database, it only looks like a file of some length" * 20)

    with pytest.raises(StoreError) as refused:
        Simulator(path)

    assert refused.value.code == "store.simulator"
    assert str(path) in refused.value.message


def test_a_home_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")

    with pytest.raises(StoreError):
        Simulator(tmp_path / "home" / "simulator.db")


def test_the_file_is_readable_by_its_owner_only(simulator: Simulator) -> None:
    assert simulator.path.stat().st_mode & 0o077 == 0


def test_a_clock_that_goes_back_does_no_harm(world: World, clock: Clock) -> None:
    payout = world.post("/v1/payouts", amount=500, currency="usd", key="k1")
    clock.now -= 40 * 86_400

    assert world.post("/v1/payouts", amount=500, currency="usd", key="k1")["id"] == payout["id"]
    assert world.get(f"/v1/payouts/{payout['id']}")["status"] == "pending"
    assert world.post("/v1/payouts", amount=600, currency="usd")["amount"] == 600
    assert world.available() == SEED.available_usd - 1_100


def test_a_request_that_fails_in_the_middle_leaves_nothing(simulator: Simulator, world: World) -> None:
    headers = {"authorization": f"Bearer {SIMULATOR_KEY}"}
    simulator.add_fault(Fault(FaultKind.LIMIT_429, method="PUT"))

    with pytest.raises(UnicodeEncodeError):
        simulator.answer(Asked("PUT", "/v1/\ud800", "", headers))

    assert simulator.pending_faults()[0][1] == 1
    assert world.get("/v1/balance")["livemode"] is False
    assert simulator.summary()["writes"]["received"] == 0


def test_an_older_world_is_kept_and_gets_what_newer_ones_have(simulator: Simulator, world: World, clock: Clock) -> None:
    world.post("/v1/refunds", charge=SEED.charge_900)
    before = simulator.world_id
    db = sqlite3.connect(simulator.path)
    with db:
        db.execute(
            "DELETE FROM object WHERE kind LIKE 'v2.%' OR kind LIKE 'issuing.%' OR kind IN ('payment_method', 'file')"
        )
    db.close()

    again = Simulator(simulator.path, clock)

    assert (again.world_id, again.summary()["refunds"]["count"]) == (before, 1)
    newer = World(again, clock)
    assert newer.get(f"/v1/issuing/cards/{SEED.issuing_card}")["status"] == "active"
    saved = newer.get("/v1/payment_methods", customer=SEED.customer_ada)["data"]
    assert [method["id"] for method in saved] == ["pm_cardada900"]
    again.close()
