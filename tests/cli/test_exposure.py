"""`runplane policy exposure`, and the line of `policy check` that says the worst case."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run

OPEN = """
version: 1
currency: usd
approval: {from: leads}
otherwise: {writes: block}
rules:
  - {id: small, when: {action: refund.create, amount: {at_most: 50}}, then: allow}
"""
LIMITED = f"""{OPEN}
limits:
  - {{id: an-hour, when: {{action: refunds}}, per: agent, at_most: {{total: 120}}, within: 24h}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(LIMITED, encoding="utf-8")
    return path


def test_check_says_the_worst_case_in_one_line(environment: Path, file: Path, run: Run) -> None:
    checked, as_json = run("policy", "check", str(file)), run("policy", "check", str(file), "--json").json

    assert "Worst case, nobody asked: $120.00 an hour, $120.00 a day, $840.00 a week." in checked.out
    assert [bound["amount"] for bound in as_json["exposure"]["total"]] == [12_000, 12_000, 84_000]


def test_exposure_says_how_the_worst_case_is_reached(environment: Path, file: Path, run: Run) -> None:
    said = run("policy", "exposure", str(file))
    found = run("policy", "exposure", str(file), "--json").json

    assert said.code == 0
    assert "A day, by:\n  3 × refund.create of $40.00" in said.out
    assert found["groups"]["refunds"][0]["amount"] == 12_000
    assert found["total"][0]["sequence"][0]["operation_id"] == "PostRefunds"


def test_several_agents_have_a_limit_each(environment: Path, file: Path, run: Run) -> None:
    found = run("policy", "exposure", str(file), "--agents", "3", "--json").json

    assert [bound["amount"] for bound in found["total"]] == [36_000, 36_000, 252_000]


def test_without_a_limit_the_operation_is_named_that_has_none(environment: Path, file: Path, run: Run) -> None:
    file.write_text(OPEN, encoding="utf-8")
    checked, said = run("policy", "check", str(file)), run("policy", "exposure", str(file))

    assert "Worst case, nobody asked: unbounded, by PostRefunds." in checked.out
    assert "Unbounded: PostRefunds. Write a limit or a rule for it." in said.out
