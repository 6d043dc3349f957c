"""Rules and limits from the nodes of a policy file, and who must say yes."""

from __future__ import annotations

import re
from typing import Final

from runplane_mcp.core.approval import GROUP_ID
from runplane_mcp.core.decision import Need, Outcome, RiskLevel
from runplane_mcp.core.policy import meant, values
from runplane_mcp.core.policy.condition_reader import ConditionReader
from runplane_mcp.core.policy.conditions import Condition, Op
from runplane_mcp.core.policy.document import Entries, Items, Node, Place, Scalar
from runplane_mcp.core.policy.meant import probably
from runplane_mcp.core.policy.model import OF, PER, Approval, Limit, Rule
from runplane_mcp.core.policy.nodes import NodeReader
from runplane_mcp.core.policy.problems import Problems, shown
from runplane_mcp.core.text import visible

#: What votes beside rules and limits, as a test's `by` names it. No rule may take one of these names.
STANDING: Final = frozenset({"risk", "otherwise", "duplicate"})
RULE_KEYS: Final = ("id", "when", "unless", "then", "after", "from", "expires_in", "mode", "why", "tell_agent")
RULE_NEEDS: Final = ("id", "when", "then")
LIMIT_KEYS: Final = ("id", "when", "per", "of", "at_most", "within", "then", "from", "expires_in", "mode", "why",
                     "tell_agent")  # fmt: skip
