"""`runplane policy attack` as people and programs see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.test_attack import HEAD, REFUNDS, limit
from tests.cli.conftest import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(f"{HEAD}{REFUNDS}limits:\n{limit('refunds', '{total: 250}')}")
    return file


def test_what_was_found_stands_beside_the_most_that_there_can_be(policy: Path, run: Run) -> None:
    ran = run("policy", "attack", str(policy), "--horizon", "hour", "--json")

    [hour] = ran.json["horizons"]
    assert ran.code == 0
    assert (hour["found"], hour["at_most"]) == (25_000, 25_000)
    assert [act["amount"] for act in hour["sequence"]] == [10_000, 10_000, 5_000]
    assert sum(act["moved"]["refunds"] for act in hour["sequence"]) == 25_000
    assert ran.json["beaten"] == []


def test_people_see_how_it_was_done(policy: Path, run: Run) -> None:
    ran = run("policy", "attack", str(policy), "--horizon", "hour")

    assert ran.code == 0
    assert "within an hour" in ran.out
    assert "$250.00 USD" in ran.out
    assert "2 ×" in ran.out
