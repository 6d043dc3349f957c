"""A freeze stops what it names, in every process, from the moment it is committed; only an administrator ends it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from runplane_mcp.app import create_home, open_desk, open_gate
from runplane_mcp.core.approval import Role
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.freeze import Freeze, Scope
from runplane_mcp.core.request import State
from runplane_mcp.errors import FreezeError, PersonError
from runplane_mcp.gate.acts import signed_body
from runplane_mcp.gate.freezes import LIFTED
from runplane_mcp.gate.freezing import MOST_STANDING, Lifted, Started, lift_freezes, start_freeze
from runplane_mcp.gate.people import unlock
from runplane_mcp.gate.view import Submission
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Fault, FaultKind, Simulator
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.verify import verify
from tests.crash import race
from tests.gate.conftest import SECRET, FakeClock, House, refund, submission, until


async def freeze(house: House, scope: Scope | None = None, **more: str) -> Started:
    async with house.desk() as desk:
        return await start_freeze(desk, scope or Scope(), **more)


async def lift(house: House, *seen: Freeze, admin: str = "maria", secret: str | None = None) -> Lifted:
    async with house.desk() as desk:
        standing = seen or await desk.frozen()
        return await lift_freezes(desk, standing, admin=admin, secret=secret or f"{SECRET} {admin}")


def at_once(house: House, scope: Scope | None = None) -> None:
    """Freezes from within a probe: another process would do it at that very moment."""
    worker = threading.Thread(target=lambda: asyncio.run(freeze(house, scope)))
    worker.start()
    worker.join(20)
    assert not worker.is_alive()


def at_point(house: House, wanted: str) -> Callable[[str], None]:
    """A probe that freezes everything when the gate passes a point for the first time."""
    passed: list[str] = []

    def probe(point: str) -> None:
        if point == wanted and not passed:
            passed.append(point)
            at_once(house)

    return probe


# ── what is held ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_freeze_blocks_new_writes_without_asking_stripe_and_lets_reads_go_on(house: House) -> None:
    async with house.gate() as gate:
        await freeze(house, reason="refunds loop")
        blocked = await gate.submit(refund(SEED.payment_intent_120, 4000))
        asked = house.world.summary()
        read = await gate.submit(submission("GetBalance", {}))
        async with house.desk() as desk:
            life = await desk.life(blocked.request_id)

    assert blocked.status is State.BLOCKED
    assert blocked.failure is not None
    assert blocked.failure.code == "frozen"
    assert "loop" not in str(blocked)
    assert asked["writes"]["received"] == 0
    assert read.status is State.SUCCEEDED
    [record] = life.decisions
    assert "'source': 'freeze'" in str(record.detail["reasons"])
    assert "refunds loop" in str(record.detail["reasons"])


HELD: list[tuple[Scope, bool]] = [
    (Scope(), True),
    (Scope(action="refunds"), True),
    (Scope(action="refund.create"), True),
    (Scope(action="payouts"), False),
    (Scope(agent="support-bot"), True),
    (Scope(agent="other-bot"), False),
    (Scope(principal="stdio"), True),
    (Scope(principal="somebody"), False),
    (Scope(agent="support-bot", action="refunds"), True),
    (Scope(agent="support-bot", action="payouts"), False),
]


@pytest.mark.parametrize(("scope", "held"), HELD, ids=[scope.words() for scope, _ in HELD])
async def test_only_what_fits_every_part_of_a_freeze_is_held(house: House, scope: Scope, held: bool) -> None:
    async with house.gate() as gate:
        await freeze(house, scope)
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.status is (State.BLOCKED if held else State.SUCCEEDED)


@pytest.mark.parametrize(
    "attempt",
    [
        submission("PostChargesChargeRefund", {"charge": SEED.charge_120, "amount": 4000}),
        submission("PostCreditNotes", {"invoice": "in_1", "refund_amount": 4000}),
    ],
    ids=lambda attempt: attempt.operation_id,
)
async def test_a_frozen_group_has_no_side_door(house: House, attempt: Submission) -> None:
    """THREATS 4."""
    async with house.gate() as gate:
        await freeze(house, Scope(action="refunds"))
        view = await gate.submit(attempt)

    assert view.failure is not None
    assert view.failure.code == "frozen"


async def test_a_label_is_no_identity_and_a_principals_freeze_holds_it_by_any_name(house: House) -> None:
    """A program that starts Runplane under another name walks out of a label's freeze: said in help, and this is what
    helps."""
    renamed = replace(refund(SEED.payment_intent_120, 4000), agent="another-bot")
    async with house.gate() as gate:
        await freeze(house, Scope(agent="support-bot"))
        evaded = await gate.submit(renamed)
        await freeze(house, Scope(principal="stdio"))
        held = await gate.submit(replace(renamed, agent="a-third"))

    assert evaded.status is State.SUCCEEDED
    assert held.failure is not None
    assert held.failure.code == "frozen"


# ── what was there before ─────────────────────────────────────────────────────────────────────────────────────────


async def test_what_waits_can_be_approved_and_runs_when_the_freeze_is_lifted(house: House) -> None:
    """DECISIONS 13: approved ones stay approved, and Stripe is not asked again and again about what cannot run."""
    await house.enrol()
    passed: list[str] = []
    async with house.gate(passed.append) as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        started = await freeze(house, Scope(action="refunds"), said_by="max", reason="prices are wrong")
        async with house.desk() as desk:
            card = await desk.card(view.request_id)
        voted = await house.vote(view)
        held = await gate.wait("stdio", view.request_id, 1.0)
        async with house.desk() as desk:
            status = await desk.status()
        looked_up = "approved.looked_up" in passed
        await lift(house)
        done = await until(gate, view, State.SUCCEEDED)

    assert started.held == 1
    assert card.frozen
    assert "Frozen: refunds, said to be by max: “prices are wrong”" in card.warnings[0]
    assert voted.frozen
    assert voted.status is State.APPROVED
    assert (held.status, held.frozen) == (State.APPROVED, True)
    assert [each.scope for each in status.frozen] == [Scope(action="refunds")]
    assert not looked_up
    assert done.result is not None
    assert house.world.summary()["effects"] == 1


async def test_an_approval_still_expires_while_it_is_frozen(house: House) -> None:
    """THREATS 12."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        await freeze(house)
        await house.vote(view)
        house.clock.forward(25 * 3600 * 1000)
        after = await until(gate, view, State.EXPIRED)
        await lift(house)

    assert after.status is State.EXPIRED
    assert house.world.summary()["writes"]["received"] == 0


