"""A request that is held back, as a model meets it over MCP: what it is told, what it may do, and how it ends."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from runplane_mcp.app import open_gate
from runplane_mcp.core.approval import Answer
from runplane_mcp.simulator import SEED
from tests.gate.conftest import FakeClock, refund_behind_our_back
from tests.gate.scheduling import DELAY, MINUTE, held_back
from tests.interfaces.test_mcp_stdio import ARGUMENTS, PATIENCE, environment

from .conftest import Answered, Company, Connected

AMOUNT: Final = 11_000
ASKED: Final[dict[str, Any]] = {"payment_intent": SEED.payment_intents_235[0], "amount": AMOUNT}
#: What the policy's author wrote for agents.
TOLD: Final = "Refunds take a while here."


@asynccontextmanager
async def held(company: Company, clock: FakeClock, *, mode: str = "auto") -> AsyncIterator[Connected]:
    """A client before a gate whose clock stands still until it is moved."""
    if "refunds-later" not in company.settings.policy_file.read_text():
        held_back(company.settings.home)
    async with (
        open_gate(company.settings, simulator=True, clock=clock) as gate,
        company.client(gate, mode=mode) as connected,
    ):
        yield connected


async def ended(connected: Connected, request_id: str) -> None:
    """Until it is over, without the agent's looking."""
    with anyio.fail_after(PATIENCE):
        while True:
            request = await connected.gate.store.read(lambda reader: reader.request(request_id))
            if request is not None and request.final:
                return
            await connected.gate.change(0.05)


def told(answer: Answered, *sentences: str) -> None:
    """Both halves say it: clients differ in which of them reaches the model."""
    for sentence in sentences:
        assert sentence in answer.text, answer.text
        assert sentence in answer.envelope["message"]


async def test_it_is_said_to_be_scheduled_and_what_to_do_next(company: Company, era: str) -> None:
    clock = FakeClock()
    async with held(company, clock, mode=era) as connected:
        before = clock.wall()
        answer = await connected.call("create_refund", **ASKED)
        looked = await connected.call("get_request", request_id=answer.request_id)
        listed = await connected.call("list_requests", open_only=True)

    for each in (answer, looked):
        assert (each.status, each.result.is_error) == ("scheduled", False)
        told(each, "SCHEDULED. Not done yet; no money moved.", "unless a person stops it. End your turn", TOLD)
        assert (each.envelope["next"]["do"], each.envelope["next"]["tool"]) == ("tell_user", "get_request")
        looks = datetime.fromisoformat(each.envelope["next"]["not_before"])
        # To the second, in the time that the client's machine shows.
        assert 0 <= looks.timestamp() * 1000 + 1_000 - before - DELAY < MINUTE
        assert "result" not in each.envelope
    [one] = listed.envelope["result"]["requests"]
    assert (one["request_id"], one["status"]) == (answer.request_id, "scheduled")
    assert one["runs_at"] == answer.envelope["next"]["not_before"]
    assert company.writes() == 0


async def test_a_wait_that_ends_before_its_time_says_the_same(company: Company) -> None:
    async with held(company, FakeClock()) as connected:
        asked = await connected.call("create_refund", **ASKED)
        waited = await connected.call("wait_for_request", request_id=asked.request_id, seconds=1)

    assert (waited.status, waited.envelope["next"]) == ("scheduled", asked.envelope["next"])
    assert company.writes() == 0


async def test_a_wait_that_sees_its_time_come_hands_the_result_over_and_nothing_is_done_twice(
    company: Company, era: str
) -> None:
    clock = FakeClock()
    async with held(company, clock, mode=era) as connected:
        asked = await connected.call("create_refund", **ASKED)
        async with anyio.create_task_group() as tasks:
            seen: list[Answered] = []

            async def wait() -> None:
                seen.append(await connected.call("wait_for_request", request_id=asked.request_id, seconds=20))

            tasks.start_soon(wait)
            await connected.gate.change(0.05)
            clock.forward(DELAY)
        again = await connected.call("get_request", request_id=asked.request_id)
        anew = await connected.call("create_refund", **ASKED)

    assert (seen[0].status, again.status) == ("succeeded", "succeeded")
    assert seen[0].envelope["result"]["amount"] == AMOUNT
    # It was handed over by the wait: the same again is another refund, which people look at.
    assert (anew.status, anew.request_id != asked.request_id) == ("waiting", True)
    assert company.refunds() == {"count": 1, "total": {"usd": AMOUNT}}


