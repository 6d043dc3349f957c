"""Stopping what is scheduled, as people do it. Like a freeze it only restricts, so that it needs nobody's secret: whoever
sees what is about to run can keep it from running. A signed no says more: it stands for the same asked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.card import Card
from runplane_mcp.core.money import CURRENCIES, Money
from runplane_mcp.core.redact import redact_text
from runplane_mcp.core.request import ActionRequest, Failure, State
from runplane_mcp.errors import RequestError
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.freezing import LONGEST_NAME, LONGEST_REASON
from runplane_mcp.gate.rounds import found
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.records import RequestFilter

STOPPED: Final = Failure("request.stopped", "Somebody stopped it before it ran.")
#: So many in one transaction: others write meanwhile, and a stop must not hold up a gate.
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Upcoming:
    """All that is scheduled, in one line: how many, the money by currency, how many whose amount nobody knows or that move
    none, and when the next runs (policy time, None where there is none)."""

    count: int
    totals: tuple[Money, ...]
    without_money: int
    next_at: int | None


async def scheduled_cards(desk: Desk) -> list[Card]:
    """What runs by itself when its time comes, the soonest first."""
    cards = await desk.cards(State.SCHEDULED)
    return sorted(cards, key=lambda card: card.release_at or 0)


def upcoming(cards: Sequence[Card]) -> Upcoming:
    """What a freeze holds counts as well; it only has no time."""
    sums: dict[str, int] = {}
    for card in cards:
        if card.amount is not None and card.currency in CURRENCIES:
            sums[card.currency] = sums.get(card.currency, 0) + card.amount
    without = sum(card.amount is None or card.currency not in CURRENCIES for card in cards)
    times = [card.release_at for card in cards if card.release_at is not None and not card.frozen]
    totals = tuple(Money(amount, currency) for currency, amount in sorted(sums.items()))
    return Upcoming(len(cards), totals, without, min(times, default=None))


async def stop(
    desk: Desk, references: Sequence[str], *, said_by: str | None = None, reason: str | None = None
) -> tuple[ActionRequest, ...]:
    """Stops exactly these, or none of them. RequestError `request.not_found`, `request.not_scheduled` where one runs
    already, is over, or waits for people; `request.reason`."""
    said = _said(said_by, reason)

    def work(tx: Transaction) -> tuple[ActionRequest, ...]:
        requests = {request.id: request for request in (found(tx, each) for each in references)}
        for request in requests.values():
            if request.state is not State.SCHEDULED:
                raise RequestError(
                    "request.not_scheduled",
                    f"{request.reference} is {request.state.value.replace('_', ' ')}, not scheduled. Nothing was stopped.",
                    next_step=_INSTEAD.get(request.state, f"What became of it: runplane why {request.reference}"),
                )
        return tuple(_stop(tx, desk, request, said) for request in requests.values())

    return await desk.store.write(work)


async def stop_all(
    desk: Desk, *, agent: str | None = None, said_by: str | None = None, reason: str | None = None
) -> tuple[ActionRequest, ...]:
    """Stops everything that is scheduled, or all of one agent's label; what is scheduled meanwhile too, until there is no
    more. RequestError `request.reason`."""
    said = _said(said_by, reason)
    stopped: list[ActionRequest] = []

    def work(tx: Transaction) -> list[ActionRequest]:
        all_of_them = tx.requests(RequestFilter(states=frozenset({State.SCHEDULED}), limit=1_000_000))
        wanted = [each for each in all_of_them if agent is None or each.agent.casefold() == agent.casefold()]
        # The soonest first: it may run while the others are being stopped.
        wanted.sort(key=lambda request: request.release_at or 0)
        return [_stop(tx, desk, request, said) for request in wanted[:_AT_ONCE]]

    while some := await desk.store.write(work):
        stopped += some
    return tuple(stopped)


_INSTEAD: Final = {
    State.WAITING: "To say no: runplane deny REQUEST",
    State.APPROVED: "To hold what people approved: runplane freeze",
    State.EXECUTING: "It is too late to stop it; `runplane freeze` stops what comes after it.",
}


def _said(said_by: str | None, reason: str | None) -> tuple[str | None, str | None]:
    if reason is not None and len(reason) > LONGEST_REASON:
        raise RequestError("request.reason", f"A reason has at most {LONGEST_REASON} characters.")
    return redact_text(said_by)[:LONGEST_NAME] if said_by else None, redact_text(reason) if reason is not None else None


def _stop(tx: Transaction, desk: Desk, request: ActionRequest, said: tuple[str | None, str | None]) -> ActionRequest:
    at = desk.clock.wall()
    told = tx.commit_payload({"said_by": said[0], "reason": said[1]}, request_id=request.id)
    tx.append("stop", {"payloads": {"told": told}}, at=at, request_id=request.id)
    tx.settle(request.id, release=True)
    return tx.move(request, State.CANCELED, at=at, event={"by": "people", "code": STOPPED.code}, failure=STOPPED)