async def test_a_denial_works_while_everything_is_frozen(house: House) -> None:
    from runplane_mcp.core.approval import Answer

    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        await freeze(house)
        result = await house.vote(view, Answer.NO)

    assert result.status is State.DENIED


async def test_what_a_freeze_refused_fills_no_limit(house: House) -> None:
    """The hour after a freeze is an ordinary one: twenty refused attempts do not use up the fifteen of an hour."""
    await house.enrol()
    async with house.gate() as gate:
        await freeze(house)
        refused = [await gate.submit(refund(pi, 100)) for pi in SEED.payment_intents_235[:20]]
        await lift(house)
        usages = await gate.store.read(
            lambda reader: [record for view in refused for record in reader.decisions(view.request_id)]
        )
        rows = sqlite3.connect(house.settings.database).execute("SELECT count(*) FROM reservation").fetchone()

    assert {view.status for view in refused} == {State.BLOCKED}
    assert len(usages) == 20
    assert rows == (0,)


# ── the moment in which it counts ─────────────────────────────────────────────────────────────────────────────────


async def test_a_freeze_during_the_look_up_wins_over_the_decision(house: House) -> None:
    async with house.gate(at_point(house, "submit.received")) as gate:
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.failure is not None
    assert view.failure.code == "frozen"
    assert house.world.summary()["writes"]["received"] == 0


async def test_what_a_gate_last_saw_to_stand_decides_nothing_but_whether_to_look_up(house: House) -> None:
    """Others freeze and unfreeze without this process: what it foresees is old, and the store's own rows hold."""
    await house.enrol()
    async with house.gate() as gate:
        await gate.submit(refund(SEED.payment_intent_120, 4000))
        seen = gate.executor.freezes.seen
        await freeze(house)
        gate.executor.freezes.seen = seen
        frozen = await gate.submit(refund(SEED.payment_intent_120, 4100))
        foreseen = gate.executor.freezes.seen
        await lift(house)
        gate.executor.freezes.seen = foreseen
        free = await gate.submit(refund(SEED.payment_intent_120, 4200))

    assert seen == ()
    assert frozen.failure is not None
    assert frozen.failure.code == "frozen"
    assert len(foreseen or ()) == 1
    assert free.status is State.SUCCEEDED


