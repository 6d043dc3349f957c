"""The same asked in two processes at once, and asked again after a kill: one request, one effect, one handing out.

THREATS row 3 (races between processes), row 18 (keys), row 19 (kill).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import Submission
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED
from tests.crash import Probe, race, run_and_kill
from tests.gate.conftest import FakeClock, refund, submission
from tests.gate.homes import check_log, effects, home_of, vote

PAYOUT = submission("PostPayouts", {"amount": 500_000, "currency": "usd"})
Told = list[str | None]


def asking(settings: Settings, *asked: Submission) -> Callable[[], list[Told]]:
    """Work for a process: asks for each in turn, and tells id, status and how each was answered."""

    async def ask() -> list[Told]:
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            views = [await gate.submit(each) for each in asked]
            return [[view.request_id, view.status.value, view.repeat.value if view.repeat else None] for view in views]

    return lambda: asyncio.run(ask())


def once(settings: Settings, *asked: Submission) -> list[Told]:
    """The same in one process that then ends."""
    [told] = race([asking(settings, *asked)])
    return list(told)


def paid_out(settings: Settings) -> str:
    """A payout that a person approved and that ran while no agent looked. Returns its id."""

    async def pay() -> str:
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            view = await gate.submit(PAYOUT)
            await vote(settings, view)
            await ended(gate, view.request_id)
            return view.request_id

    [id] = race([lambda: asyncio.run(pay())])
    return str(id)


async def ended(gate: Gate, id: str) -> None:
    async with asyncio.timeout(20):
        while not ((request := await gate.store.read(lambda reader: reader.request(id))) and request.final):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("keys", [(None, None), ("a", "b"), ("a", "a")], ids=["none", "two", "one"])
def test_processes_that_are_asked_the_same_at_once_make_one_request(
    tmp_path: Path, keys: tuple[str | None, str | None]
) -> None:
    settings = home_of(tmp_path)
    calls = [refund(SEED.payment_intent_120, 2000, **({"idempotency_key": key} if key else {})) for key in keys]

    told = [each for result in race([asking(settings, call) for call in calls * 2]) for each in result]

    # One of them may come so late that the first has ended: then a person is asked, and it is one request all the same.
    assert effects(settings) == 1
    assert len({id for id, _, _ in told}) == (1 if keys == ("a", "a") else len({status for _, status, _ in told}))
    assert {status for _, status, _ in told} <= {"succeeded", "waiting"}
    assert [how for _, status, how in told if status == "succeeded"].count(None) == 1
    check_log(settings)


def test_processes_that_spell_one_refund_in_different_ways_pay_it_once(tmp_path: Path) -> None:
    settings = home_of(tmp_path)
    spelled = [
        refund(SEED.payment_intent_120),
        refund(SEED.payment_intent_120, 12_000),
        submission("PostRefunds", {"charge": SEED.charge_120}),
        submission("PostChargesChargeRefund", {"charge": SEED.charge_120, "amount": 12_000}),
    ]

    told = [each for result in race([asking(settings, call) for call in spelled]) for each in result]

    assert effects(settings) == 1
    assert [status for _, status, _ in told].count("succeeded") >= 1
    check_log(settings)


def test_processes_that_come_for_one_result_at_once_get_it_once(tmp_path: Path) -> None:
    settings = home_of(tmp_path)
    first = paid_out(settings)

    told = [each for result in race([asking(settings, PAYOUT)] * 4) for each in result]

    assert [how for id, _, how in told if id == first] == ["result"]
    assert len({id for id, _, _ in told}) == 2, "the other three are one new request"
    assert {status for id, status, _ in told if id != first} == {"waiting"}
    assert effects(settings) == 1
    check_log(settings)


def test_a_retry_with_the_same_key_after_a_crash_before_the_decision_is_done_once(tmp_path: Path) -> None:
    """Nobody had answered the first: the key is for exactly this."""
    settings = home_of(tmp_path)
    asked = refund(SEED.payment_intent_120, 2000, idempotency_key="k")
    run_and_kill(killed(settings, asked), "submit.received")

    [[_, status, _], [_, later, how]] = once(settings, asked, asked)

    assert (status, later, how) == ("succeeded", "succeeded", "key")
    assert effects(settings) == 1
    check_log(settings)


@pytest.mark.parametrize("point", ["submit.decided", "execute.before_send", "execute.after_send"])
@pytest.mark.parametrize("key", [None, pytest.param("another", marks=pytest.mark.slow)])
def test_a_retry_after_a_crash_in_the_execution_is_that_request(tmp_path: Path, point: str, key: str | None) -> None:
    settings = home_of(tmp_path)
    run_and_kill(killed(settings, refund(SEED.payment_intent_120, 2000)), point)
    own = {"idempotency_key": key} if key else {}

    # The completer may have finished it before the retry came: its result, which no call got, is handed out then.
    [[_, status, how]] = once(settings, refund(SEED.payment_intent_120, 2000, **own))

    assert (status, how in {"open", "result"}) == ("succeeded", True)
    assert effects(settings) == 1
    check_log(settings)


def test_a_kill_between_handing_out_and_answering_costs_a_question_and_never_a_second_payout(tmp_path: Path) -> None:
    settings = home_of(tmp_path)
    first = paid_out(settings)
    run_and_kill(killed(settings, PAYOUT), "submit.answered")

    [[id, status, how]] = once(settings, PAYOUT)

    assert (id != first, status, how) == (True, "waiting", None)
    assert effects(settings) == 1
    check_log(settings)


def test_a_kill_after_it_gave_way_leaves_one_open_request(tmp_path: Path) -> None:
    """The second, spelled out, had become a row of its own when its look-up showed that it is the first."""
    settings = home_of(tmp_path)
    [[first, _, _]] = once(settings, refund(SEED.payment_intent_900))
    spelled = refund(SEED.payment_intent_900, 90_000, idempotency_key="k")
    for point in ("submit.received", "submit.decided"):
        run_and_kill(killed(settings, spelled), point)

    told = once(settings, spelled, refund(SEED.payment_intent_900))

    assert [[id, status] for id, status, _ in told] == [[first, "waiting"]] * 2
    assert [how for _, _, how in told] == ["key", "open"]
    check_log(settings)


def killed(settings: Settings, asked: Submission) -> Callable[[Probe], None]:
    """Work for a child that dies at a point on the way."""

    async def ask(probe: Probe) -> None:
        async with open_gate(settings, simulator=True, clock=FakeClock(), probe=probe) as gate:
            await gate.submit(asked)

    return lambda probe: asyncio.run(ask(probe))
