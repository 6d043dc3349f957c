"""At most one effect, whatever the network and Stripe do."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.core.sending import API_VERSION
from runplane_mcp.core.wire import WireRequest
from runplane_mcp.errors import InternalError
from runplane_mcp.gate.leases import SAFE_REPEAT_MS
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Fault, FaultKind
from runplane_mcp.simulator.exchange import Asked
from runplane_mcp.store.base import Reader
from runplane_mcp.stripe_api.client import Answer, Busy
from tests.gate.conftest import House, refund, refund_behind_our_back, submission, until

HOUR = 3_600_000


def on_refunds(kind: FaultKind, **more: Any) -> Fault:
    return Fault(kind, method="POST", path_prefix="/v1/refunds", **more)


async def warm(gate: Gate) -> Gate:
    """What is tested is what is sent again, not how long is waited before."""
    gate.executor = replace(gate.executor, pauses=(0.0,))
    await gate.submit(submission("GetBalance", {}))
    return gate


async def test_a_remembered_500_whose_effect_happened_is_proven_by_stripes_events(house: House) -> None:
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.ERROR_500, effect=True, remembered=True))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.status is State.SUCCEEDED
    assert house.world.summary()["effects"] == 1


async def test_a_remembered_500_without_evidence_is_an_unknown_outcome_and_is_not_sent_again(house: House) -> None:
    """Neither failed nor repeated, by no gate: Stripe will say nothing else under our key."""
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.ERROR_500, remembered=True))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))
        sent = house.world.summary()["writes"]["received"]
        after = await gate.executor.resume(await stored(gate, view))

    assert view.status is State.OUTCOME_UNKNOWN
    assert after.state is State.OUTCOME_UNKNOWN
    assert house.world.summary()["writes"]["received"] == sent == 2


async def test_an_outcome_that_only_the_network_kept_is_asked_for_again_later(house: House) -> None:
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.DROP_REQUEST, times=3))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))
        after = await gate.executor.resume(await stored(gate, view))

    assert view.status is State.OUTCOME_UNKNOWN
    assert after.state is State.SUCCEEDED
    assert list(house.world.summary()["effects_by_key"].values()) == [1]


async def test_a_no_that_was_lost_is_believed_where_stripe_remembers_it_under_our_key(house: House) -> None:
    """ "Already refunded" on a second send is a sign of success, but for the one that was the answer to the first."""
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.DROP_ANSWER, skip=1))

        def somebody_was_faster(point: str) -> None:
            if point == "execute.before_send" and house.world.summary()["writes"]["received"] == 0:
                refund_behind_our_back(house, SEED.charge_120, 12_000)

        gate.executor = replace(gate.executor, probe=somebody_was_faster)
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert (view.status, view.failure and view.failure.code) == (State.FAILED, "stripe.charge_already_refunded")
    assert reserved(house, view) == {"released"}


@pytest.mark.parametrize("proven", [True, False])
async def test_a_no_to_a_second_send_is_no_failure(house: House, proven: bool) -> None:
    """The first one was lost, and its key forgotten: "already refunded" may well be our own doing."""
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.DROP_ANSWER if proven else FaultKind.DROP_REQUEST))

        def forget(point: str) -> None:
            if point == "execute.claimed":
                forget_keys(house)
                if not proven:
                    refund_behind_our_back(house, SEED.charge_120, 12_000)

        gate.executor = replace(gate.executor, probe=forget)
        view = await gate.submit(refund(SEED.payment_intent_120))

    assert view.status is (State.SUCCEEDED if proven else State.OUTCOME_UNKNOWN)
    assert house.world.summary()["refunds"]["total"] == {"usd": 12_000}


async def test_a_key_that_has_come_with_another_request_proves_no_failure(house: House) -> None:
    """A first send that finds its key used was no first send."""
    async with house.gate() as gate:
        await warm(gate)

        def used_before(point: str) -> None:
            if point == "submit.decided":
                send_another(house)

        gate.executor = replace(gate.executor, probe=used_before)
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.status is State.OUTCOME_UNKNOWN
    assert house.world.summary()["refunds"]["count"] == 0


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


async def test_what_stands_in_the_place_of_what_was_deleted_is_not_deleted_too(house: House) -> None:
    """A discount has no name of its own in the DELETE of it. THREATS 18."""
    await house.enrol()
    place = f"/v1/subscriptions/{SEED.subscription_discounted}"

    def another_one(point: str) -> None:
        if point == "execute.after_send":
            assert written(house, place, f"discounts[0][coupon]={SEED.coupon_months}") == 200

    house.world.add_fault(Fault(FaultKind.DROP_ANSWER, method="DELETE"))
    async with house.gate(probe=another_one) as gate:
        view = await gate.submit(
            submission(
                "DeleteSubscriptionsSubscriptionExposedIdDiscount",
                {"subscription_exposed_id": SEED.subscription_discounted},
            )
        )
        if view.status is State.WAITING:
            await house.vote(view)
        done = await until(gate, view, State.SUCCEEDED, State.FAILED, State.OUTCOME_UNKNOWN)
        later = await gate.executor.resume(await stored(gate, view))

    assert (done.status, later.state) == (State.OUTCOME_UNKNOWN, State.OUTCOME_UNKNOWN)
    assert house.world.summary()["events"]["customer.discount.deleted"] == 1


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


@pytest.mark.parametrize(("asked", "waits"), [(None, 0.2), (0.1, 0.2), (3.0, 3.0), (99_999.0, 10.0)])
async def test_stripe_is_given_the_time_that_it_asks_for_within_bounds(
    house: House, asked: float | None, waits: float
) -> None:
    async with house.gate() as gate:
        assert gate.executor._pause(Busy(429, "", limited=True, retry_after=asked), 1) == waits


@pytest.mark.parametrize("which", ["wall", "boot", "log"])
async def test_by_any_clock_a_day_later_nothing_is_sent_again(house: House, which: str) -> None:
    """THREATS 18: a laptop that slept since Friday, a wall clock that was set back."""
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.ERROR_500, remembered=True))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))
        async with house.desk() as desk:
            request = (await desk.life(view.request_id)).request
        leases = gate.executor.leases

        assert leases.key_is_known(request, await gate.store.read(newest_event_at))
        if which == "wall":
            house.clock.wall_ms += SAFE_REPEAT_MS
        elif which == "boot":
            house.clock.boot_ms += SAFE_REPEAT_MS
        else:
            later = house.clock.wall_ms + SAFE_REPEAT_MS + 60_000
            await gate.store.write(lambda tx: tx.append("clock.test", {}, at=later))
        assert not leases.key_is_known(request, await gate.store.read(newest_event_at))


def versions_sent(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Hears under which version each write leaves from here on."""
    heard: list[str | None] = []
    send = gate.connection.send

    async def hearing(wire: WireRequest, **options: Any) -> Answer:
        if wire.method != "GET":
            heard.append(options.get("version"))
        return await send(wire, **options)

    monkeypatch.setattr(gate.connection, "send", hearing)
    return heard


