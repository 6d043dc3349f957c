"""Limits whose sums belong to somebody, through the real gate: to an agent with a customer, to a guest's card, to all."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from typing import Final

from runplane_mcp.core.request import State
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.simulator import SEED, Fault, FaultKind
from tests.gate.conftest import House, refund, submission, until
from tests.simulator.world import Clock, World

HEAD: Final = """\
version: 1
currency: usd
timezone: America/New_York
approval: {from: finance}
"""
#: Nothing but the limit asks.
REFUNDS: Final = HEAD + "rules:\n  - {id: fine, when: {action: refunds}, then: allow}\nlimits:\n"
ONE, OTHER = "agent:one", "agent:other"
ADAS, CLEOS = SEED.payment_intent_900, SEED.payment_intent_120
DONE, WAITS = State.SUCCEEDED, State.WAITING


def enforce(house: House, text: str) -> None:
    house.settings.policy_file.write_text(text, encoding="utf-8")


async def ask(gate: Gate, wanted: Submission, principal: str = ONE) -> RequestView:
    return await gate.submit(replace(wanted, principal=principal, agent=principal))


async def came(gate: Gate, wanted: Submission, principal: str = ONE) -> State:
    return (await ask(gate, wanted, principal)).status


def buckets(house: House) -> Counter[str]:
    """How many requests count into each bucket."""
    with closing(sqlite3.connect(house.settings.database)) as connection:
        return Counter(
            value
            for (value,) in connection.execute(
                "SELECT value FROM reservation JOIN bucket ON bucket.id = reservation.bucket"
            )
        )


# ── pairs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_limit_of_each_agent_and_customer_holds_to_the_cent_for_that_pair_alone(house: House) -> None:
    """THREATS 2: what one agent gave one customer fills neither its other customers' sums nor another agent's."""
    enforce(
        house,
        REFUNDS + "  - {id: a, when: {action: refunds}, per: [agent, customer], at_most: {total: 100}, within: 1h}\n",
    )
    async with house.gate() as gate:
        first = [await came(gate, refund(ADAS, amount)) for amount in (5_999, 4_001)]
        cent = await came(gate, refund(ADAS, 1))
        elsewhere = await came(gate, refund(CLEOS, 10_000))
        others = [await came(gate, refund(ADAS, amount), OTHER) for amount in (10_000, 2)]
    async with house.gate() as gate:
        again = [
            await came(gate, refund(ADAS, 3)),
            await came(gate, refund(CLEOS, 4)),
            await came(gate, refund(ADAS, 5), OTHER),
            await came(gate, refund(CLEOS, 2_000), OTHER),
        ]
    house.clock.forward(3_600_000)
    async with house.gate() as gate:
        later = await came(gate, refund(ADAS, 6))

    assert (first, cent, elsewhere, others) == ([DONE, DONE], WAITS, DONE, [DONE, WAITS])
    assert again == [WAITS, WAITS, WAITS, DONE], "what counts is the store's, not the process's"
    # What waits counts as if it happened now; it is a few cents.
    assert later is DONE
    assert set(buckets(house)) == {
        f'[["customer","{customer}"],["principal","{agent}"]]'
        for customer in (SEED.customer_ada, SEED.customer_cleo)
        for agent in (ONE, OTHER)
    }


# ── guests ────────────────────────────────────────────────────────────────────────────────────────────────────────


def paid_by_guests(house: House, *cards: str) -> list[str]:
    """A payment of $90.00 without a customer by each of these cards."""
    world = World(house.world, Clock())
    return [
        world.post("/v1/payment_intents", amount=9_000, currency="usd", payment_method=card, confirm=True)["id"]
        for card in cards
    ]


async def test_guests_who_paid_by_the_same_card_share_a_sum_and_another_card_has_its_own(house: House) -> None:
    """THREATS 2: a refund without a customer is not a refund that no limit counts."""
    enforce(house, REFUNDS + "  - {id: a, when: {action: refunds}, per: customer, at_most: {total: 100}, within: 1h}\n")
    first, second, else_paid = paid_by_guests(house, "pm_card_visa", "pm_card_visa", "pm_card_mastercard")
    async with house.gate() as gate:
        seen = [await came(gate, refund(payment, amount)) for payment, amount in ((first, 6_000), (second, 4_001))]
        other_card = await came(gate, refund(else_paid, 9_000))
        fits = await came(gate, refund(SEED.payment_intent_guest))

    assert seen == [DONE, WAITS]
    assert (other_card, fits) == (DONE, DONE)
    assert buckets(house) == {
        '[["guest","testvisa4242"]]': 2,
        '[["guest","testmc4444"]]': 1,
        f'[["guest","{SEED.guest_fingerprint}"]]': 1,
    }


def without_a_card(house: House, payment: str, times: int) -> None:
    """The next look-ups of a payment find that it was paid by nothing that can be told apart."""
    world = World(house.world, Clock())
    found = world.get(f"/v1/payment_intents/{payment}", expand=["latest_charge"])
    found["latest_charge"]["payment_method_details"] = None
    path = f"/v1/payment_intents/{payment}"
    house.world.add_fault(Fault(FaultKind.GARBAGE, "GET", path, times=times, body=json.dumps(found)))


async def test_guests_that_nothing_tells_apart_share_one_sum(house: House) -> None:
    enforce(house, REFUNDS + "  - {id: a, when: {action: refunds}, per: customer, at_most: {total: 100}, within: 1h}\n")
    first, second, third = paid_by_guests(house, "pm_card_visa", "pm_card_mastercard", "pm_card_visa")
    for payment in (first, second):
        without_a_card(house, payment, 3)
    async with house.gate() as gate:
        seen = [await came(gate, refund(payment, amount)) for payment, amount in ((first, 6_000), (second, 4_001))]
        known = await came(gate, refund(third, 9_000))

    assert (seen, known) == ([DONE, WAITS], DONE)
    assert buckets(house) == {'[["guest",null]]': 2, '[["guest","testvisa4242"]]': 1}


# ── what waits, where the sum is everybody's ──────────────────────────────────────────────────────────────────────

SHARED: Final = (
    HEAD
    + """\
