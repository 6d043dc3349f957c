"""Log lines go to stderr, and neither secrets nor names go with them: one handler, redacting whole formatted lines. Of an
exception its type and where it came from are told, not its words: those may quote what it choked on.
"""

from __future__ import annotations

import io
import logging
import os
import re
import select
import sys
import traceback
from types import TracebackType
from typing import Final, TextIO, TypeAlias

from runplane_mcp.core.redact import REDACTED, redact_text
from runplane_mcp.errors import RunplaneError

_ExcInfo: TypeAlias = "tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]"

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
#: Causes of causes that are told.
_MOST_CAUSES: Final = 4


class RedactingFormatter(logging.Formatter):
    """Formats a record, then takes out everything that has the shape of a secret or of an e-mail address, wherever in the
    text it stands."""

    def format(self, record: logging.LogRecord) -> str:
        return _EMAIL.sub(REDACTED, redact_text(super().format(record)))

    def formatException(self, ei: _ExcInfo) -> str:
        """Where the exception and its causes came from. The words only of our own, which are made to be shown."""
        told: list[str] = []
        error = ei[1]
        while error is not None and len(told) < _MOST_CAUSES:
            frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
            words = f": {error.message}" if isinstance(error, RunplaneError) else ""
            told.append(f"Traceback (most recent call last):\n{frames}\n{type(error).__name__}{words}")
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n\nThat came of:\n\n".join(told)


class NeverWaiting(logging.Handler):
    """Writes to a stream as long as it takes what is written. Hosts start a server with a pipe for stderr, and some never
    read it: once it is full, a handler that waits would stop the server for good in the middle of whatever it does."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record) + "\n"
            if self._dropped:
                text = f"\n({self._dropped} log entries were dropped: nobody read them)\n{text}"
            if self._written(text):
                self._dropped = 0
            else:
                self._dropped += 1
        except Exception:  # noqa: BLE001 - as every handler of the standard library does it
            self.handleError(record)

    def _written(self, text: str) -> bool:
        """Whether all of it was taken. A pipe that is ready takes PIPE_BUF bytes without making anybody wait."""
        try:
            descriptor = self._stream.fileno()
        except io.UnsupportedOperation:
            self._stream.write(text)
            return True
        left = memoryview(text.encode("utf-8", "backslashreplace"))
        try:
            self._stream.flush()
            while left and select.select([], [descriptor], [], 0)[1]:
                left = left[os.write(descriptor, left[: select.PIPE_BUF]) :]
        except OSError:
            return False  # Whoever read it has gone.
        return not left


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Makes our handler the only one of the root logger.

    Libraries stay at WARNING whatever `level` says: at INFO some of them write the URLs they ask, ids and all. Call it
    before a library configures logging for itself, since those leave a root logger alone that has a handler.
    """
    handler = NeverWaiting(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("runplane_mcp").setLevel(level)
