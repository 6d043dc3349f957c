"""What changed between two policies, as the command line says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runplane_mcp.core.canonical import Json

if TYPE_CHECKING:
    from runplane_mcp.core.policy.compare import Change, Comparison

_MARKS: Final = {"tighter": ("+", "green"), "looser": ("-", "red"), "unclear": ("?", "yellow"), "neither": (" ", "dim")}


def compared(old: str, new: str, *, old_file: str, new_file: str) -> Comparison:
    """What changed from one text to another. PolicyError where one does not load; the files only name them in it."""
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.policy import load
    from runplane_mcp.core.policy.compare import compare

    actions = load_catalog().actions
    before = load(old, file=old_file, known_actions=actions)
    return compare(before, load(new, file=new_file, known_actions=actions), actions)


def comparison_json(found: Comparison) -> dict[str, Json]:
    changes: list[Json] = [
        {
            "part": change.part,
            "id": change.id or None,
            "words": change.words,
            "direction": change.direction.value,
            "against": change.against,
        }
        for change in found.changes
    ]
    return {"tighter": found.tighter, "equivalent": found.equivalent, "verdict": found.verdict(), "changes": changes}


def tell(found: Comparison) -> None:
    """Every change in a line with what it does, then the whole in a sentence, and what stands against it."""
    from runplane_mcp.cli.output import say

    for change in found.changes:
        mark, style = _MARKS[change.direction.value]
        effect = "" if change.direction.value == "neither" else f" ({_effect(change)})"
        say(f"{mark} {_visible(change)}{effect}", style)
    if not found.changes and found.texts_differ:
        say("  only comments and layout", "dim")
    say(found.verdict(), "bold green" if found.tighter else "bold yellow")
    for change in found.against:
        say(
            f"  Against it stands {change.part.replace('_', ' ')} {change.id}".rstrip() + f": {change.against}.",
            "yellow",
        )


def _effect(change: Change) -> str:
    return "may go either way" if change.direction.value == "unclear" else change.direction.value


def loosened(found: Comparison) -> str:
    """What is not provably only tighter, in a line."""
    against = found.against
    if not against:
        return "It is not looser in anything."
    more = f", and {len(against) - 1} more" if len(against) > 1 else ""
    return f"Not provably only tighter: {_visible(against[0])}{more}."


def _visible(change: Change) -> str:
    from runplane_mcp.core.text import visible

    return visible(change.sentence(), 1_000)
