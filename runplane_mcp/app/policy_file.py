"""The policy file of a home: the one that a new home starts with, and what a gate does about a change of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.errors import PolicyError, RunplaneError
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.policies import Policies, read_policy_file
from runplane_mcp.settings import Settings
from runplane_mcp.store.base import Reader, Store

logger = logging.getLogger("runplane")


def default_policy_text() -> str:
    """The policy that a new home starts with. It names the JSON Schema that `create_home` puts beside it."""
    packaged = Path(__file__).parents[1] / "core" / "data" / "policies.default.yaml"
    in_checkout = Path(__file__).parents[2] / "policies.yaml"
    text = read_policy_file(packaged if packaged.exists() else in_checkout)
    return text.replace("$schema=docs/", "$schema=./", 1)


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
