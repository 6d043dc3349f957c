"""A policy said back in words, one sentence for each rule and limit, with who must say yes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from runplane_mcp.core.decision import Need, Outcome
from runplane_mcp.core.facts import FactType
from runplane_mcp.core.money import Money, exponent
from runplane_mcp.core.policy.conditions import Condition, FactTest, Number, Op
from runplane_mcp.core.policy.model import Approval, Limit, Policy, Rule, Writes
from runplane_mcp.core.policy.values import duration_text

_SUBJECTS: Final = {
    "write_offs": "write-offs",
    "bank_details": "changes of bank details",
    "access": "requests that give access",
    "disputes": "answers to disputes",
}
_PER: Final = {
    "principal": "of one agent",
    "customer": "for one customer",
    "destination": "to one destination",
    "account": "on one account",
    "object": "on one object",
}
#: Facts that read better as a verb than as a name: (yes, no).
_VERBS: Final = {
    "business_hours": ("come in business hours", "come outside business hours"),
    "disputed": ("are about a disputed charge", "are not about a disputed charge"),
    "reversible": ("can be undone", "cannot be undone"),
    "destination_paid_before": ("go to a known destination", "go to a new destination"),
    "livemode": ("are about real money", "are not about real money"),
    "bulk": ("act on many things at once", "act on one thing"),
    "gives_access": ("give access", "give no access"),
    "redirects_funds": ("redirect funds", "do not redirect funds"),
    "possible_duplicate": ("may be duplicates", "are no duplicates"),
}
#: What is said after the sentence of a rule or limit in shadow mode.
RECORDED: Final = " It is only recorded, in shadow."
_ENDS: Final = {"now": "end at once", "period_end": "end with the period"}
_COMPARED: Final = {Op.OVER: "over", Op.AT_LEAST: "at least", Op.UNDER: "under", Op.AT_MOST: "at most"}


def sentences(policy: Policy) -> tuple[str, ...]:
    """One sentence for each rule, then for each limit, in the file's order."""
    rules = [_said(rule, rule_sentence(rule, policy.currency)) for rule in policy.rules]
    return (*rules, *(_said(limit, limit_sentence(limit, policy.currency)) for limit in policy.limits))


def _said(part: Rule | Limit, sentence: str) -> str:
    return f"{sentence}{RECORDED if part.shadow else ''} ({part.id})"


def default_sentences(policy: Policy) -> tuple[str, ...]:
    """What holds beside rules and limits."""
    who = need_words(policy.approval.need)
    verdicts = {Outcome.ALLOW: "are allowed", Outcome.REQUIRE_APPROVAL: f"need {who}", Outcome.BLOCK: "are blocked"}
    writes = {
        Writes.BY_RISK: (),
        Writes.REQUIRE_APPROVAL: (f"Every write needs {who} to say yes, unless a rule allows it.",),
        Writes.BLOCK: ("Every write is blocked, unless a rule allows it.",),
    }[policy.otherwise.writes]
    return (
        *writes,
        f"Writes of medium or high risk need {who} to say yes, unless a rule allows them; critical ones are blocked.",
        f"Reads {verdicts[policy.otherwise.reads]}.",
        f"Operations that nobody has judged {verdicts[policy.otherwise.unjudged]}.",
        f"The same payment or destruction again within {duration_text(policy.repeat_window)} needs {who} to say yes.",
    )


def rule_sentence(rule: Rule, currency: str) -> str:
    """`When refunds are over $500.00, one person of finance must say yes.`"""
    subject, predicates = _subject(rule.when), _predicates(rule.when, currency)
    if rule.after is not None:
        which = f"When {subject} {' and '.join(predicates)}, they" if predicates else _capital(subject)
        spared = f", but for those that {' and '.join(_predicates(rule.unless, currency, all_tests=True))}"
        tail = spared if rule.unless else ""
        return f"{which} run after {duration_text(rule.after)} unless somebody stops them{tail}."
    tail = f", unless they {' and '.join(_predicates(rule.unless, currency, all_tests=True))}" if rule.unless else ""
    if predicates:
        return f"When {subject} {' and '.join(predicates)}, {_consequence(rule.then, rule.approval)}{tail}."
    if rule.approval is not None:
        return f"{_capital(subject)} need {need_words(rule.approval.need)} to say yes{tail}."
    verb = "blocked" if rule.then is Outcome.BLOCK else "allowed unless the risk is critical"
    return f"{_capital(subject)} are {verb}{tail}."


