"""Repeats beside what else becomes of requests: creates, which are never merged, and requests that people lowered."""

from __future__ import annotations

import asyncio

import pytest

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.money import Money
from runplane_mcp.core.repeats import How
from runplane_mcp.core.request import State
from runplane_mcp.gate.lowering import lower
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView, Submission
from tests.gate.conftest import SECRET, House, submission, until
from tests.gate.repeating import PAYOUT, approved, card_of, effects, own, same, waiting

COUPON = submission("PostCoupons", {"percent_off": 20, "duration": "once", "name": "Sorry"})
LESS = submission("PostPayouts", {**PAYOUT.parameters, "amount": 400_000})


@pytest.mark.parametrize("keys", [(None, None), ("a", "b")], ids=["no keys", "two keys"])
async def test_two_sessions_that_create_the_same_at_once_have_two(house: House, keys: tuple[str | None, ...]) -> None:
    create = submission("PostProducts", {"name": "Gift box"})
    async with house.gate() as one, house.gate() as other:
        calls = [own(create, idempotency_key=key) if key else create for key in keys]
        views = await asyncio.gather(one.submit(calls[0]), other.submit(calls[1]))

    assert [view.status for view in views] == [State.SUCCEEDED] * 2
    assert len({view.request_id for view in views}) == 2
    assert effects(house) == 2


async def test_a_create_under_one_key_is_made_once(house: House) -> None:
    create = submission("PostProducts", {"name": "Gift box"}, idempotency_key="k")
    async with house.gate() as one, house.gate() as other:
        views = await asyncio.gather(*(gate.submit(create) for gate in (one, other, one)))

    assert len({view.request_id for view in views}) == 1
    assert sorted(str(view.repeat) for view in views) == ["None", "key", "key"]
    assert effects(house) == 1


async def test_two_creates_that_wait_are_two_cards_and_the_second_names_the_first(house: House) -> None:
    """Nobody is asked because of it, and nobody approves two without knowing."""
    async with house.gate() as gate:
        first, second = await gate.submit(COUPON), await gate.submit(COUPON)
        cards = [await card_of(house, view) for view in (first, second)]

    assert await waiting(house) == 2
    assert cards[1].history[0].startswith(f"The same as {first.reference}, which is waiting (")
    assert not any("The same as" in line for line in cards[0].history)
    assert not any("short while ago" in why for card in cards for why in card.why)


async def test_a_denied_create_is_not_asked_for_again_the_same_day(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        first = await gate.submit(COUPON)
        await house.vote(first, Answer.NO)
        again = await gate.submit(COUPON)

    same(again, first, How.REFUSED)


# -- lowered ---------------------------------------------------------------------------------------------------------


async def lowered(house: House, gate: Gate, asked: Submission) -> tuple[RequestView, RequestView]:
    """A payout that Maria lowers to $4,000: the old request, and the new one as people are asked about it."""
    old = await gate.submit(asked)
    async with house.desk() as desk:
        card = await desk.card(old.request_id)
        to, secret = Money(400_000, "usd"), f"{SECRET} maria"
        done = await lower(desk, old.request_id, digest=card.digest, person="maria", secret=secret, to=to)
    new = await gate.get("stdio", done.request.id)
    return old, await until(gate, new, State.WAITING, State.FAILED, State.SUCCEEDED)


async def test_what_was_lowered_stands_for_the_same_again(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        old, new = await lowered(house, gate, PAYOUT)
        again = await gate.submit(PAYOUT)
        less = await gate.submit(LESS)

    same(again, old, How.REFUSED)
    assert again.replaced_by == new.request_id
    same(less, new, How.OPEN)


async def test_a_repeat_on_purpose_can_be_lowered(house: House) -> None:
    """The smaller one repeats nothing, and does not fail for that."""
    await house.enrol()
    async with house.gate() as gate:
        first = await approved(house, gate, PAYOUT)
        _, new = await lowered(house, gate, own(PAYOUT, repeat_of=first))

    assert new.status is State.WAITING, new.failure


async def test_people_may_lower_to_what_they_denied_before(house: House) -> None:
    """A denial answers for an agent that asks again, not for people who have changed their minds."""
    await house.enrol()
    async with house.gate() as gate:
        denied = await gate.submit(LESS)
        await house.vote(denied, Answer.NO)
        _, new = await lowered(house, gate, PAYOUT)
        card = await card_of(house, new)

    assert new.status is State.WAITING, new.failure
    assert card.denials != ()


async def test_what_was_done_before_is_not_handed_out_to_a_lowered_request(house: House) -> None:
    """There is no call that would get it: it stays for the agent."""
    await house.enrol()
    async with house.gate() as gate:
        first = await approved(house, gate, LESS)
        _, new = await lowered(house, gate, PAYOUT)
        await gate.cancel("stdio", new.request_id)
        handed = await gate.submit(LESS)

    assert new.status is State.WAITING
    same(handed, first, How.RESULT)
