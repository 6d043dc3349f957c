"""How many look-ups one agent may cause: Stripe's rate limits are the whole company's, and one agent that asks and asks
must not use them up for everybody (THREATS 26). What is over the budget waits for its turn; what is not looked up in time
is unknown, which works against the request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import anyio

#: Look-ups at once after a rest, and per second from then on. Stripe takes 25 a second in a sandbox, 100 live.
BURST: Final = 200
PER_SECOND: Final = 10
#: Agents that are kept apart; a home has a few. Over that, those longest at rest are forgotten.
_MOST_AGENTS: Final = 1_000


class ReadBudget:
    """A bucket for each principal that fills again with time. `now` is seconds of a clock that never goes back."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, principal: str) -> bool:
        """Whether one more look-up may be made for it now; then it is counted."""
        now = self._now()
        left, since = self._left.pop(principal, (float(BURST), now))
        left = min(float(BURST), left + (now - since) * PER_SECOND)
        taken = left >= 1
        self._left[principal] = (left - 1 if taken else left, now)
        if len(self._left) > _MOST_AGENTS:
            del self._left[next(iter(self._left))]
        return taken

    async def turn(self, principal: str) -> None:
        """Returns once one more look-up may be made for it."""
        while not self.take(principal):  # noqa: ASYNC110 - time alone gives it
            await anyio.sleep(1 / PER_SECOND)
