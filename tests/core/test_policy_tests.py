"""The tests that a policy file carries, sequences among them, and the file that is shipped."""

from __future__ import annotations

import pytest

from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.compile import compile_policy
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.policy import load
from runplane_mcp.core.policy.sentences import default_sentences, sentences
from runplane_mcp.core.policy_tests import TestResult, run_tests
from tests.core.policies import ACTIONS, HEAD, SHIPPED, decided, facts_of, refund

BODY = """
rules:
  - {id: large, when: {action: refunds, amount: {over: 500}}, then: require_approval}
  - {id: night, when: {action: payouts, business_hours: false}, then: block}
  - {id: mine, when: {action: refunds, agent: my-bot}, then: allow}
limits:
  - {id: hourly, when: {action: refunds}, per: agent, at_most: {total: 1000, count: 4}, within: 1h}
"""


def results(*tests: str, body: str = BODY) -> list[TestResult]:
    text = HEAD + body + "tests:\n" + "".join(f"  - {test}\n" for test in tests)
    return list(run_tests(load(text, known_actions=ACTIONS), ACTIONS))


def result(given: str, then: str, by: str = "", body: str = BODY) -> TestResult:
    (found,) = results(f"{{it: holds, given: {{{given}}}, then: {then}{f', by: [{by}]' if by else ''}}}", body=body)
    return found


@pytest.mark.parametrize(
    ("given", "then", "by"),
    [
        ("action: refund.create, amount: 40", "allow", "risk"),
        ("action: refund.create, amount: 501", "require_approval", "large"),
        ("action: refund.create, amount: unknown", "require_approval", "large, hourly, otherwise"),
        ("action: refund.create, amount: 455, currency: eur", "require_approval", "large"),
        ("action: refund.create, amount: 454, currency: eur", "allow", ""),
        ("action: refund.create, amount: 5, currency: sek", "require_approval", ""),
        ("action: refund.create, amount: 5, currency: eur, at: 2026-07-01 12:00", "require_approval", "otherwise"),
        ("action: credit_note.create, amount: 501", "require_approval", "large"),
        ("action: payout.create, amount: 5, at: 2026-03-03 02:00", "block", "night"),
        ("action: payout.create, amount: 5, at: 2026-03-07 12:00", "block", "night"),
        ("action: payout.create, amount: 5", "require_approval", "risk"),
        ("action: refund.create, amount: 400, at: 2026-03-03 20:00", "require_approval", "risk"),
        ("action: refund.create, amount: 400, at: 2026-03-03 20:00, agent: my-bot", "allow", "mine"),
        ("action: refund.create, amount: 5, possible_duplicate: true", "require_approval", "duplicate"),
        ("action: refund.create, amount: 5, customer: none, guest: unknown", "allow", ""),
        ("action: balance.retrieve", "allow", "otherwise"),
        ("known: false", "block", "otherwise"),
        ("action: refund.create, amount: 40, judged: false", "block", ""),
    ],
)
def test_a_test_decides_as_the_policy_does(given: str, then: str, by: str) -> None:
    """THREATS 1, 5, 16, 17 in the policy file's own tests."""
    found = result(given, then, by)

    assert found.passed, found


def test_a_test_that_fails_says_what_came_out_and_by_what() -> None:
    outcome = result("action: refund.create, amount: 501", "allow", "night")

    assert not outcome.passed
    assert ("allow by night", "require_approval, not by night") == (outcome.expected, outcome.got)
    assert ("large", "risk") == outcome.by
    assert 15 == outcome.line


def test_a_right_outcome_for_the_wrong_reason_fails() -> None:
    assert not result("action: payout.create, amount: 5", "require_approval", "large").passed


def sequence(given: str, then: str, body: str = BODY) -> TestResult:
    return result(f"action: refund.create, {given}", then, body=body)


