"""Of every line in the balance the events say who made it, as Stripe's do, whatever is asked in whatever order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runplane_mcp.core.coverage.boxes import Box, Records, place
from runplane_mcp.core.coverage.lines import lines_of
from runplane_mcp.core.coverage.listings import LISTINGS, Source
from runplane_mcp.core.coverage.traces import Traces, trace_of
from runplane_mcp.core.listing import pruned
from tests.simulator.test_books import STEPS, Walk
from tests.simulator.world import DAY, NOW, World


def all_of(world: World, source: Source) -> Iterator[dict[str, Any]]:
    listing = LISTINGS[source]
    after: dict[str, Any] = {}
    while True:
        page = world.get(listing.path, limit=100, **listing.parameters, **after)
        yield from (pruned(each, listing.keep) for each in page["data"])
        if not page["has_more"]:
            return
        after = {"starting_after": page["data"][-1]["id"]}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_no_line_of_a_busy_company_is_without_a_maker(world: World, seed: int) -> None:
    walk = Walk(world, seed)
    for _ in range(100):
        walk.random.choice(STEPS)(walk)
        if world.clock.now > NOW + 20 * DAY:
            break
    pages = {source: list(all_of(world, source)) for source in Source}
    events = [trace for each in (*pages[Source.MOVES], *pages[Source.WAIVERS]) if (trace := trace_of(each)) is not None]
    since, until = world.clock.now - 29 * DAY, world.clock.now + 1

    placed = place(lines_of(pages, since, until).lines, Traces(events), Records([]), told_since=since)

    assert len(placed) > 200
    assert [(each.line.kind, each.line.object_id, each.why) for each in placed if each.box is Box.UNEXPLAINED] == []
