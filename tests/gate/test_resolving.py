"""An administrator says, with evidence, what became of a request whose outcome nobody knows: signed, settled, final."""

from __future__ import annotations

import json
import sqlite3

import pytest

from runplane_mcp.core.approval import Role
from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.errors import PersonError, RequestError, RunplaneError
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.resolving import A_DAY_MS, resolve
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED, Fault, FaultKind
from runplane_mcp.store.verify import verify
from tests.gate.conftest import SECRET, House, refund

EVIDENCE = "Stripe's Dashboard shows no refund of ch_cleo_120."


async def unknown(house: House, gate: Gate, payment_intent: str = SEED.payment_intents_235[0]) -> RequestView:
    """A refund that Stripe answered with a 500 it remembers: no repeat and no event will ever tell."""
    house.world.add_fault(Fault(FaultKind.ERROR_500, method="POST", path_prefix="/v1/refunds", remembered=True))
    view = await gate.submit(refund(payment_intent))
    assert view.status is State.OUTCOME_UNKNOWN
    return view


async def resolved(
    house: House,
    view: RequestView,
    outcome: State,
    *,
    admin: str | None = "maria",
    secret: str | None = None,
    evidence: str = EVIDENCE,
    object_id: str | None = None,
) -> ActionRequest:
    async with house.desk() as desk:
        return await resolve(
            desk,
            view.reference,
            outcome=outcome,
            admin=admin,
            secret=secret or f"{SECRET} {admin}",
            evidence=evidence,
            object_id=object_id,
        )


def reserved(house: House, id: str) -> set[str]:
    connection = sqlite3.connect(house.settings.database)
    rows = connection.execute(
        "SELECT reservation.state FROM reservation JOIN request USING (number) WHERE id = ?", (id,)
    ).fetchall()
    connection.close()
    return {state for (state,) in rows}


