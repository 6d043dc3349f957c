"""At most one effect, whatever the network and Stripe do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from runplane_mcp.core.request import State
from runplane_mcp.errors import InternalError
from runplane_mcp.gate.execution import SAFE_REPEAT_MS, Executor
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.simulator import SEED, Fault, FaultKind
from tests.gate.conftest import House, refund, submission, until


def on_refunds(kind: FaultKind, **more: Any) -> Fault:
    return Fault(kind, method="POST", path_prefix="/v1/refunds", **more)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is what is sent again, not how long is waited before."""
    monkeypatch.setattr("runplane_mcp.gate.execution.PAUSES", (0.0,))


async def warm(gate: Gate) -> Gate:
    await gate.submit(submission("GetBalance", {}))
    return gate


@pytest.mark.parametrize(
    "fault",
    [
        on_refunds(FaultKind.DROP_ANSWER),
        on_refunds(FaultKind.DROP_ANSWER, times=2),
        on_refunds(FaultKind.DROP_REQUEST),
        on_refunds(FaultKind.GARBAGE),
        on_refunds(FaultKind.RESET, effect=True),
        on_refunds(FaultKind.RESET),
        on_refunds(FaultKind.ERROR_500, remembered=False),
        on_refunds(FaultKind.ERROR_500, effect=True, remembered=False),
        on_refunds(FaultKind.CONFLICT_409),
        on_refunds(FaultKind.LIMIT_429),
    ],
    ids=lambda fault: f"{fault.kind.value}-{fault.times}-{fault.has_effect}",
)
async def test_one_fault_and_the_refund_still_happens_exactly_once(house: House, fault: Fault) -> None:
    """THREATS 19: lost requests, lost answers, garbage, resets, 500, 409 and 429."""
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(fault)
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.status is State.SUCCEEDED
    summary = house.world.summary()
    assert summary["effects"] == 1
    assert list(summary["effects_by_key"].values()) == [1]


async def test_a_remembered_500_whose_effect_happened_is_proven_by_stripes_events(house: House) -> None:
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.ERROR_500, effect=True, remembered=True))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.status is State.SUCCEEDED
    assert house.world.summary()["effects"] == 1


async def test_a_remembered_500_without_evidence_is_an_unknown_outcome_not_a_failure(house: House) -> None:
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.ERROR_500, remembered=True))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.status is State.OUTCOME_UNKNOWN


async def test_an_outcome_stays_counted_in_the_limits_while_it_is_unknown(house: House) -> None:
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.ERROR_500, remembered=True, times=9))
        unknown = await gate.submit(refund(SEED.payment_intents_235[0]))
        house.world.clear_faults()
        others = [await gate.submit(refund(pi)) for pi in SEED.payment_intents_235[1:5]]

    assert unknown.status is State.OUTCOME_UNKNOWN
    assert [view.status for view in others].count(State.SUCCEEDED) == 3


async def test_a_declined_refund_has_failed_in_stripes_words_and_gives_its_money_back(house: House) -> None:
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.DECLINE_402, effect=False))
        view = await gate.submit(refund(SEED.payment_intents_235[0]))
        others = [await gate.submit(refund(pi)) for pi in SEED.payment_intents_235[1:6]]

    assert view.status is State.FAILED
    assert view.failure is not None
    assert view.failure.code.startswith("stripe.")
    assert [each.status for each in others].count(State.SUCCEEDED) == 4


async def test_a_canceled_subscription_whose_answer_was_lost_is_canceled_once(house: House) -> None:
    """A DELETE has no idempotency key: it is repeated only after a look shows that its effect is absent."""
    await house.enrol()
    cancel = submission(
        "DeleteSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": SEED.subscription_office}
    )
    for kind in (FaultKind.DROP_ANSWER, FaultKind.DROP_REQUEST):
        house.world.reset()
        async with house.gate() as gate:
            await warm(gate)
            view = await gate.submit(cancel)
            assert view.status is State.WAITING
            house.world.add_fault(Fault(kind, method="DELETE"))
            await house.vote(view)
            done = await until(gate, view, State.SUCCEEDED, State.FAILED, State.OUTCOME_UNKNOWN)

        assert done.status is State.SUCCEEDED, kind
        assert house.world.summary()["effects"] == 1, kind


