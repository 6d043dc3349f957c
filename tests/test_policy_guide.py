"""The tables of `docs/policy.md` are made from what they tell of. `RUNPLANE_GOLDEN=write` writes them anew."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from runplane_mcp.core.explain import value_words
from runplane_mcp.core.facts import GROUP_SENTENCES, REGISTRY, TESTS, Fact, Source
from runplane_mcp.core.policy.lint import KINDS
from tests.core.policy_mistakes import MISTAKES, told
from tests.test_docs import ROOT

PAGE: Final = ROOT / "docs" / "policy.md"
#: Of all mistakes that are told, the ones that people make first.
COMMON: Final = (
    "a tab",
    "a key without a space",
    "a key with a letter missing",
    "a key twice",
    "a colon in a text",
    "an amount with a symbol",
    "an amount with a comma that starts another key",
    "an amount in cents",
    "a symbol for a test",
    "off",
    "a time of twelve hours",
    "weekdays in full",
    "a zone as letters",
    "a day as Americans write it",
    "a window in words",
    "too many people",
    "from two, joined",
    "from nobody",
    "a group in the singular",
    "a tool's name",
    "all actions",
    "or in a condition",
    "unless in a limit",
    "an empty list",
    "then: ask",
)
#: What a test makes of its action, its other facts and the file, instead of taking the registry's word.
_COMPUTED: Final = {
    "principal": "stdio, or the agent",
    "action": "of the test's action",
    "kind": "of the test's action",
    "currency": "the file's",
    "amount_on_object": "the amounts so far",
    "risk": "computed",
    "risk_level": "computed",
}


def _type(fact: Fact) -> str:
    return f"{fact.type.value}, {fact.unit}" if fact.unit and fact.unit != fact.type.value else fact.type.value


def _neutral(fact: Fact) -> str:
    return "of `at`" if fact.source is Source.CLOCK else _COMPUTED.get(fact.name, value_words(fact.neutral))


def facts() -> Iterator[Sequence[str]]:
    yield "fact", "type", "meaning", "from", "neutral", "tests"
    for fact in REGISTRY.values():
        tests = " ".join(f"`{each}`" for each in TESTS[fact.type])
        choices = f" One of {', '.join(fact.choices)}." if fact.choices else ""
        yield f"`{fact.name}`", _type(fact), f"{fact.sentence}{choices}", fact.source.value, _neutral(fact), tests


def groups() -> Iterator[Sequence[str]]:
    yield "group", "what is in it"
    for name, sentence in GROUP_SENTENCES.items():
        yield f"`{name}`", sentence


def kinds() -> Iterator[Sequence[str]]:
    yield "code", "what it warns of"
    for code, sentence in KINDS.items():
        yield f"`{code}`", sentence


def mistakes() -> Iterator[Sequence[str]]:
    yield "written", "said"
    known = {each.what: each for each in MISTAKES}
    for what in COMMON:
        mistake = known[what]
        first, *rest = mistake.new.strip("\n").replace("\t", "⇥").split("\n")
        # What ends without a colon is only there to find the place.
        written = " ⏎ ".join(line.strip(" ") for line in [first, *(each for each in rest if ":" in each)])
        yield f"`{written}`", told(mistake.text)[0].message


TABLES: Final = {"facts": facts, "groups": groups, "lint": kinds, "mistakes": mistakes}


def table(name: str) -> str:
    head, *rows = TABLES[name]()
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_policy_guide_is_what_it_tells_of(name: str) -> None:
    begin, end = f"<!-- made: {name} -->\n", "<!-- end -->\n"
    page = PAGE.read_text(encoding="utf-8")
    made = re.sub(f"({re.escape(begin)}).*?({end})", lambda found: found[1] + table(name) + found[2], page, flags=re.S)
    if os.environ.get("RUNPLANE_GOLDEN") == "write":
        PAGE.write_text(made, encoding="utf-8")

    assert 1 == page.count(begin)
    assert made == PAGE.read_text(encoding="utf-8")
