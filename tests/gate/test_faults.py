"""Each fault of the network and of Stripe, for what is allowed and for what people have approved: how it ends, what Stripe
has done, what the limits hold, and what the agent is told. THREATS 19."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.core.request import State
from runplane_mcp.gate.execution import no_probe
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView
from runplane_mcp.interfaces.mcp.messages import words_for
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Fault, FaultKind, Simulator
from tests.gate.conftest import FakeClock, refund, submission
from tests.gate.stories import ALLOWED, APPROVED, NOTHING, Shelf, Story, stand

_K = FaultKind
#: Longer than these gates wait for Stripe.
SLOW = 0.6


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("homes"))


def on_refunds(kind: FaultKind, **more: Any) -> Fault:
    return Fault(kind, method="POST", path_prefix="/v1/refunds", **more)


@dataclass(frozen=True)
class End:
    """How it ends: state, effects at Stripe, its place in the limits, the first words to the agent, and whether it names
    something that Stripe keeps of a failure."""

    state: State
    effects: int
    reserved: str
    told: str
    left: bool = False


DONE = End(State.SUCCEEDED, 1, "spent", "DONE. Money moved: refund of ")
FAILED = End(State.FAILED, 0, "released", "FAILED. Not done; no money moved.")
LEFT = End(State.FAILED, 0, "spent", "FAILED. Not done; no money moved.", left=True)
UNKNOWN = End(State.OUTCOME_UNKNOWN, 0, "spent", "OUTCOME UNKNOWN. Money may or may not have moved")
ASKED = End(State.WAITING, 0, "waiting", "WAITING FOR A PERSON. Not done yet; no money moved.")
HELD = End(State.APPROVED, 0, "waiting", "APPROVED, NOT DONE YET. No money moved so far.")

#: The fault, and the ends of an allowed and of an approved refund.
TABLE: dict[str, tuple[Fault, End, End]] = {
    "request lost": (on_refunds(_K.DROP_REQUEST), DONE, DONE),
    "request lost again and again": (on_refunds(_K.DROP_REQUEST, times=99), UNKNOWN, UNKNOWN),
    "answer lost": (on_refunds(_K.DROP_ANSWER), DONE, DONE),
    "answer lost again and again": (on_refunds(_K.DROP_ANSWER, times=99), DONE, DONE),
    "reset before it": (on_refunds(_K.RESET), DONE, DONE),
    "reset after it": (on_refunds(_K.RESET, effect=True), DONE, DONE),
    "slow body": (on_refunds(_K.DELAY, seconds=SLOW), DONE, DONE),
    "garbage": (on_refunds(_K.GARBAGE), DONE, DONE),
    "garbage again and again": (on_refunds(_K.GARBAGE, times=99), DONE, DONE),
    "500 then success": (on_refunds(_K.ERROR_500, remembered=False), DONE, DONE),
    "500 after it": (on_refunds(_K.ERROR_500, effect=True, remembered=False), DONE, DONE),
    "500 remembered": (on_refunds(_K.ERROR_500), UNKNOWN, UNKNOWN),
    "500 remembered after it": (on_refunds(_K.ERROR_500, effect=True), DONE, DONE),
    "409": (on_refunds(_K.CONFLICT_409), DONE, DONE),
    "409 again and again": (on_refunds(_K.CONFLICT_409, times=99), UNKNOWN, UNKNOWN),
    "429": (on_refunds(_K.LIMIT_429), DONE, DONE),
    # What people approved is tried again later, since none of the sends can have done anything.
    "429 for a while": (on_refunds(_K.LIMIT_429, times=3), FAILED, DONE),
    "402": (on_refunds(_K.DECLINE_402, effect=False), FAILED, FAILED),
    "402 with an object made": (on_refunds(_K.DECLINE_402), LEFT, LEFT),
    "Stripe down": (Fault(_K.ERROR_500, times=10**6, remembered=False), ASKED, HELD),
    "Stripe mute": (Fault(_K.DROP_REQUEST, times=10**6), ASKED, HELD),
}


#: Where what people approved takes another way than what was allowed, or ends otherwise. The rest is for long runs.
APART = {"request lost", "500 remembered", "429 for a while", "402 with an object made", "Stripe down"}
CASES = [
    pytest.param(name, approved, id=f"{name}-{'approved' if approved else 'allowed'}",
                 marks=[pytest.mark.slow] if approved and name not in APART else [])
    for name in TABLE
    for approved in (False, True)
]  # fmt: skip


@pytest.mark.parametrize(("name", "approved"), CASES)
def test_each_fault_ends_right_or_closed(shelf: Shelf, name: str, approved: bool) -> None:
    fault, *ends = TABLE[name]
    end: End = ends[approved]
    settings = shelf.home(APPROVED if approved else ALLOWED)
    view = asyncio.run(_meet(settings, fault, APPROVED if approved else ALLOWED, end.state))

    assert (view.status, stand(settings).effects) == (end.state, end.effects)
    assert reserved(settings) == {end.reserved}
    assert words_for(view, now=0, tool="create_refund").message.startswith(end.told)
    assert (view.failure is not None and view.failure.effect_id is not None) == end.left


def test_a_decline_whose_answer_was_lost_has_failed_with_the_object_that_it_left(shelf: Shelf) -> None:
    """Stripe remembers the 402 under our key: that is its answer, whatever else a second attempt may be told."""
    settings = shelf.home(ALLOWED)
    charge = {"amount": 500, "currency": "usd", "payment_method": "pm_card_chargeDeclined", "confirm": True}
    _order(settings, Fault(_K.DROP_ANSWER, method="POST", path_prefix="/v1/payment_intents"))

    async def ask() -> RequestView:
        async with gate_at(settings) as gate:
            return await gate.submit(submission("PostPaymentIntents", charge))

    view = asyncio.run(ask())

    assert (view.status, stand(settings).received) == (State.FAILED, 2)
    assert view.failure is not None
    assert (view.failure.code, (view.failure.effect_id or "")[:3]) == ("stripe.card_declined", "pi_")


async def _meet(settings: Settings, fault: Fault, story: Story, state: State) -> RequestView:
    """The story's request meets a fault, until it is in that state or nothing moves any more."""
    async with gate_at(settings) as gate:
        await gate.identity()
        _order(settings, fault)
        if story is ALLOWED:
            return await gate.submit(refund(SEED.payment_intent_120, 4_000))
        [request] = await gate.store.read(lambda reader: reader.requests(NOTHING))
        async with asyncio.timeout(20):
            while (view := await gate.get("stdio", request.id)).status is not state:
                await gate.wait("stdio", request.id, 0.5, since=view.status)
        return view


@asynccontextmanager
async def gate_at(settings: Settings, *, probe: Callable[[str], None] = no_probe) -> AsyncIterator[Gate]:
    """A gate that waits neither for Stripe nor between its sends for long."""
    async with open_gate(settings, simulator=True, clock=FakeClock(), probe=probe) as gate:
        gate.connection._timeout = SLOW / 2
        gate.executor = replace(gate.executor, pauses=(0.0,))
        yield gate


def _order(settings: Settings, fault: Fault) -> None:
    world = Simulator(settings.simulator_file)
    world.add_fault(fault)
    world.close()


def reserved(settings: Settings) -> set[str]:
    """What the limits hold of the one request."""
    connection = sqlite3.connect(settings.database)
    states = {state for (state,) in connection.execute("SELECT state FROM reservation")}
    connection.close()
    return states
