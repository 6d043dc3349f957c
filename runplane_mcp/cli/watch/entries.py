"""What is chosen from: groups, then the cards that are in none, then what is scheduled; or, looking through a group, its
cards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from runplane_mcp.cli.watch.board import Board
from runplane_mcp.core.card import Card
from runplane_mcp.core.grouping import CardGroup

Entry: TypeAlias = Card | CardGroup

_OVER: Final = "There is nothing to decide any more: all of it was answered or has changed."


def entries(board: Board | None, within: str | None) -> tuple[Entry, ...]:
    """`within` is the handle of the group that is looked through, newest first; nothing where it is gone."""
    if board is None:
        return ()
    if within is None:
        return (*board.groups, *board.single, *board.scheduled)
    group = board.group(within)
    return tuple(reversed(group.cards)) if group is not None else ()


def key_of(entry: Entry) -> str:
    """By what a choice stays with its entry while others come and go."""
    return entry.handle if isinstance(entry, CardGroup) else entry.request_id


@dataclass(slots=True)
class GroupUp:
    """A group whose card is on the screen. It stays what it was when it came up: a no is to exactly these, however many
    come meanwhile, or nobody could answer a flood before it ends."""

    group: CardGroup
    came: int = 0
    gone: int = 0

    def compare(self, board: Board) -> str | None:
        """Counts what came and went since; says so where nothing of it is left to answer."""
        waiting = {card.request_id: card.digest for card in board.waiting}
        self.gone = sum(waiting.get(card.request_id) != card.digest for card in self.group.cards)
        now = board.group(self.group.handle)
        if now is not None and now.digest == self.group.digest:
            self.group = now  # the same requests to the bit; what may differ is who has answered, or a freeze
        known = {card.digest for card in self.group.cards}
        self.came = sum(card.digest not in known for card in now.cards) if now is not None else 0
        return _OVER if self.gone == self.group.count else None

    def words(self) -> str:
        """What is different by now, empty where nothing is."""
        came = f"{self.came} more came since, which a no does not touch: r looks again. " if self.came else ""
        gone = f"{self.gone} of these are answered or have changed by now." if self.gone else ""
        return f"{came}{gone}".strip()


@dataclass(frozen=True, slots=True)
class Stop:
    """A freeze that somebody wants: of whoever goes by the agent's label. It needs nobody's secret."""

    agent: str


@dataclass(frozen=True, slots=True)
class StopScheduled:
    """The ids of what is scheduled and is to be stopped: exactly what was on the screen when it was asked for."""

    ids: tuple[str, ...]