async def test_a_freeze_during_the_look_up_of_an_approved_request_wins(house: House) -> None:
    await house.enrol()
    async with house.gate(at_point(house, "approved.looked_up")) as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        await house.vote(view)
        async with asyncio.timeout(20):
            while not (await gate.get("stdio", view.request_id)).frozen:
                await gate.wait("stdio", view.request_id, 0.2)
        held = await gate.wait("stdio", view.request_id, 0.5)
        sent = house.world.summary()["writes"]["received"]
        await lift(house)
        done = await until(gate, view, State.SUCCEEDED)

    assert held.status is State.APPROVED
    assert sent == 0
    assert done.status is State.SUCCEEDED


async def test_nothing_is_sent_again_after_a_freeze_and_the_outcome_is_found_out_when_it_is_lifted(
    house: House,
) -> None:
    """The first send never reached Stripe: the repeat would be what moves the money, whatever its key."""
    await house.enrol()
    async with house.gate(at_point(house, "execute.after_send")) as gate:
        house.world.add_fault(Fault(FaultKind.DROP_REQUEST, method="POST", path_prefix="/v1/refunds"))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))
        effects = house.world.summary()["effects"]
        still = await gate.wait("stdio", view.request_id, 1.0)
        await lift(house)
        done = await until(gate, view, State.SUCCEEDED)

    assert view.status is State.OUTCOME_UNKNOWN
    assert still.status is State.OUTCOME_UNKNOWN
    assert effects == 0
    assert done.status is State.SUCCEEDED
    assert list(house.world.summary()["effects_by_key"].values()) == [1]


async def test_what_happened_before_a_freeze_is_still_proven(house: House) -> None:
    """The answer was lost, the refund was not: reading Stripe's events sends nothing."""
    async with house.gate(at_point(house, "execute.after_send")) as gate:
        house.world.add_fault(Fault(FaultKind.DROP_ANSWER, method="POST", path_prefix="/v1/refunds"))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.status is State.SUCCEEDED
    assert house.world.summary()["writes"]["received"] == 1


async def test_what_never_entered_stripe_before_a_freeze_has_failed_as_frozen(house: House) -> None:
    async with house.gate(at_point(house, "execute.after_send")) as gate:
        house.world.add_fault(Fault(FaultKind.LIMIT_429, method="POST", path_prefix="/v1/refunds"))
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.status is State.FAILED
    assert view.failure is not None
    assert view.failure.code == "frozen"


async def test_an_approved_request_that_never_entered_stripe_stays_approved_under_a_freeze(house: House) -> None:
    await house.enrol()
    async with house.gate(at_point(house, "execute.after_send")) as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        house.world.add_fault(Fault(FaultKind.LIMIT_429, method="POST", path_prefix="/v1/refunds"))
        await house.vote(view)
        async with asyncio.timeout(20):
            while not (await gate.get("stdio", view.request_id)).frozen:
                await gate.wait("stdio", view.request_id, 0.2)
        held = await gate.get("stdio", view.request_id)
        effects = house.world.summary()["effects"]
        await lift(house)
        await until(gate, view, State.SUCCEEDED)

    assert held.status is State.APPROVED
    assert effects == 0
    assert house.world.summary()["effects"] == 1


RELAXED = """
version: 1
currency: usd
timezone: America/New_York
business_hours: {days: mon-fri, open: 09:00, close: 17:00}
approval: {from: finance, expires_in: 24h}
rules:
  - id: refunds
    when: {action: refunds}
    then: allow
"""


