"""What somebody reads who wrote a policy wrongly: where it is, what was found, and what to write instead.

All of it stands in a file that a person has read. `RUNPLANE_GOLDEN=write` writes it anew; look at what changed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runplane_mcp.core.policy import Problem
from tests.core.policy_mistakes import GOOD, MISTAKES, Mistake, told

GOLDEN = Path(__file__).parent / "golden" / "policy_mistakes.txt"


TOLD = [(each, told(each.text)) for each in MISTAKES]


def changed(mistake: Mistake) -> range:
    """The lines in which the mistake stands."""
    at = GOOD.index(mistake.old)
    first = GOOD[:at].count("\n") + 1
    # A line that is missing, or that ends another, is noticed at the next; what is missing in a limit, at its first.
    return range(first - 3, first + max(mistake.old.count("\n"), mistake.new.count("\n")) + 3)


def test_every_mistake_is_told_in_words_that_a_person_has_read() -> None:
    lines = []
    for mistake, problems in TOLD:
        lines.append(f"{mistake.what}: {' ⏎ '.join(mistake.new.strip().splitlines())[:90]}")
        lines += [f"    {each.line}:{each.column} {each.code} {each.message}" for each in problems]
    written = "\n".join(lines) + "\n"
    if os.environ.get("RUNPLANE_GOLDEN") == "write":
        GOLDEN.write_text(written, encoding="utf-8")

    assert GOLDEN.read_text(encoding="utf-8").splitlines() == written.splitlines()


@pytest.mark.parametrize(("mistake", "problems"), TOLD, ids=[each.what for each in MISTAKES])
def test_a_mistake_is_told_where_it_is_and_says_what_to_do(mistake: Mistake, problems: tuple[Problem, ...]) -> None:
    lines = mistake.text.splitlines()

    assert problems
    assert any(each.line in changed(mistake) for each in problems)
    assert sorted(problems, key=lambda each: (each.line, each.column)) == list(problems)
    for each in problems:
        assert 1 <= each.line <= len(lines) + 1
        assert 1 <= each.column <= len([*lines, ""][each.line - 1]) + 1
        assert each.message.endswith((".", "?"))
        assert each.message.isprintable()


def test_the_good_policy_is_good() -> None:
    assert () == told(GOOD)
    assert len(MISTAKES) > 150
