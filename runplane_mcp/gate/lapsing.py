"""What was held too long: it is over at every look, whether or not a process ran that could have said so."""

from __future__ import annotations

import logging

from runplane_mcp.core.request import HELD, ActionRequest, State, changed
from runplane_mcp.errors import StoreError
from runplane_mcp.gate.clock import Clock
from runplane_mcp.store.base import Store, Transaction

logger = logging.getLogger(__name__)


def policy_time(request: ActionRequest, clock: Clock) -> int:
    """Now, for a request. Simulated time is for simulated money: a clock set for the one must not bring the other's
    approvals back."""
    return clock.policy() if request.identity.simulator else clock.wall()


def expired(request: ActionRequest, clock: Clock) -> bool:
    """Whether its time is over by now, although no process may have said so yet."""
    return request.expires_at is not None and policy_time(request, clock) >= request.expires_at


def as_it_stands(request: ActionRequest, clock: Clock) -> ActionRequest:
    """A request as whoever looks at it must see it: what is held counts as expired from its time on, also where that cannot
    be written down. Not for moving it: the store knows it as it was."""
    if request.state in HELD and expired(request, clock):
        return changed(request, state=State.EXPIRED)
    return request


def lapse(tx: Transaction, request: ActionRequest, clock: Clock) -> ActionRequest:
    """Writes down that its time is over, and gives back what it had reserved."""
    tx.settle(request.id, release=True)
    return tx.move(request, State.EXPIRED, at=clock.wall(), event={"expires_at": request.expires_at})


async def lapsed(store: Store, clock: Clock, request: ActionRequest) -> bool:
    """Whether a request as somebody has just read it is held no longer, since its time is over: then that is written down.
    False where it cannot be: a look must work while nothing can be written."""
    if request.state not in HELD or not expired(request, clock):
        return False

    def work(tx: Transaction) -> None:
        now = tx.request(request.id)
        if now is not None and now.state in HELD and expired(now, clock):
            lapse(tx, now, clock)

    try:
        await store.write(work)
    except StoreError as error:
        logger.warning("that the time of %s is over could not be written down: %s", request.reference, error)
        return False
    return True
