from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
import stripe

from runplane_mcp.simulator import SIMULATOR_KEY, Simulator, SimulatorServer
from tests.simulator.world import Clock, World, audit

stripe.enable_telemetry = False


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a world as it is founded. Founding takes forty milliseconds, copying one."""
    path = tmp_path_factory.mktemp("founded") / "simulator.db"
    Simulator(path, Clock()).close()
    return path


@pytest.fixture
def world_file(founded: Path, tmp_path: Path) -> Iterator[Path]:
    """A world of its own for each test. Afterwards its books must balance."""
    copy = tmp_path / "simulator.db"
    shutil.copyfile(founded, copy)
    yield copy
    audit(copy)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(world_file: Path, clock: Clock) -> Iterator[Simulator]:
    simulator = Simulator(world_file, clock, clock.real)
    yield simulator
    simulator.close()


@pytest.fixture
def world(simulator: Simulator, clock: Clock) -> World:
    return World(simulator, clock)


@pytest.fixture
def server(simulator: Simulator) -> Iterator[SimulatorServer]:
    with SimulatorServer(simulator) as server:
        yield server


@pytest.fixture
def http(server: SimulatorServer) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {SIMULATOR_KEY}"}
    with httpx2.Client(base_url=server.base_url, headers=headers, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def sdk(server: SimulatorServer) -> Iterator[stripe.StripeClient]:
    """The real Stripe SDK, without retries of its own."""
    with closing(stripe.RequestsClient(timeout=20)) as transport:
        yield stripe.StripeClient(SIMULATOR_KEY, base_addresses={"api": server.base_url}, http_client=transport)
