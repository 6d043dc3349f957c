"""A gate as `app` composes one, on a real store in a real folder, with what measuring needs: a clock that runs ahead, a
probe that notes the time, and, where Stripe's own time shall not count, a Stripe that answers from memory."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path

from runplane_mcp.app import default_policy_text
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.request import State, StripeIdentity
from runplane_mcp.core.sending import API_VERSION
from runplane_mcp.core.wire import WireRequest
from runplane_mcp.gate.clock import SystemClock, simulated_offset
from runplane_mcp.gate.execution import Executor
from runplane_mcp.gate.freezes import Freezes
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.simulator import SEED, SIMULATOR_KEY
from runplane_mcp.store.sqlite import SqliteStore, open_store
from runplane_mcp.stripe_api.client import Answer, Done, StripeConnection

from .checkpoints import kept_in, tell

#: Policy time runs on by this much at every look (milliseconds). The gate looks twice for one request, so that
#: refunds come one an hour, as the policy's limits allow, and payouts always come at night.
REFUNDS, PAYOUTS = 30 * 60_000, 24 * 3_600_000
NIGHT = "2026-03-03T02:00"
DATABASE = "runplane.db"
_AMOUNT = re.compile(rb"(?:^|&)amount=([0-9]+)")
_PAYMENT = re.compile(rb"(?:^|&)payment_intent=([a-z0-9_]+)")
#: Between these points lies the decision transaction.
DECISION = ("submit.received", "submit.decided")
#: The payments that the rounds take in turns, made once: it is the gate that is measured.
_PAYMENTS = SEED.payment_intents_235
PAYMENTS = len(_PAYMENTS)


class RunningClock:
    """Policy time runs ahead by `step` at every look, from now or from `start`; wall time is the machine's."""

    def __init__(self, step: int, *, start: str | None = None) -> None:
        policy = Policies(load_catalog()).compile(default_policy_text(), file="policies.yaml")
        offset = simulated_offset(start, policy.calendar.zone) if start is not None else 0
        self._system = SystemClock(offset)
        self._ahead = itertools.count(0, step)

    def wall(self) -> int:
        return self._system.wall()

    def policy(self) -> int:
        return self._system.policy() + next(self._ahead)

    def boot(self) -> tuple[str, int]:
        return self._system.boot()

    @property
    def simulated(self) -> bool:
        return True


class Laps:
    """The gate's named points as it passes them, with the time: of the one round that the running task belongs to, and of
    the store's thread, which belongs to none. There the thread's own processor time stands beside it."""

    def __init__(self) -> None:
        self._own: ContextVar[dict[str, float] | None] = ContextVar("laps", default=None)
        self.store: list[tuple[str, float, float]] = []

    def begin(self) -> dict[str, float]:
        """The points of everything that the running task starts from here on."""
        points: dict[str, float] = {"begun": time.perf_counter()}
        self._own.set(points)
        return points

    def probe(self, point: str) -> None:
        points = self._own.get()
        if points is not None:
            points[point] = time.perf_counter()
        elif point.startswith("store."):
            self.store.append((point, time.perf_counter(), time.thread_time()))


class Remembered(StripeConnection):
    """Stripe without its own time: each look-up, and each kind of write on each payment, is asked of the real one once.
    From then on the same answer comes at once. To a write it has the amount that was asked for: with another one, what
    was reserved would be settled anew, which seldom happens. With another payment, twice as many ids would be noted."""

    def __init__(self, key: str, *, base: str, target: str) -> None:
        super().__init__(key, base=base, target=target)
        self._answers: dict[str, Answer] = {}

    async def send(
        self,
        wire: WireRequest,
        *,
        idempotency_key: str | None,
        account: str | None = None,
        version: str = API_VERSION,
        in_time: Callable[[], bool] | None = None,
    ) -> Answer:
        payment = _PAYMENT.search(wire.body)
        asked = f"{wire.method} {wire.url} {payment[1].decode() if payment is not None else ''}"
        known = self._answers.get(asked)
        if known is None:
            known = await super().send(
                wire, idempotency_key=idempotency_key, account=account, version=version, in_time=in_time
            )
            self._answers[asked] = known
        amount = _AMOUNT.search(wire.body)
        if amount is None or not isinstance(known, Done):
            return known
        return replace(known, body={**known.body, "amount": int(amount[1])})


