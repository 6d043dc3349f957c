"""Random walks of a whole house: agents ask, people vote, time passes, Stripe fails, gates end and come back, somebody
meddles with the database. Whatever comes of it: final is final, nothing happens without an allowing decision or people's
yes, each once at most, and no limit is passed. THREATS 3, 9, 12, 18 and 19."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from runplane_mcp.app import create_home, open_desk, open_gate
from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import FINAL, State
from runplane_mcp.errors import ApprovalError, FreezeError, RequestError
from runplane_mcp.gate.completer import Completer
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.freezing import lift_freezes, start_freeze
from runplane_mcp.gate.lowering import lower
from runplane_mcp.gate.presence import Presence
from runplane_mcp.gate.stopping import stop_all
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Fault, FaultKind, Simulator
from runplane_mcp.store.records import RequestFilter
from tests.gate.conftest import CHEAP_SCRYPT, SECRET, FakeClock, refund
from tests.gate.homes import check_log

T = TypeVar("T")
HOUR = 3_600_000
#: Small ones pass, those in between after a while, large ones ask; and no hour may see more than $300.
POLICY = """
version: 1
currency: usd
timezone: America/New_York
approval: {from: finance, expires_in: 24h}
rules:
  - {id: small, when: {action: refunds, amount: {under: 50}}, then: allow}
  - {id: medium, when: {action: refunds, amount: {over: 50, at_most: 100}}, then: allow, after: 20m}
  - {id: large, when: {action: refunds, amount: {over: 100}}, then: require_approval}
limits:
  - {id: an-hour, when: {action: refunds}, at_most: {total: 300}, within: 1h, then: block}
