"""What one agent may heap up, so that a flood of its attempts drowns neither people nor the disk (THREATS 26).

All the numbers stand here. They are far above what an agent at work does, and not configurable: an agent that reaches one
is out of order. Look-ups have a budget of their own in `stripe_api/budget.py`, the size of what is sent in
`core/parameters.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from runplane_mcp.core.request import ActionRequest
from runplane_mcp.errors import RequestError
from runplane_mcp.store.base import Reader, Transaction

#: Requests of one principal that may be undecided, wait for people or for their time at once. Nobody answers so many.
MOST_OPEN: Final = 500
#: Times that an attempt at the same as an earlier request is written down with it. More are answered and not written, and
#: those with a key of their own, which would have to be written, are refused.
MOST_REPEATS: Final = 100
#: Refused attempts of one principal that are each written down at once after a rest, and per second from then on. The
#: others are counted.
REFUSALS_AT_ONCE: Final = 200
REFUSALS_PER_SECOND: Final = 2
#: Principals that are kept apart; a home has a few. Over that, those longest at rest are forgotten.
_MOST_PRINCIPALS: Final = 1_000

#: What an agent is told, on every interface.
TOO_MANY: Final = "request.too_many"


def check_open(reader: Reader, request: ActionRequest) -> None:
    """RequestError `request.too_many` where as many of the principal's requests are open as may be. It holds in the
    transaction that would make one more, so that no number of processes gets past it."""
    if reader.count_held(request.principal, MOST_OPEN) >= MOST_OPEN:
        raise RequestError(
            TOO_MANY,
            f"{MOST_OPEN} of your requests are open.",
            next_step="Cancel what is not needed with cancel_request, or wait until people have answered.",
        )


def may_note(reader: Reader, first: ActionRequest, *, binds: bool) -> bool:
    """Whether one more attempt at the same as `first` is written down. RequestError `request.too_many` where it is not, but
    has a key (`binds`) that would have to be."""
    if reader.count_repeats(first.id, MOST_REPEATS) < MOST_REPEATS:
        return True
    if binds:
        raise RequestError(
            TOO_MANY,
            f"{first.reference} was asked for {MOST_REPEATS} times.",
            next_step="Look at it with get_request instead of asking again.",
        )
    return False


def refused(tx: Transaction, counts: Mapping[str, int], at: int) -> None:
    """Writes down how many refused attempts of each principal were only counted, when a gate ends."""
    for principal, count in counts.items():
        tx.append("requests.refused", {"principal": principal, "refused_before": count}, at=at)


class Refusals:
    """Which refused attempts are written down one by one. `now` is seconds of a clock that never goes back."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._left: dict[str, tuple[float, float]] = {}
        self._unwritten: dict[str, int] = {}

    def written(self, principal: str) -> bool:
        """Whether this one is. If not, it is counted."""
        now = self._now()
        left, since = self._left.pop(principal, (float(REFUSALS_AT_ONCE), now))
        left = min(float(REFUSALS_AT_ONCE), left + (now - since) * REFUSALS_PER_SECOND)
        taken = left >= 1
        self._left[principal] = (left - 1 if taken else left, now)
        if len(self._left) > _MOST_PRINCIPALS:
            del self._left[next(iter(self._left))]
        if not taken:
            self._unwritten[principal] = self._unwritten.get(principal, 0) + 1
        return taken

    def unwritten(self, principal: str) -> int:
        """How many were counted since they were last asked for. To be written down with the next one."""
        return self._unwritten.pop(principal, 0)

    def rest(self) -> dict[str, int]:
        """The same of every principal, for the end."""
        found, self._unwritten = self._unwritten, {}
        return found
