"""Who calls a control tool, and how the wait for its answer is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from runplane_mcp.interfaces.mcp.toolset import Toolset

#: Tells the client how far a wait is: seconds so far, seconds in all, and in words.
Report: TypeAlias = Callable[[float, float, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Caller:
    """One connection. `principal` is accountable, `agent` only a label; `toolset` is what its client is shown."""

    principal: str
    agent: str
    toolset: Toolset
