"""What is closed to an agent is what no request of its could ever pass, and nothing less."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import count, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load
from runplane_mcp.core.closed import Closed, closed_to
from runplane_mcp.core.compile import CompiledPolicy, compile_policy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Outcome, Usage
from runplane_mcp.core.facts import GROUPS, NONE, REGISTRY, UNKNOWN, FactType, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Judgement
from runplane_mcp.core.policy import load as load_policy
from runplane_mcp.core.request import Kind
from runplane_mcp.errors import PolicyError
from tests.core.policies import HEAD

CATALOG = load()
REACHABLE = [each.operation_id for each in CATALOG.operations if each.judged and each.alias_of is None]
WHO: dict[str, FactValue] = {
    "principal": "stdio",
    "agent": "support-bot",
    "agent_roles": frozenset(),
    "via": "mcp",
}
CANCEL_AT_ONCE, CHANGE = "DeleteSubscriptionsSubscriptionExposedId", "PostSubscriptionsSubscriptionExposedId"


def judgements_of(operation_id: str) -> tuple[Judgement, ...]:
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    return operation.judgements


def policy_of(body: str) -> CompiledPolicy:
    numbers = count()
    body = re.sub(r"\{when:", lambda _: f"{{id: rule-{next(numbers)}, when:", body)
    return compile_policy(load_policy(HEAD + body), actions=CATALOG.actions)


def closed(body: str, **who: FactValue) -> Closed:
    return closed_to(policy_of(body), CATALOG, {**WHO, **who}, reachable=REACHABLE)


def test_nothing_is_closed_where_nothing_is_blocked() -> None:
    assert closed("") == Closed()
    assert closed("rules: [{when: {action: payouts}, then: require_approval}]") == Closed()


def test_a_group_that_a_rule_blocks_is_closed_with_all_that_is_in_it() -> None:
    found = closed("rules: [{when: {action: [payouts, bank_details]}, then: block}]")

    both = {"payouts", "bank_details"}
    always = {each for each in REACHABLE if all(judged.groups & both for judged in judgements_of(each))}
    assert found.names == ("payouts", "bank_details")
    assert found.operations == always
    assert "PostPayouts" in always
    assert "PostPayoutsPayoutCancel" not in always


@pytest.mark.parametrize(
    "rule",
    [
        "{when: {action: payouts, business_hours: false}, then: block}",
        "{when: {action: payouts, amount: {over: 100}}, then: block}",
        "{when: {action: payouts, risk_level: critical}, then: block}",
        "{when: {action: payout.create}, unless: {destination_paid_before: true}, then: block}",
        "{when: {action: payouts, agent: other-bot}, then: block}",
        "{when: {action: payouts, client: cursor}, then: block}",
    ],
)
def test_what_might_pass_at_another_time_for_another_amount_or_agent_is_open(rule: str) -> None:
    found = closed(f"rules: [{rule}]")

    assert "payouts" not in found.names
    assert "PostPayouts" not in found.operations


def test_what_a_rule_blocks_for_one_agent_is_closed_to_that_agent_only() -> None:
    body = "rules: [{when: {action: refunds, agent: support-bot}, then: block}]"

    assert closed(body).names == ("refunds",)
    assert closed(body, agent="billing-bot") == Closed()


def test_an_operation_is_closed_only_if_no_parameters_of_its_can_pass() -> None:
    """A cancellation at the end of the period is one of many things that a subscription's change can be."""
    found = closed("rules: [{when: {action: cancellations}, then: block}]")

    assert {CANCEL_AT_ONCE, "DeleteCustomersCustomer"} <= found.operations
    assert "PostSubscriptionsSubscriptionExposedId" not in found.operations
    assert found.names == ("cancellations",)
    assert CHANGE in closed("rules: [{when: {kind: write}, then: block}]").operations


def test_an_action_is_named_where_its_group_stays_open() -> None:
    found = closed("rules: [{when: {action: [credit_note.create, payout.create]}, then: block}]")

    assert found == Closed(("credit_note.create", "payout.create"), frozenset({"PostCreditNotes", "PostPayouts"}))


def test_a_group_is_not_named_for_what_its_members_are_closed_for() -> None:
    """Deleting a customer ends subscriptions: it is closed with the cancellations, and deletions as such are not."""
    found = closed("rules: [{when: {action: cancellations}, then: block}]")

    assert "DeleteCustomersCustomer" in found.operations
    assert "deletions" not in found.names


def test_a_group_is_open_while_something_in_it_can_pass() -> None:
    found = closed("rules: [{when: {action: {none_in: [refunds]}, kind: write}, then: block}]")

    assert "credits" not in found.names  # a credit note is in refunds, too
    assert "payouts" in found.names


def test_without_a_rule_that_could_allow_it_a_write_that_is_blocked_otherwise_is_closed() -> None:
    only_refunds = "otherwise: {writes: block}\nrules: [{when: {action: refunds, amount: {under: 50}}, then: allow}]"
    found = closed(only_refunds)

    assert "PostRefunds" not in found.operations
    assert {"PostPayouts", "PostTransfers", CANCEL_AT_ONCE, CHANGE} <= found.operations
    assert not any(id.startswith("Get") for id in found.operations)
    assert "refunds" not in found.names
    assert {"payouts", "transfers", "cancellations"} <= {*found.names}


