"""The policy files under `examples/`: each passes its own tests, tells its worst case truly, and stops what it tells of."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from runplane_mcp.core.compile import compile_policy
from runplane_mcp.core.decision import Verdict
from runplane_mcp.core.exposure import exposure
from runplane_mcp.core.exposure.words import revenue_case, worst_case
from runplane_mcp.core.policy import Policy, load
from runplane_mcp.core.policy.lint import lint, untested
from runplane_mcp.core.policy_tests import run_tests
from tests.core.stripe_objects import CATALOG

FILES = sorted((Path(__file__).parents[2] / "examples" / "policies").glob("*.yaml"))
#: What each file tells of: the test that replays it, and how often it happened.
INCIDENTS = {
    "marketplace": ("stops the night of $950 transfers", 38),
    "shop-currencies": ("stops twelve refunds of ¥100,000", 12),
    "subscriptions": ("stops the 240 subscriptions that somebody else was to make anew", 240),
    "support-desk": ("stops the long weekend of $49 refunds", 312),
}

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def loaded(file: Path) -> Policy:
    return load(file.read_text(encoding="utf-8"), file=str(file), known_actions=CATALOG.actions)


def head(file: Path) -> str:
    """The comment at the top as one line."""
    lines = file.read_text(encoding="utf-8").split("\nversion:", 1)[0].splitlines()
    return re.sub(r"\s+", " ", " ".join(line.removeprefix("#") for line in lines))


@each_file
def test_an_example_passes_its_own_tests(file: Path) -> None:
    results = run_tests(loaded(file), CATALOG.actions)

    assert [result.it for result in results if not result.passed] == []


@each_file
def test_nothing_in_an_example_is_dead_or_untested(file: Path) -> None:
    policy = loaded(file)
    reached = {id for result in run_tests(policy, CATALOG.actions) for id in result.by}

    assert [*lint(policy, CATALOG.actions, date(2026, 11, 20)), *untested(policy, reached)] == []


@each_file
def test_an_example_tells_its_worst_case_at_its_head(file: Path) -> None:
    found = exposure(compile_policy(loaded(file), actions=CATALOG.actions), CATALOG)

    assert worst_case(found) in head(file)
    assert revenue_case(found) in head(file)
    assert found.unmeasured == found.doors == ()
    assert all(bound.amount is not None for bounds in found.groups.values() for bound in bounds.values())


def test_three_agents_of_a_support_desk_take_no_more_than_one() -> None:
    policy = compile_policy(loaded(FILES[-1]), actions=CATALOG.actions)

    assert exposure(policy, CATALOG, principals=3).total == exposure(policy, CATALOG).total


@each_file
def test_what_happened_before_is_replayed_and_stopped(file: Path) -> None:
    name, times = INCIDENTS[file.stem]
    test = next(each for each in loaded(file).tests if each.it == name)

    assert test.times == times
    assert test.expected.get(Verdict.ALLOW, 0) <= times // 10


def test_every_example_is_in_the_list() -> None:
    written = (Path(__file__).parents[2] / "examples" / "README.md").read_text(encoding="utf-8")

    assert [file.stem for file in FILES] == sorted(INCIDENTS)
    assert all(f"policies/{file.name}" in written for file in FILES)
