"""Whether somebody moved the clock since a gate began: windows of limits follow it.

A clock that was set back is no danger: what was counted since lies in the future and counts on. One that was set forward
lets money leave its windows before its time. The time since the machine booted, which nobody sets, gives it away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from runplane_mcp.cli.doctor.finding import Finding, warn

if TYPE_CHECKING:
    from runplane_mcp.gate.clock import Clock
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.store.records import Event

#: Steps of time services are smaller (milliseconds).
_A_STEP: Final = 60_000
#: The newest events, among which beginnings and ends of gates are looked for.
_EVENTS: Final = 5_000


async def clock_moved(desk: Desk) -> list[Finding]:
    """A warning where the clock was set forward since the oldest beginning of a gate in the newest events."""
    events = await desk.store.read(lambda reader: reader.events(max(0, reader.head().size - _EVENTS), _EVENTS))
    jump, since = _jump(events, desk.clock)
    if jump <= _A_STEP:
        return []
    from runplane_mcp.cli.output import moment

    return [
        warn(
            "clock",
            f"The clock was set forward by about {round(jump / 60_000):,} minutes after {moment(since)}: what limits"
            " counted before that leaves their windows so much earlier.",
            "If it was not a time service or a sleeping virtual machine, find out who can set the clock; see:"
            " runplane limits",
        )
    ]


def _jump(events: Sequence[Event], clock: Clock) -> tuple[int, int]:
    """The largest step forward between one of these events and now, and when that event was (milliseconds)."""
    from runplane_mcp.gate.acts import said

    boot, boot_ms = clock.boot()
    largest, since = 0, 0
    for event in events:
        body = said(event) if event.type in {"gate.started", "gate.stopped"} else {}
        then = body.get("boot_ms")
        if boot and body.get("boot") == boot and isinstance(then, int):
            jump = (clock.wall() - event.at) - (boot_ms - then)
            if jump > largest:
                largest, since = jump, event.at
    return largest, since
