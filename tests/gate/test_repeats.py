"""The same asked again: one request while it is open, a person once it was done.

THREATS row 2 (split, changed, extra), row 18 (keys).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.catalog import load
from runplane_mcp.core.repeats import How
from runplane_mcp.core.request import OwnArguments, State
from runplane_mcp.core.wire import encode
from runplane_mcp.gate.repeats import Taken, asked_before
from runplane_mcp.gate.view import Submission
from runplane_mcp.simulator import SEED, Fault, FaultKind
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.records import RequestFilter
from runplane_mcp.store.verify import verify
from tests.gate.conftest import House, refund, refund_behind_our_back, submission, until
from tests.gate.repeating import (
    HOUR,
    MINUTE,
    PAYOUT,
    SMALL,
    approved,
    card_of,
    effects,
    events,
    own,
    same,
    waiting,
)
from tests.store.things import a_request

# -- open: the same request ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_key", "second_key"),
    [(None, None), ("a", None), (None, "b"), ("a", "b")],
    ids=["none", "first", "second", "two"],
)
async def test_the_same_is_one_request_while_it_waits_whatever_the_keys(
    house: House, first_key: str | None, second_key: str | None
) -> None:
    """SDKs send a new key with every call."""
    asked = refund(SEED.payment_intent_900)
    async with house.gate() as one, house.gate() as other:
        first = await one.submit(own(asked, idempotency_key=first_key) if first_key else asked)
        again = await other.submit(own(asked, idempotency_key=second_key) if second_key else asked)

    assert first.status is again.status is State.WAITING
    same(first, first, None)
    same(again, first, How.OPEN)
    assert await waiting(house) == 1


async def test_the_same_many_times_at_once_is_one_effect(house: House) -> None:
    async with house.gate() as one, house.gate() as other:
        await one.submit(submission("GetBalance", {}))
        house.world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/refunds", seconds=1.0))
        calls = [own(SMALL, idempotency_key=f"try-{number}") for number in range(8)]
        views = await asyncio.gather(*((one, other)[number % 2].submit(call) for number, call in enumerate(calls)))

    # On a slow machine one may come when it is over: then a person is asked, and it is one request all the same.
    done = [view for view in views if view.status is State.SUCCEEDED]
    assert {view.status for view in views} <= {State.SUCCEEDED, State.WAITING}
    assert len({view.request_id for view in done}) == 1
    assert [view.repeat for view in done].count(None) == 1, "whoever joined it was answered with how it ended"
    assert effects(house) == 1


async def test_who_joined_a_request_that_came_to_nothing_is_asked_for_anew(house: House) -> None:
    """The gate of the first ended while it looked up; nobody has answered it, so the second is a request of its own."""
    async with house.gate() as other:
        await other.submit(submission("GetBalance", {}))
        async with house.gate() as one:
            await one.submit(submission("GetBalance", {}))
            house.world.add_fault(Fault(FaultKind.DELAY, method="GET", path_prefix="/v1/payment_intents", seconds=8.0))
            first = asyncio.create_task(one.submit(SMALL))
            await events(one, "request.received", 1)
            second = asyncio.create_task(other.submit(own(SMALL, idempotency_key="k")))
            await events(one, "repeat", 1)
        view = await second
        again = await other.submit(own(SMALL, idempotency_key="k"))
        with pytest.raises(asyncio.CancelledError):
            await first

    assert view.status is State.SUCCEEDED
    same(view, view, None)
    same(again, view, How.KEY)
    assert effects(house) == 1


async def test_an_amount_left_out_and_the_same_amount_spelled_out_are_one_request(house: House) -> None:
    """The same money: only the look-up tells."""
    async with house.gate() as gate:
        first = await gate.submit(refund(SEED.payment_intent_900))
        spelled = await gate.submit(refund(SEED.payment_intent_900, 90_000, idempotency_key="k"))
        by_key = await gate.submit(refund(SEED.payment_intent_900, 90_000, idempotency_key="k"))
        other = await gate.submit(refund(SEED.payment_intent_900, 80_000, idempotency_key="k"))
        [shown, *_] = listed = await gate.recent("stdio")
        async with house.desk() as desk:
            [gave_way] = [
                each for each in await desk.requests(RequestFilter(limit=9)) if each.own.idempotency_key == "k"
            ]

    same(spelled, first, How.OPEN)
    same(by_key, first, How.KEY)
    assert other.failure is not None
    assert other.failure.code == "request.key_reused"
    assert await waiting(house) == 1
    assert (gave_way.state, gave_way.failure and gave_way.failure.code) == (State.FAILED, "request.same")
    assert gave_way.id not in {view.request_id for view in listed}
    assert shown.request_id == other.request_id


async def test_the_same_money_spelled_in_two_ways_at_once_goes_out_once(house: House) -> None:
    async with house.gate() as one, house.gate() as other:
        views = await asyncio.gather(
            one.submit(refund(SEED.payment_intent_120)), other.submit(refund(SEED.payment_intent_120, 12_000))
        )

    assert effects(house) == 1
    # Either it was still open when the other was looked up, or Stripe had nothing left to give back.
    assert {view.status for view in views} <= {State.SUCCEEDED, State.FAILED, State.WAITING}


async def test_while_nobody_knows_whether_it_happened_the_same_is_that_request(house: House) -> None:
    async with house.gate() as gate:
        await gate.submit(submission("GetBalance", {}))
        house.world.add_fault(Fault(FaultKind.ERROR_500, method="POST", path_prefix="/v1/refunds", times=50))
        first = await gate.submit(SMALL)
        again = await gate.submit(own(SMALL, idempotency_key="another"))

    assert first.status is State.OUTCOME_UNKNOWN
    same(again, first, How.OPEN)


async def test_what_waited_too_long_is_no_request_to_join(house: House) -> None:
    """Expiry counts at once, also before a gate has got round to it."""
    asked = refund(SEED.payment_intent_900)
    async with house.gate() as gate:
        first = await gate.submit(asked)
        house.clock.forward(25 * HOUR)
        again = await gate.submit(asked)
        old = await gate.get("stdio", first.request_id)

    assert again.request_id != first.request_id
    assert (old.status, again.status) == (State.EXPIRED, State.WAITING)


async def test_what_goes_back_to_people_with_other_bytes_is_known_by_those(house: House) -> None:
    """$900 were asked for; when it would run $860 were left, and that is what waits now."""
    await house.enrol()
    async with house.gate() as gate:
        first = await gate.submit(refund(SEED.payment_intent_900))
    refund_behind_our_back(house, SEED.charge_900, 4_000)
    await house.vote(first)
    async with house.gate() as gate:
        back = await until(gate, first, State.WAITING)
        spelled = await gate.submit(refund(SEED.payment_intent_900, 86_000))

    assert back.status is State.WAITING
    same(spelled, first, How.OPEN)


async def test_a_change_that_can_be_made_twice_is_made_twice(house: House) -> None:
    """Neither money out nor destruction: nobody is asked, and nothing is handed out in its place."""
    seen: dict[str, object] = {"subscription_exposed_id": SEED.subscription_monthly, "metadata": {"seen": "yes"}}
    asked = submission("PostSubscriptionsSubscriptionExposedId", seen)
    async with house.gate() as gate:
        first, again = await gate.submit(asked), await gate.submit(asked)

    assert first.status is again.status is State.SUCCEEDED
    same(again, again, None)
    assert again.request_id != first.request_id


async def test_mere_creates_are_never_merged_but_under_one_key(house: House) -> None:
    """Two sessions that each make a customer of one name have made two customers."""
    wire = encode("POST", "/v1/payouts", {"amount": 1, "currency": "usd"})
    payout = load().classify(wire)
    harmless = replace(payout.operation, action="thing.create", groups=frozenset(), money_out=False)
    create = replace(payout, operation=harmless, action="thing.create", groups=frozenset())
    async with house.gate() as gate:

        def ask(key: str | None, tx: Transaction) -> Taken | None:
            asked = a_request(same_asked="0" * 64, own=OwnArguments(idempotency_key=key))
            before = asked_before(tx, asked, create, gate.policies.enforced(tx), gate.clock)
            if before is None:
                tx.insert_request(asked, event={})
            return before

        answers = [await gate.store.write(partial(ask, key)) for key in (None, None, "a", "b", "a")]

    assert [answer and answer.how for answer in answers] == [None, None, None, None, How.KEY]


# -- ended: a person -------------------------------------------------------------------------------------------------

VARIATIONS: dict[str, Submission] = {
    "again": SMALL,
    "with a key": own(SMALL, idempotency_key="new"),
    "by its charge": submission("PostRefunds", {"charge": SEED.charge_120, "amount": 2000}),
    "by another door": submission("PostChargesChargeRefund", {"charge": SEED.charge_120, "amount": 2000}),
    "with metadata": submission(
        "PostRefunds", {"payment_intent": SEED.payment_intent_120, "amount": 2000, "metadata": {"attempt": "2"}}
    ),
    "with a reason": submission(
        "PostRefunds", {"payment_intent": SEED.payment_intent_120, "amount": 2000, "reason": "duplicate"}
    ),
    "with a default": submission(
        "PostRefunds", {"payment_intent": SEED.payment_intent_120, "amount": 2000, "reverse_transfer": False}
    ),
    "with a currency": submission(
        "PostRefunds", {"payment_intent": SEED.payment_intent_120, "amount": 2000, "currency": "USD"}
    ),
    "with other words": own(SMALL, justification="I was told to, urgently.", ticket="CASE-1"),
}


@pytest.mark.parametrize("how", VARIATIONS)
async def test_the_same_money_again_within_the_window_asks_a_person(house: House, how: str) -> None:
    """An agent that retries, changes keys, case or names, adds parameters or spells defaults out is asked about."""
    async with house.gate() as gate:
        first = await gate.submit(SMALL)
        house.clock.forward(10 * MINUTE - 1000)
        again = await gate.submit(VARIATIONS[how])
        joined = await gate.submit(VARIATIONS[how])
        card = await card_of(house, again)

    assert (first.status, again.status) == (State.SUCCEEDED, State.WAITING)
    same(joined, again, How.KEY if "key" in how else How.OPEN)
    assert "The same is under way, or was done or denied a short while ago." in card.why
    assert card.history[0].startswith(f"The same as {first.reference}, which is succeeded (")
    assert again.tell_agent == f"The same was done a short while ago, as {first.reference}."
    assert effects(house) == 1


@pytest.mark.parametrize("how", VARIATIONS)
async def test_the_same_money_spelled_otherwise_while_the_first_waits_is_never_done_unasked(
    house: House, how: str
) -> None:
    """The first waits because the same was done before it; none of the spellings gets past it."""
    async with house.gate() as gate:
        await gate.submit(SMALL)
        first = await gate.submit(SMALL)
        again = await gate.submit(VARIATIONS[how])

    assert first.status is again.status is State.WAITING
    assert effects(house) == 1


async def test_after_the_window_the_same_is_new(house: House) -> None:
    async with house.gate() as gate:
        first = await gate.submit(SMALL)
        house.clock.forward(10 * MINUTE + 1000)
        again = await gate.submit(SMALL)

    assert first.status is again.status is State.SUCCEEDED
    assert again.request_id != first.request_id


async def test_another_amount_another_charge_and_another_principal_are_not_the_same(house: House) -> None:
    async with house.gate() as gate:
        views = [
            await gate.submit(each)
            for each in (
                SMALL,
                refund(SEED.payment_intent_120, 2001),
                refund(SEED.payment_intent_40, 2000),
                replace(SMALL, principal="agent:2"),
            )
        ]

    assert [view.status for view in views] == [State.SUCCEEDED] * 4


async def test_each_finished_request_can_be_named_once_in_repeat_of(house: House) -> None:
    """The retry of a repeat that names the same first one must not be a third refund."""
    async with house.gate() as gate:
        first = await gate.submit(SMALL)
        second = await gate.submit(own(SMALL, repeat_of=first.reference.lower()))
        retried = await gate.submit(own(SMALL, repeat_of=first.reference, idempotency_key="k"))
        third = await gate.submit(own(SMALL, repeat_of=second.request_id, idempotency_key="k"))

    assert first.status is second.status is third.status is State.SUCCEEDED
    assert retried.status is State.FAILED
    assert retried.failure is not None
    assert (retried.failure.code, retried.failure.param) == ("request.repeat_of", "repeat_of")
    assert retried.failure.message == f"{first.reference} was repeated already, by {second.reference}."
    assert effects(house) == 3


async def test_a_repeat_of_names_a_request_that_was_spelled_otherwise(house: House) -> None:
    async with house.gate() as gate:
        first = await gate.submit(SMALL)
        meant = await gate.submit(own(VARIATIONS["by its charge"], repeat_of=first.request_id))

    assert meant.status is State.SUCCEEDED
    assert effects(house) == 2


async def test_a_repeat_of_that_names_nothing_it_could_repeat_is_refused(house: House) -> None:
    """Somebody else's request is told apart from none at all by nothing."""
    async with house.gate() as gate:
        await gate.submit(SMALL)
        theirs = await gate.submit(replace(SMALL, principal="agent:2"))
        another = await gate.submit(refund(SEED.payment_intent_40, 1000))
        unfinished = await gate.submit(refund(SEED.payment_intent_900))
        read = await gate.submit(submission("GetBalance", {}))
        before = effects(house)
        named = {
            "none": "RP-NONE",
            "theirs": theirs.request_id,
            "read": read.request_id,
            "unfinished": unfinished.reference,
            "another": another.reference,
        }
        views = {
            what: await gate.submit(own(SMALL, repeat_of=name, idempotency_key="k")) for what, name in named.items()
        }
        fixed = await gate.submit(own(refund(SEED.payment_intent_40, 900), idempotency_key="k"))

    for view in views.values():
        assert view.status is State.FAILED
        assert view.failure is not None
        assert view.failure.code == "request.repeat_of"
    messages = {what: view.failure.message for what, view in views.items() if view.failure}
    assert messages["none"] == messages["theirs"] == messages["read"]
    assert messages["unfinished"].endswith("which is not finished: it is waiting.")
    assert messages["another"].endswith("which asked for something else.")
    assert fixed.status is State.SUCCEEDED, "what was refused binds no key"
    assert effects(house) == before + 1


