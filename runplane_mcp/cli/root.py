"""The outermost layer of every command: whatever goes wrong inside ends as one clear line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

from runplane_mcp.errors import EXIT_USAGE, InternalError, RunplaneError, SettingsError, UsageError


class RootGroup(TyperGroup):
    """`runplane` itself."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in given
        for stream in (sys.stdout, sys.stderr):
            # A terminal that is not UTF-8 shows what it cannot draw by its number, instead of failing in mid-card.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().main(given, *rest, **extra)
        except SystemExit as ended:
            if ended.code == EXIT_USAGE and as_json:
                _report(UsageError("usage.invalid", "The command line is not right; stderr says how."), as_json=True)
            raise
        except Exception as error:  # noqa: BLE001 - the last handler there is: people never see a traceback
            failure = _as_runplane(error)
            if os.environ.get("RUNPLANE_DEBUG") == "1":
                traceback.print_exc()
            _report(failure, as_json=as_json)
            sys.exit(failure.exit_code)


def _as_runplane(error: BaseException) -> RunplaneError:
    """The error itself, the one inside of task groups, or `internal.error` for what nobody foresaw."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, RunplaneError):
        return error
    if isinstance(error, PermissionError):
        return SettingsError(
            "settings.permission",
            f"You may not read or write {error.filename or 'a file'}.",
            next_step="Run it as the user who owns the home, or set RUNPLANE_HOME.",
        )
    return InternalError(
        "internal.error",
        f"A fault of Runplane's own ({type(error).__name__}); nothing ran that was not decided.",
        next_step="Run it again with RUNPLANE_DEBUG=1 to see where, and report it.",
    )


def _report(error: RunplaneError, *, as_json: bool) -> None:
    from runplane_mcp.cli.output import report

    report(error, as_json=as_json)
