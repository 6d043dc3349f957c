"""The connection to Stripe: one key, one address, one pinned API version. Sends stored bytes, says what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self

import anyio.to_thread

from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.core.sending import API_VERSION
from runplane_mcp.core.wire import WireRequest, encode
from runplane_mcp.errors import InternalError, StripeError
from runplane_mcp.stripe_api.answers import Answer, Busy, Done, Lost, NotSent, Refused
from runplane_mcp.stripe_api.key import STRIPE_BASE, StripeKey, checked_base

if TYPE_CHECKING:
    from runplane_mcp.stripe_api.transport import Transport

__all__ = ["API_VERSION", "Answer", "Busy", "Done", "Lost", "NotSent", "Refused", "StripeConnection"]

TIMEOUT: Final = 30.0


class StripeConnection:
    """Talks to Stripe, or to a loopback stand-in, with one key.

    `target` names the simulator's world; without it, it is `stripe` or the origin of a loopback base. `timeout` is
    seconds for one exchange, and must stay below the lease of an execution. StripeError `stripe.key_malformed` or
    `stripe.base_refused` at once; nothing is sent before the first `send`.
    """

    def __init__(
        self, key: str, *, base: str = STRIPE_BASE, target: str | None = None, timeout: float = TIMEOUT
    ) -> None:
        self._key = StripeKey(key)
        self._base = checked_base(base, self._key)
        self._timeout = timeout
        self._transport: Transport | None = None
        self._preparing = asyncio.Lock()
        self.target: Final = target or ("stripe" if self._base == STRIPE_BASE else self._base)

    @property
    def key_livemode(self) -> bool:
        """Whether the key says of itself that it is for real money."""
        return self._key.livemode

    @property
    def simulator(self) -> bool:
        """Whether it is our own simulated Stripe that it talks to."""
        return self.target.startswith("simulator:")

    async def prepare(self) -> None:
        """Imports Stripe's SDK and makes the TLS context, in a worker thread; later sends need not wait for it."""
        await self._ready()

    async def send(
        self,
        wire: WireRequest,
        *,
        idempotency_key: str | None,
        account: str | None = None,
        version: str = API_VERSION,
        in_time: Callable[[], bool] | None = None,
    ) -> Answer:
        """Sends exactly these bytes, once, under this version of the API. `account` is the connected account to act on.
        `in_time` is asked when a connection is there and nothing has left yet: a machine can fall asleep while it connects,
        and go on days later. Where it says no, nothing leaves.

        InternalError when that cannot be guaranteed, and for a POST, or a DELETE in /v2, without a key: the SDK would
        invent one, and a repeat would be a second effect. Then nothing was sent.
        """
        if wire.keyed and not idempotency_key:
            raise InternalError("internal.key", f"A {wire.method} without an idempotency key is never sent.")
        transport = await self._ready()
        return await transport.send(
            wire, idempotency_key=idempotency_key, account=account, version=version, in_time=in_time
        )

    async def identity(self, *, account: str | None = None) -> StripeIdentity:
        """Whose key it is: account and mode, asked of Stripe. StripeError `stripe.*` with what to do about it."""
        own = await self._asked("/v1/account", account)
        balance = await self._asked("/v1/balance", account)
        id, livemode = own.get("id"), balance.get("livemode")
        if not isinstance(id, str) or not isinstance(livemode, bool):
            raise _bad_answer()
        if livemode is not self._key.livemode:
            raise StripeError(
                "stripe.mode",
                "The key says of itself another mode (test or live) than Stripe does.",
                next_step="Check that the address really is Stripe's.",
            )
        return StripeIdentity(self.target, id, livemode)

    async def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"StripeConnection({self.target}, {self._key!r})"

    async def _ready(self) -> Transport:
        if self._transport is not None:
            return self._transport
        async with self._preparing:
            if self._transport is None:
                self._transport = await anyio.to_thread.run_sync(self._load)
            return self._transport

    def _load(self) -> Transport:
        from runplane_mcp.stripe_api.transport import Transport

        return Transport(self._key, self._base, self._timeout)

    async def _asked(self, path: str, account: str | None) -> dict[str, object]:
        answer = await self.send(encode("GET", path, {}), idempotency_key=None, account=account)
        match answer:
            case Done():
                return answer.body
            case Refused(status=401):
                raise StripeError(
                    "stripe.key_rejected",
                    "Stripe does not accept the key.",
                    next_step="Make a new restricted key in Stripe's dashboard and set STRIPE_API_KEY to it.",
                )
            case Refused():
                raise StripeError(
                    "stripe.key_forbidden",
                    f"The key may not read {path} ({answer.failure.code}).",
                    next_step="Give the restricted key read permission for accounts and the balance.",
                )
            case Busy() | NotSent():
                raise StripeError("stripe.unreachable", answer.reason, next_step=_LATER)
            case Lost(status=None) | Lost(status=500 | 502 | 503 | 504):
                raise StripeError("stripe.unreachable", answer.reason, next_step=_LATER)
            case Lost():
                raise _bad_answer()


_LATER = "Check the network and https://status.stripe.com; nothing was changed."


def _bad_answer() -> StripeError:
    return StripeError(
        "stripe.bad_answer",
        "What answered does not speak like Stripe.",
        next_step="Check the address, and what stands between this machine and Stripe.",
    )
