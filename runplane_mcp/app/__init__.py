"""Composition: builds the store, the gate and its connection to Stripe, and owns their start and stop.

What is slow (importing Stripe's SDK, opening the simulator, asking whose key this is) happens behind the first answers: an
MCP client waits for the server to start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio

from runplane_mcp.app.policy_file import PolicyFile
from runplane_mcp.app.policy_file import default_policy_text as default_policy_text
from runplane_mcp.app.upstream import Upstream, is_simulated, open_connection
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.coverage.accounts import wanted_in
from runplane_mcp.errors import RunplaneError, SettingsError
from runplane_mcp.gate.audit.anchoring import ensure_log_key, refuse_rolled_back
from runplane_mcp.gate.barring import refuse_backup
from runplane_mcp.gate.clock import Clock, SystemClock, simulated_offset
from runplane_mcp.gate.completer import Completer
from runplane_mcp.gate.coverage.turns import watch_later
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.execution import Executor, no_probe
from runplane_mcp.gate.freezes import Freezes
from runplane_mcp.gate.people import SCRYPT_N
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.policies import Policies, read_policy_file
from runplane_mcp.gate.presence import Presence
from runplane_mcp.gate.restored import check_epoch
from runplane_mcp.gate.restoring import Places, Restore, restore
from runplane_mcp.interfaces.mcp.toolset import Toolset
from runplane_mcp.settings import Settings, can_write, ensure_home, write_private
from runplane_mcp.store.base import Reader, Store
from runplane_mcp.store.checkpoints import Kept
from runplane_mcp.store.looking import LookingStore, open_for_looking
from runplane_mcp.store.sqlite import SqliteStore, open_store

#: How long a stopping gate waits for what it is executing (seconds); an MCP client gives it two before SIGTERM.
DRAIN = 1.5


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
        simulated = await is_simulated(settings, store, forced=simulator)
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
