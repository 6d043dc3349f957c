"""Limits on revenue lost instead of amounts, through the real gate on the simulator."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from runplane_mcp.core.request import State
from runplane_mcp.simulator import SEED
from tests.gate.conftest import House, submission

POLICY = """
version: 1
currency: usd
timezone: America/New_York
approval: {from: finance}
rules:
  - {id: fine, when: {action: [cancellations, deletions]}, then: allow}
limits:
  - {id: revenue, when: {action: cancellations}, of: mrr_lost, at_most: {total: 100000, count: 100}, within: 24h}
"""
SUMMED = "SELECT state, currency, amount, of FROM reservation JOIN bucket ON bucket.id = reservation.bucket"
SUBSCRIPTION = SEED.subscription_office


@pytest.fixture
async def limited(house: House) -> House:
    house.settings.policy_file.write_text(POLICY, encoding="utf-8")
    return house


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("DeleteSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": SUBSCRIPTION}),
        (
            "PostSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": SUBSCRIPTION, "cancel_at_period_end": True},
        ),
        (
            "PostSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": SUBSCRIPTION, "pause_collection": {"behavior": "void"}},
        ),
    ],
    ids=["cancel", "update", "pause"],
)
async def test_lost_revenue_counts_however_it_is_lost(
    limited: House, operation: str, parameters: dict[str, object]
) -> None:
    async with limited.gate() as gate:
        view = await gate.submit(submission(operation, parameters))

    with closing(sqlite3.connect(limited.settings.database)) as connection:
        [(_, currency, amount, of)] = connection.execute(SUMMED).fetchall()
    assert view.status in {State.SUCCEEDED, State.WAITING}
    assert (currency, of) == ("usd", "mrr_lost")
    assert amount > 0
