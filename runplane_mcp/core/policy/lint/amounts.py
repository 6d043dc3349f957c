"""Amounts that look as if they were in cents, where a policy is written in dollars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runplane_mcp.core.catalog import ActionInfo
from runplane_mcp.core.facts import FactType
from runplane_mcp.core.money import Money, exponent
from runplane_mcp.core.policy.conditions import Condition, Number
from runplane_mcp.core.policy.document import Place
from runplane_mcp.core.policy.lint.reach import named
from runplane_mcp.core.policy.model import Policy
from runplane_mcp.core.policy.problems import Problems
from runplane_mcp.core.policy.sentences import money_words

#: From this many major units on, in whole hundreds, an amount could be cents. Totals are larger anyway.
_LARGE: Final = 10_000
_LARGE_TOTAL: Final = 50_000
#: A test of the same action with at least this part of the amount says that it is meant.
_NEAR: Final = 10


def cents(policy: Policy, actions: Mapping[str, ActionInfo], problems: Problems) -> None:
    places = exponent(policy.currency)
    if not places:
        return
    unit = 10**places
    for rule in policy.rules:
        for test in (*rule.when, *rule.unless):
            if test.fact.type is FactType.MONEY:
                for number in test.numbers:
                    if _suspicious(number, unit, _LARGE) and _largest(policy, rule.when, actions, 1) * _NEAR < number:
                        _tell(policy, test.place, number, unit, problems)
    for limit in policy.limits:
        total = limit.total or 0
        if _suspicious(total, unit, _LARGE_TOTAL) and _largest(policy, limit.when, actions, None) * _NEAR < total:
            _tell(policy, limit.place, total, unit, problems)
        for test in limit.when:
            for number in test.numbers if test.fact.type is FactType.MONEY else ():
                if _suspicious(number, unit, _LARGE) and _largest(policy, limit.when, actions, 1) * _NEAR < number:
                    _tell(policy, test.place, number, unit, problems)


def _suspicious(minor: Number, unit: int, least: int) -> bool:
    return minor >= least * unit and minor % (unit * unit) == 0


def _largest(policy: Policy, condition: Condition, actions: Mapping[str, ActionInfo], most_times: int | None) -> int:
    """The most money, minor units, that a test of the file gives such a request; a whole sequence where `most_times` is
    None."""
    names = {info.name for info in named(condition, actions)}
    largest = 0
    for test in policy.tests:
        times = test.times if most_times is None else min(test.times, most_times)
        for value in test.given.values() if test.action in names else ():
            if isinstance(value, Money) and value.currency == policy.currency:
                largest = max(largest, value.amount * times)
    return largest


def _tell(policy: Policy, place: Place, minor: Number, unit: int, problems: Problems) -> None:
    shown = money_words(minor, policy.currency)
    cheaper = money_words(int(minor) // unit, policy.currency)
    message = (
        f"Is {shown} meant? Amounts are in whole {policy.currency}, so {int(minor) // unit} is no {cheaper}."
        " If it is, add a test with an amount near it, and this goes away."
    )
    problems.warn(place, "cents", message)
