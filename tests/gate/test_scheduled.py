"""Scheduled requests: allowed, but only after a while, in which people can stop them. At its time each is looked up and
decided again."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.request import State
from runplane_mcp.errors import ApprovalError, StoreError
from runplane_mcp.gate.freezing import lift_freezes, start_freeze
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED
from tests.gate.conftest import SECRET, House, refund, refund_behind_our_back, submission, until
from tests.gate.scheduling import DELAY, MINUTE, RULE, held_back

PAYMENT, OTHER = SEED.payment_intents_235[:2]


async def schedule(house: House, *, payment: str = PAYMENT, amount: int | None = 23_500) -> RequestView:
    async with house.gate() as gate:
        return await gate.submit(refund(payment, amount))


async def after_its_time(house: House, view: RequestView, *, more: int = DELAY) -> RequestView:
    """What became of it once a gate has looked when its time had come."""
    house.clock.forward(more)
    async with house.gate() as gate:
        return await until(gate, view, *(set(State) - {State.SCHEDULED, State.EXECUTING}))


def effects(house: House) -> int:
    return int(house.world.summary()["effects"])


# ── its time ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_allowed_after_ten_minutes_runs_then_and_once(house: House) -> None:
    held_back(house.home)
    view = await schedule(house)
    assert (view.status, effects(house)) == (State.SCHEDULED, 0)
    async with house.gate() as gate:
        early = await gate.wait("stdio", view.request_id, 0.1)
    done = await after_its_time(house, view)

    assert early.status is State.SCHEDULED
    assert done.status is State.SUCCEEDED
    assert effects(house) == 1
    async with house.desk() as desk:
        life = await desk.life(view.request_id)
    assert [record.kind for record in life.decisions] == ["first", "release"]
    assert life.decisions[0].digest == life.decisions[1].digest == life.request.digest


async def test_a_minute_before_its_time_it_does_not_run(house: House) -> None:
    held_back(house.home)
    view = await schedule(house)
    house.clock.forward(DELAY - 1)
    async with house.gate() as gate:
        early = await gate.wait("stdio", view.request_id, 0.1)

    assert early.status is State.SCHEDULED
    assert effects(house) == 0


async def test_a_clock_that_is_set_back_only_makes_it_wait_longer_and_never_run_twice(house: House) -> None:
    """THREATS 16."""
    held_back(house.home)
    view = await schedule(house)
    house.clock.policy_ms -= 60 * MINUTE
    house.clock.forward(DELAY)
    async with house.gate() as gate:
        early = await gate.wait("stdio", view.request_id, 0.1)
    done = await after_its_time(house, view, more=60 * MINUTE)
    house.clock.policy_ms -= 60 * MINUTE
    again = await after_its_time(house, view, more=120 * MINUTE)

    assert early.status is State.SCHEDULED
    assert (done.status, again.status) == (State.SUCCEEDED, State.SUCCEEDED)
    assert effects(house) == 1


async def test_what_no_gate_ran_at_its_time_is_over_a_day_later_and_never_runs_unseen(house: House) -> None:
    held_back(house.home)
    view = await schedule(house)
    after = await after_its_time(house, view, more=DELAY + 24 * 60 * MINUTE)

    assert after.status is State.EXPIRED
    assert effects(house) == 0


async def test_what_was_held_too_long_is_over_at_the_very_next_look(house: House) -> None:
    """Before any process has come round to saying so; and it holds nothing of a limit any more."""
    held_back(house.home)
    async with house.gate() as gate:
        views = [await gate.submit(refund(PAYMENT, 23_500)), await gate.submit(refund(SEED.payment_intent_900))]
        assert [view.status for view in views] == [State.SCHEDULED, State.WAITING]
        house.clock.forward(2 * 24 * 60 * MINUTE)
        looked = await gate.get("stdio", views[0].request_id)
        listed = await gate.recent("stdio")
        usage = "SELECT DISTINCT state FROM reservation"
        with closing(sqlite3.connect(house.settings.database)) as connection:
            held = connection.execute(usage).fetchall()

    assert looked.status is State.EXPIRED
    assert [view.status for view in listed] == [State.EXPIRED, State.EXPIRED]
    assert held == [("released",)]
    assert effects(house) == 0


async def test_a_look_works_while_nothing_can_be_written(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """THREATS 19: what is over is not said to be over before that is durable; nobody is left without an answer."""
    held_back(house.home)

    async def refuse(_work: object) -> None:
        raise StoreError("store.full", "The disk is full.")

    async with house.gate() as gate:
        view = await gate.submit(refund(PAYMENT, 23_500))
        with monkeypatch.context() as broken:
            broken.setattr(gate.store, "write", refuse)
            house.clock.forward(2 * 24 * 60 * MINUTE)
            looked, listed = await gate.get("stdio", view.request_id), await gate.recent("stdio")
        after = await gate.get("stdio", view.request_id)

    assert looked.status is listed[0].status is State.SCHEDULED
    assert after.status is State.EXPIRED
    assert effects(house) == 0


async def test_the_same_asked_again_while_it_is_scheduled_is_the_same_request(house: House) -> None:
    held_back(house.home)
    first = await schedule(house)
    again = await schedule(house, amount=None)
    house.clock.forward(DELAY)
    async with house.gate() as gate, asyncio.timeout(20):
        while effects(house) == 0:
            await gate.change(0.1)
        handed_out = await gate.submit(refund(PAYMENT, 23_500))
        new = await gate.submit(refund(PAYMENT, 23_500))

    assert again.request_id == handed_out.request_id == first.request_id
    assert handed_out.status is State.SUCCEEDED
    assert new.request_id != first.request_id
    assert effects(house) == 1


async def test_its_agent_takes_it_back(house: House) -> None:
    """THREATS 12."""
    held_back(house.home)
    async with house.gate() as gate:
        view = await gate.submit(refund(PAYMENT, 23_500))
        canceled = await gate.cancel("stdio", view.request_id)
    after = await after_its_time(house, view)

    assert canceled.status is after.status is State.CANCELED
    assert effects(house) == 0


async def test_a_read_that_is_held_back_runs_later_and_its_answer_is_there(house: House) -> None:
    rule = "\nrules:\n  - {id: slowly, when: {action: balance.retrieve}, then: allow, after: 1m}\n"
    held_back(house.home, rule)
    async with house.gate() as gate:
        view = await gate.submit(submission("GetBalance", {}))
    done = await after_its_time(house, view)

    assert view.status is State.SCHEDULED
    assert done.status is State.SUCCEEDED
    assert done.result is not None
    assert done.result["object"] == "balance"


async def test_what_answers_with_a_secret_is_never_scheduled(house: House) -> None:
    rule = "\nrules:\n  - {id: slowly, when: {operation: PostWebhookEndpoints}, then: allow, after: 1m}\n"
    held_back(house.home, rule)
    text = (house.home / "policies.yaml").read_text()
    without, _, rest = text.partition("  - id: keys-and-webhooks\n")
    (house.home / "policies.yaml").write_text(without + rest.partition("\n\n")[2])
    async with house.gate() as gate:
        hook = {"url": "https://example.com/hook", "enabled_events": ["charge.refunded"]}
        view = await gate.submit(submission("PostWebhookEndpoints", hook))

    assert view.status is State.BLOCKED
    assert view.failure is not None
    assert view.failure.code == "policy.secret"


# ── at its time it is decided again ───────────────────────────────────────────────────────────────────────────────


async def test_a_policy_that_asks_by_then_makes_it_wait_for_people(house: House) -> None:
    """THREATS 20."""
    await house.enrol()
    held_back(house.home)
    view = await schedule(house)
    held_back_no_more(house, "then: require_approval")
    after = await after_its_time(house, view)
    async with house.desk() as desk:
        card = await desk.card(view.request_id)

    assert after.status is State.WAITING
    assert (card.round, card.needs, card.release_at) == (2, ("finance",), None)
    assert "allowed to run by itself" in card.changed[0]
    assert effects(house) == 0
    await house.vote(view)
    async with house.gate() as gate:
        assert (await until(gate, view, State.SUCCEEDED)).status is State.SUCCEEDED


async def test_a_policy_that_blocks_by_then_ends_it(house: House) -> None:
    """THREATS 20."""
    held_back(house.home)
    view = await schedule(house)
    held_back_no_more(house, "then: block")
    after = await after_its_time(house, view)

    assert after.status is State.BLOCKED
    assert effects(house) == 0


async def test_a_policy_that_no_longer_holds_back_leaves_it_its_time(house: House) -> None:
    held_back(house.home)
    view = await schedule(house)
    held_back_no_more(house, "then: allow")
    async with house.gate() as gate:
        still = await gate.wait("stdio", view.request_id, 0.1)
    after = await after_its_time(house, view)

    assert still.status is State.SCHEDULED
    assert after.status is State.SUCCEEDED


def held_back_no_more(house: House, then: str) -> None:
    policy = house.home / "policies.yaml"
    rule = RULE.replace("    then: allow\n    after: 10m\n", f"    {then}\n").replace(
        "    tell_agent: Refunds take a while here.\n", ""
    )
    changed = policy.read_text().replace(RULE, rule)
    assert changed != policy.read_text()
    policy.write_text(changed)


async def test_what_was_refunded_whole_meanwhile_fails_and_people_are_not_asked(house: House) -> None:
    """THREATS 8."""
    held_back(house.home)
    view = await schedule(house, payment=SEED.payment_intent_120, amount=11_000)
    refund_behind_our_back(house, SEED.charge_120, 12_000)
    after = await after_its_time(house, view)

    assert after.status is State.FAILED
    assert house.world.summary()["refunds"]["count"] == 1


async def test_what_was_refunded_in_part_meanwhile_is_shown_to_people_with_the_difference(house: House) -> None:
    """THREATS 8: the whole of $120 was asked for; $100 are left by then."""
    held_back(house.home)
    view = await schedule(house, payment=SEED.payment_intent_120, amount=None)
    refund_behind_our_back(house, SEED.charge_120, 2_000)
    after = await after_its_time(house, view)
    async with house.desk() as desk:
        card = await desk.card(view.request_id)

    assert (view.status, after.status) == (State.SCHEDULED, State.WAITING)
    assert card.amount == 10_000
    assert card.needs == ("finance",)
    assert "Only $100.00 USD can still be refunded; it was to be $120.00 USD." in card.changed


async def test_what_is_scheduled_takes_its_place_in_the_limits_at_once(house: House) -> None:
    """THREATS 3: four of $235 are the hour's $1000, whether they ran or wait for their time."""
    held_back(house.home)
    async with house.gate() as gate:
        views = [await gate.submit(refund(payment, 23_500)) for payment in SEED.payment_intents_235[:5]]

    assert [view.status for view in views] == [State.SCHEDULED] * 4 + [State.WAITING]


