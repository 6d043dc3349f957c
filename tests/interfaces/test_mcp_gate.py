"""The MCP interface in front of the real gate and the simulated Stripe, with the SDK's own client in both eras."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from mcp import MCPError

from runplane_mcp.app import open_gate
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.request import OwnArguments, State
from runplane_mcp.gate.view import Submission
from runplane_mcp.interfaces.mcp.tools import tools_of
from runplane_mcp.interfaces.mcp.toolset import Toolset
from runplane_mcp.simulator import SEED, Fault, FaultKind

from .conftest import ERAS, NIGHT, Company, Connected

SMALL = {"payment_intent": SEED.payment_intent_40}
LARGE = {"payment_intent": SEED.payment_intent_900}


async def test_both_eras_list_the_same_tools_and_say_what_is_not_available(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        listed = (await connected.client.list_tools()).tools

        assert connected.client.protocol_version == ERAS[era]
        assert [tool.name for tool in listed] == [row.name for row in tools_of(Toolset.DEFAULT)]
        assert all(tool.output_schema is not None for tool in listed)
        assert "Not available to you: " in (connected.client.instructions or "")
        assert "bank details" in (connected.client.instructions or "")


async def test_a_small_refund_is_made_once_and_both_halves_say_so(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        answer = await connected.call("create_refund", **SMALL, justification="arrived broken", ticket="T-9")

    envelope = answer.envelope
    assert answer.status == "succeeded", answer.text
    assert not answer.result.is_error
    assert next(iter(envelope)) == "message"
    assert answer.text == envelope["message"]
    assert envelope["simulator"] is True
    assert "Simulator: no real money." in answer.text
    for named in (envelope["request_id"], envelope["reference"], envelope["result"]["id"], "$40.00 USD"):
        assert named in answer.text
    assert company.refunds() == {"count": 1, "total": {"usd": 4000}}
    assert envelope["result"]["metadata"].keys() <= {"runplane_request"}


async def test_a_refund_without_amount_waits_is_signed_and_runs(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        asked = await connected.call("create_refund", **LARGE)
        before = company.writes()
        await company.vote(asked.request_id, Answer.YES)
        done = await connected.call("wait_for_request", request_id=asked.envelope["reference"], seconds=20)

    assert (asked.status, asked.result.is_error, before) == ("waiting", False, 0)
    assert asked.envelope["next"] == {"do": "wait", "tool": "wait_for_request"}
    assert "expires_at" in asked.envelope
    assert done.status == "succeeded", done.text
    assert done.request_id == asked.request_id
    assert company.refunds() == {"count": 1, "total": {"usd": 90000}}


async def test_the_words_of_a_denial_reach_the_agent(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        asked = await connected.call(
            "create_transfer", amount=5000, currency="usd", destination=SEED.connected_account_paid
        )
        await company.vote(asked.request_id, Answer.NO, note="Birch has no contract with us.")
        found = await connected.call("get_request", request_id=asked.request_id)

    assert asked.status == "waiting", asked.text
    assert found.status == "denied"
    assert not found.result.is_error  # the tool has worked
    assert "The person wrote: “Birch has no contract with us.”" in found.text
    assert company.writes() == 0


async def test_a_payout_at_two_in_the_morning_is_blocked(company: Company, era: str) -> None:
    async with company.connected(mode=era, now=NIGHT) as connected:
        answer = await connected.call("create_payout", amount=1_500_000, currency="usd")

    assert (answer.status, answer.result.is_error) == ("blocked", True)
    assert "Do not retry, split, lower or reroute it." in answer.text
    assert answer.envelope["next"] == {"do": "tell_user"}
    assert company.writes() == 0


async def test_a_read_carries_its_data_in_both_halves(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        customers = await connected.call("list_customers", limit=2)
        balance = await connected.call("retrieve_balance")
        payments = await connected.call("list_payment_intents", customer=SEED.customer_ada)
        movements = await connected.call("list_balance_transactions", source=SEED.refund_full, type="refund")
        subscriptions = await connected.call("list_subscriptions", status="all", limit=1)

    for answer in (customers, balance, movements, payments, subscriptions):
        assert answer.status == "succeeded", answer.text
        data = json.loads(answer.text.split("\n", 1)[1])
        assert data == answer.envelope["result"]
    assert len(customers.envelope["result"]["data"]) == 2
    assert f"starting_after={customers.envelope['result']['data'][-1]['id']}" in customers.text
    assert customers.envelope["action"] == "customer.list"
    assert balance.envelope["result"]["object"] == "balance"
    assert [each["amount"] for each in movements.envelope["result"]["data"]] == [-8000]


@pytest.mark.parametrize(
    ("tool", "sent", "code"),
    [
        ("create_refund", {**SMALL, "amount": "4000"}, "parameter.type"),
        ("create_refund", {**SMALL, "amount": 4000.0}, "parameter.type"),
        ("create_refund", {**SMALL, "amount": True}, "parameter.type"),
        ("create_refund", {**SMALL, "amount": None}, "parameter.null"),
        ("create_refund", {**SMALL, "amount": -1}, "parameter.amount"),
        ("create_refund", {**SMALL, "amount": [4000]}, "parameter.type"),
        ("create_refund", {**SMALL, "amount": 2**70}, "parameter.amount"),
        ("create_refund", {**SMALL, "amout": 4000}, "parameter.unknown"),
        ("create_refund", {**SMALL, "api_key": "sk_live_abcdefgh12345678"}, "parameter.unknown"),
        ("create_refund", {**SMALL, "metadata": {"runplane_request": "rpr_X"}}, "parameter.reserved"),
        ("create_refund", {**SMALL, "metadata": {"a][b": "x"}}, "parameter.name"),
        ("create_refund", {**SMALL, "metadata": {}}, "parameter.empty"),
        ("cancel_subscription", {"subscription": "sub_1/../../refunds"}, "parameter.path_value"),
        ("list_customers", {"limit": "5"}, "parameter.type"),
    ],
)
async def test_what_cannot_be_a_request_is_recorded_and_never_sent(
    company: Company, tool: str, sent: dict[str, Any], code: str
) -> None:
    async with company.connected() as connected:
        answer = await connected.call(tool, **sent)
        recorded = await connected.gate.get("stdio", answer.request_id)

    assert (answer.status, answer.result.is_error, answer.code) == ("failed", True, code)
    assert answer.text.startswith("NOT DONE. No money moved.")
    assert recorded.status is State.FAILED
    assert recorded.failure is not None
    assert recorded.failure.code == code
    assert company.writes() == 0


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), 10**5000], ids=["nan", "inf", "digits"])
async def test_numbers_that_json_does_not_have_are_refused_too(company: Company, amount: Any) -> None:
    # The SDK's client writes NaN as null; test_mcp_stdio.py sends it as it is.
    async with company.connected() as connected:
        answer = await connected.call("create_refund", **SMALL, amount=amount)

    assert answer.status == "failed"
    assert answer.code in {"parameter.null", "parameter.integer"}
    assert company.writes() == 0


async def test_a_tool_that_somebody_adds_is_governed_and_never_runs(company: Company, era: str) -> None:
    ran = []
    async with company.connected(mode=era) as connected:

        @connected.server.tool()
        def pay_a_friend(amount: int) -> str:
            """Added without a thought for governance."""
            ran.append(amount)
            return "paid"

        listed = [tool.name for tool in (await connected.client.list_tools()).tools]
        answer = await connected.call("pay_a_friend", amount=5)
        recorded = await connected.gate.get("stdio", answer.request_id)

    assert "pay_a_friend" in listed
    assert ran == []
    assert (answer.status, answer.code, answer.result.is_error) == ("blocked", "operation.unknown", True)
    assert recorded.status is State.BLOCKED
    assert company.writes() == 0


@pytest.mark.parametrize(
    "name",
    [
        "stripe_api_execute",
        "stripe_api_write ",
        "Stripe_Api_Write",
        "PostRefunds",
        "create_refund ",
        "Create_Refund",
        "",
        "\u202etool",
        "x" * 500,
    ],
)
async def test_an_unknown_tool_is_blocked_and_recorded(company: Company, name: str) -> None:
    async with company.connected() as connected:
        answer = await connected.call(name, amount=5)
        recorded = await connected.gate.get("stdio", answer.request_id)

    assert (answer.status, answer.code) == ("blocked", "operation.unknown")
    assert recorded.status is State.BLOCKED
    assert recorded.operation_id.startswith("tool:")


async def test_as_much_metadata_as_is_taken_is_also_taken_by_stripe(company: Company) -> None:
    """Our own key comes to the agent's, and Stripe keeps fifty."""
    async with company.connected() as connected:
        full = await connected.call("create_refund", **SMALL, metadata={str(n): "x" for n in range(49)})
        over = await connected.call("create_refund", **SMALL, metadata={str(n): "x" for n in range(50)})

    assert (full.status, over.code) == ("succeeded", "parameter.too_many")