def test_a_sequence_fills_its_limits() -> None:
    assert sequence("amount: 300, times: 5, every: 5m, customer: each", "{allow: 3, require_approval: 2}").passed
    assert sequence("amount: 10, times: 5, every: 5m, customer: each", "{allow: 4, require_approval: 1}").passed
    assert sequence("amount: 300, times: 5, every: 30m, customer: each", "allow").passed


def test_what_waits_counts_as_now_until_its_question_expires() -> None:
    """Held for a day, the fourth refund keeps the hour full for good. Held for five minutes, it makes room again."""
    given = "amount: 300, times: 30, every: 10m, at: 2026-03-03 09:00, customer: each"
    body = BODY.replace("count: 4", "count: 100")
    short = body.replace("within: 1h", "within: 1h, expires_in: 5m")

    assert sequence(given, "{allow: 3, require_approval: 27}", body).passed
    assert sequence(given, "{allow: 15, require_approval: 15}", short).passed


def test_what_expired_gives_its_money_back() -> None:
    body = """
limits:
  - {id: weekly, when: {action: refunds}, at_most: {total: 300}, within: 7d, expires_in: 1h}
"""
    waiting = "{allow: 1, require_approval: 2}"

    assert sequence("amount: 200, times: 3, every: 30m, customer: each", waiting, body).passed
    # After seven days the first is out of the window; the second would fill it if it had kept its money.
    assert sequence(
        "amount: 200, times: 3, every: 3d12h, customer: each", "{allow: 2, require_approval: 1}", body
    ).passed


def test_what_was_blocked_keeps_the_attempt_only() -> None:
    body = """
limits:
  - {id: much, when: {action: refunds}, per: agent, at_most: {total: 300}, within: 1d, then: block}
  - {id: many, when: {action: refunds}, per: agent, at_most: {count: 4}, within: 2d}
"""
    found = sequence("amount: 200, times: 5, every: 20m, customer: each", "{allow: 1, block: 4}", body)

    assert found.passed
    assert {"much", "many"} <= set(found.by)
    # The third comes when the first is out of the window and the second, which never happened, is not.
    assert sequence("amount: 200, times: 3, every: 13h, customer: each", "{allow: 2, block: 1}", body).passed


def test_the_same_customer_again_and_again_adds_up_on_the_object() -> None:
    """Fourteen refunds of $40 of one charge are one of $560."""
    body = "rules:\n  - {id: split, when: {amount_on_object: {over: 500}}, then: require_approval}\n"

    assert sequence("amount: 40, times: 14, every: 1m", "{allow: 12, require_approval: 2}", body).passed
    assert sequence("amount: 40, times: 14, every: 1m, customer: each", "allow", body).passed


def test_each_agent_of_a_test_has_its_own_token() -> None:
    policy = BODY.replace("agent: my-bot", "agent: my-bot, amount: {at_most: 5}")

    assert result("action: refund.create, amount: 5, agent: my-bot", "allow", "mine", policy).passed
    assert not result(
        "action: refund.create, amount: 5, agent: my-bot, principal: stdio", "allow", "mine", policy
    ).passed


# -- the file that is shipped --------------------------------------------------------------------------------------

SHIPPED_TEXT = SHIPPED.read_text(encoding="utf-8")
REAL = load_catalog().actions


def test_the_shipped_policy_passes_its_own_tests_over_the_real_catalog() -> None:
    found = run_tests(load(SHIPPED_TEXT, known_actions=REAL), REAL)

    assert [] == [each for each in found if not each.passed]
    assert {"4 allow, 196 require_approval", "12 allow, 188 require_approval"} <= {each.got for each in found}


def test_waiting_counts_as_now_is_held_by_a_test_of_the_shipped_policy() -> None:
    """Nine requests of one day fit into every window by their own times; only what has waited since the night fills one."""
    (found,) = [each for each in run_tests(load(SHIPPED_TEXT), REAL) if "waited since the night" in each.it]
    by_times = SHIPPED_TEXT.replace("at_most: {total: 1000, count: 15}", "at_most: {total: 100000, count: 15}")
    (loose,) = [each for each in run_tests(load(by_times), REAL) if "waited since the night" in each.it]

    assert found.passed
    assert "3 allow, 7 require_approval, not by refunds-an-hour" == loose.got


