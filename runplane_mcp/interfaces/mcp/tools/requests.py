"""Control tools: one's own requests. Their handlers are in `control.py`."""

from __future__ import annotations

from typing import Annotated, Final, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.interfaces.mcp.fields import STRICT
from runplane_mcp.interfaces.mcp.row import EVERYWHERE, LOOK, TAKE_BACK, ToolRow

RequestRef = Annotated[
    str,
    Field(
        min_length=1, max_length=40, examples=["RP-7F3K"], description="The request's id (rpr_…) or reference (RP-…)."
    ),
]


@with_config(STRICT)
class GetRequest(TypedDict, total=False):
    request_id: Required[RequestRef]


@with_config(STRICT)
class WaitForRequest(TypedDict, total=False):
    request_id: Required[RequestRef]
    seconds: Annotated[int, Field(ge=1, le=25, examples=[25], description="How long at most; 25 if left out.")]


@with_config(STRICT)
class ListRequests(TypedDict, total=False):
    open_only: Annotated[bool, Field(description="Only those that are not over.")]
    limit: Annotated[int, Field(ge=1, le=50, examples=[20], description="How many, newest first; 20 if left out.")]


@with_config(STRICT)
class CancelRequest(TypedDict, total=False):
    request_id: Required[RequestRef]


TOOLS: Final = (
    ToolRow(
        "get_request",
        "Look at one of your requests",
        "How one of your own requests stands now, with Stripe's answer if it was done.",
        GetRequest,
        LOOK,
        EVERYWHERE,
    ),
    ToolRow(
        "wait_for_request",
        "Wait for a request",
        "Waits up to 25 seconds for one of your own requests to be decided or done. "
        "Once, at most twice; people may need hours.",
        WaitForRequest,
        LOOK,
        EVERYWHERE,
    ),
    ToolRow(
        "list_requests",
        "List your requests",
        "Your own requests to change something, newest first, with their statuses. Reads are not among them.",
        ListRequests,
        LOOK,
        EVERYWHERE,
    ),
    ToolRow(
        "cancel_request",
        "Take back a request",
        "Takes back one of your own requests that has not run yet. It cannot undo what is done.",
        CancelRequest,
        TAKE_BACK,
        EVERYWHERE,
    ),
)
