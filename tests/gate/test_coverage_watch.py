"""The alarm: what went around Runplane is an event in the log once, whoever looks and however often."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from runplane_mcp.core.request import State
from runplane_mcp.errors import PersonError, RequestError, StripeError
from runplane_mcp.gate.acts import signer
from runplane_mcp.gate.audit.signatures import check_signatures
from runplane_mcp.gate.coverage import watch as coverage_watch
from runplane_mcp.gate.coverage.accepting import ACCEPTED, accept
from runplane_mcp.gate.coverage.alarms import RESTORED
from runplane_mcp.gate.coverage.state import (
    EXPLAINED,
    META,
    OPEN_GRACE,
    OVERLAP,
    UNEXPLAINED,
    WINDOW,
    CoverageState,
    Found,
    balances,
    keep,
    settle,
    state_of,
    states,
    written,
)
from runplane_mcp.gate.coverage.watch import Watch
from runplane_mcp.gate.coverage.watching import keep_watch
from runplane_mcp.gate.people import trusted
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.simulator import SEED, Bypass, Fault, FaultKind, Planted
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.records import Event
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.gate.conftest import SECRET, FakeClock, House, refund
from tests.gate.rewriting import rewrite

HOUR_MS = 3_600_000
LIVES_AT = "simulator:x|acct_x|test"


def watch_of(house: House, gate: Gate, *, around: bool = False) -> Watch:
    return Watch(gate.store, gate.catalog, gate.connection, house.clock, around, pause=0.0)


async def events(gate: Gate, type: str) -> list[Event]:
    return [each for each in await gate.store.read(lambda reader: reader.events(0, 1_000)) if each.type == type]


def tell(house: House, *, hidden: bool) -> None:
    """Stripe's newest events come late: they are not there, and later they are."""
    kinds = ("event.late", "event") if hidden else ("event", "event.late")
    with sqlite3.connect(house.world.path) as db:
        db.execute("UPDATE object SET kind = ? WHERE kind = ? AND id NOT LIKE 'evt_founded%'", kinds)
    db.close()


async def begun(house: House, gate: Gate) -> Watch:
    """A watch that has looked once, and a minute more."""
    watch = watch_of(house, gate)
    await watch.look(await gate.identity())
    house.clock.forward(60_000)
    return watch


async def test_what_nothing_explains_is_an_event_once_and_stands_until_it_is_explained(house: House) -> None:
    async with house.gate() as gate:
        watch, identity = await begun(house, gate), await gate.identity()
        await gate.submit(refund(SEED.payment_intent_40, 700))
        [id] = house.world.plant(Bypass(Planted.OTHER_KEY, amount=4_321))
        tell(house, hidden=True)
        early = await watch.look(identity)
        house.clock.forward(60_000)
        first, again = await watch.look(identity), await watch_of(house, gate).look(identity)
        tell(house, hidden=False)
        house.clock.forward(60_000)
        after = await watch.look(identity)
        raised, explained = await events(gate, UNEXPLAINED), await events(gate, EXPLAINED)

    assert (early.early, early.new) == (1, ()), "an event may come a little later"
    assert [each.object_id for each in first.new] == [id]
    assert (again.new, list(again.state.standing.values())) == ((), list(first.new))
    assert [(json.loads(each.body)["object"], json.loads(each.body)["amount"]) for each in raised] == [(id, -4_321)]
    assert [json.loads(each.body)["box"] for each in explained] == ["another_key"]
    assert after.state.standing == {}
    assert verify(house.settings.database).ok


