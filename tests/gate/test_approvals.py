"""Votes, what they are bound to, and what happens to an approved request before it runs."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.request import State
from runplane_mcp.errors import ApprovalError, PersonError, PolicyError, RequestError
from runplane_mcp.gate.clock import SystemClock
from runplane_mcp.gate.completer import Completer
from runplane_mcp.gate.people import act_statement, enrolment, public_hex
from runplane_mcp.simulator import SEED
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.records import RequestFilter
from tests.gate.conftest import SECRET, House, refund, refund_behind_our_back, submission, until


async def test_an_approved_refund_runs_once_with_the_bytes_people_saw(house: House) -> None:
    """THREATS 7 and 9."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        async with house.desk() as desk:
            seen = (await desk.card(view.request_id)).parameters
        result = await house.vote(view)
        done = await until(gate, view, State.SUCCEEDED)

        assert result.status is State.APPROVED
        assert done.result is not None
        assert done.result["amount"] == 90_000
        async with house.desk() as desk:
            life = await desk.life(view.request_id)
        assert life.request.effective is not None
        assert dict(seen)["amount"] == "90000"
        with pytest.raises(ApprovalError) as again:
            await house.vote(view)
        assert again.value.code == "approval.not_waiting"
    assert house.world.summary()["effects"] == 1


async def test_the_answer_of_an_approved_read_is_there_for_whoever_asked(house: House) -> None:
    await house.enrol()
    policy = house.home / "policies.yaml"
    policy.write_text(policy.read_text().replace("reads: allow", "reads: require_approval"))
    async with house.gate() as gate:
        view = await gate.submit(submission("GetPaymentIntentsIntent", {"intent": SEED.payment_intent_900}))
        await house.vote(view)
        done = await until(gate, view, State.SUCCEEDED)

    assert view.status is State.WAITING
    assert done.result is not None
    assert done.result["id"] == SEED.payment_intent_900


