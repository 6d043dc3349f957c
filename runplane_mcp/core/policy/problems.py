"""What is wrong with a policy file: every problem with its place, collected so that one run shows them all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from runplane_mcp.core.policy.document import Place
from runplane_mcp.core.text import visible
from runplane_mcp.errors import PolicyError

MOST_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `code` is stable (`policy.unknown_fact`), `message` says what was found and what to write."""

    file: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class PolicyInvalid(PolicyError):
    """A policy file that does not load, code `policy.invalid`. `problems` holds all that was found, in file order; `text`
    is the file's, to show the lines that they stand in."""

    def __init__(self, problems: Sequence[Problem], text: str) -> None:
        self.text = text
        self.problems = tuple(sorted(problems, key=lambda each: (each.line, each.column)))
        lines = [str(problem) for problem in self.problems[:MOST_SHOWN]]
        if len(self.problems) > MOST_SHOWN:
            lines.append(f"… and {len(self.problems) - MOST_SHOWN} more.")
        super().__init__("policy.invalid", "\n".join(lines))


@dataclass(slots=True)
class Problems:
    """Collects the problems of one file while it is read. `text` is the file's."""

    file: str
    text: str
    found: list[Problem] = field(default_factory=list)

    def add(self, place: Place, code: str, message: str) -> None:
        self.found.append(Problem(self.file, place.line, place.column, f"policy.{code}", message))

    def warn(self, place: Place, code: str, message: str) -> None:
        """What loads all the same. Its codes are `lint.…`."""
        self.found.append(Problem(self.file, place.line, place.column, f"lint.{code}", message))

    def add_unknown(self, place: Place, code: str, text: str, what: str, options: Collection[str]) -> None:
        """`text` is not one of `options`: says the nearest spelling, or all where they are few."""
        self.add(place, code, f"{shown(text)} is not {what}. {nearest(text, options)}")

    def raise_any(self) -> None:
        if self.found:
            raise PolicyInvalid(self.found, self.text)


def shown(text: str) -> str:
    """Text of the file inside an error: quoted, cut, nothing hidden in it."""
    return f"“{visible(text, 40)}”"


def nearest(text: str, options: Collection[str]) -> str:
    """`Did you mean amount?`, or the choices where nothing is near."""
    close = get_close_matches(text.lower(), sorted(options), n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Write one of: {listed(options)}." if len(options) <= 16 else ""


def listed(options: Iterable[str]) -> str:
    return ", ".join(options if isinstance(options, list | tuple) else sorted(options))
