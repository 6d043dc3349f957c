"""A policy in words: sentences for rules and limits, and each condition with the fact's value and its verdict."""

from __future__ import annotations

from fractions import Fraction

import pytest

from runplane_mcp.core.explain import ConditionTrace, evaluate, value_words
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.policy import load
from runplane_mcp.core.policy.sentences import default_sentences, sentences
from tests.core.policies import HEAD, compiled, decided, facts_of, refund


def said(rule: str, head: str = HEAD) -> str:
    (sentence,) = sentences(load(f"{head}rules:\n  - {{id: a, {rule}}}\n"))
    return sentence


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("when: {action: refunds}, then: allow", "Refunds are allowed unless the risk is critical. (a)"),
        ("when: {action: [refunds, credits]}, then: block", "Refunds or credits are blocked. (a)"),
        (
            "when: {action: payout.create, amount: {between: [5, 10.50]}}, then: require_approval, "
            "from: {group: cfo, people: 2}",
            "When payout.create requests are from $5.00 to $10.50, 2 people of cfo must say yes. (a)",
        ),
        (
            "when: {action: cancellations}, unless: {ends: period_end, mrr_lost: {at_most: 50}}, then: require_approval",
            "Cancellations need one person of finance to say yes, "
            "unless they end with the period and lose at most $50.00 a month. (a)",
        ),
        (
            "when: {disputed: yes, share: {over: 50}, customer: {exists: no}}, then: block",
            "When requests are about a disputed charge and have share over 50 percent and have customer not there, "
            "they are blocked. (a)",
        ),
        (
            "when: {action: {none_in: [refunds]}, weekday: [sat, sun], client: {starts_with: x}}, then: allow",
            "When requests have action none of refunds and have weekday sat or sun "
            "and have client text that starts with x, they are allowed unless the risk is critical. (a)",
        ),
    ],
)
def test_a_rule_is_said_back_as_a_sentence(rule: str, sentence: str) -> None:
    assert sentence == said(rule)


def test_amounts_are_said_in_the_currency_of_the_file() -> None:
    swiss = HEAD.replace("currency: usd", "currency: chf")
    yen = HEAD.replace("currency: usd", "currency: jpy").replace("jpy: 0.0067, ", "")
    rule = "when: {action: refunds, amount: {over: 5000}}, then: block"

    assert "are over 5,000.00 CHF, they" in said(rule, swiss)
    assert "are over ¥5,000, they" in said(rule, yen)


def test_a_limit_is_said_back_as_a_sentence() -> None:
    text = "limits:\n  - {id: a, when: {action: refunds, disputed: true}, per: [customer, agent], at_most: {count: 1}, "
    (sentence,) = sentences(load(f"{HEAD}{text}within: 36h, then: block}}\n"))

    assert (
        "When refunds that are about a disputed charge for one customer and of one agent come to more than "
        "1 request within 36 hours, they are blocked. (a)" == sentence
    )


@pytest.mark.parametrize(
    ("writes", "words"), [("require_approval", "Every write needs one person"), ("block", "Every write is blocked")]
)
def test_what_holds_beside_the_rules_is_said_too(writes: str, words: str) -> None:
    policy = load(f"{HEAD}otherwise: {{reads: block, writes: {writes}, unjudged: require_approval}}\n")
    text = " ".join(default_sentences(policy))

    assert words in text
    assert "Reads are blocked." in text
    assert "critical ones are blocked" in text


BODY = """
rules:
  - {id: large, when: {action: refunds, amount: {over: 500}}, unless: {disputed: false}, then: require_approval}
  - {id: mine, when: {agent: support-bot}, then: allow}
  - {id: risky, when: {risk_level: [medium, high, critical]}, then: block}
limits:
  - {id: hourly, when: {destination: ba_1}, at_most: {count: 3}, within: 1h}
"""


def test_each_condition_is_explained_with_the_value_of_its_fact() -> None:
    policy = compiled(BODY)
    facts = refund(800, amount=UNKNOWN, principal="stdio")
    large, mine, risky, hourly = evaluate(policy, facts, decided(policy, facts).risk)

    assert ("rule", "large", 9, "false") == (large.kind, large.id, large.line, large.applies)
    assert (
        ConditionTrace("when", "action", "refunds", "refund.create, refunds", "true"),
        ConditionTrace("when", "amount", "over $500.00", "unknown", "unknown"),
        ConditionTrace("unless", "disputed", "no", "no", "true"),
    ) == large.tests
    # On stdio an agent's label is only its own word.
    assert ("unknown", "unknown") == (mine.applies, mine.tests[0].verdict)
    assert ("true", "high") == (risky.applies, risky.tests[0].value)
    assert ("limit", "false", "absent") == (hourly.kind, hourly.applies, hourly.tests[0].verdict)


def test_without_a_risk_a_test_of_the_risk_is_absent() -> None:
    *_, risky, _ = evaluate(compiled(BODY), facts_of("balance.retrieve"))

    assert ("false", "absent") == (risky.applies, risky.tests[0].value)


@pytest.mark.parametrize(
    ("rule", "facts", "lacking"),
    [
        ("when: {action: refunds}", {"amount": UNKNOWN}, ("amount",)),
        ("when: {action: refunds, amount: {over: 5}}", {}, ()),
        ("when: {action: refunds}", {"gives_access": True, "bulk": UNKNOWN}, ("bulk", "gives_access")),
        ("when: {action: refunds, bulk: true}", {"bulk": True}, ()),
        ("when: {action: refunds}", {"risk_level": "critical", "risk": 90}, ("risk_level",)),
        ("when: {action: refunds, risk: {under: 95}}", {"risk_level": "critical", "risk": 90}, ()),
        ("when: {action: payouts}", {"amount": UNKNOWN}, ()),
    ],
)
def test_an_allow_rule_that_applies_and_covers_nothing_says_what_it_would_have_to_name(
    rule: str, facts: dict[str, FactValue], lacking: tuple[str, ...]
) -> None:
    policy = compiled(f"rules:\n  - {{id: fine, {rule}, then: allow}}\n")
    (trace,) = evaluate(policy, refund(8) | facts)

    assert lacking == trace.lacking


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Money(65000, "usd"), "$650.00 USD"),
        (True, "yes"),
        (False, "no"),
        (NONE, "none"),
        (UNKNOWN, "unknown"),
        (None, "absent"),
        (frozenset({"b", "a"}), "a, b"),
        (frozenset(), "nothing"),
        (Fraction(25, 2), "12.5"),
        (7, "7"),
    ],
)
def test_values_are_shown_as_people_read_them(value: FactValue | None, words: str) -> None:
    assert words == value_words(value)
