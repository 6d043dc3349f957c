"""A slow evaluator of policies, written to be obviously right: straight from the words of the design, over plain values.

It takes the policy as the mapping that was written, not as the loader read it, and shares no code with the compiled one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from runplane_mcp.core.facts import NONE
from runplane_mcp.core.money import LARGEST_AMOUNT, Money

TRUE, FALSE, MAYBE = "true", "false", "unknown"
STRICT = ["allow", "allow_after", "require_approval", "block"]
DECIMALS = {"usd": 2, "eur": 2, "jpy": 0, "kwd": 3, "sek": 2}
KINDS = {
    "amount": "money",
    "amount_on_object": "money",
    "mrr_lost": "money",
    "share": "number",
    "hour": "number",
    "risk": "number",
    "action": "set",
    "disputed": "yes/no",
    "bulk": "yes/no",
    "business_hours": "yes/no",
    "destination_paid_before": "yes/no",
}


class Reference:
    """`written` is the policy as plain mappings; amounts are decimals in usd."""

    def __init__(self, written: Mapping[str, Any], facts: Mapping[str, Any], score: int, level: str) -> None:
        self.written = written
        self.facts = {**facts, "risk": score, "risk_level": level}
        self.level = level

    # -- values ----------------------------------------------------------------------------------------------------

    def dollars(self, money: Money) -> Fraction | None:
        if not 0 <= money.amount <= LARGEST_AMOUNT:
            return None
        major = Fraction(money.amount, 10 ** DECIMALS[money.currency])
        if money.currency == "usd":
            return major
        rates = self.written["rates"]
        day = self.facts.get("date")
        if money.currency not in rates or not isinstance(day, str):
            return None
        if (date.fromisoformat(day) - date.fromisoformat(rates["as_of"])).days > 90:
            return None
        return major * Fraction(rates[money.currency])

    def value(self, name: str) -> Any:
        """The fact as something to compare, or None for unknown."""
        value = self.facts[name]
        kind = KINDS.get(name, "text")
        if kind == "money":
            return self.dollars(value) if isinstance(value, Money) else None
        fits = {
            "number": isinstance(value, int | Fraction) and not isinstance(value, bool),
            "set": isinstance(value, frozenset),
            "yes/no": isinstance(value, bool),
            "text": isinstance(value, str),
        }[kind]
        return value if fits else None

    # -- conditions ------------------------------------------------------------------------------------------------

    def test(self, name: str, op: str, operand: Any, trusting: bool) -> str:
        if trusting and name == "agent" and self.facts["principal"] == "stdio":
            return MAYBE
        if name not in self.facts:
            return FALSE
        if self.facts[name] is NONE:
            return TRUE if op == "exists" and not operand else FALSE
        value = self.value(name)
        if value is None:
            return MAYBE
        return TRUE if self.compare(KINDS.get(name, "text"), value, op, operand) else FALSE

    def compare(self, kind: str, value: Any, op: str, operand: Any) -> bool:
        if op == "exists":
            return bool(operand)
        many = operand if isinstance(operand, list) else [operand]
        if kind in ("money", "number"):
            many = [Fraction(each) for each in many]
        if op in ("any_in", "all_in", "none_in"):
            found = [each in many for each in value]
            return {"any_in": any(found), "all_in": all(found), "none_in": not any(found)}[op]
        if op == "is":
            return any(each in value for each in many) if kind == "set" else value in many
        if op in ("in", "not_in"):
            return (value in many) is (op == "in")
        if op == "starts_with":
            return str(value).startswith(many[0])
        if op == "between":
            return bool(many[0] <= value <= many[1])
        return bool(
            {
                "over": value > many[0],
                "at_least": value >= many[0],
                "under": value < many[0],
                "at_most": value <= many[0],
            }[op]
        )

    def condition(self, when: Mapping[str, Any], trusting: bool) -> str:
        found = []
        for name, tests in when.items():
            pairs = tests.items() if isinstance(tests, Mapping) else [("is", tests)]
            found += [self.test(name, op, operand, trusting) for op, operand in pairs]
        if FALSE in found:
            return FALSE
        return MAYBE if MAYBE in found else TRUE

    def votes(self, rule: Mapping[str, Any]) -> str:
        return "allow_after" if "after" in rule else str(rule["then"])

    def rule(self, rule: Mapping[str, Any]) -> bool:
        """Whether it applies, an `allow` rule's coverage left out."""
        allows = self.votes(rule) == "allow"
        when = self.condition(rule["when"], trusting=allows)
        unless = self.condition(rule["unless"], trusting=True) if "unless" in rule else FALSE
        if allows:
            return when == TRUE and unless == FALSE
        return when != FALSE and unless != TRUE

    # -- limits ----------------------------------------------------------------------------------------------------

    def limit(self, limit: Mapping[str, Any], usage: Mapping[str, Any]) -> str | None:
        """`usage`: count, totals, waiting_count, waiting_totals. The limit's vote, or None."""
        if self.condition(limit["when"], trusting=False) == FALSE:
            return None
        then = limit.get("then", "require_approval")
        own_unknown = self.unknown_key(limit) or ("total" in limit["at_most"] and self.own(limit) is None)
        everything = self.over(limit, usage["count"], usage["totals"])
        if own_unknown:
            return str(then)
        if everything == TRUE and then == "block" and "agent" not in self.per(limit):
            rest = {code: amount - usage["waiting_totals"].get(code, 0) for code, amount in usage["totals"].items()}
            without = self.over(limit, usage["count"] - usage["waiting_count"], rest)
            return "block" if without == TRUE else "require_approval"
        if everything == TRUE:
            return str(then)
        return "require_approval" if everything == MAYBE else None

    def per(self, limit: Mapping[str, Any]) -> list[str]:
        per = limit.get("per", [])
        return per if isinstance(per, list) else [per]

    def unknown_key(self, limit: Mapping[str, Any]) -> bool:
        for name in self.per(limit):
            name = "principal" if name == "agent" else name
            value = self.facts.get(name, NONE)
            if name == "customer" and value is NONE:
                value = self.facts.get("guest", NONE)
            if value is not NONE and not isinstance(value, str):
                return True
        return False

    def own(self, limit: Mapping[str, Any]) -> Fraction | None:
        value = self.facts.get(limit.get("of", "amount"), NONE)
        if value is NONE:
            return Fraction(0)
        return self.dollars(value) if isinstance(value, Money) else None

    def over(self, limit: Mapping[str, Any], count: int, totals: Mapping[str, int]) -> str:
        most = limit["at_most"]
        if "count" in most and count + 1 > most["count"]:
            return TRUE
        if "total" not in most:
            return FALSE
        total = self.own(limit) or Fraction(0)
        complete = True
        for currency, amount in totals.items():
            rate = Fraction(1) if currency == "usd" else None
            if currency != "usd":
                one = self.dollars(Money(10 ** DECIMALS[currency], currency))
                rate = one
            if rate is None:
                complete = complete and amount == 0
            else:
                total += Fraction(amount, 10 ** DECIMALS[currency]) * rate
        if total > Fraction(most["total"]):
            return TRUE
        return FALSE if complete else MAYBE

    # -- the decision ----------------------------------------------------------------------------------------------

    def outcome(self, usages: Sequence[Mapping[str, Any]]) -> tuple[str, set[str], set[str]]:
        """The strictest vote, the ids of the rules and limits that applied, and of those that only would have: in shadow
        mode. `usages` one for each limit."""
        applied: dict[str, str] = {}
        shadow: set[str] = set()
        for limit, usage in zip(self.written.get("limits", []), usages, strict=True):
            vote = self.limit(limit, usage)
            if vote is not None and limit.get("mode") == "shadow":
                shadow.add(limit["id"])
            elif vote is not None:
                applied[limit["id"]] = vote
        covered = False
        for rule in self.written.get("rules", []):
            vote = self.votes(rule)
            if not self.rule(rule) or (vote == "allow" and not self.covers(rule)):
                continue
            if rule.get("mode") == "shadow":
                shadow.add(rule["id"])
                continue
            applied[rule["id"]] = vote
            covered = covered or vote == "allow"
        votes = ["allow", *applied.values(), *self.standing(covered)]
        return max(votes, key=STRICT.index), set(applied), shadow

    def covers(self, rule: Mapping[str, Any]) -> bool:
        named = set(rule["when"])
        for name in ("amount", "amount_on_object", "mrr_lost", "platform_loss"):
            value = self.facts.get(name, NONE)
            unknown = value is not NONE and not (isinstance(value, Money) and self.dollars(value) is not None)
            if unknown and name not in named:
                return False
        for name in ("gives_access", "redirects_funds", "bulk"):
            if self.facts.get(name, False) not in (False, NONE) and name not in named:
                return False
        return self.level != "critical" or bool(named & {"risk", "risk_level"})

    def vouched(self) -> bool:
        """Whether an `allow` rule that holds names the very action."""
        plain = [rule for rule in self.written.get("rules", []) if self.votes(rule) == "allow"]
        allow = [rule for rule in plain if rule.get("mode") != "shadow" and self.rule(rule)]
        return any(
            each in self.facts["action"] and "." in each
            for rule in allow
            for named in [rule["when"].get("action", [])]
            for each in ([named] if isinstance(named, str) else named if isinstance(named, list) else [])
        )

    def standing(self, covered: bool) -> list[str]:
        otherwise = {"reads": "allow", "writes": "by_risk", "unjudged": "block", **self.written.get("otherwise", {})}
        write = self.facts["kind"] == "write"
        votes = []
        if self.facts["known"] is not True:
            votes.append("block")
        elif self.facts["judged"] is not True:
            votes.append("require_approval" if self.vouched() else otherwise["unjudged"])
        amount = self.facts.get("amount", NONE)
        if write and amount is not NONE and not (isinstance(amount, Money) and self.dollars(amount) is not None):
            votes.append("require_approval")
        if self.facts.get("possible_duplicate", False) not in (False, NONE):
            votes.append("require_approval")
        if not covered:
            votes.append(otherwise["writes"] if write else otherwise["reads"])
            votes.append({"low": "allow", "critical": "block"}.get(self.level, "require_approval"))
        return [vote for vote in votes if vote != "by_risk"]
