"""What holds for every policy: nobody gets past the computed worst case, and restricting more never raises it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.compile import CompiledPolicy, compile_policy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Bucket, Outcome, Usage
from runplane_mcp.core.exposure import SPANS, Bound, Exposure, Step, exposure
from runplane_mcp.core.exposure.candidates import Candidate, candidates
from runplane_mcp.core.exposure.cells import OTHER
from runplane_mcp.core.exposure.ways import MONEY_OUT
from runplane_mcp.core.facts import NONE, FactValue
from runplane_mcp.core.hours import clock_facts
from runplane_mcp.core.money import Money
from runplane_mcp.core.policy import load
from runplane_mcp.core.request import Kind
from runplane_mcp.errors import PolicyError
from tests.core.stripe_objects import CATALOG
from tests.core.test_policy_properties import LIMITS, RESTRICTING, RULES, with_ids, written_policies

#: A few operations with every kind of money, so that one policy after the other is quick.
ACTIONS = {
    "refund.create",
    "credit_note.create",
    "payout.create",
    "transfer.create",
    "charge.capture",
    "subscription.cancel",
    "customer.delete",
    "customer.update",
    "balance.retrieve",
}
SMALL = Catalog([each for each in CATALOG.operations if each.action in ACTIONS], CATALOG.shapes)
ASKED = [each for each in candidates(SMALL, aliases=False, secrets=False) if each.kind is Kind.WRITE]
SLOW = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
FAST = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
MOMENT = 1_772_560_800_000  # noon of a business day in New York
TODAY = date(2026, 3, 3)
AMOUNTS = [0, 1, 499, 500, 4999, 5000, 5001, 20_000, 20_001, 50_000, 50_050, 100_000, 100_050, 2_000_000, 10**9]


def compiled(written: Mapping[str, Any]) -> CompiledPolicy:
    """Policies that name what this catalog does not have are no subject here."""
    try:
        return compile_policy(load(json.dumps(written)), actions=SMALL.actions)
    except PolicyError:
        assume(condition=False)
        raise


QUIET: dict[str, FactValue] = {
    "disputed": False,
    "possible_duplicate": False,
    "redirects_funds": False,
    "gives_access": False,
    "bulk": False,
    "platform_loss": NONE,
    "destination_paid_before": True,
    "requests_24h_agent": 0,
    "refused_24h_agent": 0,
    "denied_24h_object": 0,
}


class Attack:
    """A slow, careless agent: any request, in any order, at any time, with its sums kept as the store keeps them."""

    def __init__(self, policy: CompiledPolicy, random: Random, principals: int) -> None:
        self.policy, self.random, self.principals = policy, random, principals
        self.rows: dict[tuple[str, str], list[tuple[int, Money | None]]] = {}
        self.now = MOMENT
        self.moved: list[tuple[int, str, frozenset[str], Fraction]] = []
        self.denied = 0

    def run(self, requests: int, hints: Sequence[Step]) -> None:
        """Half of it at random, half by how the worst case is said to be reached."""
        favourites = self.random.sample(ASKED, 2)
        for _ in range(requests):
            self.now += self.random.choice([0, 0, 0, 0, 0, 1, 1, 599, 1800, 3600, 86_400]) * 1000
            if hints and self.random.random() < 0.6:
                self.ask(self.hinted(self.random.choice(hints)))
            else:
                self.ask(self.facts(self.random.choice(favourites if self.random.random() < 0.8 else ASKED)))

    def hinted(self, step: Step) -> dict[str, FactValue]:
        candidate = next(
            each for each in ASKED if each.operation_id == step.operation_id and step.groups <= each.groups
        )
        facts = self.facts(candidate) | {name: QUIET[name] for name in QUIET if name in candidate.facts}
        clock = clock_facts(self.policy, self.now)
        facts |= {
            name: f"{name}_{self.random.random()}" if isinstance(value, str) and OTHER in value else value
            for name, value in step.facts.items()
            if name not in clock
        }
        most = step.each if step.each is not None else 10**9
        money = Money(max(0, most - self.random.choice([0, 0, 0, 1, most // 2])), "usd")
        facts |= {name: money for name in ("amount", "amount_on_object", "mrr_lost") if name in facts}
        if candidate.captures:
            facts["reversible"] = money.amount == 0
        return facts

    def ask(self, facts: dict[str, FactValue]) -> Outcome:
        decision = decide(self.policy, facts, [self.usage(bucket) for bucket in self.policy.buckets(facts)])
        assert "error" not in {reason.source for reason in decision.reasons}
        if decision.outcome is Outcome.ALLOW:
            for key, bucket in {(each.key, each.bucket): each for each in decision.buckets}.items():
                self.rows.setdefault(key, []).append((self.now, bucket.money))
            self.count(facts)
        return decision.outcome

    def usage(self, bucket: Bucket) -> Usage:
        """What was allowed within the window, added up one by one."""
        totals: dict[str, int] = {}
        count = 0
        for at, money in self.rows.get((bucket.key, bucket.bucket), []):
            if at > self.now - bucket.window * 1000:
                count += 1
                if money is not None:
                    totals[money.currency] = totals.get(money.currency, 0) + money.amount
        return Usage(count, totals)

    def count(self, facts: Mapping[str, FactValue]) -> None:
        action = facts["action"]
        assert isinstance(action, frozenset)
        captures = "charge.capture" in action
        groups = action - {"write_offs"} if captures else action
        self.add("amount", groups, facts.get("amount", NONE))
        if captures and "write_offs" in action:
            self.add("amount", frozenset({"write_offs"}), facts["amount_on_object"])
        if action & {"cancellations", "discounts"}:
            self.add("mrr_lost", groups, facts.get("mrr_lost", NONE))

    def add(self, what: str, groups: frozenset[str], money: FactValue) -> None:
        if isinstance(money, Money):
            minor = self.policy.converter.minor(money, None if money.currency == "usd" else TODAY)
            assert minor is not None
            self.moved.append((self.now, what, groups, Fraction(minor)))

    def facts(self, candidate: Candidate) -> dict[str, FactValue]:
        random = self.random
        facts: dict[str, FactValue] = {name: self.value(name) for name in sorted(candidate.facts)}
        facts |= {
            "action": candidate.actions,
            "kind": "write",
            "known": True,
            "judged": True,
            "livemode": True,
            "operation": candidate.operation_id,
            "account": "acct_1",
            "principal": f"agt_{random.randrange(self.principals)}",
        }
        facts |= clock_facts(self.policy, self.now)
        if candidate.reversible is not None:
            facts["reversible"] = candidate.reversible
        amount, on_object = facts.get("amount", NONE), facts.get("amount_on_object", NONE)
        if candidate.captures and isinstance(on_object, Money):
            facts["reversible"] = on_object.amount == 0
        elif isinstance(amount, Money) and isinstance(on_object, Money):
            before = random.choice([0, 0, 0, 1, 5000])
            facts["amount_on_object"] = Money(amount.amount + before, amount.currency)
        return {name: value for name, value in facts.items() if name not in {"risk", "risk_level"}}

    def value(self, name: str) -> FactValue:
        random = self.random
        often: dict[str, list[FactValue]] = {
            "customer": ["cus_1", "cus_2", f"cus_{random.random()}", NONE],
            "guest": ["fp_1", NONE],
            "destination": ["ba_1", "ba_2", f"ba_{random.random()}", NONE],
            "object": ["ch_1", f"ch_{random.random()}"],
            "agent": ["support-bot", "other-bot"],
            "ends": ["now", "period_end"],
            "share": [0, 12, Fraction(25, 2), 50, 100],
            "agent_roles": [frozenset()],
            "url_hosts": [frozenset()],
            "currency": ["usd"],
            "client": [NONE],
            "via": ["mcp"],
            "discount_percent": [0, NONE],
        }
        if name in often:
            return random.choice(often[name])
        if name in {"amount", "amount_on_object"} or (name in {"mrr_lost", "platform_loss"} and random.random() < 0.8):
            return Money(random.choice(AMOUNTS), random.choice(["usd", "usd", "usd", "eur", "jpy", "kwd"]))
        if name in {"mrr_lost", "platform_loss"}:
            return NONE
        if name in {"requests_24h_agent", "requests_7d_customer", "refused_24h_agent", "denied_24h_object"}:
            return random.choice([0, 0, 0, 1])
        if name == "destination_paid_before" or name == "reversible":
            return random.random() < 0.8
        return random.random() < 0.1

    def most(self, span: int, what: str, groups: frozenset[str]) -> Fraction:
        """The most that moved within any span of so many seconds."""
        counted = [(at, money) for at, of, its, money in self.moved if of == what and its & groups]
        return max(
            (sum((money for at, money in counted if end - span * 1000 < at <= end), Fraction(0)) for end, _ in counted),
            default=Fraction(0),
        )


def beaten(attack: Attack, found: Exposure) -> list[str]:
    """What moved more than it can."""
    checks: list[tuple[str, Mapping[int, Bound], str, frozenset[str]]] = [
        ("total", found.total, "amount", MONEY_OUT),
        ("revenue", found.revenue, "mrr_lost", frozenset({"cancellations", "discounts"})),
        *((group, bounds, "amount", frozenset({group})) for group, bounds in found.groups.items()),
    ]
    wrong = []
    for name, bounds, what, groups in checks:
        for span in SPANS:
            amount, most = bounds[span].amount, attack.most(span, what, groups)
            if amount is not None and most // 1 > amount:
                wrong.append(f"{name} {span}: {most} over {amount}")
    return wrong


ALLOWING = st.sampled_from(
    [
        {"when": {"action": ["refunds", "payouts"]}, "then": "allow"},
        {"when": {"action": "refunds", "amount": {"at_most": "1000"}}, "then": "allow"},
        {"when": {"action": ["payouts", "credits"], "amount": {"under": "500"}}, "then": "allow"},
        {"when": {"action": ["charge.capture", "transfers"]}, "then": "allow"},
        {"when": {"action": "cancellations", "mrr_lost": {"under": "500"}}, "then": "allow"},
        {"when": {"action": ["refunds", "cancellations"]}, "then": "allow", "after": "10m"},
    ]
)
OUT = sorted(MONEY_OUT)
#: Limits that end something. Without one of the first the worst case of most policies has no end.
ENDING: list[dict[str, Any]] = [
    {"when": {"action": OUT}, "at_most": most, "within": within, **per}
    for most in ({"total": "500"}, {"total": "2000.5"}, {"total": "1000", "count": 4})
    for within in ("1h", "90m", "24h", "7d")
    for per in ({}, {"per": "agent"}, {"then": "block"})
]
BROAD = st.sampled_from(
    [
        {"when": {"action": group}, "at_most": most, "within": within, **per}
        for group in ("refunds", "payouts", "credits", ["refunds", "payouts", "write_offs"])
        for most in ({"total": "500"}, {"count": 3}, {"total": "1000.5", "count": 4})
        for within in ("1h", "90m", "24h", "7d")
        for per in ({}, {"per": "agent"}, {"then": "block"})
    ]
)
LOSSES = st.sampled_from(
    [
        {"when": {"action": ["cancellations", "discounts"]}, "of": "mrr_lost", "at_most": most, "within": within}
        for most in ({"total": "900"}, {"total": "500.5", "count": 3})
        for within in ("1h", "24h")
    ]
)


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    written = draw(written_policies())
    rules = [*draw(st.lists(ALLOWING, min_size=1, max_size=3)), *written.get("rules", [])]
    if draw(st.sampled_from([True, True, True, False])):
        # What a capture releases is in no total, and most policies would have no worst case.
        rules.append({"when": {"action": "charge.capture"}, "then": "block"})
    limits = [
        *draw(st.lists(st.sampled_from(ENDING), min_size=1, max_size=2)),
        *draw(st.lists(BROAD, max_size=2)),
        draw(LOSSES),
    ]
    limits += written.get("limits", [])
    bare = [{name: each[name] for name in each if name != "id"} for each in rules]
    bare_limits = [{name: each[name] for name in each if name != "id"} for each in limits]
    return written | {"rules": with_ids(bare, "r")} | ({"limits": with_ids(bare_limits, "l")} if limits else {})


def attacked(written: dict[str, Any], seed: int, principals: int) -> list[str]:
    policy = compiled(written)
    found = exposure(policy, SMALL, principals=principals)
    hints = [step for bounds in (found.total, found.revenue) for bound in bounds.values() for step in bound.sequence]
    attack = Attack(policy, Random(seed), principals)
    attack.run(100, hints)
    return beaten(attack, found)


@FAST
@given(policies(), st.integers(0, 10**9), st.sampled_from([1, 1, 2]))
def test_nobody_gets_past_the_worst_case(written: dict[str, Any], seed: int, principals: int) -> None:
    assert attacked(written, seed, principals) == []


@pytest.mark.slow
@SLOW
@given(policies(), st.integers(0, 10**9), st.sampled_from([1, 1, 2]))
def test_nobody_gets_past_the_worst_case_of_many_policies(written: dict[str, Any], seed: int, principals: int) -> None:
    assert attacked(written, seed, principals) == []


def no_more(after: Exposure, before: Exposure) -> bool:
    pairs = [(after.total, before.total), (after.revenue, before.revenue)]
    pairs += [(after.groups[group], before.groups[group]) for group in before.groups]
    for one, other in pairs:
        for span in SPANS:
            least, most = one[span].amount, other[span].amount
            if most is not None and (least is None or least > most):
                return False
    return True


@pytest.mark.slow
@FAST
@given(policies(), RULES, RESTRICTING)
def test_a_restricting_rule_never_raises_the_worst_case(
    written: dict[str, Any], rule: dict[str, Any], then: str
) -> None:
    assume(rule["then"] != "allow")
    more = written | {"rules": [*written["rules"], rule | {"id": "added"}]}

    assert no_more(exposure(compiled(more), SMALL), exposure(compiled(written), SMALL))


@FAST
@given(policies(), LIMITS)
def test_a_limit_never_raises_the_worst_case(written: dict[str, Any], limit: dict[str, Any]) -> None:
    more = written | {"limits": [*written.get("limits", []), limit | {"id": "added"}]}

    assert no_more(exposure(compiled(more), SMALL), exposure(compiled(written), SMALL))
