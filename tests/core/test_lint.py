"""Findings about policies that load: every kind planted is found where it stands, and good policies have none."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.policy import Problem, load
from runplane_mcp.core.policy.lint import KINDS, lint, untested
from runplane_mcp.core.policy_tests import run_tests
from tests.core.policies import SHIPPED
from tests.core.policy_mistakes import GOOD

CATALOG = load_catalog().actions
TODAY = date(2026, 3, 20)
#: Where the first line of what is planted stands.
RULE_LINE = GOOD[: GOOD.index("limits:\n")].count("\n") + 1
LIMIT_LINE = GOOD[: GOOD.index("tests:\n")].count("\n") + 1
AT_MOST = "at_most: {total: 500}, within: 1h"


def findings(text: str, today: date = TODAY) -> tuple[Problem, ...]:
    return lint(load(text, known_actions=CATALOG), CATALOG, today)


def planted(*rules: str) -> tuple[Problem, ...]:
    """The findings about the good policy with these rules put behind its own."""
    written = "".join(f"  - {{id: planted-{number}, {rule}}}\n" for number, rule in enumerate(rules))
    return findings(GOOD.replace("limits:\n", f"{written}limits:\n"))


def planted_limits(*limits: str) -> tuple[Problem, ...]:
    written = "".join(f"  - {{id: planted-{number}, {limit}}}\n" for number, limit in enumerate(limits))
    return findings(GOOD.replace("tests:\n", f"{written}tests:\n"))


def test_the_shipped_policy_and_the_good_one_have_no_findings() -> None:
    shipped = load(SHIPPED.read_text(encoding="utf-8"), known_actions=CATALOG)
    reached = {name for result in run_tests(shipped, CATALOG) for name in result.by}

    assert () == lint(shipped, CATALOG, date(2026, 11, 20))
    assert () == untested(shipped, reached)
    assert () == findings(GOOD)


@pytest.mark.parametrize(
    ("rule", "code", "words"),
    [
        ("when: {action: {any_in: [credits], none_in: [credits]}}, then: block", "dead", "exclude each other"),
        ("when: {customer: {exists: false, starts_with: cus_}}, then: block", "dead", "exclude each other"),
        ("when: {url_hosts: {any_in: [a.com], all_in: [b.com]}}, then: block", "dead", "exclude each other"),
        (
            "when: {action: credits, customer: {exists: false, starts_with: cus_}}, then: block",
            "dead",
            "applies only where nobody can find out customer: the tests",
        ),
        (
            "when: {action: credits, customer: {exists: false, in: cus_1}}, then: allow",
            "dead",
            "can never apply: the tests",
        ),
        ("when: {action: credits, date: {under: 2026-03-20}}, then: block", "dead", "its days are all over"),
        ("when: {action: payout.create, kind: read}, then: block", "dead", "no action is of this kind"),
        (
            "when: {action: [subscription.cancel, payout.create], ends: now, destination: ba_1}, then: block",
            "dead",
            "has ends and destination",
        ),
        (
            "when: {action: credits, amount: {over: 5}}, unless: {amount: {over: 4}}, then: block",
            "exception",
            "always holds where the rule does, so that it applies only where nobody can find out amount",
        ),
        (
            "when: {action: credits, hour: {over: 5}}, unless: {hour: {over: 4}}, then: block",
            "exception",
            "so that it never applies",
        ),
        (
            "when: {action: credits, amount: {over: 5}}, unless: {amount: {under: 3}}, then: block",
            "exception",
            "never holds",
        ),
        (
            "when: {action: credits}, unless: {customer: {exists: false, in: cus_1}}, then: allow",
            "exception",
            "holds only where nobody can find out customer",
        ),
        (
            "when: {action: [subscription.cancel, payout.create], ends: now}, unless: {destination: ba_1}, then: block",
            "exception",
            "no action of the rule",
        ),
        (
            "when: {action: refunds, amount: {over: 900}}, then: require_approval",
            "covered",
            "large-refunds (line 16) always applies too",
        ),
        (
            "when: {action: terminal_reader.refund_payment, amount: {over: 900}}, then: require_approval",
            "covered",
            "large-refunds (line 16) always applies too",
        ),
        (
            "when: {action: terminal_reader.refund_payment}, unless: {action: payouts}, then: block",
            "exception",
            "never holds",
        ),
        (
            "when: {action: payouts, business_hours: false, amount: {over: 50}}, then: require_approval",
            "covered",
            "payouts-out-of-hours (line 24)",
        ),
        (
            "when: {action: refunds, amount: {over: 900}}, then: allow, after: 10m",
            "covered",
            "large-refunds",
        ),
        (
            "when: {action: refunds, amount: {over: 500}}, then: block",
            "contradiction",
            "say different things: block wins",
        ),
        (
            "when: {action: refunds, amount: {over: 500}}, then: allow",
            "contradiction",
            "Put the exception in `unless` of large-refunds",
        ),
        (
            "when: {action: refunds, amount: {between: [600, 700]}}, then: allow",
            "pointless_allow",
            "Put the exception in `unless` of large-refunds",
        ),
        ("when: {action: access}, then: allow", "hindered_allow", "add `gives_access: true`"),
        ("when: {action: bank_details}, then: allow", "hindered_allow", "add `redirects_funds: true`"),
        ("when: {action: refund.create}, unless: {amount: {under: 5}}, then: block", "front_door", "action: refunds"),
        ("when: {action: subscription.cancel}, then: block", "front_door", "more. Write the group"),
        ("when: {business_hours: false}, then: block", "unscoped", "reads too"),
        ("when: {amount: {under: 50}}, then: allow", "unscoped", "every kind of operation"),
        ("when: {action: credits, amount: {over: 30000}}, then: block", "cents", "Is $30,000.00 meant?"),
    ],
)
def test_a_planted_rule_is_found(rule: str, code: str, words: str) -> None:
    found = planted(rule)

    assert any(
        f"lint.{code}" == each.code
        and words in each.message
        and (RULE_LINE == each.line or "say different things" in words)
        for each in found
    ), found


@pytest.mark.parametrize(
    ("limit", "code", "words"),
    [
        (f"when: {{action: {{any_in: [credits], none_in: [credits]}}}}, {AT_MOST}", "dead", "counts nothing"),
        ("when: {action: refunds}, per: agent, at_most: {total: 2000, count: 20}, within: 30m", "slack", "tighter"),
        ("when: {action: terminal_reader.refund_payment}, per: agent, at_most: {count: 16}, within: 1h", "slack", "counts"),
        ("when: {action: refunds, share: 9}, per: [agent, object], at_most: {count: 15}, within: 1h", "slack", "tighter"),
        ("when: {action: credits, date: [2026-03-01]}, at_most: {count: 5}, within: 1h", "dead", "nothing any more"),
        (
            "when: {action: refunds}, per: [agent, customer], at_most: {total: 2000}, within: 30m",
            "slack",
            "binds only where nobody can find out its customer",
        ),
        (
            "when: {action: credits, customer: {exists: false, in: cus_1}}, at_most: {count: 5}, within: 1h",
            "dead",
            "counts only where nobody can find out customer",
        ),
        ("when: {action: transfer.create}, at_most: {count: 5}, within: 1h", "front_door", "{action: transfers}"),
        ("when: {livemode: true}, at_most: {count: 5}, within: 1h", "unscoped", "reads too"),
        ("when: {action: credits}, at_most: {total: 90000}, within: 1h", "cents", "Is $90,000.00 meant?"),
    ],
)  # fmt: skip
def test_a_planted_limit_is_found(limit: str, code: str, words: str) -> None:
    found = planted_limits(limit)

    assert any(f"lint.{code}" == each.code and words in each.message and LIMIT_LINE == each.line for each in found), (
        found
    )


def test_a_limit_behind_a_rule_that_blocks_all_of_it_is_found() -> None:
    text = GOOD.replace("limits:\n", "  - {id: none, when: {action: refunds}, then: block}\nlimits:\n")

    assert any("lint.slack" == each.code and "none (line 28) blocks all" in each.message for each in findings(text))


@pytest.mark.parametrize(
    "rule",
    [
        "when: {action: refunds, amount: {over: 300}}, then: require_approval",
        "when: {action: refunds, amount: {over: 900}}, then: block",
        "when: {action: refunds, amount: {over: 900}}, then: require_approval, from: {group: finance, people: 3}",
        "when: {action: refunds, amount: {over: 900}}, then: require_approval, from: leads",
        "when: {action: refunds, amount: {over: 900}}, then: require_approval, from: {group: finance, people: 2}, "
        "expires_in: 1h",
        "when: {action: refunds, amount: {over: 400}}, then: allow",
        "when: {action: refunds, amount: {over: 400}}, then: allow, after: 10m",
        "when: {action: payouts, business_hours: false, amount: {under: 10}}, then: block",
        "when: {action: access, gives_access: true}, then: allow",
        "when: {action: refund.create, amount: {under: 50}}, then: allow",
        "when: {action: credits, date: {between: [2026-03-01, 2026-03-20]}}, then: block",
        "when: {bulk: true}, then: block",
        "when: {action: terminal_reader.refund_payment, gives_access: true}, then: block",  # by a secret asked for
        "when: {agent: intern}, then: block",
        "when: {known: false}, then: block",
        "when: {action: payouts, amount: {over: 20000}}, then: block",  # a test has a payout near it
    ],
)
def test_a_rule_that_is_not_superfluous_is_left_alone(rule: str) -> None:
    assert () == planted(rule)


def test_what_is_held_back_and_kept_from_asking_needs_two_rules() -> None:
    """`after` silences no risk."""
    assert () == planted(
        "when: {action: charges, amount: {under: 90}}, then: allow, after: 10m",
        "when: {action: charges, amount: {under: 90}}, then: allow",
    )


def test_what_is_held_back_by_another_rule_is_not_allowed_at_once() -> None:
    (found,) = planted(
        "when: {action: charges, amount: {under: 90}}, then: allow, after: 10m",
        "when: {action: charges, amount: {under: 9}}, then: allow",
    )

    assert ("lint.pointless_allow", RULE_LINE + 1) == (found.code, found.line)
    assert "allows nothing at once" in found.message


def test_a_rule_that_names_what_nobody_has_judged_is_not_covered_by_one_for_its_group() -> None:
    """It opens it to people; the group alone does not."""
    assert () == planted(
        "when: {action: payouts}, then: allow",
        "when: {action: balance_transfer.create}, then: allow",
    )


def test_what_is_in_shadow_covers_nothing() -> None:
    assert () == planted("when: {action: refunds}, then: block, mode: shadow")


def test_of_two_that_are_the_same_the_later_is_told() -> None:
    credit = "when: {action: credits, amount: {over: 5}}, then: block"
    (rule,) = planted(credit, credit)
    limits = planted_limits(*[f"when: {{action: credits}}, {AT_MOST}"] * 2)

    assert ("lint.covered", RULE_LINE + 1) == (rule.code, rule.line)
    assert [("lint.slack", LIMIT_LINE + 1)] == [(each.code, each.line) for each in limits]


@pytest.mark.parametrize(
    ("today", "codes"),
    [
        (date(2026, 3, 31), []),
        (date(2026, 4, 1), ["lint.rates"]),
        (date(2026, 5, 31), ["lint.rates"]),
        (date(2026, 2, 28), ["lint.rates"]),
        (date(2026, 12, 26), ["lint.rates", "lint.closed_on"]),
    ],
)
def test_what_gets_old_is_found(today: date, codes: list[str]) -> None:
    """THREATS 17: rates of a quarter ago are no rates."""
    found = findings(GOOD, today)

    assert codes == [each.code for each in found]


def test_after_ninety_days_other_currencies_are_unknown() -> None:
    assert "In 1 days" in findings(GOOD, date(2026, 5, 29))[0].message
    assert "are unknown" in findings(GOOD, date(2026, 6, 2))[0].message


def test_a_rule_that_no_test_reaches_is_found() -> None:
    policy = load(GOOD.replace("limits:\n", "  - {id: new, when: {action: credits}, then: block}\nlimits:\n"))
    reached = {name for result in run_tests(policy, CATALOG) for name in result.by}
    (found,) = untested(policy, reached)

    assert ("lint.untested", RULE_LINE) == (found.code, found.line)
    assert "No test reaches new" in found.message


AMOUNTS = st.sampled_from([20, 50, 100, 250, 500, 999])
GROUPS = st.sampled_from(["refunds", "credits", "payouts", "transfers", "charges", "write_offs"])
SANE = st.tuples(GROUPS, AMOUNTS, st.integers(2, 9), st.sampled_from(["agent", "customer", "account"]))


@settings(max_examples=40, deadline=None)
@given(st.lists(SANE, min_size=1, max_size=6, unique_by=lambda part: part[0]))
def test_policies_that_make_sense_have_no_findings(parts: list[tuple[str, int, int, str]]) -> None:
    """An amount up to which it is allowed, one above which it needs people, one above which it is blocked; and limits that
    grow with their windows."""
    rules, limits = "", ""
    for group, amount, factor, per in parts:
        per = "agent" if group in ("payouts", "transfers") else per
        rules += (
            f"  - {{id: {group}-small, when: {{action: {group}, amount: {{at_most: {amount}}}}}, then: allow}}\n"
            f"  - {{id: {group}-asks, when: {{action: {group}, amount: {{over: {amount}}}}}, then: require_approval}}\n"
            f"  - {{id: {group}-two, when: {{action: {group}, amount: {{over: {amount * factor}}}}},"
            " then: require_approval, from: {group: finance, people: 2}, expires_in: 4h}\n"
            f"  - {{id: {group}-stop, when: {{action: {group}, amount: {{over: {amount * 10}}}}}, then: block}}\n"
        )
        limits += (
            f"  - {{id: {group}-hour, when: {{action: {group}}}, per: {per},"
            f" at_most: {{total: {amount * 2}}}, within: 1h}}\n"
            f"  - {{id: {group}-day, when: {{action: {group}}}, at_most: {{total: {amount * 9}}}, within: 24h}}\n"
        )
    head = "version: 1\ncurrency: usd\napproval: {from: finance}\n"

    assert () == findings(f"{head}rules:\n{rules}limits:\n{limits}")


def test_every_kind_of_finding_is_described() -> None:
    for code, sentence in KINDS.items():
        assert code.startswith("lint.")
        assert sentence.endswith(".")
