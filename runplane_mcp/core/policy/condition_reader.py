"""`when` and `unless` from the nodes of a policy file. Every mistake becomes a problem with its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from runplane_mcp.core.facts import GROUPS, REGISTRY, TESTS, Fact, FactType
from runplane_mcp.core.policy import meant, misplaced, values
from runplane_mcp.core.policy.conditions import Condition, FactTest, Number, Op
from runplane_mcp.core.policy.document import Entries, Items, Node, Place, Scalar
from runplane_mcp.core.policy.nodes import NodeReader
from runplane_mcp.core.policy.problems import Problems, nearest, shown

ACTION_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+")
_LISTS: Final = frozenset({Op.IN, Op.NOT_IN, Op.ANY_IN, Op.ALL_IN, Op.NONE_IN, Op.BETWEEN, Op.STARTS_WITH})
_LOWER: Final = frozenset({Op.OVER, Op.AT_LEAST})
_UPPER: Final = frozenset({Op.UNDER, Op.AT_MOST})


class ConditionReader(NodeReader):
    """Reads conditions of one file. `currency` is the file's own, in which its amounts are written."""

    def __init__(self, problems: Problems, currency: str) -> None:
        super().__init__(problems)
        self._currency = currency

    def read(self, node: Node, key: str, *, limit: bool = False) -> Condition:
        """The tests of a `when` or `unless`, empty where there was a problem. `limit`: the risk cannot be tested, since
        the risk is computed from how full the limits are."""
        if not isinstance(node, Entries) or not node.entries:
            if isinstance(node, Scalar) and not node.empty:
                found, such = f"is {shown(node.text)}", node.text if node.text in GROUPS else "refunds"
            else:
                found, such = "is a list" if isinstance(node, Items) and node.items else "is empty", "refunds"
            self.add(node.place, "condition", f"`{key}` {found}. Write tests, such as {{action: {such}}}.")
            return ()
        tests: list[FactTest] = []
        seen: set[str] = set()
        for name, value in node.entries:
            fact = REGISTRY.get(name.text)
            if fact is None:
                self._unknown_fact(name)
            elif name.text in seen:
                self.add(name.place, "duplicate_key", f"{shown(name.text)} stands twice here: put its tests together.")
            elif limit and name.text in {"risk", "risk_level"}:
                self.add(name.place, "condition", "A limit cannot test the risk: the risk depends on the limits.")
            else:
                tests += self._tests(fact, value, name.place)
            seen.add(name.text)
        return tuple(tests)

    def _unknown_fact(self, name: Scalar) -> None:
        hint = misplaced.in_condition(name.text)
        if hint is None:
            self.problems.add_unknown(name.place, "unknown_fact", name.text, "a fact", REGISTRY.keys())
        else:
            self.add(name.place, "unknown_fact", f"{shown(name.text)} is not a fact. {hint}")

    def _tests(self, fact: Fact, node: Node, place: Place) -> list[FactTest]:
        if isinstance(node, Entries):
            return self._operations(fact, node)
        if fact.type is FactType.YES_NO:
            wanted = self.one(node, fact.name, values.yes_no)
            return [] if wanted is None else [FactTest(fact, Op.IN, place, wanted=wanted)]
        return self._test(fact, Op.ANY_IN if fact.type is FactType.SET else Op.IN, node, place)

    def _operations(self, fact: Fact, node: Entries) -> list[FactTest]:
        tests: list[FactTest] = []
        allowed = TESTS[fact.type]
        seen: set[str] = set()
        if not node.entries:
            self.add(node.place, "empty", f"{fact.name} has no test. Write one of: {', '.join(allowed)}.")
        for name, value in node.entries:
            if name.text not in allowed:
                self._unknown_test(fact, name, allowed)
            elif name.text in seen:
                self.add(name.place, "duplicate_key", f"{shown(name.text)} stands twice here: write it once.")
            else:
                tests += self._test(fact, Op(name.text), value, name.place)
            seen.add(name.text)
        self._refuse_empty_range(tests)
        return tests

    def _unknown_test(self, fact: Fact, name: Scalar, allowed: tuple[str, ...]) -> None:
        what = f"a test for {fact.name}, which is {fact.type.value}"
        op = misplaced.op_meant(name.text, allowed)
        if op is not None:
            self.add(name.place, "unknown_test", f"{shown(name.text)} is not {what}. Did you mean {op}?")
        elif fact.type is FactType.MONEY and name.text.isdigit():
            # `{over: 1,500}` is two keys to YAML.
            hint = "An amount has no separators: write 1500 for 1,500."
            self.add(name.place, "unknown_test", f"{shown(name.text)} is not {what}. {hint}")
        else:
            self.problems.add_unknown(name.place, "unknown_test", name.text, what, allowed)

    def _test(self, fact: Fact, op: Op, node: Node, place: Place) -> list[FactTest]:
        if op is Op.EXISTS:
            wanted = self.one(node, "exists", values.yes_no)
            return [] if wanted is None else [FactTest(fact, op, place, wanted=wanted)]
        if isinstance(node, Items) and op not in _LISTS:
            self.add(node.place, "type", f"`{op.value}` takes one plain value.")
            return []
        found = self.several(node, fact.name)
        if not found:
            return []
        if op is Op.BETWEEN and len(found) != 2:
            self.add(node.place, "condition", "`between` takes its two ends, both included: [100, 500].")
            return []
        if fact.type in (FactType.NUMBER, FactType.MONEY):
            numbers = [self.one(each, fact.name, self._number_of(fact)) for each in found]
            kept = tuple(number for number in numbers if number is not None)
            return [FactTest(fact, op, place, numbers=kept)] if len(kept) == len(numbers) else []
        texts = tuple(self._text(each, fact, op) for each in found)
        return [] if None in texts else [FactTest(fact, op, place, texts=tuple(each for each in texts if each))]

    def _number_of(self, fact: Fact) -> Callable[[str], Number]:
        if fact.type is FactType.MONEY:
            return lambda text: values.money(text, self._currency)
        return lambda text: plain_number(_within(fact, values.number(text)))

    def _text(self, scalar: Scalar, fact: Fact, op: Op) -> str | None:
        text = scalar.text
        if fact.name == "action":
            if text in GROUPS or ACTION_NAME.fullmatch(text):
                return text
            self._unknown_action(scalar)
            return None
        if fact.name == "currency":
            return self.currency_of(scalar, "a currency of Stripe")
        if fact.type is FactType.DATE:
            day = self.one(scalar, fact.name, values.day)
            return None if day is None else day.isoformat()
        if fact.choices and op is not Op.STARTS_WITH and text not in fact.choices:
            days = meant.days_between(text) if fact.name == "weekday" else None
            hint = f"Did you mean {days}?" if days else nearest(text, fact.choices)
            self.add(scalar.place, "value", f"{fact.name} is never {shown(text)}. {hint}")
            return None
        return text

    def _unknown_action(self, scalar: Scalar) -> None:
        guess = meant.action(scalar.text)
        if guess is None:
            what = "an action or a group of actions"
            self.problems.add_unknown(scalar.place, "unknown_action", scalar.text, what, GROUPS)
        else:
            message = f"{shown(scalar.text)} is not an action or a group of actions. {guess}"
            self.add(scalar.place, "unknown_action", message)

    def _refuse_empty_range(self, tests: list[FactTest]) -> None:
        for low in tests:
            ends = low.numbers or low.texts
            if low.op is Op.BETWEEN and sorted(ends[:2], key=_comparable) != list(ends[:2]):
                self.add(low.place, "never", "`between` starts with the smaller end; so this can never hold.")
            for high in tests if low.op in _LOWER else ():
                if high.op not in _UPPER:
                    continue
                one, other = _comparable((low.numbers or low.texts)[0]), _comparable((high.numbers or high.texts)[0])
                open_end = low.op is Op.OVER or high.op is Op.UNDER
                if one > other or (one == other and open_end):
                    self.add(low.place, "never", f"{low.fact.name} cannot be both, so this condition can never hold.")


def _within(fact: Fact, number: Fraction) -> Fraction:
    """What lies beyond a fact's own range would be compared for nothing."""
    least, to, most = fact.unit.partition(" to ")
    if to and not int(least) <= number <= int(most):
        raise ValueError(f"{fact.name} is from {least} to {most}")
    return number


def plain_number(value: Fraction) -> Number:
    """Whole numbers as int: comparing them is many times faster."""
    return value.numerator if value.denominator == 1 else value


def _comparable(end: str | Number) -> tuple[Fraction, str]:
    return (Fraction(0), end) if isinstance(end, str) else (Fraction(end), "")