async def test_the_approval_of_another_process_reaches_a_gate_that_waits(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        await house.vote(view)
        waited = await gate.wait("stdio", view.request_id, 10)

    assert waited.status is State.SUCCEEDED


async def test_what_was_approved_while_no_gate_ran_runs_when_one_starts(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    result = await house.vote(view)
    assert not result.gates_running
    assert house.world.summary()["effects"] == 0
    async with house.gate() as gate:
        await until(gate, view, State.SUCCEEDED)

    assert house.world.summary()["effects"] == 1


async def test_a_denial_is_final_and_its_note_reaches_the_agent(house: House) -> None:
    """THREATS 12."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(
            submission(
                "PostTransfers", {"amount": 120_000, "currency": "usd", "destination": SEED.connected_account_new}
            )
        )
        await house.vote(view, Answer.NO, note="We do not know this account.")
        after = await gate.get("stdio", view.request_id)

        assert after.status is State.DENIED
        assert after.tell_agent == "We do not know this account."
        with pytest.raises(ApprovalError):
            await house.vote(view)
    assert house.world.summary()["writes"]["received"] == 0


async def test_a_vote_for_another_digest_does_not_count(house: House) -> None:
    """THREATS 9: approving what is no longer what was seen."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        async with house.desk() as desk:
            with pytest.raises(ApprovalError) as refused:
                await desk.vote(
                    view.request_id, digest="0" * 64, person="maria", secret=f"{SECRET} maria", answer=Answer.YES
                )

    assert refused.value.code == "approval.changed"


async def test_a_wrong_secret_is_refused_and_counted(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        async with house.desk() as desk:
            card = await desk.card(view.request_id)
            with pytest.raises(PersonError) as refused:
                await desk.vote(view.request_id, digest=card.digest, person="maria", secret="guess", answer=Answer.YES)
            events = await desk.store.read(lambda reader: reader.events(0, 1000))

    assert refused.value.code == "person.secret"
    assert [event.type for event in events].count("person.refused") == 1


async def test_a_person_of_another_group_or_an_auditor_cannot_vote(house: House) -> None:
    await house.enrol()
    await house.enrol("otto", "support", role=Role.APPROVER, by="maria")
    await house.enrol("aude", "finance", role=Role.AUDITOR, by="maria")
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        for person in ("otto", "aude"):
            with pytest.raises(ApprovalError) as refused:
                await house.vote(view, person=person)
            assert refused.value.code == "approval.not_eligible"


async def test_nobody_enrols_themselves_once_an_administrator_exists(house: House) -> None:
    """THREATS 11."""
    await house.enrol()
    async with house.desk() as desk:
        with pytest.raises(PersonError) as refused:
            await desk.add_person("agent", role=Role.ADMIN, groups=frozenset({"finance"}), secret="let me in please")
        assert refused.value.code == "person.admin_needed"
        with pytest.raises(PersonError) as refused:
            await desk.add_person(
                "agent",
                role=Role.ADMIN,
                groups=frozenset({"finance"}),
                secret="let me in please",
                as_person="maria",
                as_secret="not her secret",
            )
        assert refused.value.code == "person.secret"


async def test_rows_written_into_the_database_are_neither_a_vote_nor_a_person(house: House) -> None:
    """THREATS 9 and 11: whoever can write the file still cannot approve."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    async with house.desk() as desk:
        mine = await desk.life(view.request_id)
    forger = sqlite3.connect(house.settings.database)
    _forge(forger, "vote", mine.request.digest or "", view.request_id)
    forger.execute("UPDATE request SET state = 'approved', version = version + 1 WHERE id = ?", (view.request_id,))
    forger.commit()
    forger.close()
    async with house.gate() as gate:
        after = await until(gate, view, State.WAITING, State.FAILED, State.SUCCEEDED, State.BLOCKED)

    assert after.status is State.WAITING
    assert house.world.summary()["writes"]["received"] == 0


def _forge(connection: sqlite3.Connection, table: str, digest: str, request_id: str) -> None:
    """A row with something plausible in each column."""
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    plausible: dict[str, object] = {
        "request_id": request_id,
        "round": 1,
        "person": "maria",
        "answer": "yes",
        "digest": digest,
        "at": 1,
        "proof_kind": "ed25519",
        "proof": "00" * 64,
    }
    marks = ", ".join("?" for _ in names)
    values = [plausible.get(name) for name in names]
    connection.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", values)


async def test_a_person_whose_enrolment_no_administrator_signed_is_nobody(house: House) -> None:
    """THREATS 11: a row and an event of one's own making, under one's own key, are not an enrolment."""
    await house.enrol()
    async with house.desk() as desk:
        [maria] = await desk.people()
        key = Ed25519PrivateKey.generate()
        forged = replace(maria, id="mallory", public_key=public_hex(key), added_by="maria")

        def forge(tx: Transaction) -> None:
            content = enrolment(forged)
            statement = act_statement(store=tx.store_id(), act="person.added", content=content, person="maria", at=1)
            signature = key.sign(statement).hex()
            body = {**content, "added_by": "maria", "signed_at": 1, "signature": signature}
            seq = tx.append("person.added", body, at=1)
            tx.add_person(replace(forged, event_seq=seq))

        await desk.store.write(forge)

        assert [person.id for person in await desk.people()] == ["maria"]


async def test_an_expired_request_cannot_be_approved_and_does_not_run(house: House) -> None:
    """THREATS 12 and 16."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        house.clock.forward(25 * 3600 * 1000)
        with pytest.raises(ApprovalError) as refused:
            await house.vote(view)
        assert refused.value.code == "approval.expired"
        assert (await until(gate, view, State.EXPIRED)).status is State.EXPIRED
        # And in the same words once it is written down.
        with pytest.raises(ApprovalError) as again:
            await house.vote(view)
        assert again.value.code == "approval.expired"


async def test_what_has_expired_is_seen_so_at_every_look_though_no_process_has_said_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """THREATS 12: nobody is to be told that something still waits which no yes can bring back."""

    async def idle(_self: Completer) -> None:
        """This gate writes nothing down."""

    monkeypatch.setattr(Completer, "look", idle)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        house.clock.forward(25 * 3600 * 1000)
        seen = [await gate.get("stdio", view.request_id), *await gate.recent("stdio")]
        still_open = await gate.recent("stdio", open_only=True)
        with pytest.raises(RequestError) as refused:
            await gate.cancel("stdio", view.request_id)
        async with house.desk() as desk:
            listed = await desk.requests(RequestFilter())
            waiting = await desk.requests(RequestFilter(states=frozenset({State.WAITING})))
            life = await desk.life(view.request_id)

    assert [each.status for each in seen] == [State.EXPIRED, State.EXPIRED]
    assert (still_open, waiting, refused.value.code) == ([], [], "request.not_cancelable")
    assert [request.state for request in (*listed, life.request)] == [State.EXPIRED, State.EXPIRED]


async def test_an_approval_does_not_outlive_its_request(house: House) -> None:
    """THREATS 12: approved on Friday, no gate ran over the weekend."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    await house.vote(view)
    house.clock.forward(25 * 3600 * 1000)
    async with house.gate() as gate:
        await until(gate, view, State.EXPIRED)

    assert house.world.summary()["writes"]["received"] == 0


async def test_an_approval_that_ends_while_its_request_is_looked_up_again_runs_nothing(house: House) -> None:
    """THREATS 12: expiry counts in the transaction that would make it run."""
    await house.enrol()

    def late(point: str) -> None:
        if point == "approved.looked_up":
            house.clock.forward(25 * 3600 * 1000)

    async with house.gate(probe=late) as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        await house.vote(view)
        await until(gate, view, State.EXPIRED)

    assert house.world.summary()["writes"]["received"] == 0


async def test_a_charge_refunded_in_part_meanwhile_goes_back_to_people_with_the_difference(house: House) -> None:
    """THREATS 8: what was approved was $900; $860 are left when it would run."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        async with house.desk() as desk:
            before = await desk.card(view.request_id)
    refund_behind_our_back(house, SEED.charge_900, 4_000)
    await house.vote(view)
    async with house.gate() as gate:
        again = await until(gate, view, State.WAITING, State.FAILED, State.SUCCEEDED)
        async with house.desk() as desk:
            card = await desk.card(view.request_id)

        assert again.status is State.WAITING
        assert card.round == 2
        assert card.amount == 86_000
        assert card.changed
        assert card.digest != before.digest
        assert card.votes == ()
        await house.vote(view)
        done = await until(gate, view, State.SUCCEEDED)
    assert done.result is not None
    assert done.result["amount"] == 86_000


async def test_a_charge_refunded_whole_meanwhile_ends_the_request(house: House) -> None:
    """THREATS 8."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    refund_behind_our_back(house, SEED.charge_900, 90_000)
    await house.vote(view)
    async with house.gate() as gate:
        after = await until(gate, view, State.FAILED, State.WAITING, State.SUCCEEDED)

    assert after.status is State.FAILED
    assert house.world.summary()["refunds"]["count"] == 1


async def test_a_limit_that_filled_up_meanwhile_sends_an_approved_request_back(house: House) -> None:
    """Fifty approvals at once must not pour out past a limit that nobody saw on a card."""
    await house.enrol()
    async with house.gate() as gate:
        first = await gate.submit(refund(SEED.payment_intents_235[0], 23_500))
        held = await gate.submit(refund(SEED.payment_intent_900, 60_000))
        assert (first.status, held.status) == (State.SUCCEEDED, State.WAITING)
        # Within the hour's $1000 by now; three more refunds fill it while this one waits.
        house.clock.forward(61 * 60 * 1000)
    async with house.gate() as gate:
        for payment_intent in SEED.payment_intents_235[1:3]:
            await gate.submit(refund(payment_intent))
    await house.vote(held)
    async with house.gate() as gate:
        after = await until(gate, held, State.WAITING, State.SUCCEEDED)
        async with house.desk() as desk:
            card = await desk.card(held.request_id)

    assert after.status is State.WAITING
    assert card.changed


async def test_one_approver_is_said_to_be_one(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        async with house.desk() as desk:
            alone = await desk.card(view.request_id)
        await house.enrol("lee", "finance", role=Role.APPROVER, by="maria")
        async with house.desk() as desk:
            together = await desk.card(view.request_id)

    assert any("One-person mode" in warning for warning in alone.warnings)
    assert not any("One-person mode" in warning for warning in together.warnings)


async def test_a_need_that_nobody_can_meet_is_said_on_the_card_at_once(house: House) -> None:
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        async with house.desk() as desk:
            card = await desk.card(view.request_id)

    assert any("cannot be approved yet" in warning for warning in card.warnings)


async def test_activating_a_policy_needs_an_administrator_once_there_is_one(house: House) -> None:
    """THREATS 20."""
    await house.enrol()
    async with house.desk() as desk:
        text = (house.home / "policies.yaml").read_text() + "\n# another comment\n"
        with pytest.raises(PolicyError) as refused:
            await desk.activate_policy(text, file="policies.yaml")
        assert refused.value.code == "policy.admin_needed"

        enforced = await desk.activate_policy(text, file="policies.yaml", as_person="maria", secret=f"{SECRET} maria")

        assert enforced.by == "maria"
        assert (await desk.enforced_policy()) == enforced


def test_the_systems_clock_goes_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock of the kernel that does: another one on Linux than on a Mac, which has no CLOCK_BOOTTIME."""
    asked: list[int] = []

    def told(clock: int) -> int:
        asked.append(clock)
        return 7_000_000

    monkeypatch.setattr(time, "clock_gettime_ns", told)
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 77, raising=False)
    on_linux = SystemClock().boot()[1]
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    on_a_mac = SystemClock().boot()[1]

    assert (on_linux, on_a_mac, asked) == (7, 7, [77, time.CLOCK_MONOTONIC])


async def test_the_systems_clock_has_both_times() -> None:
    clock = SystemClock(offset=1000)

    assert clock.policy() - clock.wall() in range(900, 1100)
    assert clock.simulated
