"""What keys on the screen do to the home: a vote on a card, a no to each of a group, a freeze. Each comes back as a message
and how it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runplane_mcp.cli.groups import denial_words
from runplane_mcp.cli.watch.entries import Stop
from runplane_mcp.cli.watch.prompt import Vote
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.grouping import CardGroup
from runplane_mcp.core.request import State
from runplane_mcp.core.text import label, visible

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk, VoteResult


async def give(desk: Desk, vote: Vote) -> tuple[str, str]:
    """Gives a vote on exactly what was on the screen. Raises what the desk raises."""
    if isinstance(vote.card, CardGroup):
        from runplane_mcp.gate.group_denial import deny_group

        done = await deny_group(desk, vote.card, person=vote.person, secret=vote.secret, note=vote.note)
        return denial_words(done), "yellow" if done.left else "red"
    result = await desk.vote(
        vote.card.request_id,
        digest=vote.card.digest,
        person=vote.person,
        secret=vote.secret,
        answer=vote.answer,
        note=vote.note,
    )
    return outcome(result)


async def stop(desk: Desk, wanted: Stop) -> tuple[str, str]:
    """Freezes whoever goes by the label. Raises what the freeze raises."""
    from runplane_mcp.cli.freeze import system_user
    from runplane_mcp.gate.freezing import start_freeze

    started = await start_freeze(desk, Scope(agent=wanted.agent), said_by=system_user())
    stood = "was frozen already" if started.again else "is frozen"
    held = f"{started.held} request{'s' if started.held != 1 else ''}"
    return f"{label(wanted.agent)} {stood}: {held} held, new ones blocked. An administrator lifts it.", "bold red"


def outcome(result: VoteResult) -> tuple[str, str]:
    """What a vote came to, and how it looks."""
    name = visible(result.reference, 40)
    if result.status is State.DENIED:
        return f"Denied. {name} will not run.", "red"
    if result.status is State.WAITING:
        return f"Your yes counts. {name} needs {result.needed} more.", "yellow"
    if result.frozen:
        return f"Approved, but frozen. {name} does not run until an administrator lifts it.", "bold red"
    if result.gates_running:
        return f"Approved. {name} runs now.", "green"
    return f"Approved. {name} runs when `runplane mcp` next runs for this home.", "green"