@contextmanager
def simulator(home: Path) -> Iterator[str]:
    """The simulated Stripe in a process of its own, so that it takes no time of this one. Gives its address."""
    # Its world is this folder's alone; a key or a home of whoever runs this is none of its business.
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "runplane_mcp", "simulator", "--json"],
        env=environment | {"RUNPLANE_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = ""
        while not said.endswith("}\n"):
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the simulator did not start")
            said += line
        yield str(json.loads(said)["base_url"])
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@asynccontextmanager
async def gate(
    folder: Path, connection: StripeConnection, clock: RunningClock, laps: Laps, *, text: str | None = None
) -> AsyncIterator[Gate]:
    """A gate with the policy that comes with Runplane, or with `text`, without the completer: nothing but the rounds
    runs. Where the folder has a store already, it is one more gate on that."""
    catalog = load_catalog()
    policies = Policies(catalog)
    text = default_policy_text() if text is None else text
    policies.compile(text, file="policies.yaml")
    known = await connection.identity()

    async def identity() -> StripeIdentity:
        return known

    store, made = _store(folder, laps)
    try:
        if made:
            await tell(store, kept_in(folder))
        await store.write(lambda tx: policies.offer(tx, text, at=clock.wall(), simulator=True))
        opened = Gate(
            store=store,
            policies=policies,
            catalog=catalog,
            connection=connection,
            identity=identity,
            clock=clock,
            executor=Executor(store, connection, catalog, Freezes(catalog), clock, "bench", laps.probe),
        )
        yield opened
        await opened.drain(1.0)
    finally:
        await store.close()


def _store(folder: Path, laps: Laps) -> tuple[SqliteStore, bool]:
    """The store, and whether it was made now."""
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    return open_store(folder / DATABASE, probe=laps.probe, kept=kept_in(folder)), made


@contextmanager
def statements(gate: Gate) -> Iterator[list[str]]:
    """The SQL that the gate's writing connection runs meanwhile, triggers left out. It takes time: nothing else is measured
    beside it."""
    store = gate.store
    if not isinstance(store, SqliteStore):
        raise TypeError("only the SQLite store has statements")
    seen: list[str] = []
    connection = store._writer._connection

    def ran(sql: str) -> None:
        # A trigger's comes as a comment, and the statement itself once more behind each of its triggers.
        if not sql.startswith("--") and (not seen or sql != seen[-1]):
            seen.append(sql)

    connection.set_trace_callback(ran)
    try:
        yield seen
    finally:
        connection.set_trace_callback(None)


def connection(base: str, kind: type[StripeConnection] = StripeConnection) -> StripeConnection:
    return kind(SIMULATOR_KEY, base=base, target="simulator:bench")


def refund(number: int) -> Submission:
    """A refund of a dollar and something: another payment in each of 200 rounds, then another amount, so that none is
    a repeat."""
    payment, amount = _PAYMENTS[number % PAYMENTS], 100 + number // PAYMENTS
    return _submission("PostRefunds", {"payment_intent": payment, "amount": amount})


def payout(number: int) -> Submission:
    """A payout, another amount each time."""
    return _submission("PostPayouts", {"amount": 10_000 + number, "currency": "usd"})


def _submission(operation_id: str, parameters: dict[str, str | int]) -> Submission:
    return Submission(
        principal="stdio", agent="bench", via="bench", operation_id=operation_id, parameters=dict(parameters)
    )


#: A read without parameters.
BALANCE = _submission("GetBalance", {})


def expect(view: RequestView, status: State) -> None:
    """A round that came to anything else was not what its figure says."""
    if view.status is not status:
        why = view.failure.code if view.failure else view.status.value
        raise RuntimeError(f"a round ended {view.status.value} ({why}), and {status.value} was to be measured")