def test_of_many_processes_none_makes_a_request_executing_after_the_freeze(tmp_path: Path) -> None:
    """The log has one order: every intent stands before the freeze, every refusal behind it, and Stripe heard no more."""
    settings = Settings(home=tmp_path / "home")
    settings.home.mkdir()
    settings.policy_file.write_text(RELAXED)

    async def make() -> None:
        async with create_home(settings):
            pass

    asyncio.run(make())

    def agent(which: int) -> list[str]:
        async def run() -> list[str]:
            seen: list[str] = []
            async with open_gate(settings, simulator=True, clock=FakeClock()) as gate, asyncio.timeout(15):
                for payment_intent in SEED.payment_intents_235[which::3]:
                    view = await gate.submit(refund(payment_intent, 100 + which))
                    seen.append(view.failure.code if view.failure else view.status.value)
                    if seen.count("frozen") == 2:
                        break
            return seen

        return asyncio.run(run())

    def stop() -> list[str]:
        async def run() -> list[str]:
            async with open_desk(settings, clock=FakeClock()) as desk, asyncio.timeout(15):
                while (await desk.status()).events < 40:
                    await asyncio.sleep(0.005)
                await start_freeze(desk, Scope(action="refunds"))
            return []

        return asyncio.run(run())

    said = race([partial(agent, which) for which in range(3)] + [stop])
    connection = sqlite3.connect(settings.database)
    [(frozen_at,)] = connection.execute("SELECT seq FROM event WHERE type = 'freeze.started'").fetchall()
    intents = [seq for (seq,) in connection.execute("SELECT seq FROM event WHERE type = 'request.executing'")]
    blocked = [seq for (seq,) in connection.execute("SELECT seq FROM event WHERE type = 'request.blocked'")]
    connection.close()
    world = Simulator(settings.simulator_file)
    effects = world.summary()["effects"]
    world.close()

    assert [each[-2:] for each in said[:3]] == [["frozen", "frozen"]] * 3
    assert intents
    assert max(intents) < frozen_at < min(blocked)
    assert effects == len(intents)
    assert verify(settings.database).ok


# ── who may end it ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_only_an_administrators_secret_lifts(house: House) -> None:
    """THREATS 11."""
    await house.enrol()
    await house.enrol("lee", "finance", role=Role.APPROVER, by="maria")
    started = await freeze(house)
    for admin, secret, code in (
        ("lee", None, "person.not_admin"),
        ("maria", "not her secret", "person.secret"),
        ("eve", None, "person.unknown"),
    ):
        with pytest.raises(PersonError) as refused:
            await lift(house, started.freeze, admin=admin, secret=secret)
        assert refused.value.code == code
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))
        events = await gate.store.read(lambda reader: reader.events(0, 1000))

    assert view.status is State.BLOCKED
    assert [event.type for event in events].count("person.refused") == 1


async def test_where_nobody_is_enrolled_nobody_lifts(house: House) -> None:
    started = await freeze(house)
    async with house.desk() as desk:
        with pytest.raises(PersonError) as refused:
            await lift_freezes(desk, [started.freeze], admin=None, secret="")

    assert refused.value.code == "person.admin_needed"


async def test_a_lift_is_of_what_was_seen_and_what_was_started_meanwhile_stands(house: House) -> None:
    await house.enrol()
    seen = await freeze(house, Scope(action="refunds"))
    await freeze(house, Scope(action="payouts"))
    done = await lift(house, seen.freeze)

    assert [each.scope for each in done.lifted] == [Scope(action="refunds")]
    assert [each.scope for each in done.standing] == [Scope(action="payouts")]
    with pytest.raises(FreezeError) as again:
        await lift(house, seen.freeze)
    assert again.value.code == "freeze.none"


async def test_a_row_that_is_marked_as_lifted_by_hand_still_stands(house: House) -> None:
    """THREATS 11: whoever can write the file still cannot unfreeze, and an administrator can."""
    await house.enrol()
    started = await freeze(house)
    forger = sqlite3.connect(house.settings.database)
    forger.execute("UPDATE freeze SET lifted_seq = 1 WHERE id = ?", (started.freeze.id,))
    forger.commit()
    forger.close()
    async with house.gate() as gate:
        held = await gate.submit(refund(SEED.payment_intent_120, 4000))
        assert not verify(house.settings.database).ok
        await lift(house)
        free = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert held.status is State.BLOCKED
    assert free.status is State.SUCCEEDED


