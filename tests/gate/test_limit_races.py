"""Eight gates on one home, each a real process, against limits: what Stripe has moved never passes one by a cent.

THREATS rows 2 and 3. What is counted is the simulator's own sum, not ours.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
import stripe  # the children are forked: with this they have it already

from runplane_mcp.app import create_home, open_desk, open_gate
from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.request import State
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Simulator
from runplane_mcp.store.records import RequestFilter
from runplane_mcp.store.verify import verify
from tests.crash import Probe, race, run_and_kill
from tests.gate.conftest import CHEAP_SCRYPT, SECRET, FakeClock, refund

PROCESSES = 8
#: $1,000.00 an hour over all agents, and nothing else that asks: what passes is the limit's doing alone.
POLICY = """
version: 1
currency: usd
rates: {as_of: 2026-03-01, eur: 1.09, gbp: 1.27, jpy: 0.0067}
timezone: America/New_York
approval: {from: finance, expires_in: 24h}
rules:
  - id: refunds
    when: {action: refunds, amount: {under: 100000}}
    then: allow
limits:
  - id: an-hour
    when: {action: refunds}
    at_most: {total: 1000}
    within: 1h
"""
#: The same before it: people are asked about every refund, and there is no limit.
LOOSE = (
    POLICY.partition("rules:")[0]
    + """
rules:
  - id: refunds
    when: {action: refunds}
    then: require_approval
"""
)
MAXIMUM = 100_000
WAITING = RequestFilter(states=frozenset({State.WAITING}))
RATES = {"usd": Fraction(1), "eur": Fraction("1.09"), "gbp": Fraction("1.27"), "jpy": Fraction("0.67")}


def home_of(tmp_path: Path, policy: str = POLICY) -> Settings:
    """A home with a policy and a person who approves."""
    assert stripe
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "policies.yaml").write_text(policy, encoding="utf-8")
    settings = Settings(home=home)

    async def make() -> None:
        async with create_home(settings):
            pass
        async with open_desk(settings, clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
            await desk.add_person("maria", role=Role.ADMIN, groups=frozenset({"finance"}), secret=f"{SECRET} maria")

    asyncio.run(make())
    return settings


async def asked_of(settings: Settings, asked: Sequence[tuple[str, int]], probe: Probe | None = None) -> list[str]:
    async with open_gate(settings, simulator=True, clock=FakeClock(), **({"probe": probe} if probe else {})) as gate:
        views = await asyncio.gather(*(gate.submit(refund(payment, amount)) for payment, amount in asked))
        return [view.status.value for view in views]


def asking(settings: Settings, asked: Sequence[tuple[str, int]]) -> Callable[[], list[str]]:
    return lambda: asyncio.run(asked_of(settings, asked))


def moved(settings: Settings) -> Fraction:
    """What the simulator has refunded in all, in cents of the policy's currency."""
    world = Simulator(settings.simulator_file)
    try:
        total = world.summary()["refunds"]["total"]
        return sum((RATES[currency] * amount for currency, amount in total.items()), Fraction(0))
    finally:
        world.close()


@pytest.mark.slow
def test_exactly_what_fits_is_refunded_and_not_one_cent_more(tmp_path: Path) -> None:
    settings = home_of(tmp_path)
    payments = SEED.payment_intents_235[:40]
    shares = [[(payment, 5_000) for payment in payments[number::PROCESSES]] for number in range(PROCESSES)]

    came_of_it = [each for told in race([asking(settings, share) for share in shares]) for each in told]

    assert came_of_it.count("succeeded") == MAXIMUM // 5_000
    assert moved(settings) == MAXIMUM
    assert verify(settings.database).ok


def test_several_currencies_fill_one_limit_and_do_not_pass_it(tmp_path: Path) -> None:
    settings = home_of(tmp_path)
    foreign = [(SEED.payment_intent_eur, 3_100), (SEED.payment_intent_gbp, 2_700), (SEED.payment_intent_jpy, 3_000)]
    dollars = [(payment, 7_001) for payment in SEED.payment_intents_235[:21]]
    asked = [*foreign, *dollars]
    random.Random(7).shuffle(asked)

    race([asking(settings, asked[number::PROCESSES]) for number in range(PROCESSES)])

    assert MAXIMUM - 7_001 < moved(settings) <= MAXIMUM
    assert verify(settings.database).ok


