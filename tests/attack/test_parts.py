"""The parts of the search that are pure: halving, rolling windows, what an agent can try, when an attack begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.attack.house import open_house
from runplane_mcp.attack.moments import beginnings
from runplane_mcp.attack.moves import moves
from runplane_mcp.attack.play import best
from runplane_mcp.attack.way import Act, Halving
from runplane_mcp.core.catalog import load as load_catalog
from tests.attack.test_attack import compiled

HOUR = 3_600_000


@given(
    border=st.integers(1, 10**8),
    most=st.integers(1, 10**8),
    hints=st.lists(st.integers(1, 10**8), max_size=5).map(lambda found: sorted(found, reverse=True)),
)
def test_halving_finds_the_border_whatever_the_hints_are(border: int, most: int, hints: list[int]) -> None:
    halving, tries = Halving(1, most, hints), 0
    while (guess := halving.guess) is not None:
        halving.tell(guess <= border)
        tries += 1

    assert halving.low == min(border, most)
    assert tries <= 28 + len(hints) + 1


def act(at: int, **moved: int) -> Act:
    return Act(at, "agent", "PostRefunds", (), 0, "usd", moved, None)


def test_a_window_holds_what_is_younger_than_it_is_long() -> None:
    found = best([act(0, refunds=10), act(HOUR - 1, refunds=5), act(HOUR, refunds=7)], "hour", 3600)

    assert found.amount == 15
    assert [each.at for each in found.acts] == [0, HOUR - 1]


def test_what_customers_are_charged_is_told_beside_what_is_lost() -> None:
    found = best([act(0, charges=1000, transfers=30), act(0, credits=4)], "hour", 3600)

    assert found.amount == 34
    assert found.groups == {"charges": 1000, "credits": 4, "transfers": 30}


def test_every_alias_is_tried_as_its_target_is() -> None:
    """THREATS row 4: no side door is left out because nobody wrote it down."""
    catalog = load_catalog()
    tried = {move.operation.operation_id for move in moves(catalog)}
    refunds = [each for each in catalog.operations if each.money_out and "refunds" in each.groups and each.judged]

    assert len(refunds) >= 9
    assert {each.operation_id for each in refunds if each.path.startswith(("/v1/charges", "/v1/refunds"))} <= tried
    for operation in catalog.operations:
        if operation.alias_of is not None and operation.operation_id in tried:
            assert operation.target_id in tried or operation.path_parameters != ()


def test_an_attack_begins_as_business_hours_open_in_a_week_without_holidays() -> None:
    rules = "  - {id: all, when: {action: refunds}, then: require_approval}\n"
    plain = compiled(rules)
    opening, closing = beginnings(plain)

    facts = plain.calendar.facts(opening)
    assert (facts["weekday"], facts["hour"], facts["business_hours"]) == ("mon", 9, True)
    assert plain.calendar.facts(opening - 1000)["business_hours"] is False
    assert plain.calendar.facts(closing)["hour"] == 16


async def test_a_house_is_opened_without_a_look_at_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint of a real home is none of this one's: it would stop it."""
    real = tmp_path / "checkpoint"
    real.write_text("of another home\n")
    monkeypatch.setenv("RUNPLANE_CHECKPOINT", str(real))
    policy = compiled("  - {id: all, when: {action: refunds}, then: require_approval}\n")

    async with open_house(policy, start=1_772_564_400_000, currencies=("usd",)):
        pass
    assert real.read_text() == "of another home\n"
