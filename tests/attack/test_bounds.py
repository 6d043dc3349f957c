"""The lower bound, found, is never above the upper bound, computed. Where both are the same, the number is proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from runplane_mcp.attack import Attack, Found
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.exposure import Exposure, exposure
from runplane_mcp.gate.policies import Policies

CHECKOUT = Path(__file__).parents[2]
EXAMPLES = sorted((CHECKOUT / "examples" / "policies").glob("*.yaml"))
#: Doors that give the most, and one that is shut.
SOME = frozenset({"PostRefunds", "PostBillingCreditGrants", "PostPayouts"})


def shipped() -> CompiledPolicy:
    return read(CHECKOUT / "policies.yaml")


def read(file: Path) -> CompiledPolicy:
    return Policies(load_catalog()).compile(file.read_text(encoding="utf-8"), file=file.name)


def beaten(found: Found, bound: Exposure) -> list[str]:
    """Where more was found than can be."""
    wrong = []
    for horizon in found.horizons:
        for name, amount, most in (
            ("total", horizon.amount, bound.total[horizon.seconds].amount),
            *(
                (group, horizon.groups.get(group, 0), by_span[horizon.seconds].amount)
                for group, by_span in bound.groups.items()
            ),
        ):
            if most is not None and amount > most:
                wrong.append(f"{horizon.name} {name}: {amount} of {most}")
    return wrong


async def test_the_shipped_policy_loses_by_refunds_and_credits_just_what_it_says() -> None:
    policy = shipped()
    bound = exposure(policy, load_catalog())

    found = await Attack(horizon="hour", only=SOME).on(policy)

    groups = found.horizon("hour").groups
    assert beaten(found, bound) == []
    assert groups["refunds"] == bound.groups["refunds"][3600].amount == 100_000
    assert groups["credits"] == bound.groups["credits"][3600].amount == 100_000
    assert found.horizon("hour").amount <= (bound.total[3600].amount or 0)


@pytest.mark.slow
async def test_what_is_let_go_beside_an_amount_is_counted_too() -> None:
    """Of a hold a cent is captured: that is all that limits count of it."""
    policy = shipped()

    found = await Attack(horizon="hour", only=frozenset({"PostPaymentIntentsIntentCapture"})).on(policy)

    assert found.horizon("hour").amount == 4 * 10_000 + 3 * 5_000
    assert {act.told for act in found.undertold} == {1}


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_nobody_gets_more_than_the_bound_out_of_the_shipped_policy() -> None:
    policy = shipped()
    bound = exposure(policy, load_catalog())

    found = await Attack().on(policy)

    assert beaten(found, bound) == []
    week = found.horizon("week").groups
    assert week["refunds"] == bound.groups["refunds"][604_800].amount
    assert week["credits"] == bound.groups["credits"][604_800].amount
    assert week["charges"] == bound.groups["charges"][604_800].amount


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("agents", [1, 3])
@pytest.mark.parametrize("file", EXAMPLES, ids=[file.stem for file in EXAMPLES])
async def test_of_an_example_both_bounds_are_the_same(file: Path, agents: int) -> None:
    policy = read(file)
    bound = exposure(policy, load_catalog(), principals=agents)

    found = await Attack(horizon="week", agents=agents).on(policy)

    assert beaten(found, bound) == []
    assert {each.name: each.amount for each in found.horizons} == {
        each.name: bound.total[each.seconds].amount for each in found.horizons
    }
