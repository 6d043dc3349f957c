"""Reads: decided and durable before Stripe is asked, answered before their outcome is written down, and under an event of
the audit log soon after."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from runplane_mcp.core.effects import effect_of
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import ActionRequest, State, changed
from runplane_mcp.errors import RunplaneError
from runplane_mcp.gate.answer_secrets import with_secret
from runplane_mcp.gate.conclusion import Conclusion
from runplane_mcp.gate.execution import Executor, Result
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.records import received_event
from runplane_mcp.gate.view import RequestView, view_of
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.records import Changed

logger = logging.getLogger(__name__)


class Reads:
    """Of one gate, which hears of each change by `notify`. Reads that people decided are executed as writes are: here are
    those that the policy allows."""

    def __init__(
        self,
        store: Store,
        policies: Policies,
        conclusion: Conclusion,
        executor: Executor,
        notify: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._policies = policies
        self._conclusion = conclusion
        self._executor = executor
        self._notify = notify
        self._running: dict[str, asyncio.Task[tuple[ActionRequest, Result | None]]] = {}
        self._notices: set[asyncio.Task[None]] = set()

    async def run(self, request: ActionRequest, classified: Classified, started: list[str]) -> RequestView:
        """The whole pipeline of a read that no Stripe request could hinder."""
        effect, operation = effect_of(classified, {}), classified.operation

        def work(tx: Transaction) -> ActionRequest:
            received = tx.insert_request(replace(request, same_asked=None), event=received_event(request), quiet=True)
            return self._conclusion.conclude(tx, received, classified, effect, self._policies.enforced(tx))

        decided = await self._store.write(work)
        await self._notify()
        started[:] = [decided.id]
        if decided.state is not State.EXECUTING:
            return view_of(decided)
        finished, result = await self._answer(decided)
        opens = operation.judged and (operation.secret_answer or effect.facts.get("gives_access") is True)
        if result is None:
            return view_of(finished)
        # What the policy let be read may be read; all other secrets that happen to stand in answers may not.
        view = view_of(finished, result.kept)
        return with_secret(view, operation, result.whole, opens=True) if opens else view

    def runs(self, id: str) -> bool:
        """Whether a task of this process executes it, or writes down what came of it."""
        return id in self._running

    async def settle(self, seconds: float) -> None:
        """Gives outcomes that are being written `seconds` to be so. A read whose outcome was not is called failed by the
        next gate: it has done nothing that could be done twice."""
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=seconds)
        for task in self._running.values():
            task.cancel()

    async def batch(self) -> None:
        """Puts the reads that have ended, in this process or in one that is dead, under an event."""
        executor = self._executor
        while await self._store.read(lambda reader: reader.reads_pending()):
            await self._store.write(lambda tx: tx.batch_reads(at=executor.clock.wall()))
            executor.probe("reads.batched")

    async def _answer(self, request: ActionRequest) -> tuple[ActionRequest, Result | None]:
        """Returns with Stripe's answer; where there is none, with what is written down of that."""
        loop = asyncio.get_running_loop()
        heard: asyncio.Future[Result] = loop.create_future()
        task = loop.create_task(self._executor.run(request, fresh=True, heard=heard.set_result))
        self._running[request.id] = task
        task.add_done_callback(lambda _: self._ended(request, answered=heard.done()))
        either: list[asyncio.Future[Any]] = [task, heard]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not heard.done():
            return task.result()
        return changed(request, state=State.SUCCEEDED), heard.result()

    def _ended(self, request: ActionRequest, *, answered: bool) -> None:
        task = self._running.pop(request.id)
        notice = asyncio.ensure_future(self._notify(), loop=task.get_loop())
        self._notices.add(notice)
        notice.add_done_callback(self._notices.discard)
        if answered and not task.cancelled() and (error := task.exception()) is not None:
            if not isinstance(error, RunplaneError | Changed):
                logger.error("the outcome of read %s was lost", request.reference, exc_info=error)
            else:
                logger.warning("what the read %s came to could not be written down: %s", request.reference, error)
