"""Lost answers with a key that may not read Stripe's events: what carries the request's own mark proves it, and what does
not is shown to whoever has to say what became of it. THREATS row 18."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.marks import Seen
from runplane_mcp.core.request import State
from runplane_mcp.gate import completer as completing
from runplane_mcp.gate.completer import Completer, pause_after
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.presence import Presence
from runplane_mcp.gate.sightings import SIGHTING, sighting_in
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED, Fault, FaultKind
from runplane_mcp.store.records import Event
from runplane_mcp.store.verify import verify
from runplane_mcp.stripe_api.budget import ReadBudget
from tests.gate.conftest import House, refund, submission, until
from tests.gate.test_execution import HOUR, reserved, stored, warm, written

ENDED = (State.SUCCEEDED, State.FAILED, State.OUTCOME_UNKNOWN)


def without_events(house: House, *, lost: FaultKind = FaultKind.DROP_ANSWER) -> None:
    """A restricted key that may not read events, on a day when no answer to a write comes back."""
    house.world.add_fault(Fault(FaultKind.FORBIDDEN_403, method="GET", path_prefix="/v1/events", times=100_000))
    house.world.add_fault(Fault(lost, method="POST", times=100_000))


async def done(house: House, gate: Gate, operation_id: str, parameters: dict[str, object]) -> RequestView:
    """How it ends, with a person's yes where that is asked for."""
    view = await gate.submit(submission(operation_id, parameters))
    if view.status is State.WAITING:
        await house.vote(view, Answer.YES)
    return await until(gate, view, *ENDED)


async def events_of(gate: Gate, view: RequestView) -> list[Event]:
    return await gate.store.read(lambda reader: reader.events(0, 1_000, view.request_id))


def mark(house: House) -> str:
    """The mark of the one write of the house, as a parameter."""
    connection = sqlite3.connect(house.settings.database)
    (id,) = connection.execute("SELECT id FROM request WHERE kind = 'write'").fetchone()
    connection.close()
    return f"metadata[runplane_request]={id}"


#: What is asked for, and Stripe's object as its answer would have been.
ASKED: list[tuple[str, dict[str, object], str, int | None]] = [
    ("PostRefunds", {"charge": SEED.charge_900, "amount": 500}, "refund", 500),
    ("PostPayouts", {"amount": 5_000, "currency": "usd"}, "payout", 5_000),
    ("PostTransfers", {"amount": 5, "currency": "usd", "destination": SEED.connected_account_new}, "transfer", 5),
    ("PostCreditNotes", {"invoice": SEED.invoice_paid, "refund_amount": 500}, "credit_note", 500),
    (
        "PostSubscriptionsSubscriptionExposedId",
        {"subscription_exposed_id": SEED.subscription_monthly, "cancel_at_period_end": True},
        "subscription",
        None,
    ),
]


async def test_lost_answers_are_proven_without_events_by_what_carries_the_requests_mark(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        await warm(gate)
        without_events(house)
        for operation_id, parameters, kind, amount in ASKED:
            view = await done(house, gate, operation_id, parameters)

            assert view.status is State.SUCCEEDED, operation_id
            assert view.result is not None
            assert view.result["object"] == kind
            assert (await stored(gate, view)).object_id == view.result["id"]
            assert amount is None or view.result["amount"] == amount
            assert reserved(house, view) <= {"spent"}

    assert set(house.world.summary()["effects_by_key"].values()) == {1}


async def test_another_refund_with_its_mark_is_shown_and_proves_nothing(house: House) -> None:
    """Nothing arrived, and somebody with a key of their own has refunded something else in the name of the request."""
    async with house.gate() as gate:
        await warm(gate)
        without_events(house, lost=FaultKind.DROP_REQUEST)

        def forge(point: str) -> None:
            if point == "execute.before_send":
                house.world.clear_faults()
                made = written(house, "/v1/refunds", f"charge={SEED.charge_120}&amount=3999&{mark(house)}")
                without_events(house, lost=FaultKind.DROP_REQUEST)
                assert made == 200

        gate.executor = replace(gate.executor, probe=forge)
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))
        seen = sighting_in(await events_of(gate, view))

    assert view.status is State.OUTCOME_UNKNOWN
    assert seen is not None
    assert (seen.kind, seen.status, seen.marked) == ("refund", "succeeded", True)
    assert house.world.summary()["refunds"]["total"] == {"usd": 3 * 3999}


