"""The log's key and the checkpoint beside the database: whether they are there, fit, and are kept up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from runplane_mcp.cli.doctor.finding import Finding, broken, ok, problem, warn
from runplane_mcp.errors import RunplaneError

if TYPE_CHECKING:
    from runplane_mcp.settings import Settings

#: A checkpoint follows its commit within a second; on a busy machine within some (milliseconds).
_LATE_MS: Final = 60_000


def checkpoint(settings: Settings) -> Iterator[Finding]:
    """Nothing of a backup, which keeps none."""
    from runplane_mcp.core.checkpoint import fingerprint
    from runplane_mcp.store.anchors import Standing, ends, look, refusal
    from runplane_mcp.store.log_key import key_in_force

    file = settings.checkpoint_file
    try:
        state, found = look(settings.database, file, None)
        if state.backup:
            return
        if not state.keys:
            yield problem(
                "checkpoint",
                "The audit log does not say which key signs it: no checkpoints are kept.",
                "A gate or a command that opens the home tells it; if it was told before: runplane audit verify",
            )
            return
        own_key = key_in_force(settings.log_key, state.keys[0].public).public_key().public_bytes_raw()
        state, found = look(settings.database, file, own_key)
    except RunplaneError as error:
        yield broken("checkpoint", error)
        return
    refused = refusal(found, settings.database, file)
    if refused is not None:
        yield broken("checkpoint", refused)
    elif found.standing is Standing.MISSING:
        yield warn(
            "checkpoint",
            f"{file} is gone: nothing outside the database says how far its audit log reached.",
            "If you did not take it away, somebody has. A new one follows the next change; compare with a copy kept"
            " elsewhere: runplane audit verify --checkpoint FILE",
        )
    elif found.note is not None:
        size = found.note.checkpoint.size
        waiting = ends(settings.database, [size + 1]).get(size + 1)
        now, behind = time.time_ns() // 1_000_000, state.size - size
        if waiting is not None and waiting[1] < now - _LATE_MS:
            yield warn(
                "checkpoint",
                f"{file} is {behind:,} {'event' if behind == 1 else 'events'} behind: it has not been written since.",
                "See whether its disk has room and can be written; it follows the next change: runplane audit checkpoint",
            )
        else:
            yield ok("checkpoint", f"{size:,} of {state.size:,} events, by the key {fingerprint(own_key)[:16]}")
