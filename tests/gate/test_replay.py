"""What was recorded, decided again: just what it was under the same policy, and honestly what it would be under another."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from runplane_mcp.core.approval import Answer as Vote
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decision import Decision
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.money import Money
from runplane_mcp.core.replay import Decided, Replay
from runplane_mcp.core.request import State
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.freezing import lift_freezes, start_freeze
from runplane_mcp.gate.lowering import lower
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.recorded import Records
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.simulator.seed import ORDER_PAYMENTS
from runplane_mcp.store.base import Reader
from tests.gate.conftest import SECRET, FakeClock, House, refund, submission, until
from tests.gate.scheduling import held_back

HOUR = 3_600_000
DAY = 24 * HOUR


def wishes(dice: random.Random) -> Iterator[Submission]:
    """An agent's days: refunds of all sizes, some twice, credit, payouts, ends of subscriptions, and odd ones."""
    payments = [f"pi_{each.name}" for each in ORDER_PAYMENTS]
    last = refund(payments[0], 100)
    while True:
        match dice.randrange(10):
            case 0:
                yield last
            case 1:
                yield submission("PostPayouts", {"amount": dice.choice([2_000, 90_000]), "currency": "usd"})
            case 2:
                credit = {"amount": -dice.choice([500, 9_000, 20_000]), "currency": "usd", "customer": "cus_ada"}
                yield submission("PostCustomersCustomerBalanceTransactions", credit)
            case 3:
                yield submission("GetBalance", {})
            case 4:
                yield refund("pi_emile_eur", dice.choice([100, 300]))
            case 5:
                yield submission("PostTerminalConnectionTokens", {})
            case 6:
                yield refund(dice.choice(payments), 10**9)  # more than there is: Stripe's own no
            case _:
                last = refund(dice.choice(payments), dice.choice([900, 4_000, 9_000, 20_000]))
                yield last


async def days(house: House, seed: int, requests: int) -> None:
    """So many requests over some days, with people who answer some of them, a freeze, and questions that ran out."""
    dice = random.Random(seed)
    await house.enrol()
    wanted = wishes(dice)
    for session in range(4):
        async with house.gate() as gate:
            waiting: list[RequestView] = []
            for number in range(requests // 4):
                house.clock.forward(dice.choice([1, 20_000, HOUR // 2, 3 * HOUR]))
                async with house.desk() as desk:
                    if session == 1 and number == 5:
                        await start_freeze(desk, Scope(action="refunds"))
                    if session == 1 and number == 15:
                        await lift_freezes(desk, await desk.frozen(), admin="maria", secret=f"{SECRET} maria")
                    view = await gate.submit(next(wanted))
                    if view.status is State.WAITING and view.repeat is None:
                        waiting.append(view)
                    if len(waiting) > 2:
                        await answer(house, desk, gate, waiting.pop(0), dice)
        house.clock.forward(2 * DAY)  # what waits has run out when the next gate looks


async def answer(house: House, desk: Desk, gate: Gate, view: RequestView, dice: random.Random) -> None:
    now = await gate.get("stdio", view.request_id)
    if now.status is not State.WAITING or (now.expires_at or 0) <= house.clock.policy_ms:
        return
    card = await desk.card(view.request_id)
    secret = f"{SECRET} maria"
    match dice.randrange(5):
        case 0:
            await gate.cancel("stdio", view.request_id)
        case 1:
            await desk.vote(view.request_id, digest=card.digest, person="maria", secret=secret, answer=Vote.NO)
        case 2 if view.operation_id == "PostRefunds" and card.currency:
            less = Money(50, card.currency)
            await lower(desk, view.request_id, digest=card.digest, person="maria", secret=secret, to=less)
        case _:
            yes = await desk.vote(view.request_id, digest=card.digest, person="maria", secret=secret, answer=Vote.YES)
            if not yes.frozen:
                await until(gate, view, State.SUCCEEDED, State.FAILED, State.WAITING, State.BLOCKED)


def reasons_of(decision: Decision) -> list[tuple[str, str, str]]:
    return [(each.source, each.id, each.outcome.value) for each in decision.reasons]


async def test_the_enforced_policy_over_its_own_records_says_every_word_again(house: House) -> None:
    held_back(house.home)
    await days(house, seed=5, requests=100)

    def work(reader: Reader) -> tuple[list[str], set[str], int]:
        wrong, seen, decided = [], set(), 0
        policy: CompiledPolicy = desk.policies.enforced(reader)
        again = Replay(policy, since=0)
        numbers: dict[str, int] = {}
        for step in Records(reader, desk.policies.catalog).steps(0):
            decision = again.take(step)
            seen.add(step.then.value if isinstance(step, Decided) else step.to.value)
            if decision is None or not isinstance(step, Decided):
                continue
            decided += 1
            if step.outside is not None:
                seen.add(step.outside.value)
            numbers[step.request_id] = numbers.get(step.request_id, 0) + 1
            record = reader.decisions(step.request_id)[numbers[step.request_id] - 1]
            detail: Any = record.detail
            said = [
                (each["source"], each["id"], each["outcome"])
                for each in detail["reasons"]
                if each["source"] not in {"freeze", "lowered", "secret"}
            ]
            limits = [
                {"id": each.limit_id, "sentence": each.sentence, "exceeded": each.exceeded, "share": each.share}
                for each in decision.limits
            ]
            if (said, detail["limits"], record.risk) != (reasons_of(decision), limits, decision.risk.score):
                wrong.append(
                    f"{step.reference} {step.action}: {said} {detail['limits']}, now {reasons_of(decision)} {limits}"
                )
        return wrong + [str(each) for each in again.flips], seen, decided

    async with house.desk() as desk:
        wrong, seen, decided = await desk.store.read(work)

    assert [] == wrong
    assert decided > 70
    # A day of an agent's has all of this in it, or the test would say little.
    assert {"stopped", "lowered", "waiting", "scheduled", "blocked", "executing", "failed"} <= seen
    assert {"succeeded", "denied", "expired", "canceled", "replaced"} <= seen


class Ticking(FakeClock):
    """A clock that no two looks find at the same time."""

    def policy(self) -> int:
        self.policy_ms += 1
        return self.policy_ms


async def test_a_record_and_its_reservation_have_the_time_by_which_it_was_judged(house: House) -> None:
    """A millisecond apart, a request at the edge of a window would be decided otherwise when it is decided again."""
    house.clock = Ticking()
    async with house.gate() as gate:
        view = await gate.submit(refund("pi_ben_40", 100))
    async with house.desk() as desk:
        [record] = (await desk.life(view.request_id)).decisions

    with closing(sqlite3.connect(house.settings.database)) as database:
        reserved = {at for (at,) in database.execute("SELECT at FROM reservation")}
    assert {record.policy_at} == reserved
