"""What an earlier request leaves for whoever asks for the same again: a result that is handed out once, keys that are
bound, and denials that stand.

THREATS row 15 (ask again after a denial), row 18 (keys).
"""

from __future__ import annotations

import asyncio

import pytest
import stripe

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.repeats import DENIED_FOR, RESULT_FOR, How
from runplane_mcp.core.request import State
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Fault, FaultKind, SimulatorServer
from tests.gate.conftest import House, refund, refund_behind_our_back, submission, until
from tests.gate.repeating import (
    HOUR,
    MINUTE,
    PAYOUT,
    SMALL,
    approved,
    card_of,
    effects,
    over,
    own,
    same,
    waiting,
)

# -- the result of a held request is handed out once ------------------------------------------------------------------


async def test_the_result_of_a_held_request_is_handed_out_once(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate, house.gate() as other:
        first = await approved(house, gate, PAYOUT)
        handed = await other.submit(PAYOUT)
        next_one = await gate.submit(PAYOUT)

    same(handed, first, How.RESULT)
    assert handed.status is State.SUCCEEDED
    assert handed.result is not None
    assert handed.result["amount"] == 500_000
    same(next_one, next_one, None)
    assert next_one.status is State.WAITING, "within the window it is a possible duplicate"
    assert effects(house) == 1


async def test_two_that_come_for_one_result_at_once_get_it_once(house: House) -> None:
    await house.enrol()
    async with house.gate() as one, house.gate() as other:
        first = await approved(house, one, PAYOUT)
        views = await asyncio.gather(*(gate.submit(PAYOUT) for gate in (one, other, one, other)))

    assert [view.request_id for view in views].count(first) == 1
    assert len({view.request_id for view in views}) == 2, "the others are one new request"
    assert effects(house) == 1


async def test_a_result_that_the_agent_has_seen_is_not_handed_out(house: House) -> None:
    """Who waited for Monday's payout and asks again means another one."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(PAYOUT)
        await house.vote(view)
        await until(gate, view, State.SUCCEEDED)
        again = await gate.submit(PAYOUT)

    assert again.request_id != view.request_id
    assert again.status is State.WAITING


async def test_next_weeks_payout_is_a_new_payout(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        first = await approved(house, gate, PAYOUT)
        house.clock.forward(RESULT_FOR + MINUTE)
        again = await gate.submit(PAYOUT)
        card = await card_of(house, again)

    assert again.request_id != first
    assert again.status is State.WAITING
    assert not any("short while ago" in why for why in card.why)


async def test_a_result_waits_for_its_agent_until_the_evening(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        first = await approved(house, gate, PAYOUT)
        house.clock.forward(RESULT_FOR - MINUTE)
        again = await gate.submit(own(PAYOUT, idempotency_key="evening"))
        house.clock.forward(10 * 24 * HOUR)
        by_key = await gate.submit(own(PAYOUT, idempotency_key="evening"))

    same(again, first, How.RESULT)
    same(by_key, first, How.KEY)


async def test_who_names_the_held_request_in_repeat_of_gets_a_new_one(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        first = await approved(house, gate, PAYOUT)
        meant = await gate.submit(own(PAYOUT, repeat_of=first))

    assert meant.request_id != first
    assert meant.status is State.WAITING


async def test_a_result_is_handed_out_for_the_same_money_spelled_otherwise(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        first = await approved(house, gate, refund(SEED.payment_intent_900))
        spelled = await gate.submit(refund(SEED.payment_intent_900, 90_000))

    same(spelled, first, How.RESULT)
    assert spelled.status is State.SUCCEEDED


async def test_what_came_of_an_approval_is_handed_out_too_when_it_failed(house: House) -> None:
    await house.enrol()
    asked = refund(SEED.payment_intent_900)
    async with house.gate() as gate:
        view = await gate.submit(asked)
    refund_behind_our_back(house, SEED.charge_900, 90_000)
    await house.vote(view)
    async with house.gate() as gate:
        await over(gate, view)
        handed = await gate.submit(asked)
        again = await gate.submit(asked)

    same(handed, view, How.RESULT)
    assert handed.status is again.status is State.FAILED
    assert again.request_id != view.request_id


# -- keys ------------------------------------------------------------------------------------------------------------


async def test_a_key_keeps_the_first_answer_when_its_first_request_was_joined(house: House) -> None:
    """A workflow that retries with one key for an hour must not pay again when the window has passed."""
    await house.enrol()
    asked = own(refund(SEED.payment_intent_900, 60_000), idempotency_key="workflow-7")
    async with house.gate() as gate:
        first = await gate.submit(refund(SEED.payment_intent_900, 60_000))
        joined = await gate.submit(asked)
        await house.vote(first)
        await until(gate, first, State.SUCCEEDED)
        house.clock.forward(3 * 24 * HOUR)
        retried = await gate.submit(asked)
        other = await gate.submit(own(refund(SEED.payment_intent_900, 30_000), idempotency_key="workflow-7"))

    same(joined, first, How.OPEN)
    same(retried, first, How.KEY)
    assert retried.result is not None
    assert other.failure is not None
    assert other.failure.code == "request.key_reused"
    assert effects(house) == 1


@pytest.mark.parametrize("state", [State.FAILED, State.BLOCKED, State.CANCELED])
async def test_a_key_keeps_its_first_answer_whatever_that_was(house: House, state: State) -> None:
    """As at Stripe."""
    asked = own({State.FAILED: refund("pi_nobody", 4000)}.get(state, PAYOUT), idempotency_key="k")
    async with house.gate() as gate:
        if state is State.BLOCKED:
            house.clock.forward(-12 * HOUR)
        first = await gate.submit(asked)
        if state is State.BLOCKED:
            house.clock.forward(12 * HOUR)
        if state is State.CANCELED:
            await gate.cancel("stdio", first.request_id)
        again = await gate.submit(asked)

    assert again.status is state
    same(again, first, How.KEY)


async def test_parameters_that_were_refused_bind_no_key(house: House) -> None:
    async with house.gate() as gate:
        wrong = await gate.submit(submission("PostRefunds", {"amount": 2000}, idempotency_key="k"))
        right = await gate.submit(own(SMALL, idempotency_key="k"))

    assert (wrong.status, right.status) == (State.FAILED, State.SUCCEEDED)


async def test_a_request_that_never_reached_stripe_binds_no_key(house: House) -> None:
    """Nobody has answered it: the retry with the same key is what keys are for."""
    async with house.gate() as gate:
        await gate.submit(submission("GetBalance", {}))
        house.world.add_fault(Fault(FaultKind.LIMIT_429, method="POST", path_prefix="/v1/refunds", times=3))
        lost = await gate.submit(own(SMALL, idempotency_key="k"))
        again = await gate.submit(own(SMALL, idempotency_key="k"))

    assert lost.failure is not None
    assert lost.failure.code == "stripe.unreachable"
    assert again.status is State.SUCCEEDED
    assert effects(house) == 1


async def test_a_key_is_answered_and_refused_at_night_too(house: House) -> None:
    """What is blocked before any look-up goes the same way: the key's first answer with its result, or the refusal."""
    await house.enrol()
    asked = own(PAYOUT, idempotency_key="k")
    async with house.gate() as gate:
        first = await approved(house, gate, asked)
        house.clock.forward(12 * HOUR)
        again = await gate.submit(asked)
        other = await gate.submit(submission("PostPayouts", {"amount": 1, "currency": "usd"}, idempotency_key="k"))
        new = await gate.submit(PAYOUT)

    same(again, first, How.KEY)
    assert again.result is not None
    assert other.failure is not None
    assert (other.status, other.failure.code) == (State.FAILED, "request.key_reused")
    assert new.status is State.BLOCKED


# -- denials ---------------------------------------------------------------------------------------------------------

AGAIN: dict[str, Submission] = {
    "again": refund(SEED.payment_intent_900),
    "with a key": refund(SEED.payment_intent_900, idempotency_key="k"),
    "spelled out": refund(SEED.payment_intent_900, 90_000),
    "with other words": refund(SEED.payment_intent_900, justification="The CFO says so.", ticket="CASE-9"),
}


async def denied(house: House, gate: Gate, asked: Submission, note: str | None = "Not for this order.") -> RequestView:
    view = await gate.submit(asked)
    assert view.status is State.WAITING
    await house.vote(view, Answer.NO, note=note)
    return view


@pytest.mark.parametrize("how", AGAIN)
async def test_the_same_again_after_a_denial_is_that_denial_and_nobody_is_bothered(house: House, how: str) -> None:
    await house.enrol()
    async with house.gate() as gate:
        first = await denied(house, gate, refund(SEED.payment_intent_900))
        house.clock.forward(DENIED_FOR - MINUTE)
        again = await gate.submit(AGAIN[how])
        named = await gate.submit(own(AGAIN[how], repeat_of=first.request_id))

    for view in (again, named):
        assert view.status is State.DENIED
        assert view.tell_agent == "Not for this order."
    same(again, first, How.REFUSED)
    same(named, first, How.KEY if "key" in how else How.REFUSED)
    assert await waiting(house) == 0


async def test_a_day_after_a_denial_people_are_asked_again(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        first = await denied(house, gate, refund(SEED.payment_intent_900))
        house.clock.forward(DENIED_FOR + MINUTE)
        again = await gate.submit(refund(SEED.payment_intent_900))

    assert again.request_id != first.request_id
    assert again.status is State.WAITING


@pytest.mark.parametrize(
    ("asked", "lower", "about"),
    [
        (refund(SEED.payment_intent_900), refund(SEED.payment_intent_900, 80_000), "object"),
        (PAYOUT, submission("PostPayouts", {"amount": 400_000, "currency": "usd"}), "destination"),
    ],
    ids=["refund", "payout"],
)
async def test_another_amount_after_a_denial_says_so_on_its_card_and_raises_the_risk(
    house: House, asked: Submission, lower: Submission, about: str
) -> None:
    await house.enrol()
    async with house.gate() as gate:
        before = await card_of(house, await denied(house, gate, asked))
        again = await gate.submit(lower)
        card = await card_of(house, again)

    assert again.status is State.WAITING
    assert before.denials == ()
    assert card.denials == (
        f"Asked again after a denial: people denied or lowered once what is about the same {about} in 24 hours.",
    )
    assert card.facts["denied_24h_object"] == 1
    assert any("Somebody denied or lowered a request about the same" in factor for factor in card.risk_factors)


async def test_a_denial_counts_for_what_a_company_named_in_small_letters_too(house: House) -> None:
    await house.enrol()
    with SimulatorServer(house.world) as server:
        client = stripe.StripeClient(SIMULATOR_KEY, base_addresses={"api": server.base_url})
        client.v1.coupons.create({"id": "summer", "percent_off": 10, "duration": "once"})
    async with house.gate() as gate:
        await denied(house, gate, submission("DeleteCouponsCoupon", {"coupon": "summer"}))
        again = await gate.submit(submission("PostCouponsCoupon", {"coupon": "summer", "name": "Summer"}))
        async with house.desk() as desk:
            [record] = (await desk.life(again.request_id)).decisions

    assert record.facts["denied_24h_object"] == 1


async def test_the_same_money_spelled_otherwise_after_a_denial_asks_people_whatever_a_rule_allows(house: House) -> None:
    """The denial itself stands only for the same request; but no rule hides from people that they have just said no."""
    rule = "rules:\n  - id: free\n    when: {action: refunds}\n    then: allow\n"
    policy = (house.home / "policies.yaml").read_text().split("rules:")[0] + rule
    (house.home / "policies.yaml").write_text(policy)
    await house.enrol()
    async with house.gate() as gate:
        done = await gate.submit(SMALL)
        first = await denied(house, gate, SMALL)
        house.clock.forward(2 * HOUR)
        spelled = submission("PostRefunds", {"charge": SEED.charge_120, "amount": 2000})
        again = await gate.submit(own(spelled, repeat_of=done.request_id))
        card = await card_of(house, again)

    assert again.status is State.WAITING
    assert again.tell_agent == f"The same was declined by a person, as {first.reference}."
    assert card.denials == (
        "Asked again after a denial: people denied or lowered once what is about the same object in 24 hours.",
    )


@pytest.mark.parametrize("end", ["expired", "canceled", "blocked"])
async def test_what_was_blocked_canceled_or_expired_is_decided_again(house: House, end: str) -> None:
    async with house.gate() as gate:
        if end == "blocked":
            house.clock.forward(-12 * HOUR)
        first = await gate.submit(PAYOUT)
        if end == "blocked":
            house.clock.forward(12 * HOUR)
        elif end == "canceled":
            await gate.cancel("stdio", first.request_id)
        else:
            house.clock.forward(24 * HOUR)
            await until(gate, first, State.EXPIRED)
        again = await gate.submit(PAYOUT)

    assert again.status is State.WAITING
    assert again.request_id != first.request_id
