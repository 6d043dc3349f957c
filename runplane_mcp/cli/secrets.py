"""Where secrets come from: typed without echo on a terminal, or lines on stdin for scripts. Never arguments or
variables, which every process of the machine, and the agent, could read."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from runplane_mcp.cli.home import require_writable
from runplane_mcp.errors import PersonError, UsageError

#: Longer than any secret may be, so that a wrong file on stdin is not read into memory.
_LONGEST_LINE = 4096


@dataclass(frozen=True, slots=True)
class Asked:
    """One secret that a command needs. A `new` one is typed twice on a terminal."""

    person: str
    new: bool = False


def read_secrets(asked: Sequence[Asked], *, from_stdin: bool) -> list[str]:
    """The secrets, in the order asked. PersonError `person.secret_missing` where there is none to be had, and
    `person.secret_differs` when the two typings of a new one are not the same; StoreError `store.readonly` where the home
    can only be looked at."""
    require_writable()
    return [_line(each) if from_stdin else _typed(each) for each in asked]


def administrator(named: str | None, act: str, *, from_stdin: bool, as_json: bool) -> tuple[str, str]:
    """Who does `act` (`Lifting a freeze`), and their secret; on a terminal a person who named nobody is asked who they
    are. UsageError `usage.admin_missing` where nobody is named; PersonError as `read_secrets`."""
    if named is None and sys.stdin.isatty() and not as_json and not from_stdin:
        named = typer.prompt("Your name").strip()
    if named is None:
        raise UsageError("usage.admin_missing", f"{act} needs an administrator.", next_step="Add --as ADMIN.")
    [secret] = read_secrets([Asked(named)], from_stdin=from_stdin)
    return named, secret


def _line(asked: Asked) -> str:
    try:
        line = sys.stdin.readline(_LONGEST_LINE)
    except UnicodeDecodeError:
        raise PersonError("person.secret_missing", "What stands on stdin is not text in UTF-8.") from None
    secret = line.rstrip("\r\n")
    if not secret:
        raise PersonError(
            "person.secret_missing",
            f"The secret of {asked.person} is missing on stdin.",
            next_step="Give one secret a line, in the order that --help says.",
        )
    return secret


def _typed(asked: Asked) -> str:
    if not sys.stdin.isatty():
        raise PersonError(
            "person.secret_missing",
            f"The secret of {asked.person} is needed, and there is no terminal to ask on.",
            next_step="Add --secret-stdin and give it on stdin.",
        )
    if not asked.new:
        return getpass.getpass(f"Secret of {asked.person}: ")
    secret = getpass.getpass(f"New secret for {asked.person} (a passphrase of several words): ")
    if getpass.getpass("The same again: ") != secret:
        raise PersonError(
            "person.secret_differs", "The two secrets are not the same.", next_step="Run the command again."
        )
    return secret
