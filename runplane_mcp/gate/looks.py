"""For how long what a look-up told may be acted on: a machine that slept between looking and deciding sees another world
when it wakes, and so does one that waited a long time for its turn to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from runplane_mcp.gate.clock import Clock

#: After the first read of a look-up began (milliseconds). Longer than the longest look-up and a second one after it.
LASTS_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class Look:
    """When a look-up began, by the wall's clock and the boot's."""

    wall: int
    boot: tuple[str, int]

    @classmethod
    def begun(cls, clock: Clock) -> Self:
        return cls(clock.wall(), clock.boot())

    def old(self, clock: Clock) -> bool:
        """Whether Stripe has to be looked at anew, by the clock that says more. A wall clock that was set back says
        nothing; the boot's goes on."""
        passed, (boot, ms) = clock.wall() - self.wall, clock.boot()
        if boot == self.boot[0]:
            passed = max(passed, ms - self.boot[1])
        return passed > LASTS_MS
