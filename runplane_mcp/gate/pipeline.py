"""The pipeline, top to bottom: every Stripe operation of an agent comes through `Gate.submit`.

parse → classify → decide (a) → resolve → decide (b), reserve, record and, for an allowed request, its intent, in one
durable transaction → execute → record the outcome. What a client does meanwhile (cancel, vanish) interrupts none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import TypeVar

from runplane_mcp.core.carried import refuse_secrets
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.closed import Closed
from runplane_mcp.core.effect import Effect
from runplane_mcp.core.expansions import secret_expansions
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.redact import redact, redact_text
from runplane_mcp.core.repeats import CALL, SAME, UNANSWERED, How, owed
from runplane_mcp.core.request import (
    HELD,
    ActionRequest,
    Failure,
    Kind,
    State,
    StripeIdentity,
)
from runplane_mcp.core.wire import encode
from runplane_mcp.errors import ParameterError, PolicyError, RequestError, RunplaneError, StoreError, StripeError
from runplane_mcp.gate.answer_secrets import handed_over, secret_of, with_secret
from runplane_mcp.gate.attempts import received_from, unnamed
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.conclusion import Conclusion
from runplane_mcp.gate.execution import Executor, Result, failure_event
from runplane_mcp.gate.floods import Refusals, refused
from runplane_mcp.gate.lapsing import lapsed
from runplane_mcp.gate.looks import Look
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.reads import Reads
from runplane_mcp.gate.records import find, received_event
from runplane_mcp.gate.repeats import Taken, tell
from runplane_mcp.gate.view import RequestView, Submission, view_of
from runplane_mcp.store.base import Reader, Store, Transaction
from runplane_mcp.store.records import Changed, RequestFilter
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.resolve import resolve

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: How long one call of an agent waits for an execution before it gets the request's id instead (seconds).
PATIENCE = CALL / 1000
#: How long a look-up may take in all (seconds).
LOOK_UP = 10.0


class Gate:
    """The agent side of one process. `identity` tells, once it is known, which Stripe this process talks to."""

    def __init__(
        self,
        *,
        store: Store,
        policies: Policies,
        catalog: Catalog,
        connection: StripeConnection,
        identity: Callable[[], Awaitable[StripeIdentity]],
        clock: Clock,
        executor: Executor,
    ) -> None:
        self.store = store
        self.policies = policies
        self.catalog = catalog
        self.connection = connection
        self.clock = clock
        self.executor = executor
        self.conclusion = Conclusion(policies, clock, executor)
        self._identity = identity
        self._tasks: set[asyncio.Task[RequestView]] = set()
        self._running: set[str] = set()
        self._deciding: set[str] = set()
        self._refusals = Refusals(time.monotonic)
        self.reads = Reads(store, policies, self.conclusion, executor, self.notify)
        self._closing = False
        self._changes = asyncio.Condition()
        self.watched = 0

    # ── what agents can do ────────────────────────────────────────────────────────────────────────────────────────

    async def submit(self, submission: Submission) -> RequestView:
        """Takes one attempt through the whole pipeline. Returns when it is settled, held, or takes longer than an agent
        should wait. What the agent does wrongly comes back as a failed request, recorded; it never raises for that."""
        self._check_room()
        started: list[str] = []
        task = self._detached(self._submit(submission.without_secrets(), started))
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        if done or not started:
            return await handed_over(self.store, self.clock, await asyncio.shield(task))
        # It goes on without the agent, which learns where to ask.
        return await self.get(submission.principal, started[0])

    async def refuse(self, submission: Submission, error: RunplaneError, *, blocked: bool = False) -> RequestView:
        """Records an attempt that no Stripe request could be made of: wrong types, unknown names, an unknown tool."""
        self._check_room()
        return await asyncio.shield(self._detached(self._refuse(submission.without_secrets(), error, blocked=blocked)))

    async def get(self, principal: str, reference_or_id: str) -> RequestView:
        """One of the principal's own requests. RequestError `request.not_found`, the same for somebody else's."""

        def work(reader: Reader) -> tuple[ActionRequest, RequestView, bool]:
            request, view = self._own(reader, principal, reference_or_id)
            return request, view, owed(request) and not reader.told(request.id)

        request, view, untold = await self.store.read(work)
        if await lapsed(self.store, self.clock, request):
            return await self.get(principal, request.id)
        if untold:
            await self._tell(request)
        return view

    async def recent(self, principal: str, *, open_only: bool = False, limit: int = 20) -> list[RequestView]:
        """The principal's own writes, newest first. What gave way to an earlier request is that request."""
        states = _OPEN if open_only else None
        wanted = RequestFilter(states=states, principal=principal, kind=Kind.WRITE, limit=limit)
        found = await self.store.read(lambda reader: reader.requests(wanted))
        if any([await lapsed(self.store, self.clock, request) for request in found]):
            return await self.recent(principal, open_only=open_only, limit=limit)
        return [view_of(each) for each in found if each.failure is None or each.failure.code != SAME]

    async def wait(
        self, principal: str, reference_or_id: str, seconds: float, *, since: State | None = None
    ) -> RequestView:
        """The request at its next change of status, or after `seconds` as it still is. `since` is the status it was last
        seen in: where it has changed by then, there is nothing to wait for."""
        view = await self.get(principal, reference_or_id)
        before = view.status if since is None else since
        deadline = asyncio.get_running_loop().time() + seconds
        self.watched += 1
        try:
            while view.status is before or not view.settled:
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0 or view.status not in _OPEN:
                    break
                await self._next_change(left)
                view = await self.get(principal, reference_or_id)
        finally:
            self.watched -= 1
        return view

    async def cancel(self, principal: str, reference_or_id: str) -> RequestView:
        """Takes back a request that is still held. What already runs, or is over, cannot be canceled."""

        def work(tx: Transaction) -> RequestView:
            request, _ = self._own(tx, principal, reference_or_id)
            if request.state not in {State.WAITING, State.SCHEDULED, State.APPROVED}:
                raise RequestError(
                    "request.not_cancelable",
                    f"{request.reference} is {request.state.value} and cannot be canceled.",
                    next_step="Only a request that is still held can be.",
                )
            tx.settle(request.id, release=True)
            return view_of(tx.move(request, State.CANCELED, at=self.clock.wall(), event={"by": "agent"}))

        return await self._written(work)

    async def closed(self, *, principal: str, agent: str, via: str, reachable: frozenset[str]) -> Closed:
        """What the policy blocks for this agent whatever the parameters, of the operations it can reach: agents are told,
        or they go looking."""
        return await self.store.read(
            lambda reader: self.policies.closed(reader, principal=principal, agent=agent, via=via, reachable=reachable)
        )

    async def change(self, seconds: float) -> None:
        """Returns at the next change in the store that this process hears of, or after `seconds`."""
        await self._next_change(seconds)

    def _check_room(self) -> None:
        """What is left on a nearly full disk is for people, and for the outcome of what was sent."""
        try:
            self.store.check_room()
        except StoreError as error:
            error.nothing_ran = True
            raise

    # ── the pipeline ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _submit(self, submission: Submission, started: list[str]) -> RequestView:
        # 1 parse and 2 classify: the wire request is the truth from here on.
        operation = self.catalog.by_id(submission.operation_id)
        if operation is None:
            unknown = ParameterError(
                "parameter.operation",
                f"There is no operation {submission.operation_id[:80]!r}.",
                next_step="List the tools.",
            )
            return await self._refuse(submission, unknown, blocked=True)
        try:
            self.catalog.check(operation, submission.parameters)
            wire = encode(operation.method, operation.path, submission.parameters)
            # The bytes alone say which operation it is: a value in the path can make it another one than was named.
            classified = self.catalog.classify(wire)
            refuse_secrets(classified.operation.path, {**classified.parameters, **_own_words(submission)})
            identity = await self._identity()
        except RunplaneError as error:
            return await self._refuse(submission, error)
        request = received_from(
            submission, identity, self.clock, operation, classified=classified, wire=wire, owner=self.executor.owner
        )

        self._running.add(request.id)
        try:
            if request.kind is Kind.READ:
                return await self.reads.run(request, classified, started)
            return await self._write(submission, request, classified, started)
        except Changed:
            # Another gate took it for a dead process's and has ended it, or goes on with it.
            return await self.get(request.principal, request.id)
        except PolicyError as error:
            logger.error("the enforced policy cannot be applied: %s", error)
            broken = PolicyError("policy.error", "The company's policy cannot be applied.")
            return await self._refuse(submission, broken, blocked=True)
        except RunplaneError as error:
            # Until a decision is on its way into the store, what was received is never run, whoever finds it.
            error.nothing_ran = request.id not in self._deciding
            raise
        finally:
            self._running.discard(request.id)
            self._deciding.discard(request.id)

    async def _write(
        self, submission: Submission, request: ActionRequest, classified: Classified, started: list[str]
    ) -> RequestView:
        # 3 decide (a): what is blocked or frozen whatever Stripe would say needs no look-up.
        early = self.conclusion.foreseen(request, classified)
        if early is None:
            early = await self.store.read(lambda reader: self.conclusion.early(reader, request, classified))

        # 4 resolve, while the request itself becomes durable, or turns out to be one that was made before.
        looking, look = None, Look.begun(self.clock)
        if not early:
            looking = asyncio.create_task(self._look_up(request, classified))
        try:
            taken = await self._written(lambda tx: self.conclusion.receive(tx, request, classified, blocked=early))
        except RequestError as error:
            _drop(looking)
            return await self._refuse(submission, error)
        except BaseException:
            _drop(looking)
            raise
        started[:] = [taken.request.id]
        if taken.how is not None:
            _drop(looking)
            # What the first came to, nobody here can say.
            self._deciding.add(request.id)
            view = await self._answered(taken)
            if view.failure is not None and view.failure.code in UNANSWERED and taken.how in {How.OPEN, How.KEY}:
                # The first came to nothing, by nobody's answer, while this one waited for it: so this one is new.
                self._deciding.discard(request.id)
                return await self._write(submission, request, classified, started)
            return view
        if taken.request.final:
            return view_of(taken.request)
        self.executor.probe("submit.received")
        decided = None
        while decided is None:
            # Not begun yet where it was blocked or frozen a moment ago and is no longer, or is old by now.
            if looking is None:
                look, looking = Look.begun(self.clock), asyncio.create_task(self._look_up(request, classified))
            effect, looking = await looking, None

            # 5 score, 6 decide (b), reserve and record; an allowed request's intent is in the same transaction.
            self._deciding.add(request.id)
            decided = await self._written(partial(self.conclusion.in_time, taken.request, classified, effect, look))
        self.executor.probe("submit.decided")
        started[:] = [decided.request.id]
        if decided.how is not None:
            return await self._answered(decided)

        # 7 execute and 8 record the outcome.
        now, result = decided.request, None
        if now.state is State.EXECUTING:
            now, result = await self.execute(now, fresh=True)
        if now.final and not owed(now) and (result is not None or now.state is not State.SUCCEEDED):
            view = view_of(now, result.kept if result is not None else None)
        else:
            view = await self.get(request.principal, now.id)
        whole = result.whole if result is not None else None
        named = bool(secret_expansions(classified.parameters))
        return with_secret(view, classified.operation, whole, opens=classified.operation.secret_answer, named=named)

    async def _look_up(self, request: ActionRequest, classified: Classified) -> Effect:
        """The effect, within the agent's budget of look-ups. The simulator's are nobody's to be used up."""
        turn = None if request.identity.simulator else partial(self.executor.budget.turn, request.principal)
        return await resolve(self.connection, classified, timeout=LOOK_UP, turn=turn)

    async def _answered(self, taken: Taken) -> RequestView:
        """The view of an earlier request that answers for this attempt; of one that is under way, once it is settled."""
        first = taken.request
        self.executor.probe("submit.answered")
        view = await self.get(first.principal, first.id)
        if view.status in {State.RECEIVED, State.EXECUTING}:
            # It may be settled by now: without what it was, that would be waited for to change once more.
            view = await self.wait(first.principal, first.id, PATIENCE / 2, since=view.status)
        return replace(view, repeat=taken.how)

    async def _refuse(self, submission: Submission, error: RunplaneError, *, blocked: bool = False) -> RequestView:
        if not self._refusals.written(submission.principal):
            error.nothing_ran = True
            raise error
        more = self._refusals.unwritten(submission.principal)
        identity, operation = await self._identity_or_none(error), self.catalog.by_id(submission.operation_id)
        request = received_from(submission, identity, self.clock, operation)
        # What it was meant for nobody knows, so names are read widely.
        asked = redact(unnamed(submission), opens=True)
        # What is said of a name or a value repeats it.
        failure = Failure(error.code, redact_text(error.message), error.param and redact_text(error.param))

        def work(tx: Transaction) -> ActionRequest:
            received = tx.insert_request(request, asked=asked, event=received_event(request))
            return tx.move(
                received,
                State.BLOCKED if blocked else State.FAILED,
                at=self.clock.wall(),
                event={**failure_event(failure), **({"refused_before": more} if more else {})},
                failure=failure,
                message_to_agent=error.next_step or None,
            )

        try:
            return view_of(await self._written(work))
        except RunplaneError as failed:
            failed.nothing_ran = True
            raise

    # ── executing, and what the completer shares with it ──────────────────────────────────────────────────────────

    async def execute(self, request: ActionRequest, *, fresh: bool) -> tuple[ActionRequest, Result | None]:
        """Runs an executing request of ours to an end, and tells whoever waits. Also gives Stripe's object."""
        self._running.add(request.id)
        try:
            return await self.executor.run(request, fresh=fresh)
        finally:
            self._running.discard(request.id)
            await self.notify()

    def runs(self, id: str) -> bool:
        """Whether a task of this process is executing the request right now."""
        return id in self._running or self.reads.runs(id)

    async def identity(self) -> StripeIdentity:
        return await self._identity()

    async def notify(self) -> None:
        """Wakes everybody who waits for a change."""
        async with self._changes:
            self._changes.notify_all()

    async def drain(self, seconds: float) -> None:
        """Takes no more requests and gives the running ones `seconds` to end; what is left is another gate's to finish."""
        self._closing = True
        running = set(self._tasks)
        if running:
            await asyncio.wait(running, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await self.reads.settle(seconds)
        rest = self._refusals.rest()
        with contextlib.suppress(RunplaneError):
            await self.reads.batch()
            if rest:
                await self.store.write(lambda tx: refused(tx, rest, self.clock.wall()))

    # ── small things ──────────────────────────────────────────────────────────────────────────────────────────────

    def _detached(self, work: Coroutine[object, object, RequestView]) -> asyncio.Task[RequestView]:
        """Runs `work` in a task that no client owns: a client that cancels or vanishes interrupts nothing."""
        if self._closing:
            work.close()
            raise RequestError(
                "request.closing", "Runplane is stopping and takes no more requests.", next_step="Start it again."
            )
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _written(self, work: Callable[[Transaction], T]) -> T:
        done = await self.store.write(work)
        await self.notify()
        return done

    async def _next_change(self, seconds: float) -> None:
        async with self._changes:
            try:
                await asyncio.wait_for(self._changes.wait(), seconds)
            except TimeoutError:
                return

    async def _tell(self, request: ActionRequest) -> None:
        try:
            await self.store.write(lambda tx: tell(tx, request, self.clock))
        except StoreError as error:
            # A look must work while nothing can be written. The result may be told once more, which does no harm.
            logger.warning("that %s was looked at could not be written down: %s", request.reference, error)

    async def _identity_or_none(self, error: RunplaneError) -> StripeIdentity:
        """The identity for the record of an attempt that `error` ended. Where Stripe was the trouble it is not asked again:
        the agent has waited for it once."""
        try:
            if not isinstance(error, StripeError):
                return await self._identity()
        except RunplaneError:
            pass
        return StripeIdentity(self.connection.target, "unknown", livemode=False)

    def _own(self, reader: Reader, principal: str, reference_or_id: str) -> tuple[ActionRequest, RequestView]:
        request = find(reader, reference_or_id)
        if request is None or request.principal != principal:
            raise RequestError(
                "request.not_found", "There is no such request of yours.", next_step="Use list_requests to see yours."
            )
        frozen = request.state in HELD and bool(self.executor.freezes.on(reader, request))
        result = reader.result(request.id) if request.state is State.SUCCEEDED else None
        secret = secret_of(reader, request, self.catalog.by_id(request.operation_id), result)
        return request, view_of(request, result, frozen=frozen, secret=secret)


_OPEN = frozenset(
    {State.RECEIVED, State.WAITING, State.SCHEDULED, State.APPROVED, State.EXECUTING, State.OUTCOME_UNKNOWN}
)


def _own_words(submission: Submission) -> dict[str, str]:
    """Those of the agent's own arguments that are compared with earlier ones, so that nothing can be taken out of them."""
    key = submission.own.idempotency_key
    return {} if key is None else {"idempotency_key": key}


def _drop(task: asyncio.Task[Effect] | None) -> None:
    if task is not None:
        task.cancel()
