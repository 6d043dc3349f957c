"""What Stripe can show of a request whose answer was lost: that it was done, never that it was not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from runplane_mcp.core.marks import Seen

#: Pages of 100 that are looked through, newest first.
MOST_PAGES: Final = 20

#: Waits until one more read of Stripe may be made.
Turn: TypeAlias = Callable[[], Awaitable[None]]


async def at_once() -> None:
    """The turn of whoever need not wait."""


@dataclass(frozen=True, slots=True)
class Proven:
    """It was done. `body` is the object as Stripe holds it, empty where only its traces were found."""

    body: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Absent:
    """No trace. For a POST that proves nothing; a DELETE may be repeated, since its effect is not there. `seen` is what
    there is instead, for people to look at."""

    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """Nothing can be said: Stripe could not be asked, or what was found fits neither. `failed`: a failure of it was seen,
    which nothing else can outweigh."""

    reason: str
    failed: bool = False
    seen: Seen | None = None


Evidence: TypeAlias = Proven | Absent | Unclear
