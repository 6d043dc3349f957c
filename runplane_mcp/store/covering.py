"""A checkpoint for a receipt: the one that is kept outside the database where it reaches far enough, else a new one."""

from __future__ import annotations

from pathlib import Path

from runplane_mcp.core.checkpoint import Note, sign
from runplane_mcp.core.log_key import LogKey
from runplane_mcp.errors import CheckpointError, StoreError
from runplane_mcp.store.anchors import Standing, look, refusal
from runplane_mcp.store.checkpoints import Kept
from runplane_mcp.store.log_key import key_in_force


def covering(database: Path, kept: Kept, seq: int, *, named: Path | None = None) -> tuple[Note, LogKey]:
    """A checkpoint of this log that reaches event `seq`, and the key that signed it, as the log tells of it. `named` is one
    that was kept elsewhere, and then no other will do: a backup has none beside it and no key to sign one.

    CheckpointError `checkpoint.behind` where the named one does not reach; StoreError `store.rolled_back` and
    `store.checkpoint_broken` where the checkpoint is not of this database's history, `store.no_log_key` for a log that has
    no key yet, and what reading the key says where a new checkpoint is needed.
    """
    file = kept.file if named is None else named
    state, found = look(database, file, None)
    refused = refusal(found, database, file)
    if refused is not None:
        raise refused
    there = found.note
    signer = next((key for key in state.keys if key.public == found.key), None)
    held = found.standing is Standing.HELD and there is not None and there.checkpoint.epoch == state.epoch
    # Its key has to be told of in it: the first checkpoint after a rotation may be a moment behind that.
    if held and there is not None and signer is not None and there.checkpoint.size >= max(seq, signer.seq):
        return there, signer
    if named is not None:
        raise CheckpointError(
            "checkpoint.behind",
            f"The checkpoint in {named} does not reach event {seq:,}, the request's last, in this epoch of the log.",
            next_step="Name a later one, or none: `runplane audit prove` makes one then.",
        )
    if not state.keys:
        raise StoreError(
            "store.no_log_key",
            "The audit log has no key that could sign a checkpoint.",
            next_step="Run `runplane status` once: it gives the log one.",
        )
    key = key_in_force(kept.key, state.keys[0].public)
    return sign(state.checkpoint(), key), state.keys[0]