LIMIT_NEEDS: Final = ("id", "when", "at_most", "within")
MOST_KEYS: Final = ("total", "count")
FROM_KEYS: Final = ("group", "any_of", "people")
#: Whether a rule or limit decides, or is only recorded.
MODES: Final = ("enforce", "shadow")
MOST_TEXT: Final = 400

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class RuleReader(NodeReader):
    """Reads the rules and limits of one file. `approval` is its default, `ids` fills with the names it meets."""

    def __init__(self, problems: Problems, currency: str, approval: Approval) -> None:
        super().__init__(problems)
        self._currency = currency
        self._approval = approval
        self.ids: dict[str, Place] = {}

    def rule(self, node: Node) -> Rule | None:
        found = self.entries(node, "a rule", RULE_KEYS, RULE_NEEDS)
        if found is None:
            return None
        conditions = ConditionReader(self.problems, self._currency)
        name = self._name(found)
        when = conditions.read(found["when"], "when") if "when" in found else ()
        unless = conditions.read(found["unless"], "unless") if "unless" in found else ()
        then = self.option(found, "then", *Outcome)
        approval = self.approval_of(found)
        if then != Outcome.REQUIRE_APPROVAL:
            for key in ("from", "expires_in"):
                if key in found and then is not None:
                    self.add(found[key].place, "value", f"`{key}` belongs to `then: require_approval`: remove it.")
        after = self._after(found, then)
        loosens = then == Outcome.ALLOW and "after" not in found
        self._check_risk(when, upwards=not loosens)
        self._check_risk(unless, upwards=loosens)
        shadow = self._shadow(found)
        if name is None or not when or then is None:
            return None
        asks = then == Outcome.REQUIRE_APPROVAL
        why, tell = self._words(found, "why"), self._words(found, "tell_agent")
        return Rule(
            name, node.place, when, unless, Outcome(then), approval if asks else None, why, tell, after, shadow=shadow
        )

    def limit(self, node: Node) -> Limit | None:
        found = self.entries(node, "a limit", LIMIT_KEYS, LIMIT_NEEDS)
        if found is None:
            return None
        name = self._name(found)
        conditions = ConditionReader(self.problems, self._currency)
        when = conditions.read(found["when"], "when", limit=True) if "when" in found else ()
        per = tuple(sorted({*self._per(found)}))
        of = self.option(found, "of", *OF) or "amount"
        total, count = self._at_most(found)
        within = self._within(found)
        then = self.option(found, "then", Outcome.REQUIRE_APPROVAL, Outcome.BLOCK) or Outcome.REQUIRE_APPROVAL.value
        approval = self.approval_of(found)
        if name is None or not when or within is None or (total is None and count is None):
            return None
        why, tell = self._words(found, "why"), self._words(found, "tell_agent")
        return Limit(
            name, node.place, when, per, of, total, count, within, Outcome(then), approval, why=why, tell_agent=tell,
            shadow=self._shadow(found),
        )  # fmt: skip

    def _after(self, found: dict[str, Node], then: str | None) -> int | None:
        """Seconds that what a rule allows is held back."""
        if "after" not in found:
            return None
        if then is not None and then != Outcome.ALLOW:
            self.add(found["after"].place, "value", "`after` belongs to `then: allow`: remove it, or allow.")
        return self.one(found["after"], "after", lambda text: values.duration(text, values.MINUTE, 7 * values.DAY))

    def _shadow(self, found: dict[str, Node]) -> bool:
        return self.option(found, "mode", *MODES) == "shadow"

    def _per(self, found: dict[str, Node]) -> list[str]:
        names = []
        for each in self.several(found["per"], "per") if "per" in found else ():
            if each.text in PER:
                # Limits are kept by who is accountable: a label can be changed by whoever starts the process.
                names.append("principal" if each.text == "agent" else each.text)
            else:
                self.problems.add_unknown(each.place, "unknown_key", each.text, "something to count by", PER)
        return names

    def _at_most(self, found: dict[str, Node]) -> tuple[int | None, int | None]:
        if "at_most" not in found:
            return None, None
        most = self.entries(found["at_most"], "at_most", MOST_KEYS)
        if most is None:
            return None, None
        total = (
            self.one(most["total"], "total", lambda text: values.money(text, self._currency))
            if "total" in most
            else None
        )
        count = self.one(most["count"], "count", lambda text: values.whole(text, 1, 10**6)) if "count" in most else None
        if total == 0:
            self.add(most["total"].place, "value", "a limit of 0 allows nothing: write a rule with `then: block`.")
            return None, None
        if not most:
            self.add(found["at_most"].place, "empty", "at_most has neither `total` nor `count`: add one.")
        return total, count

    def _within(self, found: dict[str, Node]) -> int | None:
        if "within" not in found:
            return None
        return self.one(found["within"], "within", lambda text: values.duration(text, values.MINUTE))

    def approval_of(self, found: dict[str, Node]) -> Approval:
        need, expires_in = self._approval.need, self._approval.expires_in
        if "from" in found:
            need = self._need(found["from"]) or need
        if "expires_in" in found:
            expiry = self.one(found["expires_in"], "expires_in", lambda text: values.duration(text, values.MINUTE))
            expires_in = expiry or expires_in
        return Approval(need, expires_in)

    def _need(self, node: Node) -> Need | None:
        if isinstance(node, Scalar):
            group = self.one(node, "from", _group)
            return None if group is None else Need(frozenset({group}))
        if isinstance(node, Items):
            self.add(
                node.place, "type", f"from is a list. For any of several groups write {{any_of: {_listed(node)}}}."
            )
            return None
        found = self.entries(node, "from", FROM_KEYS)
        if found is None:
            return None
        if ("group" in found) == ("any_of" in found):
            if isinstance(node, Entries) and any(key.text not in FROM_KEYS for key, _ in node.entries):
                return None  # said already, with what was meant
            self.add(node.place, "value", "from takes either `group: finance` or `any_of: [finance, leads]`.")
            return None
        named = self.several(found.get("group") or found["any_of"], "the groups")
        groups = [group for each in named if (group := self.one(each, "a group", _group)) is not None]
        people = self.one(found["people"], "people", lambda text: values.whole(text, 1, 10)) if "people" in found else 1
        if "group" in found and len(groups) > 1:
            several = ", ".join(groups)
            self.add(node.place, "value", f"`group` takes one group; for several write {{any_of: [{several}]}}.")
        return Need(frozenset(groups), people) if groups and people is not None else None

    def _name(self, found: dict[str, Node]) -> str | None:
        node = found.get("id")
        name = None if node is None else self.one(node, "id", _identifier)
        if node is None or name is None:
            return None
        if name in self.ids:
            line = self.ids[name].line
            self.add(node.place, "duplicate_id", f"{shown(name)} is already the id in line {line}: write another.")
        self.ids.setdefault(name, node.place)
        return name

    def _words(self, found: dict[str, Node], name: str) -> str | None:
        return self.one(found[name], name, sentence_text) if name in found else None

    def _check_risk(self, condition: Condition, *, upwards: bool) -> None:
        """A rule may not let go when the risk grows, or a limit added, or a look-up that failed, could loosen something."""
        for test in condition:
            if test.fact.name not in ("risk", "risk_level") or test.op is Op.EXISTS:
                continue
            if test.fact.name == "risk":
                fits = test.op in ((Op.OVER, Op.AT_LEAST) if upwards else (Op.UNDER, Op.AT_MOST))
                hint = "{at_least: 60}" if upwards else "{under: 30}"
            else:
                levels = [level.value for level in RiskLevel]
                holds = [(level in test.texts) is (test.op is Op.IN) for level in levels]
                fits = test.op is not Op.STARTS_WITH and holds == sorted(holds, reverse=not upwards)
                hint = "[high, critical]" if upwards else "[low, medium]"
            if not fits:
                where = "from some risk on" if upwards else "up to some risk"
                self.add(test.place, "condition", f"A test of {test.fact.name} holds {where} here, such as {hint}.")


def _listed(node: Items) -> str:
    names = [each.text for each in node.items if isinstance(each, Scalar)]
    return f"[{', '.join(map(visible, names[:4])) or 'finance, leads'}]"


def _group(text: str) -> str:
    if GROUP_ID.fullmatch(text):
        return text
    how = "a group's name has small letters, digits and . _ - only"
    if "@" in text:
        raise ValueError(
            f"{how}; people are not named here: `runplane people add NAME --group finance` puts them in a group"
        )
    raise ValueError(probably(how, meant.groups(text)))


def _identifier(text: str) -> str:
    if text in STANDING:
        raise ValueError(
            f"{', '.join(sorted(STANDING))} are names of Runplane's own; write another, such as {text}-rule"
        )
    if _ID.fullmatch(text):
        return text
    how = "an id has small letters, digits, - and _ only, such as large-refunds"
    raise ValueError(probably(how, meant.identifier(text)))


def sentence_text(text: str) -> str:
    """Words for people, in one line. Nothing hidden, since they stand on cards and in answers to agents."""
    line = " ".join(text.split())
    if visible(line, MOST_TEXT) != line:
        raise ValueError(f"write at most {MOST_TEXT} characters, none of them hidden")
    return line
