"""The outermost layer of every command: whatever goes wrong inside ends as one clear line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final

from typer.core import TyperGroup

from runplane_mcp.errors import EXIT_USAGE, InternalError, RunplaneError, SettingsError, UsageError

#: The commands as people look for them. What is in no section stands under "More"; a test keeps that empty.
SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Begin": ("demo", "init", "status", "doctor"),
    "Answer what waits": ("approve", "deny", "lower", "approvals"),
    "Stop agents": ("stop", "freeze", "unfreeze"),
    "Look back": ("why", "requests", "limits", "audit"),
    "Say what agents may do, and who decides": ("policy", "catalog", "people", "agents"),
    "Run": ("mcp", "serve", "simulator", "connect"),
    "Keep": ("backup", "restore", "erase"),
}


class RootGroup(TyperGroup):
    """`runplane` itself."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands in their sections, in the order of `SECTIONS`."""
        left = {name: command for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))}
        sections = [
            (title, [(name, left.pop(name)) for name in names if name in left]) for title, names in SECTIONS.items()
        ]
        widest = max((len(name) for _, commands in sections for name, _ in commands), default=0)
        for title, commands in [*sections, ("More", list(left.items()))]:
            shown = [
                (f"{name:<{widest}}", command.get_short_help_str(formatter.width - widest - 4))
                for name, command in commands
                if not command.hidden
            ]
            if shown:
                with formatter.section(title):
                    formatter.write_dl(shown)

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
    from runplane_mcp.core.policy.problems import PolicyInvalid

    if isinstance(error, PolicyInvalid) and not as_json:
        from runplane_mcp.cli.policy.problems import tell

        tell(error)
    else:
        report(error, as_json=as_json)
