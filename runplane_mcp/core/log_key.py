"""What the audit log says of the key that signs its checkpoints: which it is, which it was, and who changed it.

The first key is added by the log itself (`log_key.added`), each later one by an administrator (`log_key.rotated`). Every
one of these events names the one before it, so that the keys are found from the newest without reading the log. The new
key signs that it is held; the old one, unless it is lost, that it gives way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.canonical import Json, canonical

ADDED: Final = "log_key.added"
ROTATED: Final = "log_key.rotated"
#: The small value that says which event added the key in force.
CURRENT: Final = "log_key_seq"


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key as the event `seq` says it: its public half (32 bytes), and the event that added the one before it."""

    public: bytes
    seq: int
    previous_seq: int | None


def key_statement(*, store: str, public_key: str, previous: str | None, at: int) -> bytes:
    """What the new key signs, and the old one where there is one (both in hex). `at` is wall time in milliseconds."""
    return canonical(
        {"type": "runplane.log-key/1", "store": store, "public_key": public_key, "previous": previous, "at": at}
    )


def rotation(*, public_key: str, previous: str, lost: bool) -> dict[str, Json]:
    """What an administrator signs for a rotation. `lost`: the old key is gone and could sign nothing."""
    return {"public_key": public_key, "previous": previous, "lost": lost}


def key_of(seq: int, type: str, body: Mapping[str, object]) -> LogKey | None:
    """The key that an event put in force; None where it is no such event, or says none that could be one."""
    previous = body.get("previous_seq")
    if type not in {ADDED, ROTATED} or (type == ROTATED) != isinstance(previous, int):
        return None
    if isinstance(previous, int) and not 0 < previous < seq:
        return None
    try:
        public = bytes.fromhex(str(body.get("public_key")))
    except ValueError:
        return None
    return LogKey(public, seq, previous if isinstance(previous, int) else None) if len(public) == 32 else None