def test_reads_can_be_closed_too() -> None:
    found = closed("otherwise: {reads: block}\nrules: [{when: {action: customer.list}, then: allow}]")

    assert "GetBalance" in found.operations
    assert "GetCustomers" not in found.operations
    assert "PostRefunds" not in found.operations
    assert "balance.retrieve" in found.names


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ("rules: [{when: {kind: write}, then: block}]", {Kind.WRITE}),
        ("otherwise: {writes: block, unjudged: block}", {Kind.WRITE}),
        ("otherwise: {reads: block}", {Kind.READ}),
        ("rules: [{when: {kind: write, agent: support-bot}, then: block}]", {Kind.WRITE}),
        ("rules: [{when: {kind: write, agent: other-bot}, then: block}]", set()),
        ("rules: [{when: {kind: write, business_hours: false}, then: block}]", set()),
        ("rules: [{when: {kind: write}, unless: {action: refunds}, then: block}]", set()),
        ("otherwise: {unjudged: require_approval}\nrules: [{when: {kind: write, judged: true}, then: block}]", set()),
        ("otherwise: {writes: block}\nrules: [{when: {action: refunds, amount: {under: 50}}, then: allow}]", set()),
        ("", set()),
    ],
)
def test_a_kind_is_closed_where_nothing_of_it_can_pass(body: str, kinds: set[Kind]) -> None:
    assert closed(body).kinds == kinds


def test_only_what_the_agent_can_reach_or_a_rule_names_is_told() -> None:
    body = "otherwise: {writes: block}\nrules: [{when: {action: payout.update}, then: block}]"
    found = closed_to(policy_of(body), CATALOG, WHO, reachable=["PostPayouts", "GetBalance"])

    assert found.operations == {"PostPayouts"}
    assert "payout.update" in found.names
    assert not any(
        name.startswith("payout.") and name not in {"payout.create", "payout.update"} for name in found.names
    )


# ── it is sound ───────────────────────────────────────────────────────────────────────────────────────────────────────

CONDITIONS = [
    "action: refunds",
    "action: [payouts, transfers]",
    "action: [cancellations, credit_note.create]",
    "action: {none_in: [refunds]}",
    "action: refunds, amount: {over: 100}",
    "action: payouts, business_hours: false",
    "agent: support-bot",
    "agent: other-bot",
    "kind: write",
    "kind: read",
    "reversible: false",
    "amount: {at_least: 0}",
    "destination: {exists: true}",
]
EXCEPTIONS = ["", "unless: {customer: cus_1}, ", "unless: {agent: support-bot}, "]


def loads(rule: str) -> bool:
    """What can never hold is refused, and no subject here."""
    try:
        return bool(policy_of(f"rules: [{rule}]"))
    except PolicyError:
        return False


RULES = st.lists(
    st.sampled_from(
        [
            rule
            for when, unless, then in product(CONDITIONS, EXCEPTIONS, ["block", "allow", "require_approval"])
            if loads(rule := f"{{when: {{{when}}}, {unless}then: {then}}}")
        ]
    ),
    max_size=4,
)
OTHERWISE = st.sampled_from(["", "otherwise: {writes: block}\n", "otherwise: {writes: block, reads: block}\n"])
VALUES: dict[FactType, st.SearchStrategy[FactValue]] = {
    FactType.TEXT: st.sampled_from(["cus_1", "ba_1", "usd", "now"]),
    FactType.NUMBER: st.sampled_from([0, 14, Fraction(50)]),
    FactType.YES_NO: st.booleans(),
    FactType.MONEY: st.sampled_from([Money(1, "usd"), Money(500_000, "usd")]),
    FactType.SET: st.just(frozenset({"example.com"})),
    FactType.DATE: st.just("2026-03-03"),
}


@settings(deadline=None, max_examples=60)
@given(st.data(), OTHERWISE, RULES)
def test_whatever_a_request_for_a_closed_operation_turns_out_to_be_it_is_blocked(
    data: st.DataObject, otherwise: str, rules: list[str]
) -> None:
    policy = policy_of(otherwise + (f"rules: [{', '.join(rules)}]" if rules else ""))
    found = closed_to(policy, CATALOG, WHO, reachable=REACHABLE)
    if not found.operations:
        return
    operation = CATALOG.by_id(data.draw(st.sampled_from(sorted(found.operations))))
    assert operation is not None
    judged = data.draw(st.sampled_from(operation.judgements))
    facts: dict[str, FactValue] = {
        name: data.draw(st.one_of(VALUES[REGISTRY[name].type], st.sampled_from([UNKNOWN, NONE])))
        for name in sorted(judged.facts)
    }
    facts |= {
        **WHO,
        "operation": operation.operation_id,
        "action": frozenset({judged.action}) | judged.groups,
        "kind": operation.kind.value,
        "known": True,
        "judged": True,
    }

    assert decide(policy, facts, [Usage() for _ in policy.buckets(facts)]).outcome is Outcome.BLOCK


@settings(deadline=None, max_examples=60)
@given(OTHERWISE, RULES)
def test_what_is_told_are_names_that_a_policy_can_write(otherwise: str, rules: list[str]) -> None:
    policy = policy_of(otherwise + (f"rules: [{', '.join(rules)}]" if rules else ""))
    found = closed_to(policy, CATALOG, WHO, reachable=REACHABLE)

    assert all(name in GROUPS or name in CATALOG.actions for name in found.names)
    assert len(set(found.names)) == len(found.names)
    assert found.operations <= {*REACHABLE}