async def test_arguments_beyond_the_bound_are_refused_without_being_kept(company: Company) -> None:
    marker = "flood-of-words-"
    async with company.connected() as connected:
        answer = await connected.call("create_refund", **SMALL, justification=marker * 20_000)
        unknown = await connected.call("no_such_tool", text=marker * 20_000)

    assert (answer.status, answer.code) == ("failed", "parameter.too_long")
    assert unknown.status == "blocked"
    assert marker.encode() not in company.stored()


async def test_a_secret_among_the_arguments_reaches_no_store_and_no_answer(company: Company) -> None:
    secret = "sk_live_" + "q7w8e9r0t1y2u3i4"
    async with company.connected() as connected:
        wrong = await connected.call("create_refund", **SMALL, api_key=secret)
        unknown = await connected.call("no_such_tool", key=secret, nested={"Authorization": f"Bearer {secret}"})
        as_a_name = await connected.call("create_refund", **SMALL, **{secret: 1})
        as_a_key = await connected.call("create_refund", **SMALL, metadata={secret: 1})
        as_a_tool = await connected.call(secret)

    answers = (wrong, unknown, as_a_name, as_a_key, as_a_tool)
    assert [answer.status for answer in answers] == ["failed", "blocked", "failed", "failed", "blocked"]
    assert secret.encode() not in company.stored()
    assert not any(secret in answer.text + json.dumps(answer.envelope) for answer in answers)