async def test_its_own_place_in_the_limits_is_not_held_against_it(house: House) -> None:
    held_back(house.home)
    async with house.gate() as gate:
        views = [await gate.submit(refund(payment, 23_500)) for payment in SEED.payment_intents_235[:4]]
    house.clock.forward(DELAY)
    async with house.gate() as gate:
        done = [await until(gate, view, State.SUCCEEDED, State.WAITING) for view in views]

    assert [view.status for view in done] == [State.SUCCEEDED] * 4


# ── people stop it ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_signed_no_ends_it_and_stands_for_the_same_again(house: House) -> None:
    """THREATS 12 and 15."""
    await house.enrol()
    held_back(house.home)
    view = await schedule(house)
    await house.vote(view, Answer.NO, note="Not this one.")
    again = await schedule(house)
    after = await after_its_time(house, view)

    assert after.status is again.status is State.DENIED
    assert again.request_id == view.request_id
    assert after.tell_agent == "Not this one."
    assert effects(house) == 0


async def test_nobody_is_asked_for_a_yes_to_what_runs_by_itself(house: House) -> None:
    await house.enrol()
    held_back(house.home)
    view = await schedule(house)
    with pytest.raises(ApprovalError) as refused:
        await house.vote(view)

    assert refused.value.code == "approval.scheduled"


async def test_a_freeze_holds_it_beyond_its_time_and_it_runs_when_that_is_lifted(house: House) -> None:
    await house.enrol()
    held_back(house.home)
    view = await schedule(house)
    async with house.desk() as desk:
        started = await start_freeze(desk, Scope(action="refunds"))
    house.clock.forward(DELAY)
    async with house.gate() as gate:
        frozen = await gate.wait("stdio", view.request_id, 0.1)
        assert (frozen.status, frozen.frozen, effects(house)) == (State.SCHEDULED, True, 0)
        async with house.desk() as desk:
            await lift_freezes(desk, [started.freeze], admin="maria", secret=f"{SECRET} maria")
        done = await until(gate, view, State.SUCCEEDED)

    assert done.status is State.SUCCEEDED
