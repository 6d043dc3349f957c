"""What agents get from the gate, with the real store, the real simulator and the real Stripe SDK between them."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.policy import version_of
from runplane_mcp.core.request import State, StripeIdentity
from runplane_mcp.errors import ParameterError, RequestError
from runplane_mcp.simulator import SEED, Fault, FaultKind
from runplane_mcp.store.records import EnforcedPolicy
from tests.gate.conftest import House, refund, submission, until

#: Two in the morning in New York, twelve hours before the house's afternoon.
NIGHT = -12 * 3600 * 1000


async def test_a_small_refund_in_the_afternoon_happens_once_and_is_recorded(house: House) -> None:
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_120, 4000))

        assert view.status is State.SUCCEEDED
        assert view.result is not None
        assert view.result["amount"] == 4000
        assert house.world.summary()["effects"] == 1
        async with house.desk() as desk:
            life = await desk.life(view.reference)
        assert [event.type for event in life.events] == [
            "request.received",
            "decision",
            "request.executing",
            "request.succeeded",
        ]


async def test_an_omitted_amount_is_looked_up_and_decided_as_what_it_is(house: House) -> None:
    """THREATS 1: without the look-up, no amount would be a small refund."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))

        assert view.status is State.WAITING
        async with house.desk() as desk:
            card = await desk.card(view.request_id)
        assert (card.amount, card.currency) == (90_000, "usd")
        assert ("amount", "90000") in card.parameters
        assert house.world.summary()["effects"] == 0


async def test_what_has_changed_since_it_was_seen_is_not_waited_for(house: House) -> None:
    """Somebody who asks for the same sees it received, and by the next look it waits for people."""
    async with house.gate() as gate:
        held = await gate.submit(refund(SEED.payment_intent_900))
        seen = await asyncio.wait_for(gate.wait("stdio", held.request_id, 600, since=State.RECEIVED), 20)

    assert (held.status, seen.status) == (State.WAITING, State.WAITING)


async def test_a_payout_at_night_is_blocked_without_asking_stripe(house: House) -> None:
    house.clock.policy_ms += NIGHT
    async with house.gate() as gate:
        await gate.submit(submission("GetBalance", {}))  # so that whose key it is, is known
        house.world.add_fault(Fault(FaultKind.DROP_REQUEST, times=1000))

        view = await gate.submit(submission("PostPayouts", {"amount": 1_500_000, "currency": "usd"}))

    assert view.status is State.BLOCKED
    assert view.failure is not None
    assert view.failure.code == "policy.blocked"
    assert [times for _, times in house.world.pending_faults()] == [1000], "nothing may have been asked"


async def test_an_operation_nobody_has_heard_of_is_blocked(house: House) -> None:
    """THREATS 5."""
    async with house.gate() as gate:
        view = await gate.submit(submission("PostMoneyPrinter", {"amount": 1}))

    assert view.status is State.BLOCKED
    assert view.failure is not None
    assert view.failure.code == "parameter.operation"


@pytest.mark.parametrize(
    "parameters",
    [
        {"payment_intent": SEED.payment_intent_120, "amount": "4000"},
        {"payment_intent": SEED.payment_intent_120, "amount": 4000.0},
        {"payment_intent": SEED.payment_intent_120, "amount": True},
        {"payment_intent": SEED.payment_intent_120, "amount": None},
        {"payment_intent": SEED.payment_intent_120, "amount": -5},
        {"payment_intent": SEED.payment_intent_120, "amount": 0},
        {"payment_intent": SEED.payment_intent_120, "amount": [4000]},
        {"payment_intent": SEED.payment_intent_120, "amount": 2**70},
        {"payment_intent": SEED.payment_intent_120, "api_key": "sk_test_other"},
        {"payment_intent": SEED.payment_intent_120, "stripe_account": SEED.connected_account_paid},
        {"payment_intent": SEED.payment_intent_120, "metadata][destination": "x"},
        {"payment_intent": SEED.payment_intent_120, "metadata": {"runplane_request": "rpr_x"}},
        {"payment_intent": SEED.payment_intent_120, "metadata": {"note": "x" * 20_001}},
        {"payment_intent": SEED.payment_intent_120, "metadata": {f"k{number}": "x" for number in range(1_001)}},
        {
            "payment_intent": SEED.payment_intent_120,
            "metadata": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}},
        },
        {"payment_intent": SEED.payment_intent_120, "metadata": {}},
        {"payment_intent": SEED.payment_intent_120, "expand": ["charge", "../x"]},
        {"payment_intent": SEED.payment_intent_120, "headers": {"Stripe-Account": SEED.connected_account_paid}},
        {"payment_intents": SEED.payment_intent_120},
        {"payment_intent": ""},
        {},
    ],
)
async def test_what_cannot_be_a_stripe_request_fails_is_recorded_and_never_sent(
    house: House, parameters: dict[str, object]
) -> None:
    """THREATS 1 and 6."""
    async with house.gate() as gate:
        view = await gate.submit(submission("PostRefunds", parameters))

        assert view.status is State.FAILED
        assert view.failure is not None
        assert view.failure.code.startswith(("parameter.", "stripe."))
        assert (await gate.get("stdio", view.request_id)).status is State.FAILED
    assert house.world.summary()["writes"]["received"] == 0


