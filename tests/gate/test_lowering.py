"""An approver lowers a request: a new one takes its place, is looked up anew, and its yes is not the lowerer's alone."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from runplane_mcp.app import create_home, open_desk, open_gate
from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import State
from runplane_mcp.core.wire import encode, pairs
from runplane_mcp.errors import ApprovalError, PersonError, RunplaneError
from runplane_mcp.gate.acts import signed_body
from runplane_mcp.gate.desk import Life
from runplane_mcp.gate.freezing import lift_freezes, start_freeze
from runplane_mcp.gate.lowered import LOWER, new_nonce, statement_content
from runplane_mcp.gate.lowering import Lowered, lower
from runplane_mcp.gate.people import unlock
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.records import received_event
from runplane_mcp.gate.view import RequestView
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Fault, FaultKind
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.verify import verify
from tests.crash import Probe, race, run_and_kill
from tests.gate.conftest import CHEAP_SCRYPT, SECRET, FakeClock, House, refund, submission, until
from tests.store.things import a_request

DOLLARS_650 = Money(65_000, "usd")
CANCEL = submission("DeleteSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": SEED.subscription_office})


async def two(house: House) -> None:
    await house.enrol()
    await house.enrol("lee", "finance", role=Role.APPROVER, by="maria")


async def lowered(
    house: House, view: RequestView, to: Money | None = DOLLARS_650, *, person: str = "maria", note: str | None = None
) -> Lowered:
    async with house.desk() as desk:
        card = await desk.card(view.request_id)
        return await lower(
            desk, view.request_id, digest=card.digest, person=person, secret=f"{SECRET} {person}", to=to, note=note
        )


async def decided(gate: Gate, done: Lowered, *wanted: State) -> RequestView:
    view = await gate.get("stdio", done.request.id)
    return await until(gate, view, *(wanted or (State.WAITING,)))


async def life(house: House, id: str) -> Life:
    async with house.desk() as desk:
        return await desk.life(id)


# ── the way it goes ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_smaller_request_takes_the_place_of_the_old_one_and_runs_after_a_second_persons_yes(
    house: House,
) -> None:
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900, justification="The parcel never came."))
        before = await life(house, view.request_id)
        done = await lowered(house, view, note="Shipping is not refunded.")
        new = await decided(gate, done)
        old = await gate.get("stdio", view.request_id)
        listed = await gate.recent("stdio", open_only=True)
        after = await life(house, new.request_id)
        async with house.desk() as desk:
            card = await desk.card(new.request_id)
        own = await house.vote(new, person="maria")
        others = await house.vote(new, person="lee")
        ran = await until(gate, new, State.SUCCEEDED)

    assert (done.before, done.after, done.others) == (Money(90_000, "usd"), DOLLARS_650, ("lee",))
    assert old.status is State.REPLACED
    assert old.tell_agent == "Shipping is not refunded."
    assert old.replaced_by == new.request_id
    assert [each.request_id for each in listed] == [new.request_id]
    assert after.request.replaces == view.request_id
    assert (after.request.principal, after.request.agent, after.request.via) == ("stdio", "support-bot", "mcp")
    assert after.request.own.justification == "The parcel never came."
    assert after.request.digest != before.request.digest
    assert after.request.round == 1
    assert after.decisions[0].nonce != before.decisions[0].nonce
    assert after.request.effective is not None
    assert dict(pairs(after.request.effective))["amount"] == "65000"
    assert (card.amount, card.replaces) == (65_000, view.request_id)
    assert any("maria lowered this" in warning for warning in card.warnings)
    assert any("which was $900.00 USD" in why for why in card.why)
    assert (own.status, own.needed) == (State.WAITING, 1)
    assert others.status is State.APPROVED
    assert ran.result is not None
    assert ran.result["amount"] == 65_000
    assert house.world.summary()["effects"] == 1
    assert verify(house.settings.database).ok


async def test_a_lowered_request_asks_at_least_whom_the_first_one_asked_although_the_policy_would_allow_it(
    house: House,
) -> None:
    """$40 by itself would run at once: but somebody asked for $900 a minute ago."""
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        first = (await life(house, view.request_id)).decisions[0].detail["requirement"]
        done = await lowered(house, view, Money(4_000, "usd"))
        new = await decided(gate, done)
        again = await lowered(house, new, Money(1_000, "usd"), person="lee")
        last = await decided(gate, again)
        requirement = (await life(house, last.request_id)).decisions[0].detail["requirement"]

    assert requirement == first
    assert house.world.summary()["writes"]["received"] == 0


async def test_without_a_gate_it_waits_to_be_looked_up_and_nobody_can_say_yes_blindly(house: House) -> None:
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    done = await lowered(house, view)
    async with house.desk() as desk:
        with pytest.raises(RunplaneError) as early:
            await desk.card(done.request.id)
    async with house.gate() as gate:
        new = await decided(gate, done)

    assert (done.request.state, done.gates_running) == (State.RECEIVED, False)
    assert early.value.code == "request.no_card"
    assert new.status is State.WAITING


async def test_what_no_gate_looked_up_before_the_first_one_would_have_expired_is_over(house: House) -> None:
    """THREATS 12: an answer of Friday is none on Monday."""
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    done = await lowered(house, view)
    house.clock.forward(25 * 3600 * 1000)
    async with house.gate() as gate:
        after = await decided(gate, done, State.FAILED, State.WAITING)

    assert after.status is State.FAILED
    assert after.failure is not None
    assert after.failure.code == "request.abandoned"


async def test_a_stripe_that_is_down_delays_the_question_instead_of_asking_about_the_unknown(house: House) -> None:
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        house.world.add_fault(Fault(FaultKind.ERROR_500, method="GET", remembered=False, times=2))
        done = await lowered(house, view)
        new = await decided(gate, done)
        record = (await life(house, new.request_id)).decisions[0]

    assert record.facts["amount"] == {"amount": 65_000, "currency": "usd"}


async def test_an_immediate_cancellation_becomes_one_at_the_periods_end(house: House) -> None:
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(CANCEL)
        done = await lowered(house, view, None)
        new = await decided(gate, done)
        async with house.desk() as desk:
            card = await desk.card(new.request_id)
        await house.vote(new, person="lee")
        ran = await until(gate, new, State.SUCCEEDED, State.FAILED)

    assert (done.before, done.after) == (None, None)
    assert "at the end of its period" in card.headline
    assert ran.result is not None
    assert ran.result["cancel_at_period_end"] is True
    assert ran.result["status"] == "active"


async def test_alone_in_the_house_ones_own_yes_is_enough_and_that_is_said(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        done = await lowered(house, view)
        new = await decided(gate, done)
        async with house.desk() as desk:
            card = await desk.card(new.request_id)
        voted = await house.vote(new)
        await until(gate, new, State.SUCCEEDED)

    assert (done.one_person, done.others) == (True, ())
    assert any("One-person mode" in warning for warning in card.warnings)
    assert voted.status is State.APPROVED


async def test_where_nobody_else_is_asked_it_is_said_that_it_cannot_be_approved(house: House) -> None:
    await house.enrol()
    await house.enrol("otto", "support", role=Role.APPROVER, by="maria")
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        done = await lowered(house, view)
        new = await decided(gate, done)
        async with house.desk() as desk:
            card = await desk.card(new.request_id)
        voted = await house.vote(new)

    assert (done.one_person, done.others) == (False, ())
    assert any("cannot be approved until somebody is" in warning for warning in card.warnings)
    assert (voted.status, voted.needed) == (State.WAITING, 1)


async def test_a_lowered_request_counts_once_in_the_limits_and_with_its_own_amount(house: House) -> None:
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        done = await lowered(house, view, Money(4_000, "usd"))
        await decided(gate, done)
    connection = sqlite3.connect(house.settings.database)
    rows = connection.execute(
        "SELECT DISTINCT id, amount, reservation.state FROM reservation JOIN request USING (number)"
    ).fetchall()
    connection.close()

    assert {(id, state) for id, _, state in rows} == {(done.request.id, "waiting")}
    assert {amount for _, amount, _ in rows} == {4_000}


async def test_a_policy_that_blocks_blocks_the_smaller_one_too(house: House) -> None:
    """A payout asked for at 16:50 and lowered after five."""
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(submission("PostPayouts", {"amount": 90_000, "currency": "usd"}))
        assert view.status is State.WAITING
        house.clock.forward(4 * 3600 * 1000)
        done = await lowered(house, view)
        new = await decided(gate, done, State.BLOCKED, State.WAITING)

    assert new.status is State.BLOCKED
    assert new.failure is not None
    assert new.failure.code == "policy.blocked"


async def test_what_stripe_will_not_have_any_more_ends_the_smaller_one(house: House) -> None:
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    done = await lowered(house, view)
    async with house.gate() as other:
        # Nobody is asked about what cannot be.
        house.world.add_fault(Fault(FaultKind.ERROR_500, method="GET", remembered=False, times=1))
        _refund_all(house)
        new = await decided(other, done, State.FAILED, State.WAITING)

    assert new.status is State.FAILED
    assert new.failure is not None
    assert new.failure.code == "stripe.charge_already_refunded"


def _refund_all(house: House) -> None:
    import stripe

    from runplane_mcp.simulator import SIMULATOR_KEY, SimulatorServer

    with SimulatorServer(house.world) as server:
        client = stripe.StripeClient(SIMULATOR_KEY, base_addresses={"api": server.base_url})
        client.v1.refunds.create({"charge": SEED.charge_900})


async def test_a_freeze_holds_a_lowered_request_where_it_would_run_and_not_before(house: House) -> None:
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        async with house.desk() as desk:
            started = await start_freeze(desk, Scope())
        done = await lowered(house, view)
        new = await decided(gate, done)
        voted = await house.vote(new, person="lee")
        held = await gate.wait("stdio", new.request_id, 0.5)
        async with house.desk() as desk:
            await lift_freezes(desk, [started.freeze], admin="maria", secret=f"{SECRET} maria")
        await until(gate, new, State.SUCCEEDED)

    assert voted.frozen
    assert (held.status, held.frozen) == (State.APPROVED, True)


# ── what is refused ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("to", "code"),
    [
        (Money(90_000, "usd"), "approval.not_lower"),
        (Money(90_001, "usd"), "approval.not_lower"),
        (Money(0, "usd"), "approval.not_lower"),
        (Money(65_000, "eur"), "approval.currency"),
        (None, "approval.not_lowerable"),
    ],
)
async def test_only_less_of_the_same_currency_is_lower(house: House, to: Money | None, code: str) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        with pytest.raises(ApprovalError) as refused:
            await lowered(house, view, to)

        assert refused.value.code == code
        assert (await gate.get("stdio", view.request_id)).status is State.WAITING


async def test_what_has_no_amount_of_its_own_cannot_be_lowered_to_one(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(CANCEL)
        with pytest.raises(ApprovalError) as refused:
            await lowered(house, view)

    assert refused.value.code == "approval.not_lowerable"


async def test_what_stripe_would_refuse_by_its_parameters_alone_is_refused_before_anything_is_replaced(
    house: House,
) -> None:
    """Forint are paid out whole: the agent's request is not given up for one that could never run."""
    await house.enrol()
    async with house.gate() as gate:
        await gate.submit(submission("GetBalance", {}))
        house.world.add_fault(Fault(FaultKind.ERROR_500, method="GET", remembered=False, times=20))
        view = await gate.submit(submission("PostPayouts", {"amount": 90_000, "currency": "huf"}))
        assert view.status is State.WAITING
        with pytest.raises(ApprovalError) as refused:
            await lowered(house, view, Money(65_050, "huf"))

        assert refused.value.code == "approval.not_lowerable"
        assert "multiple of 100" in refused.value.message
        assert (await gate.get("stdio", view.request_id)).status is State.WAITING


