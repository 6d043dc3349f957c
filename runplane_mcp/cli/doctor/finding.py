"""One line of a check-up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runplane_mcp.errors import RunplaneError


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is a short stable name, `said` one sentence, `advice` what to do where it is not ok."""

    check: str
    level: Level
    said: str
    advice: str = ""


def ok(check: str, said: str) -> Finding:
    return Finding(check, Level.OK, said)


def warn(check: str, said: str, advice: str) -> Finding:
    return Finding(check, Level.WARN, said, advice)


def problem(check: str, said: str, advice: str) -> Finding:
    return Finding(check, Level.PROBLEM, said, advice)


def broken(check: str, error: RunplaneError) -> Finding:
    """A check that ended in an error of ours, which says itself what to do."""
    return Finding(check, Level.PROBLEM, error.message, error.next_step)
