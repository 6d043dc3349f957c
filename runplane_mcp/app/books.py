"""The account that a home's gate would act on, for whoever looks at it or compares it with the home's own record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from runplane_mcp.app import open_desk
from runplane_mcp.app.upstream import is_simulated, open_connection
from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.gate.clock import Clock, SystemClock
from runplane_mcp.gate.desk import Desk
from runplane_mcp.settings import Settings
from runplane_mcp.stripe_api.client import StripeConnection


@asynccontextmanager
async def open_account(settings: Settings) -> AsyncIterator[tuple[StripeConnection, StripeIdentity, Clock]]:
    """The account that a home's gate would act on, for looking at it, and the time that holds there. SettingsError
    `settings.no_home`; StripeError when the key may not be used or Stripe cannot be reached."""
    async with open_books(settings) as books:
        yield books.connection, books.identity, books.clock


@dataclass(frozen=True, slots=True)
class Books:
    """A home's record and the account beside it, for comparing the two. `clock` is the time that holds at the account."""

    desk: Desk
    connection: StripeConnection
    identity: StripeIdentity
    clock: Clock


@asynccontextmanager
async def open_books(settings: Settings) -> AsyncIterator[Books]:
    """The same with the home's own record. The same errors."""
    async with open_desk(settings) as desk:
        simulated = await is_simulated(settings, desk.store, forced=False)
        clock = desk.clock if simulated else SystemClock()
        async with open_connection(settings, clock, simulated=simulated) as connection:
            yield Books(desk, connection, await connection.identity(), clock)