async def test_only_who_is_asked_lowers_with_their_own_secret_what_they_saw(house: House) -> None:
    """THREATS 9 and 11."""
    await house.enrol()
    await house.enrol("otto", "support", role=Role.APPROVER, by="maria")
    await house.enrol("aude", "finance", role=Role.AUDITOR, by="maria")
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        async with house.desk() as desk:
            digest = (await desk.card(view.request_id)).digest
            for person, secret, seen, code in (
                ("otto", f"{SECRET} otto", digest, "approval.not_eligible"),
                ("aude", f"{SECRET} aude", digest, "approval.not_eligible"),
                ("eve", "whatever", digest, "person.unknown"),
                ("maria", "not hers", digest, "person.secret"),
                ("maria", f"{SECRET} maria", "0" * 64, "approval.changed"),
            ):
                with pytest.raises((ApprovalError, PersonError)) as refused:
                    await lower(desk, view.request_id, digest=seen, person=person, secret=secret, to=DOLLARS_650)
                assert refused.value.code == code

        assert (await gate.get("stdio", view.request_id)).status is State.WAITING


async def test_what_is_over_or_expired_is_not_lowered(house: House) -> None:
    """THREATS 12."""
    await two(house)
    async with house.gate() as gate:
        denied = await gate.submit(refund(SEED.payment_intent_900))
        digest = (await life(house, denied.request_id)).request.digest or ""
        await house.vote(denied, Answer.NO)
        late = await gate.submit(refund(SEED.payment_intent_hostile))
        async with house.desk() as desk:
            later = (await desk.card(late.request_id)).digest
            house.clock.forward(25 * 3600 * 1000)
            for view, seen, code in (
                (denied, digest, "approval.not_waiting"),
                (late, later, "approval.expired"),
            ):
                with pytest.raises(ApprovalError) as refused:
                    await lower(
                        desk, view.request_id, digest=seen, person="maria", secret=f"{SECRET} maria", to=Money(1, "usd")
                    )
                assert refused.value.code == code
        await until(gate, late, State.EXPIRED)


