"""The registry of facts keeps its promises to the policy, its tests and its documentation."""

from __future__ import annotations

from fractions import Fraction

import pytest

from runplane_mcp.core.facts import EVERYWHERE, GROUP_SENTENCES, NONE, REGISTRY, TESTS, UNKNOWN, Fact, FactType, may_be
from runplane_mcp.core.money import Money
from runplane_mcp.core.policy.conditions import Op

TYPES: dict[FactType, tuple[type, ...]] = {
    FactType.TEXT: (str,),
    FactType.NUMBER: (int, Fraction),
    FactType.YES_NO: (bool,),
    FactType.MONEY: (Money,),
    FactType.SET: (frozenset,),
    FactType.DATE: (str,),
}


def test_there_are_twelve_groups() -> None:
    assert 12 == len(GROUP_SENTENCES)


@pytest.mark.parametrize("group", GROUP_SENTENCES)
def test_each_group_says_in_one_sentence_what_is_common_to_all_in_it(group: str) -> None:
    assert group == group.lower()
    assert GROUP_SENTENCES[group].endswith(".")
    assert GROUP_SENTENCES[group].count(". ") == 0


@pytest.mark.parametrize("fact", REGISTRY.values(), ids=lambda fact: fact.name)
def test_each_fact_is_documented_and_its_neutral_value_fits(fact: Fact) -> None:
    assert fact.name == fact.name.lower()
    assert fact.sentence.endswith(".")
    assert fact.neutral is NONE or type(fact.neutral) in TYPES[fact.type]
    assert not fact.choices or fact.neutral is NONE or fact.neutral in fact.choices


def test_each_type_has_its_tests() -> None:
    assert set(FactType) == TESTS.keys()
    assert {op.value for op in Op} == {name for names in TESTS.values() for name in names}


def test_what_an_operation_does_is_not_among_the_facts_of_every_request() -> None:
    assert REGISTRY.keys() >= EVERYWHERE
    assert not EVERYWHERE & {"amount", "customer", "destination", "bulk", "ends", "share", "mrr_lost"}


def test_a_yes_or_no_that_is_not_known_may_be_yes() -> None:
    assert may_be(True)
    assert may_be(UNKNOWN)
    assert may_be("yes")
    assert not may_be(False)
    assert not may_be(NONE)
