"""The tree of commands, for tests that hold something of every one of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from tests.cli.conftest import COMMAND

Path = tuple[str, ...]


def tree(command: Any = COMMAND, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every command and group with its words after `runplane`, in the order of the help."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from tree(below, (*path, name))


def leaves() -> list[tuple[Path, Any]]:
    """The commands that do something themselves."""
    return [(path, command) for path, command in tree() if not getattr(command, "commands", None)]


def examples(command: Any) -> list[str]:
    """The commands of its help's examples, as printed."""
    _, _, shown = str(command.epilog or "").partition("Examples:\n")
    lines = (re.fullmatch(r" {2}(runplane .*?)(?: {3,}.*)?", line) for line in shown.splitlines())
    return [line[1] for line in lines if line is not None]


def words(example: str) -> list[str]:
    """What the shell would hand to `runplane`: without its redirections and pipes."""
    lexer = shlex.shlex(example, posix=True, punctuation_chars="|<>;&")
    lexer.whitespace_split = True
    found: list[str] = []
    for word in lexer:
        if word and set(word) <= set("|<>;&"):
            break
        found.append(word)
    return found[1:]
