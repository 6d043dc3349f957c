"""The table of tools: complete, honest about what each does, and about real operations."""

from __future__ import annotations

from typing import Any

import pytest

from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.request import Kind
from runplane_mcp.core.wire import encode
from runplane_mcp.interfaces.mcp.control import HANDLERS
from runplane_mcp.interfaces.mcp.row import ToolRow
from runplane_mcp.interfaces.mcp.tools import TOOLS, tools_of
from runplane_mcp.interfaces.mcp.toolset import Toolset

#: What is needed to make a request with each tool, and with everything it takes.
SMALLEST: dict[str, dict[str, Any]] = {
    "create_refund": {"payment_intent": "pi_1"},
    "create_payout": {"amount": 2500, "currency": "usd"},
    "create_transfer": {"amount": 2500, "currency": "usd", "destination": "acct_1"},
    "cancel_subscription": {"subscription": "sub_1"},
    "retrieve_balance": {},
    "list_payment_intents": {},
    "list_subscriptions": {},
    "list_customers": {},
}
PAGING: dict[str, Any] = {"limit": 3, "starting_after": "a", "ending_before": "b"}
LARGEST: dict[str, dict[str, Any]] = {
    "create_refund": {
        "charge": "ch_1",
        "amount": 1,
        "reason": "duplicate",
        "refund_application_fee": False,
        "reverse_transfer": True,
        "metadata": {"order": "6735"},
    },
    "create_payout": {
        "amount": 2500,
        "currency": "usd",
        "description": "x",
        "destination": "ba_1",
        "method": "instant",
        "source_type": "card",
        "statement_descriptor": "x",
        "metadata": {"a": "b"},
    },
    "create_transfer": {
        "currency": "usd",
        "destination": "acct_1",
        "description": "x",
        "source_transaction": "ch_1",
        "source_type": "card",
        "transfer_group": "x",
        "metadata": {"a": "b"},
        "amount": 1,
    },
    "cancel_subscription": {
        "subscription": "sub_1",
        "invoice_now": True,
        "prorate": False,
        "cancellation_details": {"comment": "x", "feedback": "unused"},
    },
    "retrieve_balance": {},
    "list_payment_intents": {"customer": "c", **PAGING},
    "list_subscriptions": {"customer": "c", "price": "p", "status": "all", **PAGING},
    "list_customers": {"email": "a@example.com", **PAGING},
}

OPERATIONS = [row for row in TOOLS if row.operation is not None]


def test_a_client_is_shown_these_tools_in_this_order() -> None:
    assert [row.name for row in tools_of(Toolset.DEFAULT)] == [
        "create_refund",
        "create_payout",
        "create_transfer",
        "cancel_subscription",
        "list_subscriptions",
        "retrieve_balance",
        "list_payment_intents",
        "list_customers",
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


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
@pytest.mark.parametrize("sent", [SMALLEST, LARGEST], ids=["smallest", "largest"])
def test_every_operation_tool_makes_a_request_that_the_catalog_knows(row: ToolRow, sent: dict[str, Any]) -> None:
    catalog = load_catalog()
    operation_id, parameters, _ = row.split(row.shape.read(sent[row.name]))
    operation = catalog.by_id(operation_id)

    assert operation is not None
    assert operation.judged
    catalog.check(operation, parameters)
    classified = catalog.classify(encode(operation.method, operation.path, parameters))
    assert classified is not None
    assert classified.operation is operation
    assert (operation.kind is Kind.READ) == row.annotations.read_only_hint


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_the_operation_of_a_refused_attempt_is_the_tool_s_own(row: ToolRow) -> None:
    assert row.usually == row.split(row.shape.read(SMALLEST[row.name]))[0]


def test_the_largest_arguments_leave_nothing_out() -> None:
    own = {"justification", "ticket", "idempotency_key", "repeat_of"}
    left_out = {
        "create_refund": {"payment_intent"},  # given instead of charge
        "cancel_subscription": {"at_period_end"},  # does not go with prorate
    }

    for row in OPERATIONS:
        takes = set(row.shape.schema["properties"]) - own - left_out.get(row.name, set())
        assert LARGEST[row.name].keys() == takes, row.name


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
