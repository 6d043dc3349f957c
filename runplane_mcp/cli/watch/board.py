"""What waits and what just ended, at one moment, and what changed between two moments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runplane_mcp.core.card import Card
from runplane_mcp.core.grouping import CardGroup, grouped
from runplane_mcp.core.request import ActionRequest, Kind, State

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.store.base import Reader

#: What ended longer ago than this (milliseconds, wall time) is no longer news.
RECENT_MS: Final = 15 * 60 * 1000
#: So many of the newest requests are looked through for what ended before the watch began, or between two looks.
_LOOKED_BACK: Final = 100
_MOST_MOVED: Final = 50


@dataclass(frozen=True, slots=True)
class Moved:
    """A request that waited and does so no longer. `status` is its state, or `expired` where only time has passed."""

    request_id: str
    reference: str
    status: str
    action: str
    agent: str
    amount: int | None
    currency: str | None
    final: bool
    at: int  # wall time of its last change
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """One moment: `waiting` cards and `moved` requests, both newest first, and `scheduled` cards, the soonest first. `now`
    is policy time, `at` wall time. What waits is looked at as `groups` and the `single` cards beside them."""

    waiting: tuple[Card, ...]
    moved: tuple[Moved, ...]
    gates: int
    now: int
    at: int
    scheduled: tuple[Card, ...] = ()
    groups: tuple[CardGroup, ...] = field(init=False, repr=False)
    single: tuple[Card, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        groups, single = grouped(self.waiting)
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "single", single)

    @property
    def held(self) -> tuple[Card, ...]:
        """All that can be looked at: what waits for people, then what runs by itself."""
        return (*self.waiting, *self.scheduled)

    def group(self, handle: str) -> CardGroup | None:
        return next((group for group in self.groups if group.handle == handle), None)

    def card(self, request_id: str | None) -> Card | None:
        return next((card for card in self.held if card.request_id == request_id), None)


class ChangeKind(StrEnum):
    WAITING = "waiting"  # a card to answer: a new request, or a new round of one
    SCHEDULED = "scheduled"  # it runs by itself when its time comes; the card can be stopped
    VOTE = "vote"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    kind: ChangeKind
    request_id: str
    reference: str
    status: str
    card: Card | None = None
    moved: Moved | None = None


def changes(before: Board | None, after: Board) -> Iterator[Change]:
    """What is new on a board, in the order in which it was asked; against no board, all that waits."""
    earlier = {card.request_id: card for card in before.held} if before is not None else {}
    for card in reversed(after.waiting):
        known = earlier.get(card.request_id)
        if known is None or known.digest != card.digest:
            yield Change(ChangeKind.WAITING, card.request_id, card.reference, card.status, card=card)
        elif known.votes != card.votes:
            yield Change(ChangeKind.VOTE, card.request_id, card.reference, card.status, card=card)
    for card in after.scheduled:
        if card.request_id not in earlier:
            yield Change(ChangeKind.SCHEDULED, card.request_id, card.reference, card.status, card=card)
    if before is None:
        return
    statuses = {each.request_id: each.status for each in before.moved}
    for each in reversed(after.moved):
        if statuses.get(each.request_id) != each.status:
            yield Change(ChangeKind.MOVED, each.request_id, each.reference, each.status, moved=each)


class Looker:
    """Looks at a home again and again, and follows what it saw waiting until it has ended."""

    def __init__(self, desk: Desk, gates: Path) -> None:
        self._desk = desk
        self._gates = gates
        self._followed: frozenset[str] = frozenset()

    async def look(self) -> Board:
        from runplane_mcp.gate.presence import living_gates
        from runplane_mcp.gate.stopping import scheduled_cards

        waiting = tuple(reversed(await self._desk.cards()))
        scheduled = tuple(await scheduled_cards(self._desk))
        ids = frozenset(card.request_id for card in (*waiting, *scheduled))
        at = self._desk.clock.wall()
        found = await self._desk.store.read(lambda reader: self._moved(reader, ids, at))
        moved = tuple(sorted(found, key=lambda each: each.at, reverse=True)[:_MOST_MOVED])
        self._followed = ids | {each.request_id for each in moved}
        return Board(waiting, moved, living_gates(self._gates), self._desk.clock.policy(), at, scheduled)

    async def look_at_time(self, board: Board) -> Board:
        """The same board a moment later, when nobody has committed anything: only time and living gates may differ."""
        from runplane_mcp.gate.presence import living_gates

        now, at = self._desk.clock.policy(), self._desk.clock.wall()
        if any(card.expires_at is not None and card.expires_at <= now for card in board.held):
            return await self.look()
        moved = tuple(each for each in board.moved if each.at > at - RECENT_MS or not each.final)
        return replace(board, moved=moved, gates=living_gates(self._gates), now=now, at=at)

    def _moved(self, reader: Reader, waiting: frozenset[str], at: int) -> list[Moved]:
        """What was seen waiting and is not any more, and what came and went between two looks."""
        from runplane_mcp.gate.cards import money_of
        from runplane_mcp.store.records import RequestFilter

        newest = reader.requests(RequestFilter(kind=Kind.WRITE, limit=_LOOKED_BACK))
        requests = {each.id: each for each in newest if each.round > 0}
        for id in self._followed - requests.keys():
            request = reader.request(id)
            if request is not None:
                requests[id] = request
        moved = []
        for request in requests.values():
            recent = request.changed_at > at - RECENT_MS or not request.final
            if request.id in waiting or not recent:
                continue
            record = reader.round_decision(request.id, request.round)
            amount, currency = money_of(record) if record is not None else (None, None)
            moved.append(_moved(request, amount, currency))
        return moved


def _moved(request: ActionRequest, amount: int | None, currency: str | None) -> Moved:
    # It still stands as waiting or scheduled where only time has passed: a vote or a gate will write the expiry down.
    status = State.EXPIRED if request.state in {State.WAITING, State.SCHEDULED} else request.state
    return Moved(
        request_id=request.id,
        reference=request.reference,
        status=status.value,
        action=request.action,
        agent=request.agent,
        amount=amount,
        currency=currency,
        final=request.final or request.state in {State.WAITING, State.SCHEDULED},
        at=request.changed_at,
        code=request.failure.code if request.failure is not None else None,
    )
