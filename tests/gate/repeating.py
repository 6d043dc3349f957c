"""Asking for the same again: what the tests of repeats, handed-out results, keys and denials share."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from runplane_mcp.core.card import Card
from runplane_mcp.core.repeats import How
from runplane_mcp.core.request import State
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.simulator import SEED
from tests.gate.conftest import House, refund, submission

MINUTE = 60_000
HOUR = 60 * MINUTE
PAYOUT = submission("PostPayouts", {"amount": 500_000, "currency": "usd"})
SMALL = refund(SEED.payment_intent_120, 2000)


def own(asked: Submission, **words: str) -> Submission:
    return replace(asked, own=replace(asked.own, **words))


async def card_of(house: House, view: RequestView) -> Card:
    async with house.desk() as desk:
        return await desk.card(view.request_id)


async def waiting(house: House) -> int:
    async with house.desk() as desk:
        return len(await desk.cards())


async def approved(house: House, gate: Gate, asked: Submission) -> str:
    """Asks, lets Maria say yes, and waits until it ran, without the agent's ever looking. Returns the request's id."""
    view = await gate.submit(asked)
    assert view.status is State.WAITING, view
    await house.vote(view)
    await over(gate, view)
    return view.request_id


async def over(gate: Gate, view: RequestView) -> None:
    """Until the request is final, without the agent's looking."""
    async with asyncio.timeout(20):
        while not (
            (request := await gate.store.read(lambda reader: reader.request(view.request_id))) and request.final
        ):
            await asyncio.sleep(0.02)


def effects(house: House) -> int:
    return int(house.world.summary()["effects"])


def same(view: RequestView, first: RequestView | str, how: How | None) -> None:
    assert (view.request_id, view.repeat) == (first if isinstance(first, str) else first.request_id, how)


async def events(gate: Gate, type: str, count: int) -> None:
    """Until the audit log holds this many of a type."""
    async with asyncio.timeout(20):
        while True:
            found = await gate.store.read(lambda reader: reader.events(0, 1000))
            if [event.type for event in found].count(type) >= count:
                return
            await asyncio.sleep(0.02)