async def test_the_same_again_while_it_waits_is_the_same_request(company: Company) -> None:
    async with company.connected() as connected:
        first = await connected.call("create_refund", **LARGE)
        second = await connected.call("create_refund", **LARGE, justification="please")

    assert (first.status, second.status) == ("waiting", "waiting")
    assert second.request_id == first.request_id


async def test_an_idempotency_key_gives_the_first_answer_again(company: Company) -> None:
    async with company.connected() as connected:
        first = await connected.call("create_refund", **SMALL, idempotency_key="k-1")
        again = await connected.call("create_refund", **SMALL, idempotency_key="k-1")
        other = await connected.call("create_refund", **SMALL, amount=100, idempotency_key="k-1")

    assert (first.status, again.status) == ("succeeded", "succeeded")
    assert again.request_id == first.request_id
    assert (other.status, other.code) == ("failed", "request.key_reused")
    assert company.refunds()["count"] == 1


async def test_one_s_own_requests_are_listed_and_no_others(company: Company) -> None:
    async with company.connected() as connected:
        mine = await connected.call("create_refund", **LARGE)
        done = await connected.call("create_refund", **SMALL)
        async with company.client(connected.gate, principal="somebody-else") as other:
            theirs = await other.call("create_refund", payment_intent=SEED.payment_intent_120)
            seen_by_them = await other.call("list_requests")
            not_theirs = await other.call("get_request", request_id=mine.request_id)
            not_canceled = await other.call("cancel_request", request_id=mine.request_id)
        seen = await connected.call("list_requests")
        still_open = await connected.call("list_requests", open_only=True, limit=5)

    def ids(answer: Any) -> list[str]:
        return [each["request_id"] for each in answer.envelope["result"]["requests"]]

    assert ids(seen) == [done.request_id, mine.request_id]
    assert ids(still_open) == [mine.request_id]
    assert ids(seen_by_them) == [theirs.request_id]
    assert not seen.result.is_error
    assert (not_theirs.code, not_canceled.code) == ("request.not_found", "request.not_found")
    assert not_theirs.result.is_error
    assert mine.request_id in seen.text


async def test_a_request_that_still_waits_can_be_taken_back_once(company: Company) -> None:
    async with company.connected() as connected:
        asked = await connected.call("create_refund", **LARGE)
        canceled = await connected.call("cancel_request", request_id=asked.request_id)
        again = await connected.call("cancel_request", request_id=asked.request_id)

    assert (canceled.status, canceled.result.is_error) == ("canceled", False)
    assert (again.code, again.result.is_error) == ("request.not_cancelable", True)
    assert company.writes() == 0


async def test_a_wait_that_brings_nothing_says_so_and_shows_progress(company: Company, era: str) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with company.connected(mode=era) as connected:
        asked = await connected.call("create_refund", **LARGE)
        result = await connected.client.call_tool(
            "wait_for_request", {"request_id": asked.request_id, "seconds": 1}, progress_callback=hear
        )

    envelope = result.structured_content
    assert isinstance(envelope, dict)
    assert envelope["status"] == "waiting"
    assert envelope["message"].startswith("STILL WAITING FOR A PERSON.")
    assert envelope["next"]["do"] == "tell_user"
    assert heard
    assert heard[0][1] == 1.0
    assert "is waiting" in (heard[0][2] or "")


