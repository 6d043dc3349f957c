"""The TypeScript SDK's clients and the MCP Inspector list and call our tools over a real pipe, in every protocol era that
they speak. They check results against the output schema as their makers understand it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runplane_mcp.interfaces.mcp.envelope import SCHEMA
from runplane_mcp.interfaces.mcp.tools import tools_of
from runplane_mcp.interfaces.mcp.toolset import Toolset
from runplane_mcp.simulator import SEED

from .conftest import INSTALLING, SESSION, Clients, refunds_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(INSTALLING + 3 * SESSION)]

AFTERNOON, NIGHT = "2026-03-03T14:00", "2026-03-03T02:00"
SMALL = {"payment_intent": SEED.payment_intent_40, "justification": "arrived broken"}
LARGE = {"payment_intent": SEED.payment_intent_900}
PAYOUT = {"amount": 1_500_000, "currency": "usd"}
#: Version of the SDK, how it is told to negotiate, and the revision that comes of it.
TYPESCRIPT = [
    ("1", "legacy", "2025-11-25"),
    ("2", "legacy", "2025-11-25"),
    ("2", "auto", "2026-07-28"),
    ("2", {"pin": "2026-07-28"}, "2026-07-28"),
]
INSPECTOR = [("legacy", "2025-11-25"), ("modern", "2026-07-28"), ("auto", "2026-07-28")]


def both_halves(result: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The text and the envelope, each of which says it all."""
    text = "\n\n".join(block["text"] for block in result["content"])
    envelope = result["structuredContent"]
    assert text.split("\n\n")[0] == envelope["message"]
    for named in (envelope["request_id"], envelope["reference"]):
        assert named in text
    return text, envelope


def check_tools(tools: list[dict[str, Any]]) -> None:
    rows = tools_of(Toolset.DEFAULT)
    assert [tool["name"] for tool in tools] == [row.name for row in rows]
    for tool, row in zip(tools, rows, strict=True):
        # A client may put the keys in another order, or leave out a description of its own schema.
        assert tool["inputSchema"]["properties"] == row.shape.schema["properties"]
        assert tool["inputSchema"].get("additionalProperties") is False
        assert tool["outputSchema"]["properties"].keys() == SCHEMA["properties"].keys()
        assert tool["annotations"]["readOnlyHint"] is row.annotations.read_only_hint


@pytest.mark.parametrize(("sdk", "mode", "protocol"), TYPESCRIPT, ids=["1", "2-legacy", "2-auto", "2-pinned"])
def test_the_typescript_sdk_lists_and_calls(clients: Clients, sdk: str, mode: Any, protocol: str) -> None:
    session = clients.typescript(
        sdk, mode, AFTERNOON, ("create_refund", SMALL), ("create_refund", LARGE), ("retrieve_balance", {})
    )
    done, held, balance = session["results"]

    assert session["protocol"] == protocol
    assert "Not available to you: bank details, access." in session["instructions"]
    check_tools(session["tools"])
    text, envelope = both_halves(done)
    assert (envelope["status"], done["isError"]) == ("succeeded", False)
    assert text.startswith("DONE. Money moved: refund of $40.00 USD.")
    text, envelope = both_halves(held)
    assert (envelope["status"], held["isError"]) == ("waiting", False)
    assert text.startswith("WAITING FOR A PERSON.")
    text, envelope = both_halves(balance)
    assert json.loads(text.split("\n\n")[1]) == envelope["result"]
    assert refunds_in(clients.home) == {"count": 1, "total": {"usd": 4000}}


@pytest.mark.parametrize(("sdk", "mode", "protocol"), TYPESCRIPT[:3], ids=["1", "2-legacy", "2-auto"])
def test_the_typescript_sdk_is_told_what_is_blocked_and_what_was_wrong(
    clients: Clients, sdk: str, mode: Any, protocol: str
) -> None:
    session = clients.typescript(
        sdk,
        mode,
        NIGHT,
        ("create_payout", PAYOUT),
        ("create_refund", {**SMALL, "amount": "4000"}),
        ("no_such_tool", {}),
    )

    assert [result["isError"] for result in session["results"]] == [True, True, True]
    told = [both_halves(result) for result in session["results"]]
    assert [envelope["status"] for _, envelope in told] == ["blocked", "failed", "blocked"]
    assert [envelope["error"]["code"] for _, envelope in told] == [
        "policy.blocked", "parameter.type", "operation.unknown",
    ]  # fmt: skip
    assert "Do not retry, split, lower or reroute it." in told[0][0]
    assert refunds_in(clients.home)["count"] == 0


@pytest.mark.parametrize(("era", "protocol"), INSPECTOR, ids=[era for era, _ in INSPECTOR])
def test_the_inspector_lists_the_tools_and_finds_nothing_that_other_clients_could_not_read(
    clients: Clients, era: str, protocol: str
) -> None:
    _, hello = clients.inspector(era, AFTERNOON, "--method", "initialize")
    code, listed = clients.inspector(era, AFTERNOON, "--method", "tools/list", "--strict")

    assert hello["protocolVersion"] == protocol
    assert "Not available to you: bank details, access." in hello["instructions"]
    assert code == 0
    check_tools(listed["tools"])


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_calls_and_passes_on_both_halves(clients: Clients, era: str) -> None:
    def call(now: str, tool: str, arguments: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        words = ("--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))
        return clients.inspector(era, now, *words)

    done, held, blocked = (
        call(AFTERNOON, "create_refund", SMALL),
        call(AFTERNOON, "create_refund", LARGE),
        call(NIGHT, "create_payout", PAYOUT),
    )

    assert [code for code, _ in (done, held, blocked)] == [0, 0, 5]  # 5: a tool that says isError
    assert [result["isError"] for _, result in (done, held, blocked)] == [False, False, True]
    told = [both_halves(result) for _, result in (done, held, blocked)]
    assert [envelope["status"] for _, envelope in told] == ["succeeded", "waiting", "blocked"]
    assert told[2][0].startswith("BLOCKED. Not done; no money moved.")
    assert refunds_in(clients.home) == {"count": 1, "total": {"usd": 4000}}
