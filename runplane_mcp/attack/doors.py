"""Which moves move money at all: each is tried on the simulator, with no gate between. What moves nothing is no door."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from runplane_mcp.attack.moves import Move, moves
from runplane_mcp.attack.score import Meter
from runplane_mcp.attack.world import Things, World
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.wire import WireRequest, encode
from runplane_mcp.errors import RunplaneError
from runplane_mcp.simulator import Simulator

#: A size that is none of anybody's borders, in a currency that every world has.
_SIZE: Final = 1_358
_CURRENCY: Final = "usd"
_DAMAGING: Final = frozenset({"access", "bank_details", "deletions"})
_DAY: Final = 86_400
#: The world's first moment, and when the doors are tried: what was filled in has arrived by then.
_FOUNDED: Final = 1_772_000_000


@dataclass(frozen=True, slots=True)
class Door:
    """A move that moves money. `groups` are those of the groups in which the world counts it."""

    move: Move
    groups: frozenset[str]


@cache
def doors(only: frozenset[str] | None = None) -> tuple[Door, ...]:
    """Every door of the catalog that the simulated world has, or of `only` these operations. Some seconds, once in a
    process: no policy plays a part."""
    now = [_FOUNDED]
    with tempfile.TemporaryDirectory(prefix="runplane-doors-") as folder:
        simulator = Simulator(Path(folder) / "simulator.db", now=lambda: now[0])
        try:
            world = World(simulator)
            world.fill((_CURRENCY,))
            now[0] += 14 * _DAY
            meter = Meter(simulator.path)
            try:
                return _search(world, meter, only)
            finally:
                meter.close()
        finally:
            simulator.close()


def _search(world: World, meter: Meter, only: frozenset[str] | None) -> tuple[Door, ...]:
    catalog = load_catalog()
    found: dict[object, Door] = {}
    spare: dict[object, Things] = {}
    # What may shut other doors behind itself comes last.
    for move in sorted(moves(catalog, only), key=lambda move: not _DAMAGING.isdisjoint(move.operation.groups)):
        kept = move.kinds, move.sized
        try:
            # Things that nothing was done to serve again: making them anew is most of the work.
            if kept not in spare:
                spare[kept] = move.things(world, _SIZE * (10 if move.sized else 1), _CURRENCY)
                meter.read()
            wire = _wire(catalog, move, spare[kept])
            groups = catalog.classify(wire).groups
        except RunplaneError:
            continue
        if world.send(wire) != 200:
            continue
        del spare[kept]
        moved = frozenset(group for group, sums in meter.read().items() if sums.get(_CURRENCY, 0) >= _SIZE - 1)
        if moved:
            # Of the ways that are judged alike and do alike, the first has the fewest parameters.
            alike = move.operation.operation_id, *kept, groups, moved
            found.setdefault(alike, Door(move, moved))
    return tuple(found.values())


def _wire(catalog: Catalog, move: Move, things: Things) -> WireRequest:
    parameters = move.parameters(things, _SIZE, _CURRENCY)
    catalog.check(move.operation, parameters)
    return encode(move.operation.method, move.operation.path, parameters)
