"""Answers of the tools that look into the catalog, and of the generic ones where they cannot call what they were asked
for. What they tell of is made up, so that a new judgement changes no golden file."""

from __future__ import annotations

from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import OperationError
from runplane_mcp.interfaces.mcp.envelope import about_trouble
from runplane_mcp.interfaces.mcp.finding import about_details, about_found

REFUND: dict[str, Json] = {
    "operation_id": "PostRefunds",
    "action": "refund.create",
    "kind": "write",
    "what": "Gives a charge's money back.",
    "groups": ["refunds"],
    "tools": ["create_refund"],
}
TOPUP: dict[str, Json] = {
    "operation_id": "PostTopups",
    "action": "topup.create",
    "kind": "write",
    "what": "Brings money of a bank account into the balance.",
    "tools": ["stripe_api_write"],
}
CLOSED: dict[str, Json] = {**TOPUP, "available": False, "note": "not available to you"}
DETAILS: dict[str, Json] = {
    **TOPUP,
    "method": "POST",
    "path": "/v1/topups",
    "undo": "Whether it can be undone depends.",
    "required": ["amount", "currency"],
    "parameters": {"amount": "a whole number, in the currency's smallest unit", "currency": "a text"},
    "call": {
        "tool": "stripe_api_write",
        "arguments": {"stripe_api_operation_id": "PostTopups", "parameters": {"amount": 1000, "currency": "usd"}},
    },
}

CATALOG_ANSWERS = {
    "catalog_found": about_found([REFUND, TOPUP]),
    "catalog_found_one_that_is_closed": about_found([REFUND, CLOSED]),
    "catalog_nothing_found": about_found([]),
    "catalog_details": about_details(DETAILS),
    "catalog_details_of_what_is_closed": about_details({**DETAILS, "available": False, "note": "not available to you"}),
    "trouble_unknown_operation": about_trouble(
        OperationError(
            "operation.unknown",
            "Stripe has no operation PostRefund. Nearest: PostRefunds.",
            next_step="Find it with stripe_api_search.",
            param="stripe_api_operation_id",
        ),
        tool="stripe_api_details",
        operation=False,
        may_have_run=False,
    ),
}
