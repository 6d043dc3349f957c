"""Decisions: the strictest of all that applies wins, unknown works against the request, and nothing fails open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Bucket, Decision, Need, Outcome, RiskLevel, Usage
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from tests.core.policies import HEAD, compiled, decided, facts_of, refund

ALLOW, ASK, BLOCK = Outcome.ALLOW, Outcome.REQUIRE_APPROVAL, Outcome.BLOCK
FINANCE = Need(frozenset({"finance"}))

LARGE = """
rules:
  - {id: large, when: {action: refunds, amount: {over: 500}}, then: require_approval, why: Large refunds need a person.}
"""
ALLOW_REFUNDS = "  - {id: fine, when: {action: refunds}, then: allow}\n"


def rules(*lines: str) -> CompiledPolicy:
    return compiled("rules:\n" + "".join(f"  - {line}\n" for line in lines))


def ids(decision: Decision) -> set[str]:
    return {reason.id for reason in decision.reasons}


# -- rules ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dollars", "outcome"), [(499, ALLOW), (500, ALLOW), (501, ASK)])
def test_an_amount_is_compared_exactly(dollars: int, outcome: Outcome) -> None:
    assert outcome is decided(compiled(LARGE), refund(dollars)).outcome


def test_the_decision_says_which_rule_spoke_who_must_say_yes_and_for_how_long() -> None:
    decision = decided(compiled(LARGE), refund(501))
    (reason,) = [each for each in decision.reasons if each.source == "rule"]

    assert ("large", "Large refunds need a person.") == (reason.id, reason.why)
    assert (FINANCE,) == decision.requirement
    assert 24 * 3600 == decision.expires_in


def test_the_strictest_wins_whatever_the_order() -> None:
    lines = [
        "{id: a, when: {action: refunds}, then: allow}",
        "{id: b, when: {action: refunds}, then: require_approval}",
        "{id: c, when: {action: refunds}, then: block}",
    ]

    assert BLOCK is decided(rules(*lines), refund(5)).outcome
    assert BLOCK is decided(rules(*reversed(lines)), refund(5)).outcome
    assert ASK is decided(rules(lines[1], lines[0]), refund(5)).outcome
    assert ALLOW is decided(rules(lines[0]), refund(5)).outcome


def test_every_approval_that_is_needed_is_needed_and_the_shortest_expiry_counts() -> None:
    policy = rules(
        "{id: a, when: {action: refunds}, then: require_approval, from: leads, expires_in: 2h}",
        "{id: b, when: {action: refunds}, then: require_approval, from: {group: leads, people: 2}}",
        "{id: c, when: {action: refunds}, then: require_approval, from: {any_of: [owners, board]}, expires_in: 1h}",
    )
    decision = decided(policy, refund(5))

    assert (Need(frozenset({"board", "owners"})), Need(frozenset({"leads"}), 2)) == decision.requirement
    assert 3600 == decision.expires_in


@pytest.mark.parametrize(("first", "second"), [(1, 3), (3, 1)])
def test_of_two_approvals_by_one_group_the_larger_counts(first: int, second: int) -> None:
    policy = rules(
        *(
            f"{{id: {name}, when: {{action: refunds}}, then: require_approval, from: {{group: leads, people: {people}}}}}"
            for name, people in (("a", first), ("b", second))
        )
    )

    assert (Need(frozenset({"leads"}), 3),) == decided(policy, refund(5)).requirement


def test_a_block_asks_nobody() -> None:
    policy = rules(
        "{id: a, when: {action: refunds}, then: require_approval}", "{id: b, when: {action: refunds}, then: block}"
    )
    decision = decided(policy, refund(5))

    assert ((), None) == (decision.requirement, decision.expires_in)
    assert {"a", "b"} <= ids(decision)


def test_an_exception_softens_only_the_rule_it_stands_on() -> None:
    policy = rules(
        "{id: a, when: {action: cancellations}, unless: {ends: period_end, mrr_lost: {at_most: 50}}, then: block}",
    )
    small = facts_of("subscription.cancel", ends="period_end", mrr_lost=Money(5000, "usd"), reversible=True)

    assert BLOCK is not decided(policy, small).outcome
    assert BLOCK is decided(policy, small | {"ends": "now"}).outcome
    assert BLOCK is decided(policy, small | {"mrr_lost": Money(5001, "usd")}).outcome
    assert BLOCK is decided(policy, small | {"mrr_lost": UNKNOWN}).outcome


@pytest.mark.parametrize(
    ("day", "applies"),
    [
        ("2026-12-19", False),
        ("2026-12-20", True),
        ("2027-01-02", True),
        (UNKNOWN, True),
        ("12/01/26", True),
        (None, True),
    ],
)
def test_days_are_compared_as_days(day: FactValue, applies: bool) -> None:
    policy = rules("{id: freeze, when: {action: refunds, date: {at_least: 2026-12-20}}, then: block}")

    assert applies is ("freeze" in ids(decided(policy, refund(5, date=day))))


# -- what nobody knows ---------------------------------------------------------------------------------------------

ODD: list[FactValue | float | None] = [
    UNKNOWN,
    Money(-1, "usd"),
    Money(10**12 + 1, "usd"),
    4000,
    True,
    "40",
    frozenset({"40"}),
    None,
    4000.0,
    float("nan"),
]


@pytest.mark.parametrize("amount", ODD, ids=repr)
def test_an_amount_that_is_unknown_or_odd_works_against_the_request(amount: FactValue) -> None:
    """THREATS 1: null, NaN, float, text, negative, list, bool and huge amounts never pass for small ones."""
    facts = facts_of("refund.create", amount=amount)
    decision = decided(compiled(LARGE), facts)

    assert ASK is decision.outcome
    assert {"large", "amount.unknown", "risk.high"} <= ids(decision)
    assert BLOCK is decided(rules("{id: a, when: {amount: {over: 500}}, then: block}"), facts).outcome
    assert ASK is decided(compiled("rules:\n" + ALLOW_REFUNDS), facts).outcome
    assert ASK is decided(compiled("rules:\n" + ALLOW_REFUNDS), facts, without_risk=True).outcome


@pytest.mark.parametrize("then", ["require_approval", "block"])
def test_a_restricting_rule_applies_where_its_condition_is_unknown(then: str) -> None:
    policy = rules(f"{{id: a, when: {{action: refunds, disputed: true}}, then: {then}}}")

    assert "a" in ids(decided(policy, refund(5, disputed=UNKNOWN)))
    assert "a" not in ids(decided(policy, refund(5, disputed=False)))


def test_an_allow_rule_applies_only_where_its_condition_is_true() -> None:
    policy = rules("{id: a, when: {action: refunds, disputed: false}, then: allow}")

    assert "a" in ids(decided(policy, refund(5)))
    assert "a" not in ids(decided(policy, refund(5, disputed=UNKNOWN)))


def test_an_exception_of_an_allow_rule_counts_where_it_is_unknown() -> None:
    policy = rules("{id: a, when: {action: refunds}, unless: {disputed: true}, then: allow}")

    assert "a" in ids(decided(policy, refund(5)))
    assert "a" not in ids(decided(policy, refund(5, disputed=UNKNOWN)))


def test_an_absent_fact_fails_every_test() -> None:
    facts = facts_of("balance.retrieve")
    policy = rules(
        *(
            f"{{id: r{number}, when: {{amount: {test}}}, then: block}}"
            for number, test in enumerate(
                ["{over: 0}", "{at_least: 0}", "{at_most: 1}", "{exists: false}", "{exists: true}"]
            )
        ),
        "{id: set, when: {url_hosts: {none_in: [evil.example]}}, then: block}",
        "{id: text, when: {destination: {not_in: [ba_1]}}, then: block}",
    )

    assert ALLOW is decided(policy, facts).outcome


def test_none_exists_not_and_fails_every_other_test() -> None:
    policy = rules(
        "{id: guest, when: {customer: {exists: false}}, then: require_approval}",
        "{id: other, when: {customer: {not_in: [cus_9]}}, then: block}",
    )

    assert ids(decided(policy, refund(5, customer=NONE))) == {"guest", "risk.low"}
    assert ids(decided(policy, refund(5, customer="cus_9"))) == {"risk.low"}
    assert {"guest", "other"} <= ids(decided(policy, refund(5, customer=UNKNOWN)))


@pytest.mark.parametrize("principal", ["stdio", UNKNOWN, None])
def test_what_an_unauthenticated_agent_says_of_itself_never_loosens(principal: FactValue) -> None:
    """THREATS 11: any child process of a home can carry any label."""
    policy = rules(
        "{id: trusted, when: {agent: finance-bot}, then: allow}",
        "{id: asks, when: {action: refunds}, unless: {agent: finance-bot}, then: require_approval}",
        "{id: named, when: {agent: evil-bot}, then: block}",
    )
    token = refund(5, agent="finance-bot")

    assert ids(decided(policy, token)) == {"trusted"}
    assert ids(decided(policy, token | {"principal": principal})) == {"asks", "risk.low"}
    assert "named" in ids(decided(policy, token | {"agent": "evil-bot", "principal": principal}))


# -- operations and reads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [False, UNKNOWN, NONE, None])
def test_an_operation_nobody_has_heard_of_is_blocked(known: FactValue) -> None:
    """THREATS 5: not even a rule that allows everything lets it pass."""
    policy = rules(
        "{id: all, when: {kind: [read, write]}, then: allow}", "{id: named, when: {known: false}, then: allow}"
    )
    facts = refund(1, known=known)

    assert BLOCK is decided(policy, facts).outcome
    assert "operation.unknown" in ids(decided(policy, facts))
    assert "operation.unknown" in ids(decided(policy, {name: facts[name] for name in facts if name != "known"}))


@pytest.mark.parametrize(("unjudged", "outcome"), [("block", BLOCK), ("require_approval", ASK)])
def test_an_operation_nobody_has_judged_is_never_allowed(unjudged: str, outcome: Outcome) -> None:
    """THREATS 5."""
    policy = compiled(f"otherwise: {{unjudged: {unjudged}}}\nrules:\n{ALLOW_REFUNDS}")

    for judged in (False, UNKNOWN, NONE):
        assert outcome is decided(policy, refund(1, judged=judged)).outcome


def test_what_nobody_has_judged_goes_to_people_where_an_allow_rule_names_its_very_action() -> None:
    """Blocked unless the policy names it; and even then nobody but a person says yes."""
    named = rules("{id: named, when: {action: [refund.create, payouts]}, then: allow}")
    grouped = rules("{id: grouped, when: {action: [refunds, payout.create]}, then: allow}")
    asks = rules("{id: asks, when: {action: refund.create}, then: require_approval}")
    large = rules("{id: large, when: {action: refund.create, amount: {over: 500}}, then: allow}")

    assert decided(named, refund(1, judged=False)).outcome is ASK
    for policy in (grouped, asks, large):
        assert decided(policy, refund(1, judged=False)).outcome is BLOCK


@pytest.mark.parametrize(("reads", "outcome"), [("allow", ALLOW), ("require_approval", ASK), ("block", BLOCK)])
def test_reads_go_by_otherwise(reads: str, outcome: Outcome) -> None:
    decision = decided(compiled(f"otherwise: {{reads: {reads}}}"), facts_of("balance.retrieve"))

    assert outcome is decision.outcome
    assert {"otherwise.reads"} == ids(decision)
    assert 0 == decision.risk.score


def test_a_read_that_gives_access_is_asked_about() -> None:
    assert ASK is decided(compiled(), facts_of("balance.retrieve", gives_access=True)).outcome


@pytest.mark.parametrize(("writes", "outcome"), [("by_risk", ALLOW), ("require_approval", ASK), ("block", BLOCK)])
def test_writes_go_by_otherwise_until_a_rule_allows_them(writes: str, outcome: Outcome) -> None:
    head = f"otherwise: {{writes: {writes}}}\n"

    assert outcome is decided(compiled(head), refund(5)).outcome
    assert ALLOW is decided(compiled(f"{head}rules:\n{ALLOW_REFUNDS}"), refund(5)).outcome


def test_a_restricting_rule_does_not_take_the_place_of_otherwise() -> None:
    """Else adding a rule that asks would loosen a policy that blocks what nobody allowed."""
    asks = "rules:\n  - {id: a, when: {action: refunds}, then: require_approval}\n"

    assert BLOCK is decided(compiled(f"otherwise: {{writes: block}}\n{asks}"), refund(5)).outcome
    assert ASK is decided(compiled(f"otherwise: {{writes: block}}\n{asks}{ALLOW_REFUNDS}"), refund(5)).outcome


# -- risk ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "level", "outcome"),
    [
        ({}, RiskLevel.LOW, ALLOW),
        ({"business_hours": False, "disputed": True}, RiskLevel.MEDIUM, ASK),
        ({"bulk": True}, RiskLevel.HIGH, ASK),
        (
            {"bulk": True, "disputed": True, "business_hours": False, "denied_24h_object": 2, "refused_24h_agent": 12}
            | {"possible_duplicate": True},
            RiskLevel.CRITICAL,
            BLOCK,
        ),
    ],
)
def test_the_risk_always_votes(given: dict[str, FactValue], level: RiskLevel, outcome: Outcome) -> None:
    decision = decided(compiled(), refund(5, **given))

    assert level is decision.risk.level
    assert outcome is decision.outcome
    assert f"risk.{level.value}" in ids(decision)


def test_only_an_allow_rule_silences_the_risk() -> None:
    night = refund(400, business_hours=False)

    assert {"risk.medium"} == ids(decided(compiled(), night))
    assert {"fine"} == ids(decided(compiled("rules:\n" + ALLOW_REFUNDS), night))


@pytest.mark.parametrize(
    ("danger", "named"),
    [
        ({"amount": Money(500, "sek")}, ""),
        ({"gives_access": True}, "gives_access: true"),
        ({"gives_access": UNKNOWN}, ""),
        ({"redirects_funds": True}, "redirects_funds: true"),
        ({"bulk": True}, "bulk: true"),
    ],
)
def test_an_allow_rule_covers_danger_only_where_its_condition_names_it(
    danger: dict[str, FactValue], named: str
) -> None:
    facts = refund(5, **danger)

    assert ASK is decided(compiled("rules:\n" + ALLOW_REFUNDS), facts).outcome
    if named:
        assert ALLOW is decided(rules(f"{{id: a, when: {{action: refunds, {named}}}, then: allow}}"), facts).outcome


@pytest.mark.parametrize("group", ["access", "bank_details"])
def test_a_group_that_tells_of_danger_is_not_covered_by_naming_the_group_alone(group: str) -> None:
    facts = facts_of("customer.update", action=frozenset({"customer.update", group}))

    assert ASK is decided(rules(f"{{id: a, when: {{action: {group}}}, then: allow}}"), facts).outcome


def test_an_action_that_nobody_can_tell_is_in_every_group() -> None:
    facts = facts_of("customer.update", action=UNKNOWN)

    assert RiskLevel.HIGH is decided(compiled(), facts).risk.level
    assert BLOCK is decided(rules("{id: a, when: {action: payouts}, then: block}"), facts).outcome


CRITICAL = refund(
    900, disputed=True, business_hours=False, denied_24h_object=2, refused_24h_agent=12, possible_duplicate=False
)


def test_an_allow_rule_never_covers_critical_risk_unless_it_names_the_risk() -> None:
    facts = CRITICAL | {"amount_on_object": Money(10**8, "usd")}

    assert RiskLevel.CRITICAL is decided(compiled(), facts).risk.level
    assert BLOCK is decided(compiled("rules:\n" + ALLOW_REFUNDS), facts).outcome
    for named in ("risk_level: [low, medium, high, critical]", "risk: {at_most: 100}"):
        assert ALLOW is decided(rules(f"{{id: a, when: {{action: refunds, {named}}}, then: allow}}"), facts).outcome


def test_rules_can_test_the_risk_of_this_very_decision() -> None:
    policy = rules("{id: a, when: {risk_level: [medium, high, critical]}, then: block}")

    assert ALLOW is decided(policy, refund(5)).outcome
    assert BLOCK is decided(policy, refund(400, business_hours=False)).outcome
    assert BLOCK is decided(policy, refund(400, business_hours=False, risk_level="low", risk=0)).outcome


def test_the_risk_does_not_vote_again_on_what_people_have_approved() -> None:
    night = refund(400, business_hours=False)

    decision = decided(compiled(LARGE), night, without_risk=True)

    assert (ALLOW, {"otherwise.writes"}) == (decision.outcome, ids(decision))
    assert RiskLevel.MEDIUM is decision.risk.level
    assert ASK is decided(compiled(LARGE), refund(501), without_risk=True).outcome


@pytest.mark.parametrize("duplicate", [True, UNKNOWN])
def test_a_possible_duplicate_needs_a_person_even_where_a_rule_allows_it(duplicate: FactValue) -> None:
    policy = compiled("rules:\n" + ALLOW_REFUNDS)
    decision = decided(policy, refund(5, possible_duplicate=duplicate))

    assert ASK is decision.outcome
    assert {"duplicate"} == {reason.source for reason in decision.decisive}


# -- currencies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("money", "applies"),
    [
        (Money(45_454, "eur"), False),  # $499.994
        (Money(45_455, "eur"), True),  # $500.005
        (Money(74_626, "jpy"), False),  # $499.9942
        (Money(74_627, "jpy"), True),  # $500.0009
        (Money(153_846, "kwd"), False),  # $499.9995: three decimals
        (Money(153_847, "kwd"), True),
        (Money(1, "sek"), True),  # no rate
    ],
    ids=str,
)
def test_foreign_amounts_are_compared_exactly(money: Money, applies: bool) -> None:
    """THREATS 17."""
    decision = decided(compiled(LARGE), refund(5, amount=money, currency=money.currency))

    assert applies is ("large" in ids(decision))


@pytest.mark.parametrize(
    ("day", "applies"),
    [
        ("2026-03-01", False),
        ("2026-05-30", False),
        ("2026-05-31", True),
        (UNKNOWN, True),
        (None, True),
        ("today", True),
    ],
)
def test_old_rates_make_foreign_amounts_unknown(day: FactValue, applies: bool) -> None:
    """THREATS 17."""
    facts = refund(5, amount=Money(1, "eur"), date=day)

    assert applies is ("large" in ids(decided(compiled(LARGE), facts)))
    assert "large" not in ids(decided(compiled(LARGE), refund(5, date=day)))


def test_a_policy_in_yen_has_amounts_in_yen() -> None:
    """THREATS 17."""
    head = HEAD.replace("currency: usd", "currency: jpy").replace("jpy: 0.0067, ", "usd: 150, ")
    policy = compiled("rules:\n  - {id: a, when: {amount: {over: 75000}}, then: block}\n", head)

    assert BLOCK is not decided(policy, refund(5, amount=Money(75_000, "jpy"))).outcome
    assert BLOCK is decided(policy, refund(5, amount=Money(75_001, "jpy"))).outcome
    assert BLOCK is not decided(policy, refund(500)).outcome
    assert BLOCK is decided(policy, refund(501)).outcome


# -- when deciding itself fails ------------------------------------------------------------------------------------


def test_a_limit_whose_usage_is_missing_blocks() -> None:
    policy = compiled("limits:\n  - {id: a, when: {action: refunds}, at_most: {count: 3}, within: 1h}\n")
    facts = refund(5)

    wrong: list[list[Usage] | dict[Bucket, Usage]] = [[], [Usage(), Usage()], {}]
    for usages in wrong:
        decision = decide(policy, facts, usages)

        assert BLOCK is decision.outcome
        assert [("error", "policy.error")] == [(reason.source, reason.id) for reason in decision.reasons]
    assert ALLOW is decide(policy, facts, {bucket: Usage() for bucket in policy.buckets(facts)}).outcome


def test_an_error_while_deciding_blocks() -> None:
    broken = replace(compiled(LARGE), rules=(None,))  # type: ignore[arg-type]

    for decision in (decided(broken, refund(5)), broken.early_block(refund(5), frozenset())):
        assert decision is not None
        assert BLOCK is decision.outcome
        assert {"policy.error"} == ids(decision)


# -- held back, and in shadow ----------------------------------------------------------------------------------------


def test_what_is_allowed_after_a_while_is_held_back_by_the_longest() -> None:
    policy = rules(
        "{id: a, when: {action: refunds}, then: allow, after: 10m}",
        "{id: b, when: {action: refunds, amount: {over: 3}}, then: allow, after: 1h}",
        "{id: c, when: {action: refunds}, then: allow}",
    )

    assert (ALLOW, 3600) == (decided(policy, refund(5)).outcome, decided(policy, refund(5)).after)
    assert 600 == decided(policy, refund(2)).after


def test_allowing_after_a_while_silences_nothing() -> None:
    policy = rules("{id: a, when: {action: payouts}, then: allow, after: 10m}")
    decision = decided(policy, facts_of("payout.create", amount=Money(500, "usd")))

    assert (ASK, None) == (decision.outcome, decision.after)


def test_what_is_in_shadow_mode_is_recorded_and_decides_nothing() -> None:
    policy = compiled(
        """
rules:
  - {id: no, when: {action: refunds}, then: block, mode: shadow}
limits:
  - {id: few, when: {action: refunds}, at_most: {total: 1}, within: 1h, then: block, mode: shadow}
"""
    )
    decision = decided(policy, refund(40))

    assert ALLOW is decision.outcome
    assert {"no", "few"} == {reason.id for reason in decision.shadow}
    assert not {"no", "few"} & ids(decision)
    assert decided(compiled(LARGE), refund(40)).risk == decision.risk