@pytest.mark.slow
def test_fifty_approvals_at_once_do_not_pour_out_past_a_limit_that_was_on_none_of_their_cards(tmp_path: Path) -> None:
    """The limit came after people had said yes. Eight gates run what is approved, at once (DECISIONS 22)."""
    settings = home_of(tmp_path, LOOSE)
    payments = SEED.payment_intents_235[:50]
    told = race([asking(settings, [(payment, 5_000) for payment in payments])])[0]
    assert set(told) == {"waiting"}
    assert race([partial(approve_all, settings)]) == [50]

    (settings.home / "policies.yaml").write_text(POLICY, encoding="utf-8")
    race([asking(settings, [])] + [partial(settle_all, settings)] * PROCESSES)

    assert moved(settings) <= MAXIMUM
    world = Simulator(settings.simulator_file)
    done = world.summary()["refunds"]["count"]
    world.close()
    assert done + race([partial(waiting, settings)])[0] == 50, "what did not run asks again"
    assert verify(settings.database).ok


def waiting(settings: Settings) -> int:
    async def work() -> int:
        async with open_desk(settings, clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
            return len(await desk.requests(WAITING))

    return asyncio.run(work())


def approve_all(settings: Settings) -> int:
    async def work() -> int:
        async with open_desk(settings, clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
            found = await desk.requests(WAITING)
            for request in found:
                card = await desk.card(request.id)
                await desk.vote(
                    request.id, digest=card.digest, person="maria", secret=f"{SECRET} maria", answer=Answer.YES
                )
            return len(found)

    return asyncio.run(work())


def settle_all(settings: Settings) -> int:
    """A gate that runs until nothing is left to run."""

    async def work() -> int:
        async with asyncio.timeout(60), open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            running = frozenset({State.APPROVED, State.EXECUTING, State.RECEIVED, State.OUTCOME_UNKNOWN})
            wanted = RequestFilter(states=running)
            while left := await gate.store.read(lambda reader: reader.requests(wanted)):
                await asyncio.sleep(0.05)
            return len(left)

    return asyncio.run(work())


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    [
        "execute.after_send",
        pytest.param("submit.decided", marks=pytest.mark.slow),
        pytest.param("execute.before_send", marks=pytest.mark.slow),
    ],
)
def test_a_kill_in_the_middle_loses_no_reservation(tmp_path: Path, point: str) -> None:
    settings = home_of(tmp_path)
    before = [(payment, 5_000) for payment in SEED.payment_intents_235[:12]]
    run_and_kill(partial(_killed, settings, before), point)
    rest = [(payment, 5_000) for payment in SEED.payment_intents_235[12:44]]

    race([asking(settings, rest[number::PROCESSES]) for number in range(PROCESSES)])
    race([partial(settle_all, settings)])

    assert moved(settings) <= MAXIMUM
    assert moved(settings) > MAXIMUM - 5_000 * 12
    assert verify(settings.database).ok


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_many_rounds_of_kills_and_races_never_pass_a_limit(tmp_path: Path, seed: int) -> None:
    settings, chance = home_of(tmp_path), random.Random(seed)
    payments = list(SEED.payment_intents_235)
    for number in range(3):
        taken = [(payments.pop(), chance.randrange(1_000, 20_000)) for _ in range(6)]
        # Later, the limit may be full, and then nothing is sent.
        sent = ["execute.before_send", "execute.after_send"] if number == 0 else []
        point = chance.choice(["submit.received", "submit.decided", *sent])
        run_and_kill(partial(_killed, settings, taken), point)
        shares = [[(payments.pop(), chance.randrange(1_000, 20_000)) for _ in range(2)] for _ in range(PROCESSES)]
        race([asking(settings, share) for share in shares])
        assert moved(settings) <= MAXIMUM

    race([partial(settle_all, settings)])
    assert moved(settings) <= MAXIMUM
    assert verify(settings.database).ok


def _killed(settings: Settings, asked: Sequence[tuple[str, int]], probe: Probe) -> None:
    asyncio.run(asked_of(settings, asked, probe))
