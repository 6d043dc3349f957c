"""The room on a store's disk that is kept for people, and for what has begun.

Agents can fill a disk faster than anybody looks. What they ask for is refused while there is still room to deny, to freeze
and to write down what came of what was sent.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from runplane_mcp.store import faults

#: In bytes. When the write-ahead log is emptied, all of its 16 MB may be new to the database, and lie there twice for a
#: moment; the rest is for some thousand votes, denials and outcomes.
HEADROOM: Final = 32 << 20


def check_room(path: Path) -> None:
    """StoreError `store.full` where the disk of the store at `path` has less left than is kept. Some microseconds."""
    try:
        found = os.statvfs(path.parent)
    except OSError as error:
        raise faults.from_os(error, path) from error
    # Some file systems, and quotas, do not tell: then the database itself says when it is full.
    if found.f_blocks and found.f_bavail * found.f_frsize < HEADROOM:
        raise faults.nearly_full(path, HEADROOM)