async def test_what_stripe_holds_is_noted_once_a_day_and_believed_only_where_the_log_says_it(house: House) -> None:
    async with house.gate() as gate:
        watch, identity = await begun(house, gate), await gate.identity()
        await watch.look(identity)
        first = await gate.store.read(lambda reader: balances(reader, identity))
        house.clock.forward(9 * 24 * HOUR_MS)
        looks = [await watch.look(identity), await watch.look(identity)]
        second = await gate.store.read(lambda reader: balances(reader, identity))

        def forge(tx: Transaction) -> None:
            kept = tx.meta(META) or ""
            tx.set_meta(META, kept.replace(f'"usd":{first[0].held["usd"]}', '"usd":1', 1))

        await gate.store.write(forge)
        after = await gate.store.read(lambda reader: balances(reader, identity))

    assert [each.state.behind for each in looks] == [True, False], "more than a week is more than one look takes"
    assert [each.held["usd"] for each in first] == [8_005_311]
    assert (len(second), after) == (2, second[1:])


async def test_only_what_is_unexplained_raises_the_alarm_unless_more_is_asked_for(house: House) -> None:
    async with house.gate() as gate:
        watch, identity = await begun(house, gate), await gate.identity()
        for kind in Planted:
            house.world.plant(Bypass(kind))
        house.clock.forward(60_000)
        some = await watch.look(identity)
        more = await watch_of(house, gate, around=True).look(identity)

    assert {each.box for each in some.new} == {"unexplained"}
    assert len(some.new) == 2
    assert {each.box for each in more.new} == {"another_key", "dashboard"}
    assert all(each.amount < 0 for each in more.new)


