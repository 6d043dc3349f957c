"""The `tests` of a policy file: what is given, what must come out."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime
from typing import Final

from runplane_mcp.core.decision import Verdict
from runplane_mcp.core.facts import GROUPS, NONE, REGISTRY, UNKNOWN, Fact, FactType, FactValue
from runplane_mcp.core.hours import Calendar
from runplane_mcp.core.money import CURRENCIES, Money
from runplane_mcp.core.policy import values
from runplane_mcp.core.policy.condition_reader import ACTION_NAME, plain_number
from runplane_mcp.core.policy.document import Entries, Node, Scalar
from runplane_mcp.core.policy.model import PolicyTest
from runplane_mcp.core.policy.nodes import NodeReader, choice
from runplane_mcp.core.policy.problems import Problems, nearest, shown
from runplane_mcp.core.text import visible

MOST_TIMES: Final = 1000
#: The risk comes out of a decision, so that a test cannot give it.
GIVEN: Final = tuple(name for name in REGISTRY if name not in {"risk", "risk_level"})
GIVEN_KEYS: Final = (*GIVEN, "at", "times", "every")
TEST_KEYS: Final = ("it", "given", "then", "by")
TEST_NEEDS: Final = ("it", "given", "then")


class PolicyTestReader(NodeReader):
    """`names`: what a test's `by` may name."""

    def __init__(self, problems: Problems, currency: str, calendar: Calendar, names: Set[str]) -> None:
        super().__init__(problems)
        self._currency = currency
        self._calendar = calendar
        self._names = names

    def read(self, node: Node) -> PolicyTest | None:
        found = self.entries(node, "a test", TEST_KEYS, TEST_NEEDS)
        if found is None or not set(TEST_NEEDS) <= found.keys():
            return None
        it = self.one(found["it"], "it", _title)
        given = self.entries(found["given"], "given", GIVEN_KEYS)
        if given is None:
            return None
        times = self._times(given)
        each = isinstance(who := given.get("customer"), Scalar) and who.text == "each"
        if each and times is not None and "times" not in given:
            self.add(given["customer"].place, "value", "`customer: each` belongs to a sequence: add `times`.")
        every = self._every(given, times or 1)
        action, facts = self._action(given, found["given"]), self._facts(given, each=each)
        at = self._at(given)
        expected = self._expected(found["then"], times or 1)
        by = self._by(found)
        if it is None or times is None or every is None or expected is None:
            return None
        return PolicyTest(it, node.place, action, facts, at, times, every, each, expected, by)

    def _times(self, given: dict[str, Node]) -> int | None:
        if "times" not in given:
            return 1
        return self.one(given["times"], "times", lambda text: values.whole(text, 1, MOST_TIMES))

    def _every(self, given: dict[str, Node], times: int) -> int | None:
        if "every" in given:
            return self.one(given["every"], "every", values.duration)
        if times > 1:
            self.add(given["times"].place, "missing", "A sequence needs `every`: how long from one to the next.")
        return 0

    def _action(self, given: dict[str, Node], whole: Node) -> str | None:
        node = given.get("action")
        if node is None:
            known = given.get("known")
            if not (isinstance(known, Scalar) and known.text.lower() in ("false", "no")):
                self.add(whole.place, "missing", "given has no `action`: add one, such as refund.create.")
            return None
        text = self.one(node, "action", str)
        if text is None or ACTION_NAME.fullmatch(text):
            return text
        hint = (
            "a group is not one action; write one, such as refund.create" if text in GROUPS else "write resource.verb"
        )
        self.add(node.place, "unknown_action", f"action is {shown(text)}: {hint}.")
        return None

    def _facts(self, given: dict[str, Node], *, each: bool) -> dict[str, FactValue]:
        facts: dict[str, FactValue] = {}
        currency = self._currency
        if "currency" in given and isinstance(node := given["currency"], Scalar) and node.text.lower() in CURRENCIES:
            currency = node.text.lower()
        for name, node in given.items():
            if name in ("action", "at", "times", "every") or (name == "customer" and each):
                continue
            value = self._value(REGISTRY[name], node, currency)
            if value is not None:
                facts[name] = value
        return facts

    def _value(self, fact: Fact, node: Node, currency: str) -> FactValue | None:
        """The value of one given fact; `unknown` and `none` (not between quotes) are the two ways of having none."""
        if isinstance(node, Scalar) and node.plain and node.text in ("unknown", "none"):
            return UNKNOWN if node.text == "unknown" else NONE
        match fact.type:
            case FactType.SET:
                texts = self.several(node, fact.name)
                return frozenset(each.text for each in texts) if texts else None
            case FactType.MONEY:
                minor = self.one(node, fact.name, lambda text: values.money(text, currency))
                return None if minor is None else Money(minor, currency)
            case FactType.NUMBER:
                return self.one(node, fact.name, lambda text: plain_number(values.number(text)))
            case FactType.YES_NO:
                return self.one(node, fact.name, values.yes_no)
            case FactType.DATE:
                day = self.one(node, fact.name, values.day)
                return None if day is None else day.isoformat()
            case FactType.TEXT:
                return self._text(fact, node)

    def _text(self, fact: Fact, node: Node) -> str | None:
        text = self.one(node, fact.name, str)
        if text is None:
            return None
        if fact.name == "currency" and isinstance(node, Scalar):
            return self.currency_of(node, "a currency of Stripe")
        if fact.choices and text not in fact.choices:
            self.add(node.place, "value", f"{fact.name} is never {shown(text)}. {nearest(text, fact.choices)}")
        return text

    def _at(self, given: dict[str, Node]) -> datetime | None:
        if "at" not in given:
            return None
        at = self.one(given["at"], "at", values.local_time)
        if at is not None:
            try:
                self._calendar.instant(at)
            except ValueError as error:
                self.add(given["at"].place, "value", f"at is {at:%Y-%m-%d %H:%M}: {error}.")
        return at

    def _expected(self, node: Node, times: int) -> dict[Verdict, int] | None:
        if not isinstance(node, Entries):
            verdict = self.one(node, "then", choice(*Verdict))
            return None if verdict is None else {Verdict(verdict): times}
        found = self.entries(node, "then", tuple(Verdict)) or {}
        counts: dict[Verdict, int] = {}
        for name, value in found.items():
            count = self.one(value, name, lambda text: values.whole(text, 0, MOST_TIMES))
            if count is None:
                return None
            counts[Verdict(name)] = count
        if sum(counts.values()) != times:
            total = sum(counts.values())
            total_words = f"then counts {total} outcomes, but given makes {times} requests: they are the same number."
            self.add(node.place, "value", total_words)
            return None
        return counts

    def _by(self, found: dict[str, Node]) -> tuple[str, ...]:
        names = []
        for each in self.several(found["by"], "by") if "by" in found else ():
            if each.text in self._names:
                names.append(each.text)
            else:
                self.problems.add_unknown(
                    each.place, "unknown_key", each.text, "a rule or limit of this file", self._names
                )
        return tuple(names)


def _title(text: str) -> str:
    line = " ".join(text.split())
    if not line or visible(line) != line:
        raise ValueError("write one short sentence without hidden characters")
    return line
