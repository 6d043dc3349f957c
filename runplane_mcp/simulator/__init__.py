"""A stateful stand-in for Stripe that speaks HTTP on loopback, for first runs, demos and tests."""

from runplane_mcp.simulator.exchange import SIMULATOR_KEY
from runplane_mcp.simulator.faults import Fault, FaultKind
from runplane_mcp.simulator.planting import Bypass, Planted
from runplane_mcp.simulator.seed import SEED
from runplane_mcp.simulator.server import SimulatorServer
from runplane_mcp.simulator.world import Simulator

__all__ = ["SEED", "SIMULATOR_KEY", "Bypass", "Fault", "FaultKind", "Planted", "Simulator", "SimulatorServer"]
