"""Reading a connected account with the platform's key: every request names it in the header `Stripe-Account`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from runplane_mcp.core.wire import WireRequest
from runplane_mcp.errors import InternalError
from runplane_mcp.stripe_api.answers import Answer
from runplane_mcp.stripe_api.client import StripeConnection


class Asks(Protocol):
    """What can be asked: the account of the key, or one that is connected to it."""

    async def send(self, wire: WireRequest, *, idempotency_key: str | None) -> Answer: ...


@dataclass(frozen=True, slots=True)
class OnAccount:
    """Asks on `account`, and only asks: InternalError for what is no GET."""

    connection: StripeConnection
    account: str

    async def send(self, wire: WireRequest, *, idempotency_key: str | None) -> Answer:
        if wire.method != "GET":
            raise InternalError("internal.connected", "On a connected account nothing but reads is sent.")
        return await self.connection.send(wire, idempotency_key=idempotency_key, account=self.account)