async def test_a_vote_for_what_was_replaced_says_what_took_its_place(house: House) -> None:
    """THREATS 9: a yes to $900 is no yes to $650, nor to $900 any more."""
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        async with house.desk() as desk:
            seen = (await desk.card(view.request_id)).digest
        done = await lowered(house, view)
        async with house.desk() as desk:
            with pytest.raises(ApprovalError) as refused:
                await desk.vote(view.request_id, digest=seen, person="lee", secret=f"{SECRET} lee", answer=Answer.YES)

    assert refused.value.code == "approval.not_waiting"
    assert done.request.reference in str(refused.value)


async def test_what_the_agent_asked_for_itself_is_not_made_a_second_time(house: House) -> None:
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        await gate.submit(refund(SEED.payment_intent_900, 65_000))
        with pytest.raises(ApprovalError) as refused:
            await lowered(house, view)

    assert refused.value.code == "approval.duplicate"


# ── races ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def prepared(tmp_path: Path) -> tuple[Settings, str, str]:
    """A home with two approvers and one request that waits; its id and digest."""
    settings = Settings(home=tmp_path / "home")

    async def make() -> tuple[str, str]:
        async with create_home(settings):
            pass
        async with open_desk(settings, clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
            for name, role in (("maria", Role.ADMIN), ("lee", Role.APPROVER)):
                await desk.add_person(
                    name,
                    role=role,
                    groups=frozenset({"finance"}),
                    secret=f"{SECRET} {name}",
                    as_person=None if name == "maria" else "maria",
                    as_secret=f"{SECRET} maria",
                )
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            view = await gate.submit(refund(SEED.payment_intent_900))
        async with open_desk(settings, clock=FakeClock()) as desk:
            return view.request_id, (await desk.card(view.request_id)).digest

    return settings, *asyncio.run(make())


def answering(settings: Settings, id: str, digest: str, person: str, to: Money | None) -> str:
    """One process: lowers to an amount, or with None says yes. What came of it."""

    async def run() -> str:
        async with open_desk(settings, clock=FakeClock()) as desk:
            secret = f"{SECRET} {person}"
            try:
                if to is None:
                    vote = await desk.vote(id, digest=digest, person=person, secret=secret, answer=Answer.YES)
                    return vote.status.value
                done = await lower(desk, id, digest=digest, person=person, secret=secret, to=to)
            except ApprovalError as error:
                return error.code
            return f"lowered {done.request.id}"

    return asyncio.run(run())


def test_of_processes_that_lower_and_approve_at_once_exactly_one_has_its_way(tmp_path: Path) -> None:
    settings, id, digest = prepared(tmp_path)
    works = [
        partial(answering, settings, id, digest, person, to)
        for person, to in (
            ("maria", Money(65_000, "usd")),
            ("lee", Money(50_000, "usd")),
            ("maria", None),
            ("lee", Money(40_000, "usd")),
        )
    ]
    said = race(works)
    connection = sqlite3.connect(settings.database)
    [(state,)] = connection.execute("SELECT state FROM request WHERE id = ?", (id,)).fetchall()
    successors = connection.execute("SELECT count(*) FROM request WHERE replaces = ?", (id,)).fetchone()[0]
    connection.close()

    won = [each for each in said if each != "approval.not_waiting"]
    assert len(won) == 1
    assert (state, successors) == (("approved", 0) if won == ["approved"] else ("replaced", 1))
    assert verify(settings.database).ok


async def test_a_yes_that_came_first_of_two_does_not_carry_over(house: House) -> None:
    """Votes of what was replaced never count in what replaced it."""
    policy = (house.home / "policies.yaml").read_text()
    (house.home / "policies.yaml").write_text(
        policy.replace("approval: {from: finance,", "approval: {from: {group: finance, people: 2},")
    )
    await two(house)
    await house.enrol("kim", "finance", role=Role.APPROVER, by="maria")
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        first = await house.vote(view, person="lee")
        done = await lowered(house, view)
        new = await decided(gate, done)
        async with house.desk() as desk:
            card = await desk.card(new.request_id)
        one = await house.vote(new, person="maria")
        two_ = await house.vote(new, person="kim")

    assert (first.votes, first.needed) == (1, 1)
    assert card.votes == ()
    assert (one.status, one.needed) == (State.WAITING, 1)
    assert two_.status is State.APPROVED


def test_a_gate_that_dies_over_a_lowered_request_leaves_it_to_the_next(tmp_path: Path) -> None:
    """THREATS 19."""
    settings, id, digest = prepared(tmp_path)
    new_id = answering(settings, id, digest, "maria", DOLLARS_650).removeprefix("lowered ")

    def work(probe: Probe) -> None:
        async def run() -> None:
            async with open_gate(settings, simulator=True, clock=FakeClock(), probe=probe) as gate:
                await gate.wait("stdio", new_id, 10)

        asyncio.run(run())

    run_and_kill(work, "lowered.looked_up")

    async def next_one() -> State:
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            return (await until(gate, await gate.get("stdio", new_id), State.WAITING, State.FAILED)).status

    assert asyncio.run(next_one()) is State.WAITING


# ── forged ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("which", ["nothing", "other bytes", "another digest", "another name", "all of it"])
async def test_a_request_that_only_a_row_says_was_lowered_is_blocked_by_the_gate(house: House, which: str) -> None:
    """THREATS 9 and 11. The last one is signed as it should be, so that the others fail for what they lack."""
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    wire = encode("POST", "/v1/refunds", {"payment_intent": SEED.payment_intent_900, "amount": 65_000})
    other = encode("POST", "/v1/refunds", {"payment_intent": SEED.payment_intent_900, "amount": 89_999})
    async with house.desk() as desk:
        people = {person.id: person for person in await desk.people()}
        key = unlock(people["lee"], f"{SECRET} lee")
        old = (await desk.life(view.request_id)).request

        def forge(tx: Transaction) -> str:
            new = a_request(identity=old.identity, as_asked=wire, replaces=old.id, policy_at=house.clock.policy())
            new = tx.insert_request(new, event=received_event(new))
            if which != "nothing":
                nonce, digest = new_nonce(), "0" * 64 if which == "another digest" else old.digest or ""
                signs = other if which == "other bytes" else wire
                content = statement_content(old, new.id, signs, digest=digest, nonce=nonce)
                body = signed_body(key, people["lee"], store=tx.store_id(), act=LOWER, content=content, at=1)
                body |= {"digest": digest, "payloads": {"lowered": tx.commit_payload({"nonce": nonce})}}
                if which == "another name":
                    body["by"] = "maria"
                tx.append(LOWER, body, at=1, request_id=new.id)
            return new.id

        forged = await desk.store.write(forge)
    async with house.gate() as gate:
        after = await until(gate, await gate.get("stdio", forged), State.BLOCKED, State.WAITING)

    assert after.status is (State.WAITING if which == "all of it" else State.BLOCKED)


async def test_a_lowered_request_whose_signature_vanished_is_neither_approved_nor_run(house: House) -> None:
    """THREATS 7: the nonce that the signature is over is exchanged after the approval."""
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        done = await lowered(house, view)
        new = await decided(gate, done)
    await house.vote(new, person="lee")
    connection = sqlite3.connect(house.settings.database)
    [(body,)] = connection.execute("SELECT body FROM event WHERE type = 'lower'").fetchall()
    commitment = json.loads(body)["payloads"]["lowered"]
    connection.execute("DROP TRIGGER payload_update")
    connection.execute("UPDATE payload SET body = ? WHERE commitment = ?", (b'{"nonce":"00"}', commitment))
    connection.commit()
    connection.close()
    async with house.gate() as gate:
        after = await until(gate, new, State.FAILED, State.SUCCEEDED, State.WAITING)

    assert after.status is State.FAILED
    assert after.failure is not None
    assert after.failure.code == "approval.not_signed"
    assert house.world.summary()["writes"]["received"] == 0


async def test_the_lowerers_yes_alone_does_not_run_even_if_a_row_calls_it_approved(house: House) -> None:
    """THREATS 9: the gate counts again before it runs."""
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        done = await lowered(house, view)
        new = await decided(gate, done)
    await house.vote(new, person="maria")
    connection = sqlite3.connect(house.settings.database)
    connection.execute("UPDATE request SET state = 'approved', version = version + 1 WHERE id = ?", (new.request_id,))
    connection.commit()
    connection.close()
    async with house.gate() as gate:
        after = await until(gate, replace(new, status=State.APPROVED), State.WAITING, State.SUCCEEDED, State.FAILED)

    assert after.status is State.WAITING
    assert house.world.summary()["writes"]["received"] == 0


async def test_the_lowerers_yes_alone_is_not_sent_even_if_a_row_says_that_it_is_executing(house: House) -> None:
    """THREATS 9: what a dead gate seems to have begun is sent again only if enough people signed for it."""
    await two(house)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        done = await lowered(house, view)
        new = await decided(gate, done)
    await house.vote(new, person="maria")
    now = house.clock.wall()
    connection = sqlite3.connect(house.settings.database)
    connection.execute("UPDATE request SET state = 'approved', version = version + 1 WHERE id = ?", (new.request_id,))
    connection.execute(
        "UPDATE request SET state = 'executing', version = version + 1, attempt = 1, stripe_key = 'rp_0',"
        " lease_owner = 'gate-dead', lease_until = ?, first_attempt_at = ? WHERE id = ?",
        (now, now, new.request_id),
    )
    connection.commit()
    connection.close()
    async with house.gate() as gate:
        after = await until(gate, new, State.OUTCOME_UNKNOWN, State.SUCCEEDED)

    assert after.status is State.OUTCOME_UNKNOWN
    assert house.world.summary()["writes"]["received"] == 0