async def test_an_approved_request_waits_out_a_stripe_that_is_down(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        await warm(gate)
        view = await gate.submit(refund(SEED.payment_intent_900))
        house.world.add_fault(Fault(FaultKind.ERROR_500, method="GET", remembered=False, times=2))
        await house.vote(view)
        done = await until(gate, view, State.SUCCEEDED)

    assert done.result is not None


async def test_bytes_changed_in_the_database_after_the_vote_do_not_run(house: House) -> None:
    """THREATS 7: the digest is computed again from the bytes about to be sent."""
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        async with house.desk() as desk:
            life = await desk.life(view.request_id)
        [record] = life.decisions
        assert life.request.effective is not None
        changed = replace(life.request.effective, body=life.request.effective.body.replace(b"90000", b"90001"))

        gate.executor.check_digest(life.request, record)
        with pytest.raises(InternalError) as refused:
            gate.executor.check_digest(replace(life.request, effective=changed), record)

    assert refused.value.code == "internal.digest"


@pytest.mark.parametrize("which", ["wall", "boot", "log"])
async def test_by_any_clock_a_day_later_nothing_is_sent_again(house: House, which: str) -> None:
    """THREATS 18: a laptop that slept since Friday, a wall clock that was set back."""
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.ERROR_500, remembered=True))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))
        async with house.desk() as desk:
            request = (await desk.life(view.request_id)).request
        executor = gate.executor

        assert await gate.store.read(lambda reader: executor.safe_to_send(reader, request))
        if which == "wall":
            house.clock.wall_ms += SAFE_REPEAT_MS
        elif which == "boot":
            house.clock.boot_ms += SAFE_REPEAT_MS
        else:
            later = house.clock.wall_ms + SAFE_REPEAT_MS + 60_000
            await gate.store.write(lambda tx: tx.append("clock.test", {}, at=later))
        assert not await gate.store.read(lambda reader: executor.safe_to_send(reader, request))


async def test_a_lease_that_ended_in_a_suspend_is_not_sent_on(house: House) -> None:
    async with house.gate() as gate:
        await warm(gate)
        slept = gate.executor.clock

        def sleep_before_sending(point: str) -> None:
            if point == "submit.decided":
                house.clock.wall_ms += 48 * 3600 * 1000

        gate.executor = replace_probe(gate.executor, sleep_before_sending)
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert slept is house.clock
    assert view.status is State.OUTCOME_UNKNOWN
    assert house.world.summary()["writes"]["received"] == 0


async def test_a_gate_that_stops_finishes_what_it_has_begun(house: House) -> None:
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.DELAY, seconds=0.3))
        call = asyncio.create_task(gate.submit(refund(SEED.payment_intent_120, 4000)))
        async with asyncio.timeout(10):
            while house.world.summary()["effects"] == 0:
                await asyncio.sleep(0.01)
    view = await call

    assert view.status is State.SUCCEEDED


async def test_a_gate_that_stops_finishes_what_people_approved_and_it_has_begun(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        house.world.add_fault(on_refunds(FaultKind.DELAY, seconds=0.3))
        await house.vote(view)
        async with asyncio.timeout(10):
            while house.world.summary()["effects"] == 0:
                await asyncio.sleep(0.01)
    async with house.desk() as desk:
        life = await desk.life(view.request_id)

    assert life.request.state is State.SUCCEEDED


def replace_probe(executor: Executor, probe: object) -> Executor:
    return replace(executor, probe=probe)  # type: ignore[arg-type]
