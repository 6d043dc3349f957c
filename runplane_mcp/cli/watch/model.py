"""The state of the screen, without a terminal: what is chosen, which card is up, what is being asked, and what a key does
to it.

The card on the screen never changes under somebody's eyes: when the request has changed it is said, nothing can be
answered, and only a key brings the new card up. So a vote is always on exactly what was read.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from runplane_mcp.cli.watch.board import Board
from runplane_mcp.cli.watch.entries import GroupUp, Stop, StopScheduled, entries, key_of
from runplane_mcp.cli.watch.prompt import Prompt, Vote
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.card import Card
from runplane_mcp.core.grouping import CardGroup


class Quit(Enum):
    QUIT = "quit"


QUIT: Final = Quit.QUIT

_BACK: Final = ("escape", "left", "b", "h", "backspace")
_GONE = "There is nothing to decide any more: it is {}."
_CHANGED = "It has changed since it came up here. Press r to look at it as it is now."


class Screen:
    """`voter` votes from here; None asks for the name each time, offering `offered`."""

    def __init__(self, voter: str | None = None, offered: str | None = None) -> None:
        self.board: Board | None = None
        self.chosen: str | None = None
        self.card: Card | None = None
        self.stale: str | None = None
        self.details = False
        self.top = 0
        self.prompt: Prompt | None = None
        self.busy: Vote | Stop | None = None
        #: The group whose card is up, the one that is looked through, and whether its agent is about to be frozen.
        self.group: GroupUp | None = None
        self.within: str | None = None
        self.stopping = False
        #: What is scheduled and is to be stopped once that is confirmed.
        self.halting: tuple[str, ...] = ()
        self.message = ""
        self.message_style = ""
        #: What came while this screen was up, and nobody has looked at yet.
        self.fresh: set[str] = set()
        self._voter = voter
        self._offered = offered
        self._lines = 0
        self._room = 1
        self._read_to = 0

    # ── what the world does ───────────────────────────────────────────────────────────────────────────────────────

    def show(self, board: Board) -> bool:
        """The home as it is now. True when something new waits."""
        before, self.board = self.board, board
        known = {card.request_id: card.digest for card in before.waiting} if before is not None else {}
        new = {card.request_id for card in board.waiting if known.get(card.request_id) != card.digest}
        if before is None:
            new = set()
        self.fresh = (self.fresh | new) & {card.request_id for card in board.waiting}
        gone = not all(board.card(each) for each in self.halting)
        if gone:
            # What a key would stop is never other than what was said.
            self.halting = ()
            self.say("What is scheduled has changed: look again.", "yellow")
        self._keep_chosen(before)
        self._compare_card()
        return bool(new)

    def voted(self, message: str, style: str, person: str) -> None:
        """The vote counted: back to the list, with what came of it."""
        self.busy = None
        self._offered = person
        self._to_list()
        self.say(message, style)

    def refused(self, message: str, *, mistyped: bool = False) -> None:
        """The vote did not count, and says why; the card stays up. A `mistyped` secret is asked for again at once: who
        types it again without thinking must not type commands."""
        vote, self.busy = self.busy, None
        if mistyped and isinstance(vote, Vote):
            self.prompt = Prompt.again(vote)
        self.say(message, "bold red")
        self._compare_card()

    def stopped(self, message: str, style: str) -> None:
        """The freeze stands, or says why not; the group's card stays up."""
        self.busy = None
        self.say(message, style)
        self._compare_card()

    def say(self, message: str, style: str = "") -> None:
        self.message, self.message_style = message, style

    def measured(self, lines: int, room: int) -> None:
        """How long the card is at this width, and how much of it fits: the end of scrolling."""
        self._lines, self._room = lines, max(room, 1)
        self.top = min(self.top, self._last_top)
        self._read_to = max(self._read_to, self.top + self._room)

    @property
    def unread(self) -> int:
        """How many lines of the card were never on the screen."""
        return max(self._lines - self._read_to, 0)

    # ── what the person does ──────────────────────────────────────────────────────────────────────────────────────

    def press(self, key: str) -> Vote | Stop | StopScheduled | Quit | None:
        """A vote that is given, a freeze, a stop, the end, or nothing more than a changed screen."""
        if self.busy is not None:
            return None
        if self.prompt is not None:
            return self._asked(self.prompt, key)
        self.say("")
        if self.stopping and self.group is not None:
            return self._confirmed(self.group.group, key)
        halting, self.halting = self.halting, ()
        if halting:
            if key == "y":
                return StopScheduled(halting)
            self.say("Nothing was stopped.")
            return None
        if key in ("q", "interrupt"):
            return QUIT
        if key in ("s", "S"):
            self._ask_to_stop(all_of_them=key == "S")
            return None
        if self.card is not None:
            self._at_card(self.card, key)
        elif self.group is not None:
            self._at_group(self.group.group, key)
        else:
            self._at_list(key)
        return None

    def _at_list(self, key: str) -> None:
        if self.within is not None and key in _BACK:
            self._bring_up(self.within)
            return
        ids = self._ids(self.board)
        if not ids:
            return
        at = ids.index(self.chosen) if self.chosen in ids else 0
        steps = {"up": at - 1, "k": at - 1, "down": at + 1, "j": at + 1, "pageup": at - 5, "pagedown": at + 5}
        ends = {"home": 0, "g": 0, "end": len(ids) - 1, "G": len(ids) - 1}
        self.chosen = ids[min(max({**steps, **ends}.get(key, at), 0), len(ids) - 1)]
        if key in ("enter", "right", "l", " "):
            self._bring_up(self.chosen)

    def _at_group(self, group: CardGroup, key: str) -> None:
        """There is no key that says yes to a group."""
        match key:
            case "enter" | "right" | "l":
                self.within, self.chosen = group.handle, None
                self._to_list()
                self._keep_chosen(None)
            case "r":
                self._bring_up(group.handle)
            case "d":
                self._ask(group, Answer.NO)
            case "f":
                self.stopping = True
            case _ if key in _BACK:
                self.chosen = group.handle
                self._to_list()
                self._keep_chosen(None)
            case _:
                self._scroll(key)

    def _confirmed(self, group: CardGroup, key: str) -> Stop | None:
        """A freeze takes no secret, but no single key either."""
        if key not in ("enter", "escape", "interrupt"):
            return None
        self.stopping = False
        if key != "enter":
            self.say("Nothing was frozen.")
            return None
        self.busy = Stop(group.agent)
        self.say("Freezing …")
        return self.busy

    def _at_card(self, card: Card, key: str) -> None:
        match key:
            case "i":
                self.details = not self.details
            case "r":
                self._bring_up(card.request_id)
            case "a":
                self._ask(card, Answer.YES)
            case "d":
                self._ask(card, Answer.NO)
            case _ if key in _BACK:
                self._to_list()
            case _:
                self._scroll(key)

    def _scroll(self, key: str) -> None:
        match key:
            case "up" | "k":
                self.top = max(self.top - 1, 0)
            case "down" | "j" | "enter":
                self.top = min(self.top + 1, self._last_top)
            case "pageup":
                self.top = max(self.top - self._room, 0)
            case "pagedown" | " ":
                self.top = min(self.top + self._room, self._last_top)
            case "home" | "g":
                self.top = 0
            case "end" | "G":
                self.top = self._last_top
            case _:
                pass

    def _asked(self, prompt: Prompt, key: str) -> Vote | None:
        if key in ("escape", "interrupt") or (prompt.void and key == "enter"):
            self.prompt = None
            self.say(
                "No vote was given." if prompt.void else f"No vote was given; {prompt.card.reference} still waits."
            )
            return None
        vote = prompt.press(key)
        if vote is not None:
            self.prompt, self.busy = None, vote
            self.say("Signing …")
        return vote

    def _ask(self, card: Card | CardGroup, answer: Answer) -> None:
        if isinstance(card, Card) and card.release_at is not None and answer is Answer.YES:
            self.say("It needs nobody's yes: it runs by itself. s stops it.")
            return
        if self.stale is not None:
            self.say("This card cannot be answered.", "bold red")
            return
        self.prompt = Prompt(card, answer, self._voter, self._offered)

    def _ask_to_stop(self, *, all_of_them: bool) -> None:
        """Stopping needs nobody's secret, but a second key: a slip must not stop what a customer waits for."""
        scheduled = self.board.scheduled if self.board is not None else ()
        which = self.card.request_id if self.card is not None else self.chosen
        cards = [card for card in scheduled if all_of_them or card.request_id == which]
        if not cards:
            self.say("Only what is scheduled can be stopped." if scheduled else "Nothing is scheduled.")
            return
        self.halting = tuple(card.request_id for card in cards)
        what = cards[0].reference if len(cards) == 1 else f"all {len(cards)} that are scheduled"
        self.say(f"Stop {what}? y stops, any other key leaves it.", "bold red")

    # ── keeping things together ───────────────────────────────────────────────────────────────────────────────────

    def _bring_up(self, key: str | None) -> None:
        """A card by its request's id, or a group's by its handle."""
        board = self.board
        group = board.group(key) if board is not None and key is not None else None
        card = board.card(key) if board is not None else None
        self._to_list()
        if group is not None:
            self.group, self.within = GroupUp(group), None
            self.fresh -= {each.request_id for each in group.cards}
        elif card is not None:
            self.card = card
            self.fresh.discard(card.request_id)
        else:
            self._keep_chosen(None)

    def _to_list(self) -> None:
        self.card, self.group, self.stale, self.prompt, self.top = None, None, None, None, 0
        self.details, self.stopping, self._read_to = False, False, 0

    def _keep_chosen(self, before: Board | None) -> None:
        """The choice stays with its request while others come and go; when that one goes, its neighbour is chosen."""
        if not entries(self.board, self.within):
            # What was looked through is no group any more.
            self.within = None
        ids = self._ids(self.board)
        if self.chosen in ids:
            return
        holding = [group.handle for group in self.board.groups if self._is_in(group)] if self.board is not None else []
        old = self._ids(before)
        at = old.index(self.chosen) if self.chosen in old else 0
        self.chosen = next(iter(holding), ids[min(at, len(ids) - 1)]) if ids else None

    def _is_in(self, group: CardGroup) -> bool:
        """Whether the chosen card has become one of many."""
        return self.within is None and any(card.request_id == self.chosen for card in group.cards)

    def _ids(self, board: Board | None) -> list[str]:
        return [key_of(entry) for entry in entries(board, self.within)]

    def _compare_card(self) -> None:
        card, board = self.card, self.board
        if board is None or self.busy is not None:
            return
        if self.group is not None and (over := self.group.compare(board)) is not None:
            self._outdated(over)
        if card is None:
            return
        now = board.card(card.request_id)
        if now is None:
            status = next((each.status for each in board.moved if each.request_id == card.request_id), "gone")
            self._outdated(_GONE.format(status))
        elif now.digest != card.digest:
            self._outdated(_CHANGED)
        else:
            # What would run is the same to the bit; what may differ is who has answered by now.
            self.card, self.stale = now, None

    def _outdated(self, why: str) -> None:
        self.stale = why
        if self.prompt is not None:
            # Somebody is in the middle of a passphrase: the rest of it must not become commands, or go to the shell.
            self.prompt.void = True

    @property
    def _last_top(self) -> int:
        return max(self._lines - self._room, 0)