async def test_nothing_found_is_no_failure_and_is_not_written_down(house: House) -> None:
    async with house.gate() as gate:
        await warm(gate)
        without_events(house, lost=FaultKind.DROP_REQUEST)
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))
        house.clock.forward(24 * HOUR)
        later = await gate.executor.resume(await stored(gate, view))
        events = await events_of(gate, view)

    assert (view.status, later.state) == (State.OUTCOME_UNKNOWN, State.OUTCOME_UNKNOWN)
    assert sighting_in(events) is None
    assert reserved(house, view) == {"spent"}


async def test_what_carries_no_mark_is_shown_as_it_is_and_written_down_when_it_changes(house: House) -> None:
    """That a payment is canceled does not say who canceled it."""
    place = f"/v1/payment_intents/{SEED.payment_intent_held_180}"
    await house.enrol()
    async with house.gate() as gate:
        await warm(gate)
        without_events(house, lost=FaultKind.DROP_REQUEST)
        view = await done(house, gate, "PostPaymentIntentsIntentCancel", {"intent": SEED.payment_intent_held_180})
        held = sighting_in(await events_of(gate, view))
        house.clock.forward(24 * HOUR)
        house.world.clear_faults()
        assert written(house, f"{place}/cancel", "") == 200
        without_events(house)
        for _ in range(3):
            later = await gate.executor.resume(await stored(gate, view))
        events = await events_of(gate, view)

    assert (view.status, later.state) == (State.OUTCOME_UNKNOWN, State.OUTCOME_UNKNOWN)
    assert held == Seen("payment_intent", SEED.payment_intent_held_180, "requires_capture", marked=False)
    assert sighting_in(events) == Seen("payment_intent", SEED.payment_intent_held_180, "canceled", marked=False)
    assert [event.type for event in events].count(SIGHTING) == 2
    assert verify(house.settings.database).ok


async def test_an_outcome_that_stays_unknown_is_looked_for_ever_more_rarely(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing is sent again: each look may read forty pages of Stripe's."""
    looks: list[tuple[int, int]] = []

    def at_once(attempt: int, number: int) -> float:
        looks.append((attempt, number))
        return 0.0

    monkeypatch.setattr(completing, "pause_after", at_once)
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(Fault(FaultKind.ERROR_500, method="POST", path_prefix="/v1/refunds"))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))
        completer = Completer(gate, Presence(house.settings.gates, "gate-test"))
        for _ in range(3):
            await completer.look()
            await completer.settle()

    assert view.status is State.OUTCOME_UNKNOWN
    assert {attempt for attempt, _ in looks} == {2}
    assert {1, 2, 3} <= {number for _, number in looks}
    assert [pause_after(2, number) for number in range(1, 12)] == [8, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600]


async def test_what_is_read_after_a_send_counts_into_the_agents_budget(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent whose answers are lost again and again does not use up Stripe's limits for everybody (THREATS 26)."""
    turns: list[str] = []

    async def turn(_budget: ReadBudget, principal: str) -> None:
        turns.append(principal)

    monkeypatch.setattr(ReadBudget, "turn", turn)
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(Fault(FaultKind.ERROR_500, method="POST", path_prefix="/v1/refunds"))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))
        request = await stored(gate, view)
        elsewhere = replace(request, identity=replace(request.identity, target="stripe"))
        assert turns == []
        await gate.executor._evidence(elsewhere, gate.executor._operation(elsewhere))

    assert set(turns) == {"stdio"}
    assert len(turns) > 1
