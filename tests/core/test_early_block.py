"""A definite block is answered before any look-up; what a look-up could change is not."""

from __future__ import annotations

from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.facts import UNKNOWN
from tests.core.policies import compiled, facts_of, refund

OUT_OF_HOURS = """
rules:
  - {id: hours, when: {action: payouts, business_hours: false}, then: block}
  - {id: large, when: {action: payouts, amount: {over: 100}}, then: block}
  - {id: known, when: {action: transfers}, unless: {destination_paid_before: true}, then: block}
limits:
  - {id: many, when: {action: payouts}, at_most: {count: 3}, within: 1h}
  - {id: much, when: {action: payouts}, per: destination, at_most: {total: 3}, within: 1h}
"""
PENDING = frozenset({"amount", "destination", "destination_paid_before"})


def test_a_payout_at_two_at_night_is_blocked_before_any_look_up() -> None:
    """THREATS 16: by the policy's own clock."""
    night = facts_of("payout.create", business_hours=False)
    early = compiled(OUT_OF_HOURS).early_block({name: night[name] for name in night if name not in PENDING}, PENDING)

    assert early is not None
    assert (Outcome.BLOCK, ["hours"]) == (early.outcome, [reason.id for reason in early.reasons])


def test_what_a_look_up_could_change_is_not_blocked_early() -> None:
    policy = compiled(OUT_OF_HOURS)

    assert policy.early_block(facts_of("payout.create"), PENDING) is None
    assert policy.early_block(facts_of("transfer.create"), PENDING) is None
    assert policy.early_block(facts_of("transfer.create"), PENDING - {"destination_paid_before"}) is None
    assert policy.early_block(facts_of("transfer.create", destination_paid_before=False), frozenset()) is not None
    assert policy.early_block(facts_of("payout.create", amount=UNKNOWN), frozenset()) is None


def test_an_early_block_counts_into_the_limits_that_are_known() -> None:
    night = facts_of("payout.create", business_hours=False)
    policy = compiled(OUT_OF_HOURS)

    known = policy.early_block(night, frozenset())
    pending = policy.early_block(night, frozenset({"destination"}))

    assert known is not None
    assert pending is not None
    assert ["many", "much"] == [bucket.limit_id for bucket in known.buckets]
    assert ["many"] == [bucket.limit_id for bucket in pending.buckets]


def test_an_unknown_or_unjudged_operation_is_blocked_early() -> None:
    """THREATS 5."""
    policy = compiled()
    asks = compiled("otherwise: {unjudged: require_approval}")

    assert policy.early_block(refund(5), PENDING) is None
    assert policy.early_block(refund(5, known=False), PENDING) is not None
    assert policy.early_block(refund(5, judged=False), PENDING) is not None
    assert asks.early_block(refund(5, judged=False), PENDING) is None


def test_an_unjudged_operation_is_not_blocked_early_while_a_rule_may_still_vouch_for_it() -> None:
    large = compiled("rules: [{id: large, when: {action: refund.create, amount: {over: 500}}, then: allow}]")
    other = compiled("rules: [{id: other, when: {action: payout.create}, then: allow}]")

    assert large.early_block(refund(5, judged=False), frozenset({"amount"})) is None
    assert large.early_block(refund(5, judged=False), frozenset()) is not None
    assert other.early_block(refund(5, judged=False), frozenset({"amount"})) is not None
