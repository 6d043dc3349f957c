"""Files that a command makes for people: new ones, whole or not there at all, and for their owner alone."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from runplane_mcp.errors import UsageError


@contextlib.contextmanager
def new_file(out: Path) -> Iterator[IO[str]]:
    """A new file that has its name only when all of it is there: half of one, of a process that was killed, must not be
    taken for it. UsageError `usage.file` where there is one of that name, or it cannot be written."""
    if os.path.lexists(out):
        raise _unwritable(out, "File exists")
    try:
        descriptor, half = tempfile.mkstemp(prefix=f".{out.name[:100]}.", suffix=".part", dir=out.parent)
    except OSError as error:
        raise _unwritable(out, str(error.strerror)) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        try:
            # A rename would take the place of what somebody else has put there meanwhile.
            os.link(half, out)
        except OSError as error:
            raise _unwritable(out, str(error.strerror)) from None
    finally:
        Path(half).unlink(missing_ok=True)


def _unwritable(out: Path, why: str) -> UsageError:
    return UsageError("usage.file", f"{out} cannot be written: {why}.", next_step="Name a new file.")
