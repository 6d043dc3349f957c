"""The attack finds what is known to be there: the optimum of small policies, and holes that are planted in them."""

from __future__ import annotations

import pytest

from runplane_mcp.attack import Attack, Found
from runplane_mcp.attack.doors import doors
from runplane_mcp.attack.moments import beginnings
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.gate.policies import Policies

HEAD = """
version: 1
currency: usd
timezone: America/New_York
business_hours: {days: mon-fri, open: 09:00, close: 17:00}
approval: {from: finance, expires_in: 24h}
otherwise: {reads: allow, writes: require_approval, unjudged: block}
rules:
"""
REFUNDS = "  - {id: small, when: {action: refunds, amount: {at_most: 100}}, then: allow}\n"
#: A refund by its front door, by one of its aliases, and by a credit note.
FRONT, ALIAS, NOTE = "PostRefunds", "PostChargesChargeRefund", "PostCreditNotes"
SOME = frozenset({FRONT, ALIAS, NOTE})


def compiled(rules: str, head: str = HEAD) -> CompiledPolicy:
    return Policies(load_catalog()).compile(head + rules, file="policies.yaml")


def limit(of: str, at_most: str, within: str = "1h", per: str = "") -> str:
    each = f"per: {per}, " if per else ""
    return f"  - {{id: in-{within}, when: {{action: {of}}}, {each}at_most: {at_most}, within: {within}}}\n"


async def attacked(rules: str, **plan: object) -> Found:
    return await Attack(**{"horizon": "hour", "only": SOME, **plan}).on(compiled(rules))  # type: ignore[arg-type]


@pytest.mark.slow
async def test_nothing_moves_where_people_are_asked_about_everything() -> None:
    found = await attacked("  - {id: all, when: {action: refunds}, then: require_approval}\n")

    assert [each.amount for each in found.horizons] == [0]
    assert found.requests == 0


async def test_a_limit_is_filled_to_the_cent_whatever_the_largest_amount_is() -> None:
    found = await attacked(f"{REFUNDS}limits:\n{limit('refunds', '{total: 350.01}')}")

    assert found.horizon("hour").amount == 35_001
    assert [act.amount for act in found.horizon("hour").acts] == [10_000, 10_000, 10_000, 5_001]
    assert found.complete
    assert found.endless == ()


@pytest.mark.slow
async def test_a_count_is_filled_with_the_largest_amounts() -> None:
    found = await attacked(f"{REFUNDS}limits:\n{limit('refunds', '{count: 3}')}")

    assert found.horizon("hour").amount == 30_000


async def test_an_hourly_limit_is_waited_for_until_the_daily_one_is_full() -> None:
    rules = f"{REFUNDS}limits:\n{limit('refunds', '{total: 200}')}{limit('refunds', '{total: 500}', '24h')}"

    found = await attacked(rules, horizon="day")

    assert (found.horizon("hour").amount, found.horizon("day").amount) == (20_000, 50_000)


@pytest.mark.slow
async def test_several_agents_each_fill_a_limit_of_their_own() -> None:
    rules = f"{REFUNDS}limits:\n{limit('refunds', '{total: 200}', per='agent')}"

    one, three = await attacked(rules), await attacked(rules, agents=3)

    assert (one.horizon("hour").amount, three.horizon("hour").amount) == (20_000, 60_000)


async def test_a_limit_on_the_front_door_alone_is_walked_around() -> None:
    found = await attacked(f"{REFUNDS}limits:\n{limit('refund.create', '{total: 200}')}", budget=40)

    assert found.horizon("hour").amount > 5 * 20_000
    assert set(found.endless) == {NOTE}


@pytest.mark.slow
async def test_a_limit_for_each_customer_alone_is_walked_around() -> None:
    found = await attacked(f"{REFUNDS}limits:\n{limit('refunds', '{total: 100}', per='customer')}", budget=40)

    assert found.horizon("hour").amount > 5 * 10_000
    assert found.endless != ()


async def test_an_agent_calls_itself_what_the_policy_trusts() -> None:
    asked = "  - {id: others, when: {action: refunds, agent: {not_in: [treasury]}}, then: require_approval}\n"

    found = await attacked(f"{REFUNDS}{asked}limits:\n{limit('refunds', '{total: 200}')}")

    assert found.horizon("hour").amount == 20_000
    assert {act.agent for act in found.horizon("hour").acts} == {"treasury"}


async def test_what_is_held_back_counts_when_it_runs_and_nobody_stops_it() -> None:
    by_risk = HEAD.replace("writes: require_approval", "writes: by_risk")
    rules = "  - {id: later, when: {action: refunds}, then: allow, after: 10m}\n"
    policy = by_risk + rules + "limits:\n" + limit("refunds", "{total: 250}")

    found = await Attack(horizon="hour", only=frozenset({FRONT})).on(compiled(policy, head=""))

    [act] = found.horizon("hour").acts
    assert (act.amount, act.held) == (25_000, True)
    assert act.at == beginnings(compiled(policy, head=""))[0] + 10 * 60_000


@pytest.mark.slow
async def test_what_is_found_needs_no_hint() -> None:
    rules = f"{REFUNDS}limits:\n{limit('refunds', '{total: 333.33}')}"

    with_hints, without = await attacked(rules, hints=(10_000, 3_333)), await attacked(rules, read=False)

    assert with_hints.horizon("hour").amount == without.horizon("hour").amount == 33_333


@pytest.mark.slow
async def test_the_same_seed_finds_the_same_sequence() -> None:
    rules = f"{REFUNDS}limits:\n{limit('refunds', '{total: 333.33}')}"

    assert await attacked(rules, seed=3) == await attacked(rules, seed=3)


@pytest.mark.slow
def test_the_doors_are_those_that_threats_tell_of() -> None:
    """THREATS row 4: every way to the same money that the simulated world has, found without a list."""
    found = doors()
    by_group: dict[str, set[str]] = {}
    for door in found:
        for group in door.groups:
            by_group.setdefault(group, set()).add(door.move.operation.operation_id)

    assert {FRONT, ALIAS, "PostChargesChargeRefunds", NOTE, "PostApplicationFeesIdRefunds"} <= by_group["refunds"]
    assert {"PostCustomersCustomer", "PostBillingCreditGrants", NOTE, "PostInvoiceitems"} <= by_group["credits"]
    assert {"PostTransfers", "PostPaymentIntents", "PostCharges"} <= by_group["transfers"]
    assert {"PostPayouts", "PostV2MoneyManagementOutboundPayments"} <= by_group["payouts"]
    assert {"PostInvoicesInvoiceVoid", "PostPaymentIntentsIntentCapture"} <= by_group["write_offs"]