def limit_sentence(limit: Limit, currency: str) -> str:
    """`When refunds of one agent come to more than $1,000.00 or 15 requests within 1 hour, …`"""
    whose = " and ".join(_PER[name] for name in limit.per) if limit.per else "of all agents together"
    predicates = _predicates(limit.when, currency)
    which = f" that {' and '.join(predicates)}" if predicates else ""
    consequence = _consequence(limit.then, limit.approval)
    return (
        f"When {_subject(limit.when)}{which} {whose} come to more than {limit_bounds(limit, currency)}, {consequence}."
    )


def limit_bounds(limit: Limit, currency: str) -> str:
    """The maximum and window of a limit: `$1,000.00 or 15 requests within 1 hour`."""
    parts = []
    if limit.total is not None:
        what = " of monthly revenue" if limit.of == "mrr_lost" else ""
        parts.append(f"{money_words(limit.total, currency)}{what}")
    if limit.count is not None:
        parts.append(f"{limit.count} request{'' if limit.count == 1 else 's'}")
    return f"{' or '.join(parts)} within {duration_text(limit.within)}"


def need_words(need: Need) -> str:
    """`one person of finance`, `2 people of finance or leads`."""
    who = " or ".join(sorted(need.groups))
    return f"one person of {who}" if need.people == 1 else f"{need.people} people of {who}"


def money_words(minor: Number, currency: str) -> str:
    """An amount in the policy's own currency: `$500.00`, or `500.00 CHF` where the currency has no symbol."""
    return in_words(currency)(int(minor))


@cache
def in_words(currency: str) -> Callable[[int], str]:
    """`money_words` of one currency, prepared: every recorded decision says how full its limits are."""
    sample = str(Money(0, currency))
    symbol = sample.partition("0")[0]
    code = "" if symbol else f" {currency.upper()}"
    places = exponent(currency)
    unit = 10**places

    def words(minor: int) -> str:
        decimals = f".{minor % unit:0{places}d}" if places else ""
        return f"{symbol}{minor // unit:,}{decimals}{code}"

    return words


def words_of(test: FactTest, currency: str) -> str:
    """What one test compares with, without the name of its fact: `over $500.00`, `one of [mon, tue]`."""
    if test.op is Op.EXISTS:
        return "there" if test.wanted else "not there"
    if test.fact.type is FactType.YES_NO:
        return "yes" if test.wanted else "no"
    if test.fact.type is FactType.MONEY:
        values = [money_words(number, currency) for number in test.numbers]
    else:
        values = [str(number) for number in test.numbers] or list(test.texts)
    unit = " percent" if test.fact.unit == "percent" else ""
    if test.op in _COMPARED:
        return f"{_COMPARED[test.op]} {values[0]}{unit}"
    if test.op is Op.BETWEEN:
        return f"from {values[0]} to {values[1]}{unit}"
    listed = " or ".join(values) + unit
    return {
        Op.NOT_IN: f"not {listed}",
        Op.NONE_IN: f"none of {listed}",
        Op.ALL_IN: f"nothing but {listed}",
        Op.STARTS_WITH: f"text that starts with {listed}",
    }.get(test.op, listed)


def _subject(condition: Condition) -> str:
    for test in condition:
        if test.fact.name == "action" and test.op is Op.ANY_IN:
            return " or ".join(
                _SUBJECTS.get(name, name.replace("_", " ") if "." not in name else f"{name} requests")
                for name in test.texts
            )
    return "requests"


def _predicates(condition: Condition, currency: str, *, all_tests: bool = False) -> list[str]:
    found = []
    for test in condition:
        name = test.fact.name
        if name == "action" and test.op is Op.ANY_IN and not all_tests:
            continue
        words = words_of(test, currency)
        if test.fact.type is FactType.YES_NO and test.op is not Op.EXISTS and name in _VERBS:
            found.append(_VERBS[name][0 if test.wanted else 1])
        elif name == "amount" and test.op is not Op.EXISTS:
            found.append(f"are {words}")
        elif name == "mrr_lost" and test.op is not Op.EXISTS:
            found.append(f"lose {words} a month")
        elif name == "ends" and test.op is Op.IN:
            found.append(" or ".join(_ENDS.get(text, text) for text in test.texts))
        else:
            found.append(f"have {name.replace('_', ' ')} {words}")
    return found


def _consequence(then: Outcome, approval: Approval | None) -> str:
    if then is Outcome.BLOCK:
        return "they are blocked"
    if then is Outcome.ALLOW or approval is None:
        return "they are allowed unless the risk is critical"
    return f"{need_words(approval.need)} must say yes"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
