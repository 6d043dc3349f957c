"""The control tools: looking at, waiting for, listing and taking back one's own requests, and finding operations. None of
them touches Stripe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias, cast

import anyio

from runplane_mcp.core.request import FINAL
from runplane_mcp.core.wire import Value
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.interfaces.mcp.caller import Caller, Report
from runplane_mcp.interfaces.mcp.envelope import Answer, about_request, about_requests
from runplane_mcp.interfaces.mcp.finding import describe_api, search_api

#: How long one wait lasts at most, and how often it says that it is still there (seconds). Clients give up on a silent
#: call after a while, some after 30 seconds.
LONGEST_WAIT = 25
PROGRESS_EVERY = 5.0

Handler: TypeAlias = Callable[[Gate, Caller, Mapping[str, Value], Report], Awaitable[Answer]]


async def get_request(gate: Gate, caller: Caller, given: Mapping[str, Value], _report: Report) -> Answer:
    view = await gate.get(caller.principal, str(given["request_id"]))
    return about_request(view, now=gate.clock.wall(), tool="get_request", control=True)


async def wait_for_request(gate: Gate, caller: Caller, given: Mapping[str, Value], report: Report) -> Answer:
    """Waits until the request is over, or as long as was asked for. Progress goes out on the way."""
    which = str(given["request_id"])
    seconds = float(cast("int", given.get("seconds", LONGEST_WAIT)))
    began = anyio.current_time()
    view = await gate.get(caller.principal, which)
    while view.status not in FINAL and (left := began + seconds - anyio.current_time()) > 0:
        await report(seconds - left, seconds, f"{view.reference} is {view.status.value}")
        view = await gate.wait(caller.principal, which, min(left, PROGRESS_EVERY))
    return about_request(view, now=gate.clock.wall(), tool="wait_for_request", control=True)


async def list_requests(gate: Gate, caller: Caller, given: Mapping[str, Value], _report: Report) -> Answer:
    open_only = given.get("open_only", False) is True
    return about_requests(
        await gate.recent(caller.principal, open_only=open_only, limit=cast("int", given.get("limit", 20)))
    )


async def cancel_request(gate: Gate, caller: Caller, given: Mapping[str, Value], _report: Report) -> Answer:
    view = await gate.cancel(caller.principal, str(given["request_id"]))
    return about_request(view, now=gate.clock.wall(), tool="cancel_request", control=True)


HANDLERS: Final[Mapping[str, Handler]] = {
    "get_request": get_request,
    "wait_for_request": wait_for_request,
    "list_requests": list_requests,
    "cancel_request": cancel_request,
    "stripe_api_search": search_api,
    "stripe_api_details": describe_api,
}