async def test_a_line_waits_for_the_request_that_may_have_made_it_but_not_for_ever(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runplane_mcp.gate.execution.PAUSES", (0.0,))
    # Nobody looks into it beside: that would find out what became of it.
    monkeypatch.setattr("runplane_mcp.gate.completer._may_be_proven", lambda request: False)
    async with house.gate() as gate:
        watch, identity = await begun(house, gate), await gate.identity()
        house.world.add_fault(Fault(FaultKind.DROP_ANSWER, method="POST", path_prefix="/v1/refunds", times=20))
        for read in ("/v1/events", "/v1/refunds"):
            house.world.add_fault(Fault(FaultKind.LIMIT_429, method="GET", path_prefix=read, times=20))
        lost = await gate.submit(refund(SEED.payment_intent_40, 700))
        house.world.clear_faults()
        tell(house, hidden=True)
        house.clock.forward(HOUR_MS)
        waits = await watch.look(identity)
        house.clock.forward(int(OPEN_GRACE) * 1000)
        over = await watch.look(identity)

    assert lost.status is State.OUTCOME_UNKNOWN
    assert (waits.new, waits.early) == ((), 1)
    assert [each.amount for each in over.new] == [-700]


async def test_one_of_several_looks_at_a_time_and_the_next_when_its_time_has_come(house: House) -> None:
    async with house.gate() as gate:
        identity = await gate.identity()
        watches = [watch_of(house, gate) for _ in range(5)]
        turns = await asyncio.gather(*(each.take_turn(identity, 300) for each in watches))
        too_soon = await watches[0].take_turn(identity, 300)
        house.clock.forward(301_000)
        later = await watches[1].take_turn(identity, 300)
        house.clock.wall_ms -= 10 * HOUR_MS
        set_back = await watches[2].take_turn(identity, 300)

    assert sorted(turns) == [False, False, False, False, True]
    assert (too_soon, later, set_back) == (False, True, True)


class Overtaken:
    """A clock that another process overtakes: when it is asked for the first time, that process takes the turn, a moment
    later by the same clock, before whoever asked hears the time."""

    def __init__(self, clock: FakeClock, overtake: Callable[[], bool]) -> None:
        self._clock = clock
        self._overtake = overtake
        self.other: bool | None = None

    def wall(self) -> int:
        now = self._clock.wall()
        if self.other is None:
            with ThreadPoolExecutor(1) as elsewhere:
                self.other = elsewhere.submit(self._overtake).result(20)
        return now

    def policy(self) -> int:
        return self._clock.policy()

    def boot(self) -> tuple[str, int]:
        return self._clock.boot()

    @property
    def simulated(self) -> bool:
        return True


async def test_a_turn_that_another_took_after_the_clock_was_asked_is_taken(house: House) -> None:
    """It lies in what the clock then said was the future, and a turn in the future is one before the clock was set back."""
    async with house.gate() as gate:
        identity = await gate.identity()

        def overtake() -> bool:
            async def take() -> bool:
                store = open_store(house.settings.database)
                try:
                    return await replace(watch_of(house, gate), store=store).take_turn(identity, 300)
                finally:
                    await store.close()

            return asyncio.run(take())

        clock = Overtaken(house.clock, overtake)
        own = await replace(watch_of(house, gate), clock=clock).take_turn(identity, 300)

    assert (own, clock.other) == (False, True)


@pytest.mark.slow
async def test_a_look_reads_a_bounded_number_of_pages_and_the_next_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.gate() as gate:
        watch, identity = await begun(house, gate), await gate.identity()
        house.clock.forward(20 * HOUR_MS)
        for _ in range(120):
            house.world.plant(Bypass(Planted.FEE, amount=1))
        monkeypatch.setattr(coverage_watch, "MOST_PAGES", 1)
        looks = [await watch.look(identity)]
        while looks[-1].state.behind:
            looks.append(await watch.look(identity))
            assert len(looks) < 100
        now = house.clock.policy() // 1000

    assert len(looks) > 2
    assert looks[0].state.window < WINDOW
    assert (looks[-1].state.until or 0) > now - OVERLAP


async def test_what_goes_wrong_is_kept_for_whoever_asks_and_the_next_look_clears_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runplane_mcp.stripe_api.history.MOST_TRIES", 1)
    monkeypatch.setattr("runplane_mcp.stripe_api.history.FIRST_WAIT", 0.0)
    async with house.gate() as gate:
        watch, identity = await begun(house, gate), await gate.identity()
        house.world.add_fault(Fault(FaultKind.ERROR_500, method="GET", path_prefix="/v1/balance_transactions"))
        with pytest.raises(StripeError):
            await watch.look(identity)
        failed = await gate.store.read(states)
        await watch.look(identity)
        fine = await gate.store.read(states)

    assert ["stripe.unreachable" in each.problem for each in failed.values()] == [True]
    assert [each.problem for each in fine.values()] == [""]


async def test_a_gate_looks_by_itself_and_says_it_in_its_log(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with house.gate() as gate:
        await begun(house, gate)
        [id] = house.world.plant(Bypass(Planted.FORGED_KEY))
        house.clock.forward(400_000)
        task = asyncio.create_task(keep_watch(gate, every=300, around=False))
        async with asyncio.timeout(20):
            while not await events(gate, UNEXPLAINED):
                await asyncio.sleep(0.01)
        async with asyncio.timeout(20):
            while not caplog.records:
                await asyncio.sleep(0.01)
        task.cancel()

    assert [id in each.message for each in caplog.records] == [True]
    assert "UNEXPLAINED" in caplog.text


async def test_an_administrator_accepts_a_line_under_their_signature(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate, house.desk() as desk:
        watch, identity = await begun(house, gate), await gate.identity()
        [id] = house.world.plant(Bypass(Planted.SILENT))
        house.clock.forward(60_000)
        [found] = (await watch.look(identity)).new
        with pytest.raises(PersonError):
            await accept(desk, id, reason="The old shop's.", admin="maria", secret="wrong")
        done = await accept(desk, id, reason="The old shop's.", admin="maria", secret=f"{SECRET} maria")
        after = await watch.look(identity)
        with pytest.raises(RequestError):
            await accept(desk, found.line, reason="Again.", admin="maria", secret=f"{SECRET} maria")
        [event] = await events(gate, ACCEPTED)

        def by(reader: Reader) -> str | None:
            told = json.loads(event.body)["payloads"]["reason"]
            content = {"line": found.line, "raised": found.seq, "reason": told}
            person = signer(event, trusted(reader), store=reader.store_id(), act=ACCEPTED, content=content)
            return person.id if person is not None else None

        signed = await gate.store.read(by)

    assert (done.found, done.left) == (found, 0)
    assert (after.new, after.state.standing) == ((), {})
    assert signed == "maria"
    assert verify(house.settings.database).ok
    signatures = check_signatures(house.settings.database)
    assert (signatures.problem, signatures.checked) == (None, 3)
    rewrite(house.settings.database, lambda said: said[event.seq - 1].update(line="txn_other"))
    forged = check_signatures(house.settings.database)
    assert (forged.first_bad, "has signed" in (forged.problem or "")) == (event.seq, True)


async def test_a_request_that_began_after_the_alarm_does_not_end_it(house: House) -> None:
    """THREATS 24: whoever can write to the database could write one down that seems to have made the line."""
    async with house.gate() as gate:
        watch, identity = await begun(house, gate), await gate.identity()
        [id] = house.world.plant(Bypass(Planted.SILENT))
        house.clock.forward(60_000)
        [raised] = (await watch.look(identity)).new
        later = await gate.submit(refund(SEED.payment_intent_40, 700))
        assert later.result is not None
        line = str(later.result["balance_transaction"])

        def say(tx: Transaction) -> None:
            state = state_of(tx, identity)
            standing = {line: replace(raised, line=line, object_id="re_later"), raised.line: raised}
            keep(tx, identity, replace(state, standing=standing))

        await gate.store.write(say)
        house.clock.forward(60_000)
        after = await watch.look(identity)

    assert set(after.state.standing) == {line, raised.line}
    assert raised.object_id == id


@pytest.mark.parametrize("how", ["no event", "an event without a name"])
async def test_an_alarm_that_nobody_ended_and_that_does_not_stand_any_more_is_found(house: House, how: str) -> None:
    """THREATS 24: `status` and `doctor` read what stands from a row that anybody with a database tool can write."""
    async with house.gate() as gate:
        watch, identity = await begun(house, gate), await gate.identity()
        house.world.plant(Bypass(Planted.SILENT))
        house.clock.forward(60_000)
        [raised] = (await watch.look(identity)).new
        assert check_signatures(house.settings.database).problem is None

        def quiet(tx: Transaction) -> None:
            keep(tx, identity, settle(state_of(tx, identity), raised.line))
            if how != "no event":
                tx.append(ACCEPTED, {"line": raised.line, "raised": raised.seq, "by": "maria"}, at=house.clock.wall())

        await gate.store.write(quiet)

    assert verify(house.settings.database).ok
    assert check_signatures(house.settings.database).problem is not None


@pytest.mark.parametrize("how", ["the entry", "an alarm in it", "words that are none"])
async def test_alarms_that_were_lost_stand_again_by_the_logs_word_and_verify_holds(
    house: House, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """THREATS 24: what stands is at hand in a row that anybody with a database tool can write; the log is not."""
    await house.enrol()
    caplog.set_level(logging.ERROR)
    async with house.gate() as gate, house.desk() as desk:
        watch, identity = await begun(house, gate), await gate.identity()
        for _ in range(3):
            house.world.plant(Bypass(Planted.SILENT))
        house.clock.forward(60_000)
        raised = (await watch.look(identity)).new
        await accept(desk, raised[0].line, reason="The old shop's.", admin="maria", secret=f"{SECRET} maria")

        def lose(tx: Transaction) -> None:
            state = state_of(tx, identity)
            kept = {raised[1].line: state.standing[raised[1].line]}
            tx.set_meta(META, "none" if how == "words that are none" else "{}")
            if how == "an alarm in it":
                keep(tx, identity, replace(state, standing=kept))

        await gate.store.write(lose)
        assert check_signatures(house.settings.database).problem is not None
        after = await watch.look(identity)
        again = await watch.look(identity)
        [said] = await events(gate, RESTORED)

    back = raised[2:] if how == "an alarm in it" else raised[1:]
    assert {each.seq for each in after.state.standing.values()} == {each.seq for each in raised[1:]}
    assert (after.new, again.new, again.state.standing) == ((), (), after.state.standing)
    assert json.loads(said.body)["raised"] == [each.seq for each in back]
    assert [str(each.seq) in caplog.text for each in raised] == [each in back for each in raised]
    assert check_signatures(house.settings.database).problem is None
    assert verify(house.settings.database).ok


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (None, None),
        ("simulator", {}),
        (LIVES_AT, {"until": "x"}),
        (LIVES_AT, {"looked": 10**18}),
        (LIVES_AT, {"turn": -1}),
        (LIVES_AT, {"window": 0}),
        (LIVES_AT, {"settled": {"txn_1": "x"}}),
        (LIVES_AT, {"accounts": [1]}),
        (LIVES_AT, {"balances": [{"at": 1, "seq": "x", "newest": "txn_1", "held": {}}]}),
        (LIVES_AT, {"standing": {"txn_1": {**dict.fromkeys(Found.__slots__, "x"), "line": "txn_1"}}}),
    ],
)
async def test_words_that_are_none_stop_nobody_from_looking(
    house: House, name: str | None, changes: dict[str, object] | None
) -> None:
    """Whatever somebody writes there: `status`, `doctor` and the next look find nothing in it, and do not break over it."""
    whole = json.loads(written({LIVES_AT: CoverageState()}))[LIVES_AT]
    said = "[" * 100_000 if name is None else json.dumps({name: {**whole, **(changes or {})}})
    async with house.desk() as desk:
        await desk.store.write(lambda tx: tx.set_meta(META, written({LIVES_AT: CoverageState(until=1)})))
        sound = await desk.store.read(states)
        await desk.store.write(lambda tx: tx.set_meta(META, said))
        found = await desk.store.read(states)

    assert sound == {LIVES_AT: CoverageState(until=1)}
    assert found == {}


async def test_an_alarm_that_was_lost_and_raised_once_more_stands_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a release that did not put it back: two events for one line, of which only one can stand."""
    await house.enrol()
    async with house.gate() as gate, house.desk() as desk:
        watch, identity = await begun(house, gate), await gate.identity()
        house.world.plant(Bypass(Planted.SILENT))
        house.clock.forward(60_000)
        [first] = (await watch.look(identity)).new
        await gate.store.write(lambda tx: tx.set_meta(META, "{}"))
        with monkeypatch.context() as earlier:
            earlier.setattr(coverage_watch, "lost", lambda *_given, **_more: False)
            [second] = (await watch.look(identity)).new
        assert check_signatures(house.settings.database).problem is not None
        after = await watch.look(identity)
        mended = check_signatures(house.settings.database).problem
        done = await accept(desk, first.line, reason="The old shop's.", admin="maria", secret=f"{SECRET} maria")

    assert first.line == second.line
    assert [each.seq for each in after.state.standing.values()] == [second.seq]
    assert (mended, done.left) == (None, 0)
    assert check_signatures(house.settings.database).problem is None


async def test_an_acceptance_that_nobody_signed_does_not_keep_an_alarm_from_standing_again(house: House) -> None:
    """THREATS 24."""
    await house.enrol()
    async with house.gate() as gate:
        watch, identity = await begun(house, gate), await gate.identity()
        house.world.plant(Bypass(Planted.SILENT))
        house.clock.forward(60_000)
        [raised] = (await watch.look(identity)).new

        def quiet(tx: Transaction) -> None:
            keep(tx, identity, settle(state_of(tx, identity), raised.line))
            tx.append(ACCEPTED, {"line": raised.line, "raised": raised.seq, "by": "maria"}, at=house.clock.wall())

        await gate.store.write(quiet)
        after = await watch.look(identity)

    assert [each.seq for each in after.state.standing.values()] == [raised.seq]