async def test_a_refund_beyond_what_remains_fails_before_a_person_is_asked(house: House) -> None:
    """THREATS 21: Stripe's definite no is not worth anybody's time."""
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900, 90_001))

    assert view.status is State.FAILED
    assert house.world.summary()["writes"]["received"] == 0


async def test_an_id_that_does_not_exist_fails_before_a_person_is_asked(house: House) -> None:
    """THREATS 21."""
    async with house.gate() as gate:
        view = await gate.submit(refund("pi_nobody", 4000))

    assert view.status is State.FAILED
    assert view.failure is not None
    assert view.failure.code == "stripe.resource_missing"


async def test_the_account_of_somebody_else_is_said_before_a_person_is_asked(house: House) -> None:
    """THREATS 21: an id that may exist, but out of reach."""
    payload = {"amount": 500, "currency": "usd", "destination": "acct_of_a_stranger"}
    async with house.gate() as gate:
        view = await gate.submit(submission("PostTransfers", payload))

        assert view.status is State.FAILED
        assert view.failure is not None
        assert view.failure.code in {"stripe.account_invalid", "stripe.resource_missing"}
        assert view.failure.param == "destination"
        assert "acct_of_a_stranger" in view.failure.message
        assert (await gate.get("stdio", view.request_id)).status is State.FAILED
    assert house.world.summary()["writes"]["received"] == 0


async def test_when_the_look_up_fails_the_amount_counts_as_unknown_and_people_are_asked(house: House) -> None:
    async with house.gate() as gate:
        await gate.submit(submission("GetBalance", {}))
        house.world.add_fault(Fault(FaultKind.ERROR_500, method="GET", times=50))

        view = await gate.submit(refund(SEED.payment_intent_120))

    assert view.status is State.WAITING


async def test_the_same_refund_asked_again_while_the_first_waits_is_the_first(house: House) -> None:
    async with house.gate() as gate:
        first = await gate.submit(refund(SEED.payment_intent_900))
        again = await gate.submit(refund(SEED.payment_intent_900))

    assert again.request_id == first.request_id


async def test_the_same_refund_asked_again_after_it_happened_asks_a_person(house: House) -> None:
    async with house.gate() as gate:
        first = await gate.submit(refund(SEED.payment_intent_120, 2000))
        again = await gate.submit(refund(SEED.payment_intent_120, 2000))
        meant = await gate.submit(refund(SEED.payment_intent_120, 2000, repeat_of=first.request_id))

    assert first.status is State.SUCCEEDED
    assert again.status is State.WAITING
    assert meant.request_id == again.request_id, "what already waits stays one request"


async def test_a_repeat_that_names_the_first_is_meant(house: House) -> None:
    async with house.gate() as gate:
        first = await gate.submit(refund(SEED.payment_intent_120, 2000))
        meant = await gate.submit(refund(SEED.payment_intent_120, 2000, repeat_of=first.request_id))

    assert meant.status is State.SUCCEEDED
    assert house.world.summary()["effects"] == 2


async def test_an_agents_key_answers_with_the_first_request_and_refuses_other_parameters(house: House) -> None:
    async with house.gate() as gate:
        first = await gate.submit(refund(SEED.payment_intent_120, 2000, idempotency_key="order-7"))
        again = await gate.submit(refund(SEED.payment_intent_120, 2000, idempotency_key="order-7"))
        other = await gate.submit(refund(SEED.payment_intent_120, 2500, idempotency_key="order-7"))

    assert again.request_id == first.request_id
    assert other.status is State.FAILED
    assert other.failure is not None
    assert other.failure.code == "request.key_reused"
    assert house.world.summary()["effects"] == 1


async def test_a_client_that_vanishes_in_mid_call_changes_no_outcome(house: House) -> None:
    async with house.gate() as gate:
        await gate.submit(submission("GetBalance", {}))
        house.world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/refunds", seconds=0.3))
        call = asyncio.create_task(gate.submit(refund(SEED.payment_intent_120, 4000)))
        async with asyncio.timeout(10):
            while house.world.summary()["effects"] == 0:
                await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        [view] = await gate.recent("stdio")
        done = await until(gate, view, State.SUCCEEDED)

    assert done.result is not None
    assert house.world.summary()["effects"] == 1


async def test_another_principal_sees_and_cancels_nothing(house: House) -> None:
    """THREATS 25, as far as principals exist."""
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))

        for attempt in (gate.get, gate.cancel):
            with pytest.raises(RequestError) as refused:
                await attempt("somebody-else", view.request_id)
            assert refused.value.code == "request.not_found"
        assert await gate.recent("somebody-else") == []
        assert (await gate.get("stdio", view.reference.lower())).status is State.WAITING


async def test_an_agent_can_take_back_what_waits_but_not_what_is_over(house: House) -> None:
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
        canceled = await gate.cancel("stdio", view.reference)

        assert canceled.status is State.CANCELED
        with pytest.raises(RequestError) as refused:
            await gate.cancel("stdio", view.reference)
        assert refused.value.code == "request.not_cancelable"


