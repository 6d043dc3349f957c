"""What a client is shown: no tool of which every call would be blocked, and once, in words, what is not available."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp_types import ToolListChangedNotification

from runplane_mcp.app import default_policy_text, open_desk
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.interfaces.mcp.governance import Governance
from runplane_mcp.interfaces.mcp.listing import INSTRUCTIONS, Listing
from runplane_mcp.interfaces.mcp.server import build_server
from runplane_mcp.interfaces.mcp.tools import tools_of
from runplane_mcp.interfaces.mcp.toolset import Toolset

from .conftest import Company, Connected

PATIENCE = 30
SHOWN = [row.name for row in tools_of(Toolset.DEFAULT)]
NO_PAYOUTS = "  - {id: no-payouts, when: {action: [payouts, transfers]}, then: block}\n"
PAYOUT = {"amount": 5000, "currency": "usd"}
NOT_FOR_BOT = "  - {id: not-for-bot, when: {action: payouts, agent: bot}, then: block}\n"


def policy(*rules: str) -> str:
    """The shipped policy with more rules, and without the tests of its own that these would fail."""
    text = default_policy_text()
    return text[: text.index("\ntests:")].replace("\nrules:\n", "\nrules:\n" + "".join(rules), 1)


def start_with(company: Company, *rules: str) -> None:
    """What the next gate of this home finds as its policy file."""
    company.settings.policy_file.write_text(policy(*rules), encoding="utf-8")


async def activate(company: Company, *rules: str) -> None:
    async with open_desk(company.settings, clock=company.clock()) as desk:
        await desk.activate_policy(policy(*rules), file="test")


async def listed(connected: Connected) -> list[str]:
    return [tool.name for tool in (await connected.client.list_tools(cache_mode="refresh")).tools]


async def test_a_tool_that_could_only_be_blocked_is_hidden_and_still_governed(company: Company, era: str) -> None:
    start_with(company, NO_PAYOUTS)
    async with company.connected(mode=era) as connected:
        shown = await listed(connected)
        answer = await connected.call("create_payout", amount=5000, currency="usd")

        assert shown == [name for name in SHOWN if name != "create_payout"]
        assert "Not available to you: payouts, transfers, bank details, access." in (
            connected.client.instructions or ""
        )
        assert (answer.status, answer.code) == ("blocked", "policy.blocked")
    assert company.writes() == 0


async def test_a_payout_that_is_only_blocked_at_night_is_shown(company: Company, era: str) -> None:
    async with company.connected(mode=era, now="2026-03-03T02:00") as connected:
        assert await listed(connected) == SHOWN


async def test_the_generic_tool_for_what_is_closed_altogether_is_hidden_too(company: Company, era: str) -> None:
    start_with(company, "  - {id: no-writes, when: {kind: write}, then: block}\n")
    async with company.connected(mode=era) as connected:
        shown = await listed(connected)
        answer = await connected.call("stripe_api_write", stripe_api_operation_id="PostPayouts", parameters=PAYOUT)

    assert "stripe_api_read" in shown
    assert "stripe_api_write" not in shown
    assert "create_refund" not in shown
    assert (answer.status, answer.code) == ("blocked", "policy.blocked")


async def test_what_is_hidden_from_one_agent_is_shown_to_another(company: Company) -> None:
    start_with(company, NOT_FOR_BOT)
    async with company.connected(agent="bot") as connected, company.client(connected.gate, agent="other-bot") as other:
        assert "create_payout" not in await listed(connected)
        assert "create_payout" in await listed(other)
        assert "payouts" in (connected.client.instructions or "").rsplit("Not available", 1)[1]
        assert "payouts" not in (other.client.instructions or "").rsplit("Not available", 1)[1]


async def test_the_list_and_the_instructions_follow_the_policy_while_serving(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        before = await listed(connected)
        await activate(company, NO_PAYOUTS)
        during = await listed(connected)
        async with company.client(connected.gate, mode=era) as later:
            told = later.client.instructions or ""
        await activate(company)
        after = await listed(connected)

    assert before == after == SHOWN
    assert "create_payout" not in during
    assert "payouts" in told


async def test_a_tool_that_somebody_added_is_nobodys_to_hide(company: Company) -> None:
    start_with(company, NO_PAYOUTS)
    async with company.connected() as connected:

        @connected.server.tool()
        def create_payouts(amount: int) -> str:
            """Not in the table."""
            return "paid"

        assert "create_payouts" in await listed(connected)


async def test_a_store_that_is_gone_hides_nothing_and_says_so_on_the_next_call(company: Company, era: str) -> None:
    start_with(company, NO_PAYOUTS)
    async with company.connected(mode=era) as connected:
        await connected.gate.store.close()
        shown = await listed(connected)
        answer = await connected.call("create_payout", amount=5000, currency="usd")

    assert shown == SHOWN
    assert answer.result.is_error


async def test_the_instructions_are_short_and_hold_what_keeps_agents_from_harm(company: Company) -> None:
    async with company.connected() as connected:
        text = connected.client.instructions or ""

    assert text.startswith(INSTRUCTIONS)
    assert len(text.split()) <= 150
    for sentence in (
        "waits for a person",
        "call wait_for_request once, at most twice, then tell the user and end your turn",
        "Never send a request again to get around a wait, a denial or a block",
        "look for no other way to Stripe",
    ):
        assert sentence in text
    assert not any(word in text.lower() for word in ("error", "threshold", "http", "risk", "rule", "$"))


# ── clients that listen hear of it ────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def announced(gate: Gate) -> AsyncIterator[MCPServer[Any]]:
    """A server on the gate that announces changes, as `runplane mcp` does."""
    listing, bus = Listing(gate, agent="bot", principal="stdio"), InMemorySubscriptionBus()
    async with anyio.create_task_group() as beside:
        beside.start_soon(listing.announce, bus)
        yield build_server(Governance(gate, agent="bot"), listing, bus=bus)
        beside.cancel_scope.cancel()


async def test_a_client_of_the_handshake_revisions_is_notified_when_its_list_changes(company: Company) -> None:
    changes, hear = anyio.create_memory_object_stream[object](16)
    async with changes, hear, company.connected() as connected:

        async def on_message(message: object) -> None:
            if isinstance(message, ToolListChangedNotification):
                changes.send_nowait(message)

        async with (
            announced(connected.gate) as server,
            Client(server, mode="legacy", message_handler=on_message) as client,
        ):
            await client.list_tools()
            # A change that hides nothing is no news to this client.
            await activate(company, "  - {id: more, when: {action: payouts, amount: {over: 9}}, then: block}\n")
            await activate(company, NO_PAYOUTS)
            with anyio.fail_after(PATIENCE):
                await hear.receive()
            names = [tool.name for tool in (await client.list_tools()).tools]

        assert "create_payout" not in names
        assert hear.statistics().current_buffer_used == 0


async def test_a_later_client_hears_it_on_the_stream_that_it_opened(company: Company) -> None:
    async with (
        company.connected() as connected,
        announced(connected.gate) as server,
        Client(server) as client,
    ):
        await client.list_tools()
        async with client.listen(tools_list_changed=True) as changes:
            await activate(company, NO_PAYOUTS)
            with anyio.fail_after(PATIENCE):
                async for _event in changes:
                    break
            names = [tool.name for tool in (await client.list_tools()).tools]

    assert "create_payout" not in names