async def test_its_result_is_handed_out_once_to_the_first_who_asks_for_the_same(company: Company, era: str) -> None:
    clock = FakeClock()
    async with held(company, clock, mode=era) as connected:
        asked = await connected.call("create_refund", **ASKED)
        same = await connected.call("create_refund", **ASKED, idempotency_key="of-my-sdk")
        clock.forward(DELAY)
        await ended(connected, asked.request_id)
        handed = await connected.call("create_refund", **ASKED)
        anew = await connected.call("create_refund", **ASKED)

    assert (same.status, same.request_id) == ("scheduled", asked.request_id)
    told(same, "You asked for this before: this is that request, not a second one.")
    assert (handed.status, handed.request_id) == ("succeeded", asked.request_id)
    told(handed, "DONE EARLIER, NOT AGAIN.")
    assert handed.envelope["result"]["amount"] == AMOUNT
    assert (anew.status, anew.request_id != asked.request_id) == ("waiting", True)
    assert company.refunds()["count"] == 1


async def test_it_is_taken_back_and_never_runs(company: Company, era: str) -> None:
    """THREATS 12."""
    clock = FakeClock()
    async with held(company, clock, mode=era) as connected:
        asked = await connected.call("create_refund", **ASKED)
        canceled = await connected.call("cancel_request", request_id=asked.request_id)
        clock.forward(2 * DELAY)
        await connected.gate.change(0.1)
        after = await connected.call("get_request", request_id=asked.request_id)
        late = await connected.call("cancel_request", request_id=asked.request_id)

    assert (canceled.status, after.status) == ("canceled", "canceled")
    told(after, "CANCELED.", "no money moved")
    assert (late.code, late.result.is_error) == ("request.not_cancelable", True)
    assert company.writes() == 0


async def test_what_ran_is_not_taken_back(company: Company) -> None:
    clock = FakeClock()
    async with held(company, clock) as connected:
        asked = await connected.call("create_refund", **ASKED)
        clock.forward(DELAY)
        await ended(connected, asked.request_id)
        late = await connected.call("cancel_request", request_id=asked.request_id)
        after = await connected.call("get_request", request_id=asked.request_id)

    assert (late.code, late.result.is_error) == ("request.not_cancelable", True)
    assert after.status == "succeeded"
    assert company.refunds()["count"] == 1


async def test_every_other_end_of_it_is_told_too(company: Company) -> None:
    """A person's no, a lapse, and what Stripe would refuse by then."""
    clock = FakeClock()
    payments = SEED.payment_intents_235
    async with held(company, clock) as connected:
        denied, gone = [
            await connected.call("create_refund", payment_intent=payment, amount=amount)
            for payment, amount in ((payments[1], 20_000), (SEED.payment_intent_120, 11_000))
        ]
        await company.vote(denied.request_id, Answer.NO, note="Not this one.")
        refund_behind_our_back(company, SEED.charge_120, 12_000)
        clock.forward(DELAY)
        await ended(connected, gone.request_id)
        ends = [await connected.call("get_request", request_id=each.request_id) for each in (denied, gone)]
        late = await connected.call("create_refund", payment_intent=payments[2], amount=20_000)
    clock.forward(2 * 24 * 60 * MINUTE)
    async with held(company, clock) as connected:
        ends.append(await connected.call("get_request", request_id=late.request_id))
        listed = await connected.call("list_requests", open_only=True)

    assert [each.status for each in ends] == ["denied", "failed", "expired"]
    # The look itself worked.
    assert not any(each.result.is_error for each in ends)
    assert listed.envelope["result"]["requests"] == []
    told(ends[0], "The person wrote: “Not this one.”")
    assert ends[1].code == "stripe.charge_already_refunded"
    assert company.refunds()["total"] == {"usd": 12_000}


@pytest.mark.slow
async def test_a_server_process_runs_what_an_earlier_one_has_scheduled(company: Company, tmp_path: Path) -> None:
    """Over a real pipe, with the clock that RUNPLANE_SIMULATOR_NOW sets."""
    held_back(company.settings.home)

    @asynccontextmanager
    async def served(now: str) -> AsyncIterator[Client]:
        variables = environment(company.settings.home) | {"RUNPLANE_SIMULATOR_NOW": now}
        server = StdioServerParameters(command=sys.executable, args=ARGUMENTS, env=variables, cwd=tmp_path)
        with (tmp_path / "log").open("w") as log:
            async with Client(stdio_client(server, errlog=log), read_timeout_seconds=PATIENCE) as client:
                yield client

    async with served("2026-03-03T14:00") as client:
        asked = (await client.call_tool("create_refund", ASKED)).structured_content
        assert isinstance(asked, dict)
    async with served("2026-03-03T14:15") as client:
        waiting = {"request_id": asked["request_id"], "seconds": 20}
        done = (await client.call_tool("wait_for_request", waiting)).structured_content

    assert asked["status"] == "scheduled"
    assert isinstance(done, dict)
    assert (done["status"], done["result"]["amount"]) == ("succeeded", AMOUNT)
    assert company.refunds()["count"] == 1