rules:
  - {id: small, when: {action: refunds, amount: {at_most: 100}}, then: allow}
  - {id: large, when: {action: refunds, amount: {over: 100}}, then: require_approval}
limits:
  - {id: all, when: {action: refunds}, at_most: {total: 500, count: 6}, within: 1h, then: block}
"""
)


async def flood(gate: Gate, number: int) -> list[RequestView]:
    """One agent asks for as many refunds of $235.00, and nobody answers."""
    views = [await ask(gate, refund(payment, 23_500)) for payment in SEED.payment_intents_235[:number]]
    assert {view.status for view in views} == {WAITS}
    return views


async def test_what_one_agent_heaps_up_makes_others_be_asked_and_never_blocks_them(house: House) -> None:
    """THREATS 26: only what people let pass, or nobody had to, fills a limit that is everybody's for good."""
    enforce(house, SHARED)
    await house.enrol()
    async with house.gate() as gate:
        views = await flood(gate, 9)
        asked = await ask(gate, refund(SEED.payment_intent_40, 4_000), OTHER)
        await house.vote(asked)
        ran = await until(gate, asked, DONE, WAITS, principal=OTHER)
        for view in views:
            await gate.cancel(ONE, view.request_id)
        house.clock.forward(3_600_000)
        passed = [await came(gate, refund(payment, 10_000), OTHER) for payment in SEED.payment_intents_235[20:22]]
        await flood(gate, 1)
        small = await came(gate, refund(CLEOS, 9_000), OTHER)
        spent = await came(gate, refund(ADAS, 30_001), OTHER)

    assert (asked.status, ran.status) == (WAITS, DONE)
    # $200.00 are spent and $235.00 wait: with $90.00 more it is too much, with $300.01 what is spent alone is.
    assert (passed, small, spent) == ([DONE, DONE], WAITS, State.BLOCKED)


async def test_what_one_agent_heaps_up_makes_nobody_elses_risk_critical(house: House) -> None:
    """THREATS 26: a full limit adds to the risk, and what is critical is blocked. Waiting requests must not do that."""
    enforce(house, HEAD + "limits:\n  - {id: all, when: {action: transfers}, at_most: {total: 60000}, within: 1h}\n")
    new = {"currency": "usd", "destination": SEED.connected_account_new}
    async with house.gate() as gate:
        for amount in (3_000_000, 2_900_000):
            assert await came(gate, submission("PostTransfers", {"amount": amount, **new})) is WAITS
        others = await came(gate, submission("PostTransfers", {"amount": 2_500_000, **new}), OTHER)

    assert others is WAITS


async def test_an_agents_own_limit_is_filled_by_what_it_heaps_up_itself(house: House) -> None:
    """THREATS 26: where the sum is its own, what waits counts in full, and nobody else is touched."""
    enforce(house, SHARED.replace("then: block}", "per: agent, then: block}").replace("500, count: 6", "1000"))
    async with house.gate() as gate:
        await flood(gate, 4)
        more = await came(gate, refund(SEED.payment_intent_40, 4_000))
        most = await came(gate, refund(SEED.payment_intents_235[9], 10_000))
        other = await came(gate, refund(CLEOS, 4_000), OTHER)

    assert (more, most, other) == (DONE, State.BLOCKED, DONE)
