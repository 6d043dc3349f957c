"""Who votes, and on what: asked for on a terminal, and nothing that a script may leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from runplane_mcp.cli.home import at_desk
from runplane_mcp.errors import UsageError

if TYPE_CHECKING:
    from runplane_mcp.settings import Settings


def require(digest: str | None, name: str | None, *, source: str) -> None:
    """UsageError where a script did not say what it saw, by the digest that `source` prints, or whose vote it is."""
    if digest is None:
        raise UsageError(
            "usage.digest_missing",
            "Without a terminal, a vote must say what was seen.",
            next_step=f"Add --digest with the full digest from `{source}`.",
        )
    if name is None:
        raise UsageError(
            "usage.voter_missing", "Without a terminal, a vote must say whose it is.", next_step="Add --as NAME."
        )


def ask_name(settings: Settings) -> str:
    """The name, typed; the only one who can vote is offered."""
    able = [person.id for person in at_desk(settings, lambda desk: desk.people()) if person.may_vote]
    answered: str = typer.prompt("Your name", default=able[0] if len(able) == 1 else None)
    return answered.strip()