async def test_a_newer_release_repeats_under_the_version_that_the_first_send_had(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes, key and headers are the stored ones, whatever this release would send of itself."""
    async with house.gate() as gate:
        await warm(gate)
        house.world.add_fault(on_refunds(FaultKind.DROP_REQUEST, times=3))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))
    monkeypatch.setattr("runplane_mcp.core.sending.API_VERSION", "2027-01-01.newer")
    async with house.gate() as gate:
        heard = versions_sent(gate, monkeypatch)
        await until(gate, view, State.SUCCEEDED)

    assert heard == [API_VERSION]
    assert list(house.world.summary()["effects_by_key"].values()) == [1]


async def test_what_people_approved_under_an_older_release_runs_as_they_saw_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is in the digest that they signed."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    await house.vote(view)
    monkeypatch.setattr("runplane_mcp.core.sending.API_VERSION", "2027-01-01.newer")
    async with house.gate() as gate:
        heard = versions_sent(gate, monkeypatch)
        await until(gate, view, State.SUCCEEDED)

    assert heard == [API_VERSION]
    assert house.world.summary()["effects"] == 1


def sleeping(house: House, at: str, *, hours: float = 60, clocks: str = "wall boot") -> Callable[[str], None]:
    """A machine that falls asleep at a named point (`name#2`: at the second time it comes there)."""
    name, _, nth = at.partition("#")
    left = int(nth or 1)

    def probe(point: str) -> None:
        nonlocal left
        left -= point == name
        if point == name and left == 0:
            house.clock.wall_ms += int(hours * HOUR) * ("wall" in clocks)
            house.clock.boot_ms += int(hours * HOUR) * ("boot" in clocks)

    return probe


@pytest.mark.parametrize("clocks", ["wall boot", "wall", "boot"])
@pytest.mark.parametrize("at", ["submit.decided", "execute.before_send"])
async def test_what_was_to_be_sent_before_a_suspend_is_not_sent_after_it(house: House, at: str, clocks: str) -> None:
    """THREATS 18: between the claim and the send, and while the connection is being made. Nothing left: it has failed."""
    async with house.gate() as gate:
        await warm(gate)
        gate.executor = replace(gate.executor, probe=sleeping(house, at, hours=0.05, clocks=clocks))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert (view.status, view.failure and view.failure.code) == (State.FAILED, "request.too_late")
    assert house.world.summary()["writes"]["received"] == 0
    assert reserved(house, view) == {"released"}


async def test_what_people_approved_and_a_suspend_held_up_is_looked_up_again_and_runs_once(house: House) -> None:
    await house.enrol()
    async with house.gate(probe=sleeping(house, "execute.before_send", hours=0.05)) as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        await house.vote(view)
        await until(gate, view, State.SUCCEEDED)
        async with house.desk() as desk:
            life = await desk.life(view.request_id)

    assert house.world.summary()["writes"]["received"] == 1
    assert [event.type for event in life.events].count("request.executing") == 2
    assert len(life.decisions) == 3


@pytest.mark.parametrize(
    ("kind", "state"), [(FaultKind.DROP_ANSWER, State.SUCCEEDED), (FaultKind.DROP_REQUEST, State.OUTCOME_UNKNOWN)]
)
async def test_a_repeat_is_not_sent_after_a_weekend_asleep(house: House, kind: FaultKind, state: State) -> None:
    """THREATS 18: Stripe has forgotten our key by then. Its events may still tell."""
    async with house.gate() as gate:
        await warm(gate)
        gate.executor = replace(gate.executor, probe=sleeping(house, "execute.before_send#2"))
        house.world.add_fault(on_refunds(kind))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.status is state
    assert house.world.summary()["writes"]["received"] == 1


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


def newest_event_at(reader: Reader) -> int:
    return reader.newest_event_at()


async def stored(gate: Gate, view: RequestView) -> ActionRequest:
    found = await gate.store.read(lambda reader: reader.request(view.request_id))
    assert found is not None
    return found


def written(house: House, path: str, body: str, *, key: str = "") -> int:
    """Somebody else's write at Stripe; gives the status of its answer."""
    headers = {"authorization": f"Bearer {SIMULATOR_KEY}", "content-type": "application/x-www-form-urlencoded"}
    if key:
        headers["idempotency-key"] = key
    return house.world.answer(Asked("POST", path, headers=headers, body=body.encode())).status


def send_another(house: House) -> None:
    """Another request under the key of ours, which Stripe refuses for good: it leaves no event."""
    connection = sqlite3.connect(house.settings.database)
    (key,) = connection.execute("SELECT stripe_key FROM request WHERE kind = 'write'").fetchone()
    connection.close()
    assert written(house, "/v1/refunds", f"charge={SEED.charge_refunded}", key=key) == 400


def forget_keys(house: House) -> None:
    """Stripe's memory after a day."""
    connection = sqlite3.connect(house.settings.simulator_file, isolation_level=None)
    connection.execute("DELETE FROM idempotency")
    connection.close()


def reserved(house: House, view: RequestView) -> set[str]:
    """What the request's place in the limits says."""
    connection = sqlite3.connect(house.settings.database)
    rows = connection.execute(
        "SELECT reservation.state FROM reservation JOIN request USING (number) WHERE id = ?", (view.request_id,)
    ).fetchall()
    connection.close()
    return {state for (state,) in rows}