async def test_an_event_of_ones_own_making_lifts_nothing(house: House) -> None:
    """THREATS 11: not an approver's signature, nor an administrator's over something else."""
    await house.enrol()
    await house.enrol("lee", "finance", role=Role.APPROVER, by="maria")
    started = await freeze(house)
    id = started.freeze.id

    async with house.desk() as desk:
        people = {person.id: person for person in await desk.people()}
        lees = unlock(people["lee"], f"{SECRET} lee")
        marias = unlock(people["maria"], f"{SECRET} maria")

        def forge(tx: Transaction) -> None:
            store = tx.store_id()
            by_lee = signed_body(lees, people["lee"], store=store, act=LIFTED, content={"freeze": id}, at=1)
            other = signed_body(marias, people["maria"], store=store, act=LIFTED, content={"freeze": "frz_x"}, at=1)
            named = {**by_lee, "by": "maria"}
            bodies: list[dict[str, Json]] = [{}, {"by": "maria", "signed_at": 1}, by_lee, other, named]
            for body in bodies:
                tx.lift_freeze(id, body, at=1)
                assert desk.freezes.standing(tx) == (started.freeze,), body

        await desk.store.write(forge)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.status is State.BLOCKED


async def test_the_event_of_a_lift_whose_bytes_were_changed_lifts_nothing(house: House) -> None:
    await house.enrol()
    await freeze(house)
    await lift(house)
    connection = sqlite3.connect(house.settings.database)
    connection.execute("DROP TRIGGER event_update")
    connection.execute(
        "UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'maria', 'marie') AS BLOB) WHERE type = 'freeze.lifted'"
    )
    connection.commit()
    connection.close()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

    assert view.status is State.BLOCKED


# ── starting one ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("scope", "code", "hint"),
    [
        (Scope(action="refund"), "freeze.action", "refunds"),
        (Scope(action="balance.retrieve"), "freeze.action", "reads"),
        (Scope(action="zzz"), "freeze.action", "groups"),
        (Scope(agent=""), "freeze.name", ""),
        (Scope(agent=" "), "freeze.name", ""),
        (Scope(agent="a\udcff"), "freeze.name", ""),
        (Scope(principal="x" * 300), "freeze.name", ""),
    ],
)
async def test_a_freeze_that_would_stop_nothing_is_refused_with_the_nearest_word(
    house: House, scope: Scope, code: str, hint: str
) -> None:
    with pytest.raises(FreezeError) as refused:
        await freeze(house, scope)

    assert refused.value.code == code
    assert hint in str(refused.value)


async def test_the_same_freeze_again_is_one_and_both_reasons_are_kept(house: House) -> None:
    first = await freeze(house, Scope(action="refunds"), reason="loops")
    second = await freeze(house, Scope(action="refunds"), said_by="li", reason="prices")
    async with house.desk() as desk:
        standing = await desk.frozen()
        events = await desk.store.read(lambda reader: reader.events(0, 1000))
        [repeated] = [event for event in events if event.type == "freeze.repeated"]
        told = json.loads(repeated.body)["payloads"]["told"]
        kept = await desk.store.read(lambda reader: reader.payload(told))

    assert (first.again, second.again) == (False, True)
    assert standing == (first.freeze,)
    assert kept == {"said_by": "li", "reason": "prices"}


async def test_a_secret_in_a_reason_is_not_kept(house: House) -> None:
    """THREATS 23."""
    key = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    started = await freeze(house, reason=f"leaked {key}")

    assert key not in (started.freeze.reason or "")
    for file in house.home.rglob("*"):
        if file.is_file():
            assert key.encode() not in file.read_bytes()


async def test_an_agents_label_that_never_asked_for_anything_is_pointed_out(house: House) -> None:
    async with house.gate() as gate:
        await gate.submit(submission("GetBalance", {}))

    assert (await freeze(house, Scope(agent="Support-Bot"))).known_agent
    assert not (await freeze(house, Scope(agent="suport-bot"))).known_agent


async def test_whoever_floods_the_store_with_freezes_cannot_keep_everything_from_being_frozen(house: House) -> None:
    """THREATS 26: what every decision reads is bounded."""
    async with house.desk() as desk:
        for number in range(MOST_STANDING):
            await start_freeze(desk, Scope(agent=f"bot-{number}"))
        with pytest.raises(FreezeError) as refused:
            await start_freeze(desk, Scope(agent="one-more"))
        everything = await start_freeze(desk, Scope())

    assert refused.value.code == "freeze.too_many"
    assert not everything.again