"""
MOST = 30_000
#: What Stripe or the network does to a refund, what hides an effect first.
_KINDS: tuple[dict[str, Any], ...] = (
    {"kind": FaultKind.DROP_ANSWER},
    {"kind": FaultKind.GARBAGE},
    {"kind": FaultKind.RESET, "effect": True},
    {"kind": FaultKind.ERROR_500, "effect": True, "remembered": False},
    {"kind": FaultKind.ERROR_500, "effect": True},
    {"kind": FaultKind.ERROR_500},
    {"kind": FaultKind.DROP_REQUEST},
    {"kind": FaultKind.LIMIT_429},
    {"kind": FaultKind.CONFLICT_409},
    {"kind": FaultKind.DECLINE_402},
    {"kind": FaultKind.DECLINE_402, "effect": False},
)


def one_of(ids: list[str], which: int) -> list[str]:
    """One of them, whichever number was drawn; none where there is none."""
    return [ids[which % len(ids)]] if ids else []


def a_fault(of: dict[str, Any], times: int, skip: int) -> Fault:
    return Fault(**of, method="POST", path_prefix="/v1/refunds", times=times, skip=skip)


FAULTS = st.builds(a_fault, st.sampled_from(_KINDS), st.integers(1, 4), st.integers(0, 2))


class Walk(RuleBasedStateMachine):
    """One home, its gate and its simulated Stripe."""

    base: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        home = Path(self.folder.name) / "home"
        shutil.copytree(self.base, home)
        self.settings = Settings(home=home)
        self.clock = FakeClock()
        self.world = Simulator(self.settings.simulator_file, now=lambda: self.clock.policy_ms // 1000)
        self.runner = asyncio.Runner()
        self.ended: dict[str, tuple[str, int]] = {}
        self.run(self.open())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def open(self) -> None:
        self.stack = AsyncExitStack()
        opening = open_gate(self.settings, simulator=True, clock=self.clock)
        self.gate = await self.stack.enter_async_context(opening)
        await self.gate.identity()
        self.gate.executor = replace(self.gate.executor, pauses=(0.0,))
        presence = Presence(self.settings.gates, self.gate.executor.owner)
        self.completer = Completer(self.gate, presence)

    async def desk(self, stack: AsyncExitStack) -> Desk:
        opening = open_desk(self.settings, clock=self.clock, scrypt_n=CHEAP_SCRYPT)
        return await stack.enter_async_context(opening)

    async def held(self, state: State) -> list[str]:
        wanted = RequestFilter(states=frozenset({state}))
        return [each.id for each in await self.gate.store.read(lambda reader: reader.requests(wanted))]

    # ── what happens ──────────────────────────────────────────────────────────────────────────────────────────────

    @initialize(fault=FAULTS)
    def a_morning(self, fault: Fault) -> None:
        """Something of each kind is asked for, and Stripe is unwell from the start."""
        self.world.add_fault(fault)
        for payment, amount in enumerate((2_000, 8_000, 15_000, 23_500), start=10):
            self.ask(payment, amount)

    @rule(payment=st.integers(0, 7), amount=st.sampled_from([2_000, 8_000, 15_000, 23_500]))
    def ask(self, payment: int, amount: int) -> None:
        self.run(self.gate.submit(refund(SEED.payment_intents_235[payment], amount)))

    @rule(payments=st.lists(st.integers(20, 90), min_size=2, max_size=5, unique=True))
    def ask_at_once(self, payments: list[int]) -> None:
        async def work() -> None:
            asked = (refund(SEED.payment_intents_235[payment], 4_900) for payment in payments)
            await asyncio.gather(*(self.gate.submit(each) for each in asked))

        self.run(work())

    @rule(which=st.integers(0, 3))
    def say_yes(self, which: int) -> None:
        self.vote(which, Answer.YES)

    @rule(which=st.integers(0, 3))
    def say_no(self, which: int) -> None:
        self.vote(which, Answer.NO)

    def vote(self, which: int, answer: Answer) -> None:
        async def work() -> None:
            waiting = await self.held(State.WAITING)
            async with AsyncExitStack() as stack:
                desk = await self.desk(stack)
                for id in one_of(waiting, which):
                    with suppress(ApprovalError):
                        digest = (await desk.card(id)).digest
                        await desk.vote(id, digest=digest, person="maria", secret=SECRET, answer=answer)

        self.run(work())

    @rule(which=st.integers(0, 3), state=st.sampled_from([State.WAITING, State.APPROVED]))
    def take_back(self, which: int, state: State) -> None:
        async def work() -> None:
            for id in one_of(await self.held(state), which):
                with suppress(RequestError):
                    await self.gate.cancel("stdio", id)

        self.run(work())

    @rule(which=st.integers(0, 3))
    def lower_it(self, which: int) -> None:
        async def work() -> None:
            waiting = await self.held(State.WAITING)
            async with AsyncExitStack() as stack:
                desk = await self.desk(stack)
                for id in one_of(waiting, which):
                    with suppress(ApprovalError):
                        digest = (await desk.card(id)).digest
                        await lower(desk, id, digest=digest, person="maria", secret=SECRET, to=Money(12_000, "usd"))

        self.run(work())

    @rule()
    def stop_what_is_scheduled(self) -> None:
        async def work() -> None:
            async with AsyncExitStack() as stack:
                await stop_all(await self.desk(stack))

        self.run(work())

    @rule(minutes=st.sampled_from([1, 25, 61, 25 * 60, 60 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.clock.forward(minutes * 60_000)

    @rule(minutes=st.sampled_from([1, 90]))
    def the_wall_clock_is_set_back(self, minutes: int) -> None:
        self.clock.wall_ms -= minutes * 60_000

    @rule(fault=FAULTS)
    def stripe_fails(self, fault: Fault) -> None:
        self.world.add_fault(fault)

    @rule()
    def stripe_is_well(self) -> None:
        self.world.clear_faults()

    @rule()
    def the_gate_works(self) -> None:
        async def work() -> None:
            self.completer._not_before.clear()
            await self.completer.look()
            await self.completer.settle()

        self.run(work())

    @rule()
    def another_gate_takes_over(self) -> None:
        self.run(self.stack.aclose())
        self.run(self.open())

    @rule(stand=st.booleans())
    def a_person_freezes(self, stand: bool) -> None:
        async def work() -> None:
            async with AsyncExitStack() as stack:
                desk = await self.desk(stack)
                if stand:
                    await start_freeze(desk, Scope())
                    return
                standing = await desk.store.read(desk.freezes.standing)
                with suppress(FreezeError):
                    await lift_freezes(desk, standing, admin="maria", secret=SECRET)

        self.run(work())

    @precondition(lambda self: self.ended)
    @rule(which=st.integers(0, 9), to=st.sampled_from(list(State)))
    def somebody_writes_into_the_database(self, which: int, to: State) -> None:
        id = list(self.ended)[which % len(self.ended)]
        with closing(sqlite3.connect(self.settings.database)) as database, pytest.raises(sqlite3.IntegrityError):
            database.execute("UPDATE request SET state = ?, version = version + 1 WHERE id = ?", (to.value, id))

    # ── what holds at any moment ──────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def final_is_final(self) -> None:
        now = {id: (state, version) for id, state, version in self.rows("SELECT id, state, version FROM request")}
        for id, end in self.ended.items():
            assert now[id] == end
        self.ended = {id: end for id, end in now.items() if State(end[0]) in FINAL}

    @invariant()
    def each_effect_was_allowed_or_approved_and_happened_once(self) -> None:
        done = self.done()
        keys = {key: (id, state) for id, state, key in self.rows("SELECT id, state, stripe_key FROM request")}
        yes = {id for (id,) in self.rows(f"{_ALLOWED} UNION {_RELEASED} UNION {_APPROVED}")}
        assert set(done.values()) <= {1}
        for key in done:
            id, state = keys[key]
            assert id in yes, f"{id} is {state} and had an effect that nobody allowed"
            assert state in {"executing", "succeeded", "outcome_unknown"}, f"{id} is {state} and had an effect"
        assert {key for key, (_, state) in keys.items() if state == "succeeded"} == {
            key for key in done if keys[key][1] == "succeeded"
        }

    @invariant()
    def no_hour_holds_more_than_its_limit(self) -> None:
        ran = self.rows(_RAN)
        for at, _ in ran:
            assert sum(amount for when, amount in ran if at - HOUR < when <= at) <= MOST

    @invariant()
    def the_limits_hold_what_may_have_moved(self) -> None:
        # At one moment: the store's own thread may still be committing what was on its way.
        held = (
            f"SELECT 'held', at, amount FROM reservation WHERE state = 'spent' UNION ALL SELECT 'ran', * FROM ({_RAN})"
        )
        found: dict[str, list[tuple[int, int]]] = {"held": [], "ran": []}
        for which, at, amount in self.rows(held):
            found[which].append((at, amount))
        assert sorted(found["held"]) == sorted(found["ran"])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.settings.database)) as database:
            return database.execute(sql).fetchall()

    def done(self) -> Counter[str]:
        with closing(sqlite3.connect(self.settings.simulator_file)) as world:
            rows = world.execute("SELECT key, count(*) FROM write_log WHERE outcome = 'effect' GROUP BY key")
            return Counter(dict(rows.fetchall()))

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        self.world.close()
        check_log(self.settings)
        self.folder.cleanup()


#: What may have moved money, by the policy time of the decision that let it, whatever the reservations say; and what
#: people approved and could not be sent, which keeps its place until it is sent or over.
_RAN = """
SELECT max(decision.policy_at) AS at, about_amount FROM request JOIN decision ON decision.request_id = request.id
WHERE state IN ('executing', 'succeeded', 'outcome_unknown') OR (state = 'failed' AND effect_id IS NOT NULL)
OR (state = 'approved' AND attempt > 0)
GROUP BY request.id ORDER BY at, about_amount
"""
#: By whose word a request may have had an effect: the policy's alone, its word once more when the time had come, people's.
_ALLOWED = """
SELECT request.id FROM request JOIN decision ON decision.request_id = request.id
WHERE request.round = 0 AND decision.n = 1 AND outcome = 'allow' AND decision.digest = request.digest
"""
_RELEASED = """
SELECT request.id FROM request JOIN decision ON decision.request_id = request.id
WHERE request.release_at IS NOT NULL AND decision.kind = 'release' AND outcome = 'allow'
AND decision.digest = request.digest
"""
_APPROVED = """
SELECT request.id FROM request JOIN vote ON vote.request_id = request.id
WHERE vote.round = request.round AND vote.digest = request.digest AND vote.answer = 'yes'
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the policy of the walks, somebody who approves, and the world."""
    home = tmp_path_factory.mktemp("walks") / "home"
    home.mkdir(mode=0o700)
    (home / "policies.yaml").write_text(POLICY, encoding="utf-8")

    async def make() -> None:
        async with create_home(Settings(home=home)):
            pass
        async with open_gate(Settings(home=home), simulator=True, clock=FakeClock()) as gate:
            await gate.identity()
        async with open_desk(Settings(home=home), clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
            await desk.add_person("maria", role=Role.ADMIN, groups=frozenset({"finance"}), secret=SECRET)

    asyncio.run(make())
    return home


def walk(base: Path, *, walks: int, steps: int) -> None:
    class Here(Walk):
        pass

    Here.base = base
    unhurried = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=walks,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=unhurried,
            # Processes and clocks are real enough that a shorter walk to the same end would be looked for in vain.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
        ),
    )


def test_whatever_happens_each_effect_is_allowed_and_happens_once(base: Path) -> None:
    walk(base, walks=3, steps=12)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_happens_for_long(base: Path) -> None:
    walk(base, walks=100, steps=40)
