"""The background task of a gate that looks, every few minutes and where no other process does, for what went around it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from runplane_mcp.core.coverage.accounts import NOT_MORE, Wanted
from runplane_mcp.core.money import CURRENCIES, Money
from runplane_mcp.errors import RunplaneError
from runplane_mcp.gate.coverage.rounds import Rounds
from runplane_mcp.gate.coverage.state import Found
from runplane_mcp.gate.coverage.watch import Watch
from runplane_mcp.gate.pipeline import Gate

logger = logging.getLogger(__name__)

#: How often a gate sees whether it is its turn (seconds).
TURN: Final = 30.0


async def keep_watch(gate: Gate, *, every: float, around: bool, accounts: Wanted = NOT_MORE) -> None:
    """Looks every `every` seconds where no other process does, until it is canceled."""
    watch = Watch(gate.store, gate.catalog, gate.connection, gate.clock, around)
    rounds = Rounds(watch, accounts)
    told = ""
    while True:
        try:
            identity = await gate.identity()
            if await watch.take_turn(identity, every):
                await watch.catch_up(identity, tell=_say)
                await rounds.turn(identity, tell=_say)
            told = ""
        except (RunplaneError, OSError) as error:
            if str(error) != told:
                logger.warning("the account could not be looked at for what went around Runplane: %s", error)
            told = str(error)
        await asyncio.sleep(min(TURN, every))


def _say(new: Sequence[Found], account: str = "") -> None:
    for found in new:
        about = found.object_id or found.line
        logger.error(
            "UNEXPLAINED money line at Stripe%s: %s %s of %s. %s See: runplane audit coverage --alarm",
            *(f", on {account}" if account else "", found.kind, about, _worth(found), found.why),
        )


def _worth(found: Found) -> str:
    return str(Money(found.amount, found.currency)) if found.currency in CURRENCIES else str(found.amount)
