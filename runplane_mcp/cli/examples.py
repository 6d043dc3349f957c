"""Examples at the foot of every command's help: commands that work as printed, each with what it does."""

from __future__ import annotations

from typing import Final

#: Help is at most so wide: what does not fit beside its command stands on a line of its own.
_WIDTH: Final = 76


def examples(*shown: tuple[str, str]) -> str:
    """The foot of a help text, kept as it is written (the first character tells click to leave the lines alone)."""
    longest = max(len(command) for command, _ in shown)
    beside = all(longest + 3 + len(what) <= _WIDTH for _, what in shown)
    lines = ["\b", "Examples:"]
    for command, what in shown:
        if beside:
            lines.append(f"  {command:<{longest}}   {what}")
        else:
            lines.extend([f"  {command}", f"      {what}"])
    return "\n".join(lines)
