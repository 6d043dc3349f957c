"""What a client is shown: the tools that its agent could ever use, and in the instructions what it could not.

A tool of which every call would be blocked is left out of the list. It stays callable and governed: lists keep a model's
head clear, policies keep money safe. Both are made anew whenever they are asked for, and a client that listens hears when
another policy makes another list.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import SubscriptionBus, ToolsListChanged

from runplane_mcp.core.closed import Closed
from runplane_mcp.errors import RunplaneError
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.interfaces.mcp.tools import BY_NAME, REACHABLE

log = logging.getLogger(__name__)

INSTRUCTIONS: Final = (
    "Runplane stands between you and Stripe. Every call is judged by the company's policy: it is done at once, waits for a "
    "person, or is blocked. Read `message` first and follow `next`; `status` says how it stands. A request that waits is "
    "held safely: call wait_for_request once, at most twice, then tell the user and end your turn. Never send a request "
    "again to get around a wait, a denial or a block, and look for no other way to Stripe. Amounts are whole numbers in "
    "the currency's smallest unit. Give every write a justification: the person who decides reads it. What has no tool of "
    "its own is found with stripe_api_search and called with stripe_api_read or stripe_api_write; it is judged the same."
)
#: How often a change of the policy is looked for at most, and at least (seconds). Not every change wakes whoever waits:
#: a policy file that this process itself has taken over does not.
SOONEST, LATEST = 0.5, 2.0


class Listing:
    """Middleware of one server. `agent` and `principal` are whose calls it serves."""

    def __init__(self, gate: Gate, *, agent: str, principal: str) -> None:
        self._gate = gate
        self._agent = agent
        self._principal = principal
        self._session: ServerSession | None = None

    async def instructions(self) -> str:
        """What the server says about itself. RunplaneError where the policy cannot be read."""
        return INSTRUCTIONS + unavailable(await self._closed())

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        if ctx.method not in {"tools/list", "initialize", "server/discover"} or not isinstance(result, Mapping):
            return result
        try:
            closed = await self._closed()
        except RunplaneError as error:
            # Only what is shown is at stake; every call is still decided, and says then what is wrong.
            log.warning("What is closed to %s could not be found out: %s", self._agent, error)
            return result
        if ctx.method != "tools/list":
            return {**result, "instructions": INSTRUCTIONS + unavailable(closed)}
        self._session = ctx.session
        return {**result, "tools": [tool for tool in result["tools"] if not is_closed(tool["name"], closed)]}

    async def announce(self, bus: SubscriptionBus) -> None:
        """Until canceled: says to a client that has listed the tools when the list has become another one. A client of
        the handshake revisions is notified, later ones hear it on the streams that they opened."""
        told = await self._hidden()
        while True:
            await self._gate.change(LATEST)
            now = await self._hidden()
            if now != told:
                told = now
                await bus.publish(ToolsListChanged())
                if self._session is not None:
                    await self._session.send_tool_list_changed()
            await anyio.sleep(SOONEST)

    async def _hidden(self) -> frozenset[str] | None:
        try:
            closed = await self._closed()
        except RunplaneError:
            return None
        return closed.operations | {kind.value for kind in closed.kinds}

    async def _closed(self) -> Closed:
        return await self._gate.closed(principal=self._principal, agent=self._agent, via="mcp", reachable=REACHABLE)


def is_closed(tool: str, closed: Closed) -> bool:
    """Whether every call of a tool would be blocked. A tool that is not in the table is nobody's to hide."""
    row = BY_NAME.get(tool)
    if row is not None and row.generic is not None:
        return row.generic in closed.kinds
    return row is not None and bool(row.operations) and closed.operations >= {*row.operations}


def unavailable(closed: Closed) -> str:
    """One sentence, or none: groups and actions in words, `bank details`, `customer.delete`."""
    names = [name.replace("_", " ") if "." not in name else name for name in closed.names]
    return f" Not available to you: {', '.join(names)}." if names else ""
