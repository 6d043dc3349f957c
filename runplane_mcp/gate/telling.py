"""Telling a process's own log once what is the case again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: What goes on is told again after so long (seconds).
AGAIN: Final = 3_600.0
#: Of so many things it is known what was told last.
_KNOWN: Final = 10_000


class Once:
    """Whether something is to be told: not where the same was told of the same thing within the hour. `now` gives seconds
    that only go forward."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._told: dict[str, tuple[str, float]] = {}

    def tell(self, about: str, what: str) -> bool:
        now = self._now()
        before, at = self._told.get(about, ("", 0.0))
        if what == before and now - at < AGAIN:
            return False
        self._told.pop(about, None)
        self._told[about] = (what, now)
        if len(self._told) > _KNOWN:
            del self._told[next(iter(self._told))]
        return True