async def test_a_success_can_be_said_at_once_and_keeps_its_money_counted(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await unknown(house, gate)
        await resolved(house, view, State.SUCCEEDED, object_id="re_3Q1abc")
        after = await gate.get("stdio", view.request_id)
        async with house.desk() as desk:
            life = await desk.life(view.request_id)

    assert after.status is State.SUCCEEDED
    assert life.request.object_id == "re_3Q1abc"
    assert life.resolution is not None
    assert (life.resolution.by, life.resolution.evidence) == ("maria", EVIDENCE)
    assert reserved(house, view.request_id) == {"spent"}
    told = [event.type for event in life.events if event.type != "repeat"]
    assert told[-2:] == ["resolve", "request.succeeded"]
    assert "Dashboard" not in str([event.body for event in life.events])
    assert verify(house.settings.database).ok


async def test_a_failure_is_said_a_day_later_and_gives_the_money_back(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await unknown(house, gate)
        house.clock.forward(A_DAY_MS - 60_000)
        with pytest.raises(RequestError) as early:
            await resolved(house, view, State.FAILED)
        house.clock.forward(60_000 + 1_000)
        await resolved(house, view, State.FAILED)
        after = await gate.get("stdio", view.request_id)

    assert early.value.code == "request.too_early"
    assert after.status is State.FAILED
    assert after.failure is not None
    assert (after.failure.code, after.failure.effect_id) == ("request.not_done", None)
    assert EVIDENCE not in str(after)
    assert reserved(house, view.request_id) == {"released"}


async def test_a_failure_that_left_something_behind_keeps_its_money_counted(house: House) -> None:
    """DECISIONS 14."""
    await house.enrol()
    async with house.gate() as gate:
        view = await unknown(house, gate)
        house.clock.forward(A_DAY_MS + 1_000)
        await resolved(house, view, State.FAILED, object_id="re_left")
        after = await gate.get("stdio", view.request_id)

    assert after.failure is not None
    assert after.failure.effect_id == "re_left"
    assert reserved(house, view.request_id) == {"spent"}


async def test_a_wall_clock_that_was_set_forward_makes_no_day(house: House) -> None:
    """THREATS 16 and 18."""
    await house.enrol()
    async with house.gate() as gate:
        view = await unknown(house, gate)
        house.clock.wall_ms += 3 * A_DAY_MS
        with pytest.raises(RequestError) as early:
            await resolved(house, view, State.FAILED)

    assert early.value.code == "request.too_early"


async def test_what_was_said_is_final_and_nothing_is_sent_any_more(house: House) -> None:
    """THREATS 12."""
    await house.enrol()
    async with house.gate() as gate:
        view = await unknown(house, gate)
        await resolved(house, view, State.SUCCEEDED)
        received = house.world.summary()["writes"]["received"]
        with pytest.raises(RequestError) as again:
            await resolved(house, view, State.FAILED)
    async with house.gate() as gate:
        still = await gate.wait("stdio", view.request_id, 1.0)

    assert again.value.code == "request.not_unknown"
    assert still.status is State.SUCCEEDED
    assert house.world.summary()["writes"]["received"] == received


@pytest.mark.parametrize("outcome", [State.SUCCEEDED, State.FAILED])
async def test_nothing_but_an_unknown_outcome_is_resolved(house: House, outcome: State) -> None:
    await house.enrol()
    async with house.gate() as gate:
        waiting = await gate.submit(refund(SEED.payment_intent_900))
        done = await gate.submit(refund(SEED.payment_intent_120, 4000))
        for view in (waiting, done):
            with pytest.raises(RequestError) as refused:
                await resolved(house, view, outcome)
            assert refused.value.code == "request.not_unknown"


async def test_only_an_administrators_secret_and_evidence_resolve(house: House) -> None:
    """THREATS 11."""
    await house.enrol()
    await house.enrol("lee", "finance", role=Role.APPROVER, by="maria")
    async with house.gate() as gate:
        view = await unknown(house, gate)
        for given, code in (
            ({"admin": "lee"}, "person.not_admin"),
            ({"admin": "eve"}, "person.unknown"),
            ({"admin": None}, "person.admin_needed"),
            ({"secret": "not hers"}, "person.secret"),
            ({"evidence": "  "}, "request.evidence"),
            ({"evidence": "x" * 2_001}, "request.evidence"),
            ({"object_id": "not an id"}, "request.object"),
            ({"object_id": "re_\x1b[2J"}, "request.object"),
        ):
            with pytest.raises((PersonError, RequestError)) as refused:
                await resolved(house, view, State.SUCCEEDED, **given)
            assert refused.value.code == code
        with pytest.raises(RunplaneError) as odd:
            await resolved(house, view, State.CANCELED)

        assert odd.value.code == "request.outcome"
        assert (await gate.get("stdio", view.request_id)).status is State.OUTCOME_UNKNOWN


async def test_a_gate_that_proves_it_first_is_not_overruled(house: House) -> None:
    """Evidence of Stripe's and a person's word race: one of them is written, and it stays."""
    await house.enrol()
    async with house.gate() as gate:
        view = await unknown(house, gate)
        async with house.desk() as desk:
            request = (await desk.life(view.request_id)).request
        await gate.store.write(
            lambda tx: tx.move(request, State.SUCCEEDED, at=house.clock.wall(), event={}, object_id="re_proven")
        )
        house.clock.forward(A_DAY_MS + 1_000)
        with pytest.raises(RequestError) as refused:
            await resolved(house, view, State.FAILED)

    assert refused.value.code == "request.not_unknown"


async def test_a_resolution_that_nobody_signed_is_not_shown_as_one(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await unknown(house, gate)
        await resolved(house, view, State.SUCCEEDED, object_id="re_1")
    connection = sqlite3.connect(house.settings.database)
    connection.execute("DROP TRIGGER event_update")
    [(seq, body)] = connection.execute("SELECT seq, body FROM event WHERE type = 'resolve'").fetchall()
    changed = json.dumps({**json.loads(body), "by": "lee"}).encode()
    connection.execute("UPDATE event SET body = ? WHERE seq = ?", (changed, seq))
    connection.commit()
    connection.close()
    async with house.desk() as desk:
        life = await desk.life(view.request_id)

    assert life.resolution is None
