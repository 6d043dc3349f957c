"""Where lowering meets asking again: what a person put in another's place is no repeat of the agent's, and the agent gets
no more out of asking for the rest, for the first again, or with its key."""

from __future__ import annotations

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.money import Money
from runplane_mcp.core.repeats import How
from runplane_mcp.core.request import State
from runplane_mcp.gate.freezing import lift_freezes, start_freeze
from runplane_mcp.simulator import SEED
from tests.gate.conftest import SECRET, House, refund, until
from tests.gate.repeating import card_of, effects, own, same
from tests.gate.test_lowering import decided, lowered, two

WHOLE = refund(SEED.payment_intent_900, 60_000)


async def test_a_person_may_lower_to_what_was_denied_before(house: House) -> None:
    """A denial is for the agent that asks again, not for the person who now says how much it may be."""
    await two(house)
    async with house.gate() as gate:
        less = await gate.submit(refund(SEED.payment_intent_900, 55_000))
        await house.vote(less, Answer.NO)
        more = await gate.submit(WHOLE)
        done = await lowered(house, more, Money(55_000, "usd"))
        new = await decided(gate, done, State.WAITING, State.FAILED)
        assert new.status is State.WAITING, new
        card = await card_of(house, new)
        await house.vote(new, person="lee")
        ran = await until(gate, new, State.SUCCEEDED)

    assert card.denials
    assert ran.result is not None
    assert effects(house) == 1


async def test_a_repeat_that_is_meant_can_be_lowered(house: House) -> None:
    await two(house)
    async with house.gate() as gate:
        first = await gate.submit(refund(SEED.payment_intent_900, 45_000))
        assert first.status is State.SUCCEEDED, first
        again = await gate.submit(refund(SEED.payment_intent_900, 45_000, repeat_of=first.reference))
        assert again.status is State.WAITING, again
        done = await lowered(house, again, Money(10_000, "usd"))
        new = await decided(gate, done, State.WAITING, State.FAILED)

    assert new.status is State.WAITING, new


async def test_who_was_lowered_does_not_get_the_rest_unasked(house: House) -> None:
    await two(house)
    async with house.gate() as gate:
        whole = await gate.submit(WHOLE)
        await lowered(house, whole, Money(10_000, "usd"))
        rest = await gate.submit(refund(SEED.payment_intent_900, 49_000))
        card = await card_of(house, rest) if rest.status is State.WAITING else None

    assert rest.status is State.WAITING, rest
    assert card is not None
    assert card.denials == (
        "Asked again after a denial: people denied or lowered once what is about the same object in 24 hours.",
    )
    assert effects(house) == 0


async def test_whoever_asks_for_the_first_again_is_told_what_took_its_place(house: House) -> None:
    await two(house)
    async with house.gate() as gate:
        keyed = own(WHOLE, idempotency_key="a")
        whole = await gate.submit(keyed)
        done = await lowered(house, whole, Money(10_000, "usd"))
        await decided(gate, done)
        again = await gate.submit(WHOLE)
        by_key = await gate.submit(keyed)
        named = await gate.submit(own(WHOLE, repeat_of=whole.reference))
        smaller = await gate.submit(refund(SEED.payment_intent_900, 10_000))
        await house.vote(await gate.get("stdio", done.request.id), Answer.NO, person="lee")
        after = await gate.submit(own(WHOLE, idempotency_key="b"))
        smaller_after = await gate.submit(refund(SEED.payment_intent_900, 10_000))

    same(again, whole, How.REFUSED)
    same(by_key, whole, How.KEY)
    same(named, whole, How.REFUSED)
    assert again.replaced_by == by_key.replaced_by == named.replaced_by == done.request.id
    same(smaller, done.request.id, How.OPEN)
    same(after, whole, How.REFUSED)
    same(smaller_after, done.request.id, How.REFUSED)
    assert effects(house) == 0


async def test_a_freeze_while_a_lowered_request_is_received_holds_what_people_then_approve(house: House) -> None:
    await two(house)
    async with house.gate() as gate:
        whole = await gate.submit(WHOLE)
    done = await lowered(house, whole, Money(10_000, "usd"))
    async with house.desk() as desk:
        await start_freeze(desk, Scope(action="refunds"))
    async with house.gate() as gate:
        new = await decided(gate, done)
        again = await gate.submit(WHOLE)
        exactly = await gate.submit(refund(SEED.payment_intent_900, 10_000))
        other = await gate.submit(refund(SEED.payment_intent_900, 9_000))
        await house.vote(new, person="lee")
        held = await gate.get("stdio", new.request_id)
        before = effects(house)
        async with house.desk() as desk:
            await lift_freezes(desk, await desk.frozen(), admin="maria", secret=f"{SECRET} maria")
        await until(gate, new, State.SUCCEEDED)

    same(again, whole, How.REFUSED)
    same(exactly, done.request.id, How.OPEN)
    assert exactly.frozen
    assert (other.status, other.failure and other.failure.code) == (State.BLOCKED, "frozen")
    assert held.status is State.APPROVED
    assert held.frozen
    assert before == 0
    assert effects(house) == 1
