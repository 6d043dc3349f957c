"""Composition: builds the store, the gate and its connection to Stripe, and owns their start and stop.

What is slow (importing Stripe's SDK, opening the simulator, asking whose key this is) happens behind the first answers: an
MCP client waits for the server to start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.coverage.accounts import wanted_in
from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.errors import PolicyError, RunplaneError, SettingsError, StoreError, StripeError
from runplane_mcp.gate.audit.anchoring import ensure_log_key, refuse_rolled_back
from runplane_mcp.gate.barring import refuse_backup
from runplane_mcp.gate.clock import Clock, SystemClock, simulated_offset
from runplane_mcp.gate.completer import Completer
from runplane_mcp.gate.coverage.turns import watch_later
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.execution import Executor, no_probe
from runplane_mcp.gate.freezes import Freezes
from runplane_mcp.gate.people import SCRYPT_N
from runplane_mcp.gate.pipeline import LOOK_UP, Gate
from runplane_mcp.gate.policies import USED_REAL_KEY, Policies, note_real_money, read_policy_file
from runplane_mcp.gate.presence import Presence
from runplane_mcp.gate.restored import check_epoch
from runplane_mcp.gate.restoring import Places, Restore, restore
from runplane_mcp.interfaces.mcp.toolset import Toolset
from runplane_mcp.settings import Settings, can_write, ensure_home, write_private
from runplane_mcp.store.base import Reader, Store, Transaction
from runplane_mcp.store.checkpoints import Kept
from runplane_mcp.store.looking import LookingStore, copy_of, open_for_looking
from runplane_mcp.store.sqlite import SqliteStore, open_store
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.key import STRIPE_BASE

logger = logging.getLogger("runplane")

#: How long a stopping gate waits for what it is executing (seconds); an MCP client gives it two before SIGTERM.
DRAIN = 1.5
#: So long a client's first questions have the processor to themselves (seconds), before Stripe's SDK is imported for calls
#: that may come. A call that comes earlier does not wait for this.
HEAD_START = 0.2


def default_policy_text() -> str:
    """The policy that a new home starts with. It names the JSON Schema that `create_home` puts beside it."""
    packaged = Path(__file__).parent / "core" / "data" / "policies.default.yaml"
    in_checkout = Path(__file__).parents[1] / "policies.yaml"
    text = read_policy_file(packaged if packaged.exists() else in_checkout)
    return text.replace("$schema=docs/", "$schema=./", 1)


@asynccontextmanager
async def open_desk(
    settings: Settings,
    *,
    clock: Clock | None = None,
    scrypt_n: int = SCRYPT_N,
    probe: Callable[[str], None] = no_probe,
) -> AsyncIterator[Desk]:
    """The people's side of a home. It needs no Stripe key and executes nothing. In a home that cannot be written it only
    looks: whatever would change something is StoreError `store.readonly`."""
    if not settings.database.exists():
        raise SettingsError(
            "settings.no_home",
            f"There is no Runplane home at {settings.home}.",
            next_step="Run `runplane init`, or set RUNPLANE_HOME to where it is.",
        )
    policies = Policies(load_catalog())
    async with _store(settings, clock, probe) if can_write(settings) else _looking(settings) as store:
        yield Desk(
            store=store,
            policies=policies,
            clock=clock or await _desk_clock(settings, store, policies),
            gates=settings.gates,
            scrypt_n=scrypt_n,
        )


@asynccontextmanager
async def create_home(settings: Settings) -> AsyncIterator[Desk]:
    """A home as `init` makes it: folder, store and the first policy. Keeps what is there."""
    from runplane_mcp.core.policy.schema import FILE as SCHEMA_FILE
    from runplane_mcp.core.policy.schema import schema_text

    ensure_home(settings)
    if settings.policy is None and not settings.policy_file.exists():
        # Who can write this file could propose a looser policy.
        write_private(settings.policy_file, default_policy_text())
        # For editors. Nobody here reads it, so that one that stands there already does no harm.
        with contextlib.suppress(FileExistsError):
            write_private(settings.policy_file.with_name(SCHEMA_FILE), schema_text())
    policies = Policies(load_catalog())
    async with _store(settings) as store:
        text = read_policy_file(settings.policy_file)
        policies.compile(text, file=str(settings.policy_file))
        clock = await _desk_clock(settings, store, policies)
        enforced = await store.read(lambda reader: reader.enforced_policy())
        if enforced is None:
            await store.write(lambda tx: policies.offer(tx, text, at=clock.wall(), simulator=False))
        yield Desk(store=store, policies=policies, clock=clock, gates=settings.gates)


async def restore_home(
    settings: Settings,
    file: Path | None,
    *,
    admin: str | None,
    secret: str,
    checkpoints: Sequence[Path] = (),
    clock: Clock | None = None,
    probe: Callable[[str], None] = no_probe,
) -> Restore:
    """Puts the store in `file` in force in a home, None for what somebody has put there. Errors as `restore` says."""
    ensure_home(settings)
    policies = Policies(load_catalog())

    async def desk_of(store: Store) -> Desk:
        time = clock or await _desk_clock(settings, store, policies)
        return Desk(store=store, policies=policies, clock=time, gates=settings.gates)

    places = Places(settings.database, Kept(settings.checkpoint_file, settings.log_key), settings.gates)
    return await restore(places, file, desk_of, admin=admin, secret=secret, checkpoints=checkpoints, probe=probe)


@asynccontextmanager
async def open_gate(
    settings: Settings,
    *,
    simulator: bool = False,
    clock: Clock | None = None,
    probe: Callable[[str], None] = no_probe,
) -> AsyncIterator[Gate]:
    """A gate process: store, policy, connection to Stripe or to the simulator, and the completer.

    Raises RunplaneError when it could not decide safely from the start: an unusable home or store, a policy that does not
    load while none is enforced, a key that may not be used here. Stripe itself may be down; then requests say so.
    """
    catalog = load_catalog()
    policies = Policies(catalog)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(_store(settings, clock, probe))
        await store.read(lambda reader: refuse_backup(reader, settings.database))
        standing = refuse_rolled_back(settings.database, Kept(settings.checkpoint_file, settings.log_key))
        await store.read(check_epoch)
        simulated = await _is_simulated(settings, store, forced=simulator)
        watch = PolicyFile(settings, store, policies, clock or SystemClock(), simulated=simulated)
        await watch.start()
        if clock is None:
            clock = await _gate_clock(settings, store, policies, simulated=simulated)
        connection = await stack.enter_async_context(open_connection(settings, clock, simulated=simulated))
        presence = Presence(settings.gates, "gate-" + os.urandom(8).hex())
        presence.announce()
        stack.callback(presence.leave)
        upstream = Upstream(connection, store, clock)
        stack.push_async_callback(upstream.close)
        gate = Gate(
            store=store,
            policies=policies,
            catalog=catalog,
            connection=connection,
            identity=upstream.identity,
            clock=clock,
            executor=Executor(store, connection, catalog, Freezes(catalog), clock, presence.owner, probe),
        )
        await _record(store, "gate.started", presence.owner, clock, checkpoint=standing.value)
        completer = Completer(gate, presence, reload=watch.look)
        background = [asyncio.create_task(upstream.warm()), asyncio.create_task(completer.run())]
        if settings.coverage_every:
            around = settings.coverage_alarm == "outside"
            looks = watch_later(
                gate, every=settings.coverage_every, around=around, accounts=wanted_in(settings.coverage_accounts)
            )
            background.append(asyncio.create_task(looks))
        try:
            yield gate
        finally:
            # Whatever ended the serving, what is executing gets its moment and the rest is left for the next gate.
            with anyio.CancelScope(shield=True):
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)
                await asyncio.gather(gate.drain(DRAIN), completer.close(DRAIN))
                with contextlib.suppress(RunplaneError):
                    await _record(store, "gate.stopped", presence.owner, clock)


def serve_mcp(settings: Settings, *, agent: str, simulator: bool, toolset: Toolset = Toolset.DEFAULT) -> None:
    """`runplane mcp`: governed tools on stdin and stdout until the client closes them or a signal comes."""
    from runplane_mcp.interfaces.mcp.stdio import serve_stdio

    async def serve() -> None:
        await serve_stdio(open_gate(settings, simulator=simulator), agent=agent, toolset=toolset)

    anyio.run(serve)


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


class PolicyFile:
    """The policy file of a gate. A file that changed is offered to the store; a broken one is said loudly and changes
    nothing: the last good one stays enforced."""

    def __init__(self, settings: Settings, store: Store, policies: Policies, clock: Clock, *, simulated: bool) -> None:
        self._path = settings.policy_file
        self._required = settings.policy is not None
        self._store = store
        self._policies = policies
        self._clock = clock
        self._simulated = simulated
        self._seen: tuple[int, int] | None = None
        self._text: str | None = None
        self._offering: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Offers the file as it is. PolicyError when it does not load and no policy is enforced either."""
        self._seen = self._stamp()
        try:
            await self._offer()
        except PolicyError as error:
            # What the log does not bear out stops a gate from starting: nothing would run in it.
            await self._store.read(self._policies.enforced)
            await self._refused(error)

    def look(self) -> None:
        """Cheap; called on every tick of the completer."""
        stamp = self._stamp()
        if stamp != self._seen and (self._offering is None or self._offering.done()):
            self._seen = stamp
            self._offering = asyncio.get_running_loop().create_task(self._reload())

    async def _reload(self) -> None:
        try:
            await self._offer()
        except PolicyError as error:
            await self._refused(error)
        except RunplaneError as error:
            logger.error("the policy file could not be taken over: %s", error)
            self._seen = None

    async def _offer(self) -> None:
        if not self._path.exists() and not self._required:
            if await self._store.read(lambda reader: reader.enforced_version()) is not None:
                return
            text, file = default_policy_text(), "policies.yaml"
        else:
            self._text = None
            text, file = read_policy_file(self._path), str(self._path)
        self._text = text
        compiled = self._policies.compile(text, file=file)
        # Compared before the transaction, in which nobody else can write.
        await self._store.read(lambda reader: self._compare(reader, compiled))
        at = self._clock.wall()
        done = await self._store.write(lambda tx: self._policies.offer(tx, text, at=at, simulator=self._simulated))
        if done == "tighter":
            logger.warning("%s is provably only tighter than the policy before: it is enforced from now on", file)
        elif done == "proposed":
            logger.warning(
                "%s differs from the enforced policy and is only proposed: `runplane policy activate` makes it count",
                file,
            )

    def _compare(self, reader: Reader, compiled: CompiledPolicy) -> None:
        if reader.enforced_version() is not None:
            self._policies.compare(self._policies.enforced(reader), compiled)

    async def _refused(self, error: PolicyError) -> None:
        """The log has it once for each broken text; whoever runs this process hears it each time."""
        logger.error("the policy file is broken, the last good policy stays enforced: %s", error)
        at, text = self._clock.wall(), self._text
        with contextlib.suppress(RunplaneError):
            await self._store.write(lambda tx: self._policies.refuse(tx, code=error.code, text=text, at=at))

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size