async def test_a_repeat_of_lifts_nothing_while_the_same_is_open(house: House) -> None:
    async with house.gate() as gate:
        first = await gate.submit(SMALL)
        held = await gate.submit(SMALL)
        joined = await gate.submit(own(SMALL, repeat_of=first.request_id))
        spelled = await gate.submit(own(VARIATIONS["by its charge"], repeat_of=first.request_id))

    same(joined, held, How.OPEN)
    assert held.status is spelled.status is State.WAITING
    assert effects(house) == 1


async def test_the_card_says_that_a_repeat_is_meant_and_people_are_asked_once(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        first = await approved(house, gate, PAYOUT)
        view = await gate.submit(own(PAYOUT, repeat_of=first))
        card = await card_of(house, view)
        await house.vote(view)
        done = await until(gate, view, State.SUCCEEDED)

    assert (view.status, done.status) == (State.WAITING, State.SUCCEEDED)
    assert effects(house) == 2
    assert card.history[0] == f"The agent says that it means to repeat {first}."
    assert not any("short while ago" in why for why in card.why)


# -- two of the same in people's hands -------------------------------------------------------------------------------


async def test_of_two_that_do_the_same_the_second_goes_back_to_people_when_the_first_has_run(house: House) -> None:
    """Each was approved by itself. What was done since is not on the second one's card."""
    await house.enrol()
    async with house.gate() as gate:
        older = await gate.submit(PAYOUT)
        house.clock.forward(20 * MINUTE)
        described = {**PAYOUT.parameters, "description": "Tuesday"}
        younger = await gate.submit(submission("PostPayouts", described))
        cards = [" ".join((await card_of(house, view)).why) for view in (older, younger)]
        await house.vote(younger)
        done = await until(gate, younger, State.SUCCEEDED)
        house.clock.forward(20 * MINUTE)
        await house.vote(older)
        back = await until(gate, older, State.WAITING, State.SUCCEEDED, State.FAILED)
        card = await card_of(house, older)

    assert ["under way" in why for why in cards] == [False, True]
    assert done.status is State.SUCCEEDED
    assert back.status is State.WAITING
    assert card.round == 2
    assert any("under way, or was done" in line for line in card.changed)


@pytest.mark.parametrize("answer", [None, Answer.NO], ids=["waiting", "denied"])
async def test_an_older_one_that_people_approved_runs_although_the_same_was_asked_after_it(
    house: House, answer: Answer | None
) -> None:
    """Or an agent could keep sending back what people have said yes to."""
    await house.enrol()
    async with house.gate() as gate:
        older = await gate.submit(PAYOUT)
        younger = await gate.submit(submission("PostPayouts", {**PAYOUT.parameters, "description": "Tuesday"}))
        if answer is not None:
            await house.vote(younger, answer)
        await house.vote(older)
        done = await until(gate, older, State.SUCCEEDED, State.WAITING)

    assert younger.status is State.WAITING
    assert done.status is State.SUCCEEDED


async def test_a_repeat_that_was_meant_goes_back_to_people_when_another_has_run_meanwhile(house: House) -> None:
    """It named the last one; what ran since is not what it meant to repeat."""
    await house.enrol()
    async with house.gate() as gate:
        first = await approved(house, gate, PAYOUT)
        meant = await gate.submit(own(PAYOUT, repeat_of=first))
        other = await gate.submit(submission("PostPayouts", {**PAYOUT.parameters, "description": "Tuesday"}))
        for view in (other, meant):
            await house.vote(view)
            await until(gate, view, State.SUCCEEDED, State.WAITING)
        back = await gate.get("stdio", meant.request_id)

    assert back.status is State.WAITING
    assert effects(house) == 2


async def test_the_audit_log_holds_every_repeat_and_verifies(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        first = await approved(house, gate, PAYOUT)
        for key in ("a", "a", "b"):
            await gate.submit(own(PAYOUT, idempotency_key=key))
        async with house.desk() as desk:
            life = await desk.life(first)

    assert [event.type for event in life.events].count("repeat") == 2, "the result, and the key that got it"
    found = verify(house.settings.database)
    assert found.ok, found.problem
