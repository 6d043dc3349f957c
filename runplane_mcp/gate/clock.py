"""The two clocks. *Policy time* is what facts, windows and expiry see, and may be simulated. *Wall time* is for the audit
log, leases and attempts, and never is. Both are milliseconds since 1970."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Final, Protocol

from runplane_mcp.errors import SettingsError

#: Far enough from both ends of the calendar for every window and expiry that is added or taken away.
SIMULATED_YEARS: Final = range(2001, 2100)


class Clock(Protocol):
    def wall(self) -> int: ...
    def policy(self) -> int: ...
    def boot(self) -> tuple[str, int]:
        """Which boot of the machine this is, and the milliseconds since it, time asleep included: a wall clock that is set
        back, or a laptop that slept over the weekend, shows here."""
        ...

    @property
    def simulated(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock. `offset` (milliseconds) moves policy time away from wall time, only against the simulator."""

    offset: int = 0

    def wall(self) -> int:
        return time.time_ns() // 1_000_000

    def policy(self) -> int:
        return self.wall() + self.offset

    def boot(self) -> tuple[str, int]:
        # On a Mac this is CLOCK_MONOTONIC; `time.monotonic` stands still there while asleep. Where no clock goes on, the
        # wall's and the log still speak.
        clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return _boot_id(), time.clock_gettime_ns(clock) // 1_000_000

    @property
    def simulated(self) -> bool:
        return self.offset != 0


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def simulated_offset(written: str, zone: tzinfo) -> int:
    """The offset that makes policy time start at `written`: ISO, in the policy's zone unless it names another.

    SettingsError `settings.simulator_now` for anything else.
    """
    moment: datetime | None = None
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(written.strip())
    if moment is None or moment.year not in SIMULATED_YEARS:
        raise SettingsError(
            "settings.simulator_now",
            f"RUNPLANE_SIMULATOR_NOW is not a time of this century: {written[:40]!a}.",
            next_step="Write it like 2026-03-03T14:00.",
        )
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return int(moment.timestamp() * 1000) - time.time_ns() // 1_000_000


def iso(milliseconds: int) -> str:
    """A moment as people and programs read it: `2026-03-03T19:00:00Z`."""
    return datetime.fromtimestamp(milliseconds // 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
