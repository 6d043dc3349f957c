"""Asking for the same again over MCP: what the model is told, in both eras and over two connections of one home."""

from __future__ import annotations

from typing import Any

import anyio

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.request import State
from runplane_mcp.simulator import SEED

from .conftest import Answered, Company, Connected

SMALL: dict[str, Any] = {"payment_intent": SEED.payment_intent_120, "amount": 2000}
LARGE: dict[str, Any] = {"payment_intent": SEED.payment_intent_900}
PAYOUT: dict[str, Any] = {"amount": 500_000, "currency": "usd"}


def told(answer: Answered, *sentences: str) -> None:
    """Both halves say it: clients differ in which of them reaches the model."""
    for sentence in sentences:
        assert sentence in answer.text, answer.text
        assert sentence in answer.envelope["message"]


async def ended(connected: Connected, request_id: str) -> None:
    """Until it is over, without the agent's looking."""
    with anyio.fail_after(20):
        while True:
            request = await connected.gate.store.read(lambda reader: reader.request(request_id))
            if request is not None and request.final:
                return
            await anyio.sleep(0.02)


async def test_the_same_while_it_waits_is_the_same_request_on_every_connection(company: Company, era: str) -> None:
    async with (
        company.connected(mode=era) as one,
        company.client(one.gate, mode=era, agent="other-bot") as other,
    ):
        first = await one.call("create_refund", **LARGE)
        again = await other.call("create_refund", **LARGE, idempotency_key="of-my-sdk")
        listed = await one.call("list_requests")

    assert again.request_id == first.request_id
    assert (again.status, again.result.is_error) == ("waiting", False)
    told(again, "WAITING FOR A PERSON.", "You asked for this before: this is that request, not a second one.")
    assert len(listed.envelope["result"]["requests"]) == 1


async def test_the_same_after_it_was_done_waits_and_names_what_was_done(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        first = await connected.call("create_refund", **SMALL)
        again = await connected.call("create_refund", **SMALL, metadata={"attempt": "2"})

    assert (first.status, again.status) == ("succeeded", "waiting")
    told(again, f"The same was done a short while ago, as {first.envelope['reference']}.", "no money moved")
    assert company.refunds()["count"] == 1


async def test_a_repeat_that_is_meant_is_done(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        first = await connected.call("create_refund", **SMALL)
        meant = await connected.call("create_refund", **SMALL, repeat_of=first.request_id)
        retried = await connected.call("create_refund", **SMALL, repeat_of=first.request_id)

    assert meant.status == "succeeded"
    assert (retried.status, retried.code, retried.result.is_error) == ("failed", "request.repeat_of", True)
    told(retried, f"{first.envelope['reference']} was repeated already, by {meant.envelope['reference']}.")
    assert company.refunds()["count"] == 2


async def test_the_result_of_an_approved_request_is_handed_out_once(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        first = await connected.call("create_payout", **PAYOUT)
        await company.vote(first.request_id, Answer.YES)
        await ended(connected, first.request_id)
        handed = await connected.call("create_payout", **PAYOUT)
        again = await connected.call("create_payout", **PAYOUT)

    assert (handed.status, handed.request_id) == ("succeeded", first.request_id)
    assert handed.envelope["result"]["amount"] == 500_000
    told(handed, "DONE EARLIER, NOT AGAIN.", "this is its result; nothing was done again.", "repeat_of set to this id")
    assert (again.status, again.request_id != first.request_id) == ("waiting", True)
    assert company.writes() == 1


async def test_a_result_that_was_looked_at_is_not_handed_out_again(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        first = await connected.call("create_payout", **PAYOUT)
        await company.vote(first.request_id, Answer.YES)
        seen = await connected.call("wait_for_request", request_id=first.request_id)
        again = await connected.call("create_payout", **PAYOUT)

    assert seen.status == "succeeded"
    assert (again.status, again.request_id != first.request_id) == ("waiting", True)


async def test_the_same_after_a_denial_is_told_so_and_asks_nobody(company: Company, era: str) -> None:
    """THREATS 15."""
    async with company.connected(mode=era) as connected:
        first = await connected.call("create_refund", **LARGE)
        await company.vote(first.request_id, Answer.NO, note="It was delivered.")
        again = await connected.call("create_refund", **LARGE, amount=90_000, justification="Please!")
        listed = await connected.call("list_requests", open_only=True)

    assert (again.status, again.request_id, again.result.is_error) == ("denied", first.request_id, True)
    told(again, "that answer stands, and nobody was asked again.", "The person wrote: “It was delivered.”")
    assert listed.envelope["result"]["requests"] == []


async def test_one_key_gives_one_answer_and_takes_no_other_parameters(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        first = await connected.call("create_refund", **SMALL, idempotency_key="order-7")
        again = await connected.call("create_refund", **SMALL, idempotency_key="order-7")
        other = await connected.call("create_refund", **{**SMALL, "amount": 2100}, idempotency_key="order-7")
        recorded = await connected.gate.get("stdio", other.request_id)

    assert again.request_id == first.request_id
    assert again.envelope["result"] == first.envelope["result"]
    told(again, "DONE EARLIER, NOT AGAIN.", "This is the first answer to that idempotency_key; nothing was done again.")
    assert (other.status, other.code) == ("failed", "request.key_reused")
    assert recorded.status is State.FAILED
    assert company.refunds()["count"] == 1
