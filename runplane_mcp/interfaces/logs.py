"""Log lines go to stderr, and no secret goes with them: one handler, redacting whole formatted lines, tracebacks too."""

from __future__ import annotations

import logging
import sys

from runplane_mcp.core.redact import redact_text


class RedactingFormatter(logging.Formatter):
    """Formats a record, then takes out everything that has the shape of a secret, wherever in the text it stands."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Makes our handler the only one of the root logger.

    Libraries stay at WARNING whatever `level` says: at INFO some of them write the URLs they ask, ids and all. Call it
    before a library configures logging for itself, since those leave a root logger alone that has a handler.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("runplane_mcp").setLevel(level)