async def test_who_asked_is_recorded_as_a_label_and_a_client(company: Company, era: str) -> None:
    async with company.connected(mode=era, agent="support-bot") as connected:
        asked = await connected.call("create_refund", **LARGE, justification="twice charged", ticket="T-1")
        request = await connected.gate.store.read(lambda reader: reader.request(asked.request_id))

    assert request is not None
    assert (request.principal, request.agent, request.via, request.client) == (
        "stdio",
        "support-bot",
        "mcp",
        "test-client",
    )
    assert request.own == OwnArguments(justification="twice charged", ticket="T-1")
    assert request.as_asked is not None
    assert b"twice" not in request.as_asked.body


async def test_a_client_that_gives_up_in_mid_call_changes_no_outcome(company: Company, era: str) -> None:
    company.world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/refunds", seconds=1.0))
    async with company.connected(mode=era) as connected:
        with anyio.move_on_after(0.5) as gave_up:
            await connected.call("create_refund", **SMALL)
        listed = await connected.call("list_requests")
        mine = listed.envelope["result"]["requests"][0]["request_id"]
        done = await connected.call("wait_for_request", request_id=mine, seconds=20)

    assert gave_up.cancelled_caught
    assert done.status == "succeeded", done.text
    assert company.refunds() == {"count": 1, "total": {"usd": 4000}}


@pytest.mark.parametrize(
    ("tool", "sent", "status"),
    [
        ("create_refund", SMALL, "failed"),
        ("list_customers", {}, "failed"),
        ("get_request", {"request_id": "RP-7F3K"}, "None"),
        ("no_such_tool", {}, "failed"),
    ],
)
async def test_a_store_that_is_gone_is_said_without_its_insides(
    company: Company, era: str, tool: str, sent: dict[str, Any], status: str
) -> None:
    async with company.connected(mode=era) as connected:
        await connected.call("retrieve_balance")
        await connected.gate.store.close()
        answer = await connected.call(tool, **sent)

    told = json.dumps(answer.envelope) + answer.text
    assert answer.result.is_error
    assert answer.status == status
    assert answer.code.startswith(("store.", "internal."))
    assert str(company.settings.home) not in told
    assert "Traceback" not in told


async def test_a_store_that_fails_while_it_is_decided_leaves_the_outcome_open(company: Company, era: str) -> None:
    """What could not be written down may have been: only before that can an agent be told that nothing happened."""
    passed = []

    def probe(point: str) -> None:
        passed.append(point)
        if point == "store.before_commit" and "submit.received" in passed:
            raise OSError("the disk has gone")

    async with (
        open_gate(company.settings, simulator=True, clock=company.clock(), probe=probe) as gate,
        company.client(gate, mode=era) as connected,
    ):
        await connected.call("retrieve_balance")
        answer = await connected.call("create_refund", **SMALL)

    assert (answer.status, answer.code) == ("outcome_unknown", "store.unavailable")
    assert company.writes() == 0


async def test_a_stopping_server_takes_no_more_calls(company: Company) -> None:
    async with company.connected() as connected:
        connected.governance.stop()
        answer = await connected.call("create_refund", **SMALL)
        with anyio.fail_after(5):
            await connected.governance.quiet()

    assert (answer.code, answer.result.is_error) == ("request.closing", True)
    assert company.writes() == 0


async def test_stopping_waits_for_what_runs(company: Company) -> None:
    company.world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/refunds", seconds=0.5))
    answers = []

    async def refund(connected: Connected) -> None:
        answers.append(await connected.call("create_refund", **SMALL))

    async with company.connected() as connected:
        await connected.call("retrieve_balance")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(refund, connected)
            while not company.writes():
                await anyio.sleep(0.01)
            connected.governance.stop()
            with anyio.fail_after(20):
                await connected.governance.quiet()

    assert [answer.status for answer in answers] == ["succeeded"]


async def test_nothing_but_tools_reaches_stripe(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        assert (await connected.client.list_resources()).resources == []
        assert (await connected.client.list_prompts()).prompts == []
        with pytest.raises(MCPError):
            await connected.client.read_resource("stripe://balance")
        with pytest.raises(MCPError):
            await connected.client.get_prompt("refund")


async def test_the_extension_is_announced(company: Company) -> None:
    async with company.connected() as connected:
        extensions = connected.client.server_capabilities.extensions or {}

    assert "io.runplane/governance" in extensions


async def test_other_interfaces_requests_are_shown_by_the_same_words(company: Company) -> None:
    async with company.connected() as connected:
        view = await connected.gate.submit(
            Submission("stdio", "bot", "proxy", "PostRefunds", {"payment_intent": SEED.payment_intent_900})
        )
        found = await connected.call("get_request", request_id=view.reference.lower())

    assert found.status == "waiting"
    assert found.request_id == view.request_id