async def test_reads_are_allowed_recorded_and_their_secrets_redacted(house: House) -> None:
    async with house.gate() as gate:
        view = await gate.submit(submission("GetPaymentIntents", {"limit": 3}))

        assert view.status is State.SUCCEEDED
        assert "_secret_" not in str(view.result)
        async with house.desk() as desk:
            life = await desk.life(view.request_id)
        assert life.result is None, "what a read answered is not stored"
        assert [(record.kind, record.outcome) for record in life.decisions] == [("first", Outcome.ALLOW)]


async def test_an_attempt_that_no_request_could_be_made_of_is_recorded_without_its_secrets(house: House) -> None:
    """THREATS 23."""
    async with house.gate() as gate:
        asked = replace(submission("PostRefunds", {}), asked={"api_key": "sk_test_very_secret_thing"})
        view = await gate.refuse(asked, ParameterError("parameter.unknown", "There is no `api_key`.", param="api_key"))

    assert view.status is State.FAILED
    for file in house.home.rglob("*"):
        if file.is_file():
            assert b"very_secret" not in file.read_bytes()


async def test_a_secret_in_the_agents_words_or_its_mistakes_reaches_neither_store_nor_card(house: House) -> None:
    """THREATS 23: what is never sent to Stripe is kept and shown without it."""
    secret = "sk_live_" + "a1b2c3d4e5f6"
    async with house.gate() as gate:
        held = await gate.submit(refund(SEED.payment_intent_900, justification=f"my key is {secret}", ticket=secret))
        in_a_name = await gate.submit(submission("PostRefunds", {secret: "x"}))
        in_an_id = await gate.submit(submission("PostRefunds", {"payment_intent": f"{secret}/../x", "amount": 100}))
    async with house.desk() as desk:
        card = await desk.card(held.request_id)

    assert (held.status, in_a_name.status, in_an_id.status) == (State.WAITING, State.FAILED, State.FAILED)
    assert (card.justification, card.ticket) == ("my key is [redacted]", "[redacted]")
    for view in (in_a_name, in_an_id):
        assert view.failure is not None
        assert secret not in f"{view.failure.message} {view.failure.param}"
    for file in house.home.rglob("*"):
        if file.is_file() and "simulator" not in file.name:
            assert secret.encode() not in file.read_bytes()


async def test_a_stripe_that_does_not_answer_makes_nobody_wait_for_long(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose key it is must be known first. An agent that waits for that in vain is told so, and nothing is sent."""
    monkeypatch.setattr("runplane_mcp.app.upstream.LOOK_UP", 0.2)
    house.world.add_fault(Fault(FaultKind.DELAY, method="GET", path_prefix="/v1/account", seconds=5.0))
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_40))

    assert view.status is State.FAILED
    assert view.failure is not None
    assert view.failure.code == "stripe.unreachable"
    assert house.world.summary()["writes"]["received"] == 0


async def test_an_enforced_policy_that_cannot_be_read_blocks_and_is_recorded(house: House) -> None:
    """A store that an older or a newer program wrote. Agents learn none of the file."""
    async with house.gate() as gate:
        broken = EnforcedPolicy(version_of("rules: secret"), "rules: secret", 1, "first")
        await gate.store.write(lambda tx: tx.activate_policy(broken))
        view = await gate.submit(refund(SEED.payment_intent_40))

    assert view.status is State.BLOCKED
    assert view.failure is not None
    assert view.failure.code == "policy.error"
    assert "secret" not in view.failure.message
    assert house.world.summary()["writes"]["received"] == 0


async def test_a_request_that_another_gate_has_ended_meanwhile_is_answered_as_it_stands(house: House) -> None:
    def end(point: str) -> None:
        if point == "submit.received":
            with closing(sqlite3.connect(house.settings.database)) as other, other:
                other.execute("UPDATE request SET state = 'failed', version = version + 1 WHERE state = 'received'")

    async with house.gate(probe=end) as gate:
        view = await gate.submit(refund(SEED.payment_intent_40))

    assert view.status is State.FAILED
    assert house.world.summary()["writes"]["received"] == 0


async def test_a_request_of_another_stripe_is_not_run_by_this_gate(house: House) -> None:
    """THREATS 18: a test and a live process in one home."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    house.world.reset()
    async with house.gate() as gate:
        await house.vote(view)
        assert (await gate.identity()) != StripeIdentity("stripe", "acct_x", livemode=True)
        after = await gate.wait("stdio", view.request_id, 1.0)

    assert after.status is State.APPROVED
    assert house.world.summary()["writes"]["received"] == 0


async def test_two_hundred_refunds_at_once_stop_at_the_hours_limit(house: House) -> None:
    """THREATS 2 and 3: the incident of the first page, all at the same moment."""
    async with house.gate() as gate:
        views = await asyncio.gather(*(gate.submit(refund(pi)) for pi in SEED.payment_intents_235))

    held = [view for view in views if view.status is State.WAITING]
    assert len(held) == 196
    assert house.world.summary()["refunds"]["total"] == {"usd": 4 * 23_500}
