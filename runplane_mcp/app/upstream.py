"""The connection to Stripe, or to the home's simulator, as a gate has it, and whose it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.errors import RunplaneError, StoreError, StripeError
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.pipeline import LOOK_UP
from runplane_mcp.gate.policies import USED_REAL_KEY, note_real_money
from runplane_mcp.settings import Settings, can_write
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.looking import copy_of
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.key import STRIPE_BASE

logger = logging.getLogger("runplane")

#: So long a client's first questions have the processor to themselves (seconds), before Stripe's SDK is imported for calls
#: that may come. A call that comes earlier does not wait for this.
HEAD_START = 0.2


class Upstream:
    """Who the key belongs to, asked of Stripe once it can be. Only an answer is kept; a failure is asked again."""

    def __init__(self, connection: StripeConnection, store: Store, clock: Clock) -> None:
        self._connection = connection
        self._store = store
        self._clock = clock
        self._asking: asyncio.Task[StripeIdentity] | None = None
        self._known: StripeIdentity | None = None

    async def warm(self) -> None:
        """Does the slow parts behind the first answers. What goes wrong is said by the request that needs it."""
        await asyncio.sleep(HEAD_START)
        try:
            await self.identity()
        except RunplaneError as error:
            logger.warning("Stripe is not usable yet: %s", error)

    async def identity(self) -> StripeIdentity:
        """StripeError `stripe.*`, also when Stripe takes longer than an agent should wait. All who ask wait for one answer,
        which goes on being waited for without them."""
        if self._known is not None:
            return self._known
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask())
            self._asking.add_done_callback(_heard)
        done, _ = await asyncio.wait({self._asking}, timeout=LOOK_UP)
        if not done:
            raise StripeError(
                "stripe.unreachable",
                "Stripe does not answer whose key this is.",
                next_step="Check the network and https://status.stripe.com; nothing was changed.",
            )
        return await asyncio.shield(self._asking)

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> StripeIdentity:
        await self._connection.prepare()
        known = await self._connection.identity()

        def remember(tx: Transaction) -> None:
            tx.set_meta("target", known.target)
            if not known.simulator:
                note_real_money(tx, at=self._clock.wall())

        await self._store.write(remember)
        self._known = known
        return known


def _heard(task: asyncio.Task[StripeIdentity]) -> None:
    """Its error is told to whoever asks; that nobody does is no error of its own."""
    if not task.cancelled():
        task.exception()


async def is_simulated(settings: Settings, store: Store, *, forced: bool) -> bool:
    """Whether this gate talks to the simulator. A home that ever used a real key does not fall back to it silently: an
    agent would think that refunds happened."""
    if forced:
        return True
    if settings.stripe_api_key is not None:
        return False
    if await store.read(lambda reader: reader.meta(USED_REAL_KEY)):
        raise StripeError(
            "stripe.key_missing",
            "This home has used a Stripe key, and now there is none.",
            next_step="Set STRIPE_API_KEY, or add --simulator to mean the simulator.",
        )
    return True


@asynccontextmanager
async def open_connection(settings: Settings, clock: Clock, *, simulated: bool) -> AsyncIterator[StripeConnection]:
    """The connection to Stripe, or to the home's simulator, as a gate has it. StripeError when the key may not be used."""
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(_simulator(settings, clock)) if simulated else _stripe(settings)
        try:
            yield connection
        finally:
            await connection.close()


@contextlib.contextmanager
def _simulator(settings: Settings, clock: Clock) -> Iterator[StripeConnection]:
    from runplane_mcp.simulator import SIMULATOR_KEY, Simulator, SimulatorServer

    with contextlib.ExitStack() as stack:
        file = settings.simulator_file
        if not can_write(settings):
            # A world goes on whenever it is asked something: in a copy, where its home is to stay as it is.
            if not file.exists():
                raise StoreError(
                    "store.simulator",
                    f"There is no simulator's world in {settings.home}, and none can be made there.",
                    next_step="Copy simulator.db into it, too, if this home had one.",
                )
            file = stack.enter_context(copy_of(file))
        world = Simulator(file, now=lambda: clock.policy() // 1000)
        stack.callback(world.close)
        server = stack.enter_context(SimulatorServer(world))
        yield StripeConnection(SIMULATOR_KEY, base=server.base_url, target=f"simulator:{server.world_id}")


def _stripe(settings: Settings) -> StripeConnection:
    if settings.stripe_api_key is None:
        raise StripeError("stripe.key_missing", "There is no Stripe key.", next_step="Set STRIPE_API_KEY.")
    connection = StripeConnection(
        settings.stripe_api_key.get_secret_value(), base=settings.stripe_api_base or STRIPE_BASE
    )
    if connection.key_livemode and not settings.allow_live_in_trial:
        raise StripeError(
            "stripe.live_in_trial",
            "A live key in trial mode: the agent runs as the same user and could read it.",
            next_step="Use a test key, or set RUNPLANE_ALLOW_LIVE_IN_TRIAL=yes if you accept that.",
        )
    return connection
