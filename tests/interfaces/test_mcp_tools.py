"""The table of tools as a whole; each tool by itself is in test_tool_table.py."""

from __future__ import annotations

from runplane_mcp.interfaces.mcp.control import HANDLERS
from runplane_mcp.interfaces.mcp.tools import BY_NAME, TOOLS, callers_of, tools_of
from runplane_mcp.interfaces.mcp.toolset import Toolset


def test_a_client_is_shown_these_tools_in_this_order() -> None:
    assert [row.name for row in tools_of(Toolset.DEFAULT)] == [
        "create_refund",
        "create_payout",
        "cancel_subscription",
        "list_subscriptions",
        "retrieve_balance",
        "list_payment_intents",
        "list_customers",
        "stripe_api_search",
        "stripe_api_details",
        "stripe_api_read",
        "stripe_api_write",
        "get_request",
        "wait_for_request",
        "list_requests",
        "cancel_request",
    ]
    assert len(tools_of(Toolset.DEFAULT)) <= 15


def test_every_tool_is_in_all_and_every_toolset_has_the_control_tools() -> None:
    assert tools_of(Toolset.ALL) == TOOLS
    for toolset in Toolset:
        assert HANDLERS.keys() <= {row.name for row in tools_of(toolset)}


def test_a_tool_without_an_operation_has_a_handler_and_no_other_does() -> None:
    assert {row.name for row in TOOLS if row.operation is None} == HANDLERS.keys()


def test_hints_say_what_money_out_and_destruction_are() -> None:
    hints = {row.name: row.annotations for row in TOOLS}

    for name in ("create_refund", "create_payout", "create_transfer", "cancel_subscription"):
        assert hints[name].destructive_hint
        assert hints[name].open_world_hint
        assert not hints[name].read_only_hint
    for name in ("create_refund", "create_payout", "create_transfer"):
        assert not hints[name].idempotent_hint
    for name in ("retrieve_balance", "list_customers", "get_request", "wait_for_request", "list_requests"):
        assert hints[name].read_only_hint
        assert not hints[name].destructive_hint


def test_a_cancellation_can_become_either_of_two_operations() -> None:
    row = BY_NAME["cancel_subscription"]
    at_once, later = (
        row.split(row.shape.read({"subscription": "sub_1", **rest}))[0] for rest in ({}, {"at_period_end": True})
    )

    assert row.operations == (at_once, later)
    assert callers_of(later) == ("cancel_subscription", "update_subscription")
    assert BY_NAME["get_request"].operations == ()
