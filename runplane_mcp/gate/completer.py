"""The completer: the background task of every gate. It runs what people have approved, in whatever process they did so,
lets expire what nobody answered, and finishes what dead processes left."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from runplane_mcp.core.approval import Standing, tally
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.request import ActionRequest, Failure, Kind, State, StripeIdentity
from runplane_mcp.errors import InternalError, ParameterError, RunplaneError
from runplane_mcp.gate.again import Again, LookedUp
from runplane_mcp.gate.deciding import judge
from runplane_mcp.gate.execution import failure_event
from runplane_mcp.gate.lowered import NOT_BORNE_OUT, lowering_of
from runplane_mcp.gate.people import genuine, trusted
from runplane_mcp.gate.pipeline import LOOK_UP, Gate
from runplane_mcp.gate.presence import Presence
from runplane_mcp.gate.records import needs_from
from runplane_mcp.gate.redecision import blocked_as_things_are, larger
from runplane_mcp.gate.releasing import release
from runplane_mcp.gate.restored import since_restore
from runplane_mcp.gate.telling import Once
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.records import Changed
from runplane_mcp.stripe_api.resolve import resolve

logger = logging.getLogger(__name__)

#: How often another process's commits are looked for (seconds): while somebody waits here, and otherwise.
WATCHED, UNWATCHED = 0.05, 0.5
#: Without any commit, expiry and dead processes are looked for this often (seconds).
TICK = 2.0
#: What could not be moved is tried again after so long (seconds).
PAUSE = 2.0
#: A read is under an event of the log this long after it has ended, and the time between two looks (seconds).
BATCH = 0.5
#: The pause before an outcome that stays unknown is looked into again doubles from the first to the last (milliseconds),
#: with each send and with each look: what is not sent again would be looked for every few seconds for ever.
FIRST_PAUSE_MS, LAST_PAUSE_MS = 2_000, 3_600_000


class Completer:
    """Runs beside one gate until it is closed. `reload` looks after the policy file; it is called on every tick."""

    def __init__(self, gate: Gate, presence: Presence, *, reload: Callable[[], None] = lambda: None) -> None:
        self.gate = gate
        self.presence = presence
        self.again = Again(gate)
        self._reload = reload
        self._work: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, float] = {}
        self._looks: dict[str, int] = {}
        self._once = Once()

    async def run(self) -> None:
        """Until canceled. A pass that fails is tried again: the store may be back by then."""
        loop = asyncio.get_running_loop()
        seen, last, batched = -1, float("-inf"), float("-inf")
        trouble: str | None = None
        while True:
            try:
                if loop.time() - batched >= BATCH:
                    batched = loop.time()
                    await self.gate.reads.batch()
                version = await self.gate.store.version()
                if version != seen:
                    await self.gate.notify()
                if version != seen or loop.time() - last >= TICK:
                    seen, last = version, loop.time()
                    self.presence.renew()
                    self._reload()
                    await self.look()
                if trouble is not None:
                    logger.warning("the completer can look through the store again")
                trouble = None
            except (RunplaneError, OSError) as error:
                # Once for as long as it stays the same: a full disk stays full for more than half a second.
                what = error.code if isinstance(error, RunplaneError) else type(error).__name__
                if what != trouble:
                    logger.warning("the completer could not look through the store: %s", error)
                trouble = what
            await asyncio.sleep(WATCHED if self.gate.watched or self._work else UNWATCHED)

    async def close(self, seconds: float = 0.0) -> None:
        """Gives what it has begun `seconds` to end; what is left is another gate's to finish. To be called when `run` has
        been ended, which begins nothing more then."""
        running = list(self._work.values())
        if running:
            await asyncio.wait(running, timeout=seconds)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def look(self) -> None:
        """One pass over everything unfinished; starts a task for each request that this gate can move."""
        now = self.gate.clock.policy()
        unfinished = await self.gate.store.read(lambda reader: self._unfinished(reader, now))
        if not unfinished:
            return
        try:
            identity = await self.gate.identity()
        except RunplaneError:
            identity = None
        loop = asyncio.get_running_loop()
        for request in unfinished:
            if request.id in self._work or self.gate.runs(request.id):
                continue
            if self._not_before.get(request.id, 0.0) > loop.time():
                continue
            if self._needs_work(request, identity):
                task = loop.create_task(self._one(request))
                self._work[request.id] = task

    def _unfinished(self, reader: Reader, now: int) -> list[ActionRequest]:
        """What may need work. What may run but for a freeze that holds it needs none until it expires; the commit that ends
        the freeze brings the next look."""
        freezes = self.gate.executor.freezes
        standing = freezes.standing(reader)
        return [
            request
            for request in reader.unfinished(now)
            if request.state not in {State.APPROVED, State.SCHEDULED}
            or self._expired(request)
            or not freezes.among(standing, request)
        ]

    async def settle(self) -> None:
        """Waits for the tasks that the last look started."""
        while self._work:
            await asyncio.gather(*self._work.values(), return_exceptions=True)

    def _needs_work(self, request: ActionRequest, identity: StripeIdentity | None) -> bool:
        if self._expired(request):
            return True
        if request.state is State.RECEIVED and request.replaces is None:
            return not self.presence.lives(request.lease_owner) or request.lease_owner == self.presence.owner
        # One home may never run a live request with a test key, or the reverse: a gate takes only its own.
        if request.identity != identity:
            return False
        if request.state in {State.APPROVED, State.RECEIVED}:
            return True
        if request.state is State.SCHEDULED:
            return self.again.due(request)
        if request.state is State.EXECUTING:
            mine = request.lease_owner == self.presence.owner
            return mine or not self.presence.lives(request.lease_owner) or self._hangs(request)
        return request.state is State.OUTCOME_UNKNOWN and _may_be_proven(request)

    def _hangs(self, request: ActionRequest) -> bool:
        """Whether it may be taken over although its process lives: stopped, swapped out, in a debugger. When the lease is
        over, nothing more of it may leave there, and a repeat has the same key; what was sent without one stays."""
        over = request.lease_until is not None and self.gate.clock.wall() > request.lease_until
        keyed = request.effective is not None and request.effective.keyed
        return over and keyed and request.kind is Kind.WRITE

    def _expired(self, request: ActionRequest) -> bool:
        if request.identity.simulator is not self.gate.connection.simulator:
            # Each has its own time: a simulated year must let no real request expire, nor the reverse.
            return False
        held = request.state in {State.RECEIVED, State.WAITING, State.SCHEDULED, State.APPROVED}
        return held and request.expires_at is not None and self.gate.clock.policy() >= request.expires_at

    async def _one(self, request: ActionRequest) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._expired(request) and request.state is not State.RECEIVED:
                await self._write(lambda tx: self.again.expire(tx, request))
            elif request.state is State.RECEIVED:
                if not await self._take_up(request):
                    self._not_before[request.id] = loop.time() + PAUSE
            elif request.state is State.APPROVED:
                if not await self._run_approved(request):
                    self._not_before[request.id] = loop.time() + PAUSE
            elif request.state is State.SCHEDULED:
                if not await self._release(request):
                    self._not_before[request.id] = loop.time() + PAUSE
            else:
                after = await self.gate.executor.resume(request)
                await self.gate.notify()
                if after.state is State.OUTCOME_UNKNOWN:
                    looks = self._looks[request.id] = self._looks.get(request.id, 0) + 1
                    self._not_before[request.id] = loop.time() + pause_after(after.attempt, looks)
                else:
                    self._looks.pop(request.id, None)
        except Changed:
            pass  # another gate or a person was faster, which is as good
        except RunplaneError as error:
            # It is tried again every other second: a request that never can be would fill the log of the process.
            if self._once.tell(request.id, str(error)):
                level = logging.ERROR if isinstance(error, InternalError) else logging.WARNING
                logger.log(level, "request %s could not be finished yet: %s", request.reference, error)
            self._not_before[request.id] = loop.time() + PAUSE
        finally:
            self._work.pop(request.id, None)

    async def _write(self, work: Callable[[Transaction], ActionRequest]) -> ActionRequest:
        done = await self.gate.store.write(work)
        await self.gate.notify()
        return done

    async def _take_up(self, request: ActionRequest) -> bool:
        """Decides what a person has lowered, in a process that has no key for looking it up. What an agent asked for and
        nobody decided is over, and so is what no gate took up in time. False: a look-up told nothing, so it is tried
        again."""
        gate = self.gate
        if request.replaces is None or request.as_asked is None or self._expired(request):
            await self._write(lambda tx: self._abandon(tx, request))
            return True
        try:
            classified = gate.catalog.classify(request.as_asked)
        except ParameterError:
            # Another release's catalog knew it, this one does not: then it never passes.
            await self._write(lambda tx: self._abandon(tx, request))
            return True
        effect = await resolve(gate.connection, classified, timeout=LOOK_UP)
        if effect.incomplete:
            return False
        gate.executor.probe("lowered.looked_up")
        await self._write(lambda tx: gate.conclusion.decide(tx, request, classified, effect).request)
        return True

    def _abandon(self, tx: Transaction, request: ActionRequest) -> ActionRequest:
        late = request.replaces is not None
        why = "No gate looked it up in time." if late else "Runplane ended before this was decided."
        failure = Failure("request.abandoned", f"{why} Nothing was sent.")
        tx.settle(request.id, release=True)
        return tx.move(
            request,
            State.FAILED,
            at=self.gate.clock.wall(),
            event=failure_event(failure),
            failure=failure,
            lease_owner=None,
        )

    # ── approved: looked up, decided and checked again, then run ──────────────────────────────────────────────────

    async def _run_approved(self, request: ActionRequest) -> bool:
        """True when the request moved. False: a look-up told nothing or is old by now, or somebody has frozen it, so it
        stays approved and is tried again."""
        gate = self.gate
        looked = await self.again.look_up(request)
        if looked is None:
            gate.executor.probe("approved.untold")
            return False
        gate.executor.probe("approved.looked_up")
        moved = await self._write(lambda tx: self._claim(tx, request, looked))
        gate.executor.probe("approved.claimed")
        if moved.state is State.EXECUTING:
            await gate.execute(moved, fresh=True)
        return moved.state is not State.APPROVED

    def _claim(self, tx: Transaction, request: ActionRequest, looked: LookedUp) -> ActionRequest:
        gate, clock = self.gate, self.gate.clock
        record, effect = looked.record, looked.effect
        policy = gate.policies.enforced(tx)
        current = tx.request(request.id)
        if current is None or current.version != request.version or current.state is not State.APPROVED:
            raise Changed
        if self._expired(request):
            return self.again.expire(tx, request)
        if gate.executor.freezes.on(tx, request) or looked.look.old(clock):
            return current
        if effect.refusal is not None:
            return self.again.fail(tx, request, effect.refusal)
        if looked.changes:
            return self.again.ask(tx, request, effect, looked.changes, anew=True)

        wire = request.effective
        if wire is None or record.digest is None:
            raise Changed
        gate.executor.check_digest(request, record)
        people = trusted(tx)
        lowering = lowering_of(tx, request, people)
        if request.replaces is not None and lowering is None:
            return self.again.fail(tx, request, NOT_BORNE_OUT)
        owner = lowering.by if lowering is not None else None
        votes = since_restore(tx, genuine(tx.votes(request.id, request.round), people, tx.store_id()))
        needs = needs_from(record.detail)
        counted = tally(needs, votes, people, digest=record.digest, round=request.round, owner=owner)
        if counted.standing is Standing.DENIED:
            tx.settle(request.id, release=True)
            return tx.move(request, State.DENIED, at=clock.wall(), event={"by": counted.denied_by})
        if counted.standing is not Standing.APPROVED:
            return self.again.ask(tx, request, effect, ("A vote no longer counts.",))

        classified = gate.catalog.classify(wire)
        candidate = gate.policies.candidate(tx)
        judged = judge(tx, policy, request, classified, effect, clock, without_risk=True, candidate=candidate)
        if judged.decision.outcome is Outcome.BLOCK:
            if self.again.blocked_by_the_hour(tx, request, judged, looked, classified):
                return self.again.ask(tx, request, effect, blocked_as_things_are(judged.decision))
            return self.again.block(tx, request, judged, effect)
        news = self.again.news(tx, request, judged, looked, classified, without_risk=True)
        covered = tally(
            judged.decision.requirement, votes, people, digest=record.digest, round=request.round, owner=owner
        )
        if judged.decision.requirement and (covered.standing is not Standing.APPROVED or news):
            difference = (*news, *larger(judged.decision, record)) or ("More people are needed than said yes.",)
            return self.again.ask(tx, request, effect, difference)

        return self.again.run(tx, request, judged, effect, record)

    # ── scheduled: the same when its time has come, but nobody's yes is needed ────────────────────────────────────

    async def _release(self, request: ActionRequest) -> bool:
        """True when the request moved. False: a look-up told nothing, or somebody has frozen it, so it stays scheduled and
        is tried again."""
        gate = self.gate
        looked = await self.again.look_up(request)
        if looked is None:
            return False
        gate.executor.probe("scheduled.looked_up")
        moved = await self._write(lambda tx: release(self.again, tx, request, looked))
        gate.executor.probe("scheduled.released")
        if moved.state is State.EXECUTING:
            await gate.execute(moved, fresh=True)
        return moved.state is not State.SCHEDULED


def pause_after(attempt: int, looks: int) -> float:
    """Seconds until an outcome is looked into again that is unknown after so many sends and looks."""
    doubled = FIRST_PAUSE_MS << min(max(attempt, looks), 12)
    return min(doubled, LAST_PAUSE_MS) / 1000


def _may_be_proven(request: ActionRequest) -> bool:
    """Whether anything at Stripe can prove it. What a restore set aside needs an event that has its key, or
    an object with its mark: that something is gone by now says nothing of who took it away."""
    if request.restored is None:
        return True
    return request.stripe_key is not None and request.effective is not None and request.effective.method != "DELETE"


async def stop(task: asyncio.Task[None]) -> None:
    """Ends a completer's loop and waits until it has ended."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