def test_the_shipped_policy_speaks_of_every_group_it_must() -> None:
    policy = compile_policy(load(SHIPPED_TEXT), actions=REAL)

    for action in ("payout.create", "transfer.create", "subscription.cancel", "customer.delete"):
        assert Outcome.REQUIRE_APPROVAL is decided(policy, facts_of(action)).outcome
    for group in ("bank_details", "access"):
        facts = facts_of("customer.update", action=frozenset({"customer.update", group}))
        assert Outcome.BLOCK is decided(policy, facts).outcome
    assert Outcome.ALLOW is decided(policy, refund(40)).outcome


def test_the_shipped_policy_promises_only_what_there_is() -> None:
    head = SHIPPED_TEXT.partition("version: 1")[0]

    assert "runplane policy check" in head
    assert SHIPPED_TEXT.startswith("# yaml-language-server: $schema=docs/policy.schema.json\n")
    assert "worst case" not in SHIPPED_TEXT


def test_the_shipped_policy_is_said_back_in_sentences() -> None:
    policy = load(SHIPPED_TEXT)
    said = sentences(policy)

    assert len(policy.rules) + len(policy.limits) == len(said)
    assert "When refunds are over $500.00, one person of finance must say yes. (large-refunds)" == said[0]
    assert "When payouts come outside business hours, they are blocked. (payouts-out-of-hours)" in said
    assert "Changes of bank details are blocked. (bank-details)" in said
    assert (
        "When refunds of one agent come to more than $1,000.00 or 15 requests within 1 hour, "
        "one person of finance must say yes. (refunds-an-hour)" in said
    )
    assert "Reads are allowed." in default_sentences(policy)


LATER = """
rules:
  - {id: later, when: {action: refunds, amount: {over: 100}}, then: allow, after: 10m}
limits:
  - {id: hourly, when: {action: refunds}, per: agent, at_most: {total: 1000}, within: 1h}
"""


@pytest.mark.parametrize(
    ("given", "then"),
    [
        ("action: refund.create, amount: 235", "allow_after"),
        ("action: refund.create, amount: 40", "allow"),
        ("action: refund.create, amount: 4000", "require_approval"),
        # Four of $235 are the hour's $1000, whether they wait for their time or ran at it.
        (
            "action: refund.create, amount: 235, times: 200, every: 7m30s, customer: each",
            "{allow_after: 4, require_approval: 196}",
        ),
        # Each runs ten minutes after it was asked for, and its hour begins then: no fifth within 50 minutes of the first.
        (
            "action: refund.create, amount: 300, times: 5, every: 17m, customer: each",
            "{allow_after: 3, require_approval: 2}",
        ),
    ],
)
def test_a_test_counts_what_is_allowed_after_a_while_apart(given: str, then: str) -> None:
    found = result(given, then, body=LATER)

    assert found.passed, found.got


def test_what_is_allowed_after_a_while_is_not_what_is_allowed() -> None:
    found = result("action: refund.create, amount: 235", "allow", body=LATER)

    assert (found.passed, found.expected, found.got) == (False, "allow", "allow_after")


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            "{id: a, when: {action: refunds, amount: {over: 100}}, then: allow, after: 10m}",
            "When refunds are over $100.00, they run after 10 minutes unless somebody stops them. (a)",
        ),
        (
            "{id: a, when: {action: refunds}, unless: {disputed: true}, then: allow, after: 2h, mode: shadow}",
            "Refunds run after 2 hours unless somebody stops them, but for those that are about a disputed charge."
            " It is only recorded, in shadow. (a)",
        ),
    ],
)
def test_a_rule_that_holds_back_says_so(rule: str, sentence: str) -> None:
    assert sentences(load(f"{HEAD}rules:\n  - {rule}\n")) == (sentence,)