@asynccontextmanager
async def _store(
    settings: Settings, clock: Clock | None = None, probe: Callable[[str], None] = no_probe
) -> AsyncIterator[SqliteStore]:
    ensure_home(settings)
    kept = Kept(settings.checkpoint_file, settings.log_key)
    store = open_store(settings.database, probe=probe, kept=kept)
    try:
        await ensure_log_key(store, kept.key, at=(clock or SystemClock()).wall())
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()


@asynccontextmanager
async def _looking(settings: Settings) -> AsyncIterator[LookingStore]:
    store = open_for_looking(settings.database)
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()


async def _is_simulated(settings: Settings, store: Store, *, forced: bool) -> bool:
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
        simulated = await _is_simulated(settings, desk.store, forced=False)
        clock = desk.clock if simulated else SystemClock()
        async with open_connection(settings, clock, simulated=simulated) as connection:
            yield Books(desk, connection, await connection.identity(), clock)


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


async def _gate_clock(settings: Settings, store: Store, policies: Policies, *, simulated: bool) -> Clock:
    offset = 0
    if settings.simulator_now is not None:
        if not simulated:
            raise SettingsError(
                "settings.simulator_now",
                "RUNPLANE_SIMULATOR_NOW is set, and this is not the simulator.",
                next_step="Unset it: real money keeps real time.",
            )
        policy = await store.read(policies.enforced)
        offset = simulated_offset(settings.simulator_now, policy.calendar.zone)
    if simulated:
        # The command line shares the time of the gate that was started last, so that both agree on what has expired.
        await store.write(lambda tx: tx.set_meta("simulator_offset", str(offset)))
    return SystemClock(offset)


async def _desk_clock(settings: Settings, store: Store, policies: Policies) -> Clock:
    def work(reader: Reader) -> SystemClock:
        if not (reader.meta("target") or "simulator").startswith("simulator"):
            return SystemClock()
        if settings.simulator_now is not None and reader.enforced_policy() is not None:
            return SystemClock(simulated_offset(settings.simulator_now, policies.enforced(reader).calendar.zone))
        return SystemClock(int(reader.meta("simulator_offset") or 0))

    return await store.read(work)


async def _record(store: Store, type: str, owner: str, clock: Clock, **more: Json) -> None:
    boot, boot_ms = clock.boot()
    # By the time since the boot `doctor` finds out that somebody moved the clock.
    body: dict[str, Json] = {
        "mode": "trial",
        "owner": owner,
        "simulated_clock": clock.simulated,
        "boot": boot,
        "boot_ms": boot_ms,
        **more,
    }
    await store.write(lambda tx: tx.append(type, body, at=clock.wall()))
