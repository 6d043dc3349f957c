"""Limits: what a request counts into, exact sums over currencies, and what may ask but never block."""

from __future__ import annotations

import pytest

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decision import Outcome, Usage
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.limits import UNKNOWN_BUCKET
from runplane_mcp.core.money import Money
from tests.core.policies import HEAD, compiled, decided, facts_of, refund

ALLOW, ASK, BLOCK = Outcome.ALLOW, Outcome.REQUIRE_APPROVAL, Outcome.BLOCK


def limit(more: str = "", at_most: str = "{total: 1000, count: 15}", when: str = "{action: refunds}") -> CompiledPolicy:
    return compiled(f"limits:\n  - {{id: a, when: {when}, at_most: {at_most}, within: 1h{more}}}\n")


def outcome(policy: CompiledPolicy, facts: dict[str, FactValue], usage: Usage) -> Outcome:
    """What the limit makes of it, the risk left out."""
    return decided(policy, facts, usage, without_risk=True).outcome


# -- sums ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent", "count", "expected"),
    [
        (99_500, 3, ALLOW),  # $1,000.00: at most is at most
        (99_501, 3, ASK),
        (0, 14, ALLOW),
        (0, 15, ASK),
        (10**18, 3, ASK),
    ],
)
def test_a_limit_counts_this_request_to_the_cent(spent: int, count: int, expected: Outcome) -> None:
    assert expected is outcome(limit(), refund(5), Usage(count, {"usd": spent}))


@pytest.mark.parametrize(("eur", "expected"), [(45_454, ALLOW), (45_455, ASK)])
def test_several_currencies_are_added_exactly(eur: int, expected: Outcome) -> None:
    """THREATS 2, 17: $495 and €454.54 ($499.994) and $5 are $999.994."""
    assert expected is outcome(limit(), refund(5), Usage(2, {"usd": 49_500, "eur": eur}))


def test_a_limit_that_is_exceeded_says_so_and_how_full_it_is() -> None:
    decision = decided(limit(", why: Slow down."), refund(235), Usage(4, {"usd": 94_000}))
    (state,) = decision.limits
    (reason,) = [each for each in decision.reasons if each.source == "limit"]

    assert (True, 117) == (state.exceeded, state.share)
    assert "$1,175.00 and 5 requests, this one included, of $1,000.00 or 15 requests within 1 hour" == state.sentence
    assert ("a", ASK, "Slow down.") == (reason.id, reason.outcome, reason.why)
    assert 24 * 3600 == decision.expires_in


@pytest.mark.parametrize(
    ("at_most", "share", "sentence"),
    [
        ("{count: 10}", 40, "4 requests, this one included, of 10 requests within 1 hour"),
        ("{total: 300}", 79, "$237.50, this one included, of $300.00 within 1 hour"),
        ("{count: 1}", 400, "4 requests, this one included, of 1 request within 1 hour"),
    ],
)
def test_the_fuller_of_total_and_count_is_the_share(at_most: str, share: int, sentence: str) -> None:
    (state,) = decided(limit(at_most=at_most), refund(5), Usage(3, {"usd": 23_250})).limits

    assert (share, sentence) == (state.share, state.sentence)


def test_the_fullest_limit_raises_the_risk() -> None:
    empty, full = decided(limit(), refund(5)), decided(limit(), refund(5), Usage(13, {}))

    assert full.risk.score > empty.risk.score


def test_a_limit_that_may_be_full_raises_the_risk_as_a_full_one() -> None:
    counts = limit(", per: customer", "{count: 100}")
    known, unknown = decided(counts, refund(5)), decided(counts, refund(5, customer=UNKNOWN))

    assert {"limit_share"} == {factor.name for factor in set(unknown.risk.factors) - set(known.risk.factors)}


def test_a_limit_of_revenue_sums_the_revenue() -> None:
    policy = limit(", of: mrr_lost", "{total: 100}", "{action: cancellations}")
    facts = facts_of("subscription.cancel", mrr_lost=Money(2000, "usd"))
    (bucket,) = policy.buckets(facts)

    assert Money(2000, "usd") == bucket.money
    assert ASK is outcome(policy, facts, Usage(4, {"usd": 8_001}))
    assert ALLOW is outcome(policy, facts, Usage(4, {"usd": 8_000}))


# -- what nobody knows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", ["require_approval", "block"])
@pytest.mark.parametrize("amount", [UNKNOWN, Money(1, "sek"), Money(-5, "usd"), 5, True], ids=repr)
def test_an_amount_that_nobody_can_tell_exceeds_every_total(amount: FactValue, then: str) -> None:
    """THREATS 1, 17."""
    decision = decided(limit(f", then: {then}"), refund(5, amount=amount))

    assert "a" in {reason.id for reason in decision.reasons}
    assert Outcome(then) is decision.outcome
    assert decision.limits[0].share is None
    assert "and an unknown amount" in decision.limits[0].sentence


def test_an_unknown_amount_counts_one_and_no_money() -> None:
    (unknown,) = limit().buckets(refund(5, amount=UNKNOWN))
    (foreign,) = limit().buckets(refund(5, amount=Money(1, "sek")))

    assert (None, True) == (unknown.money, unknown.unknown_amount)
    assert (Money(1, "sek"), False) == (foreign.money, foreign.unknown_amount)


def test_an_operation_without_an_amount_only_counts() -> None:
    facts = facts_of("subscription.cancel")
    policy = limit(when="{action: [refunds, cancellations]}")
    (bucket,) = policy.buckets(facts)

    assert (None, False) == (bucket.money, bucket.unknown_amount)
    assert ALLOW is outcome(policy, facts, Usage(3, {"usd": 100_000}))
    assert ASK is outcome(policy, facts, Usage(15, {}))


def test_what_others_spent_in_a_currency_without_a_rate_asks_but_never_blocks() -> None:
    """THREATS 26: one odd currency would otherwise lock everybody out for the whole window."""
    policy = limit(", then: block")

    assert ASK is outcome(policy, refund(5), Usage(2, {"usd": 100, "sek": 1}))
    assert BLOCK is outcome(policy, refund(5), Usage(2, {"usd": 100_000, "sek": 1}))
    assert ALLOW is outcome(policy, refund(5), Usage(2, {"usd": 100, "sek": 0}))


def test_a_limit_whose_condition_is_unknown_counts_the_request() -> None:
    policy = limit(when="{action: refunds, disputed: true}")

    assert 1 == len(policy.buckets(refund(5, disputed=UNKNOWN)))
    assert 0 == len(policy.buckets(refund(5)))


# -- what waits ----------------------------------------------------------------------------------------------------

MOSTLY_WAITING = Usage(4, {"usd": 99_600}, waiting_count=3, waiting_totals={"usd": 90_000})


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (", then: block", ASK),
        (", then: block, per: customer", ASK),
        (", then: block, per: agent", BLOCK),
        (", then: block, per: [customer, principal]", BLOCK),
        ("", ASK),
    ],
)
def test_waiting_requests_never_block_on_a_limit_shared_with_others(more: str, expected: Outcome) -> None:
    """THREATS 26: one hijacked agent could lock everybody out with requests that nobody approved."""
    assert expected is outcome(limit(more), refund(5), MOSTLY_WAITING)


@pytest.mark.parametrize(
    ("more", "at_most", "usage", "points"),
    [
        ("", "{total: 1000}", MOSTLY_WAITING, 0),
        ("", "{count: 5}", MOSTLY_WAITING, 0),
        ("", "{total: 200}", MOSTLY_WAITING, 2),
        ("", "{total: 1000}", Usage(2, {"usd": 100, "sek": 9}, 1, {"sek": 9}), 0),
        (", per: agent", "{total: 1000}", MOSTLY_WAITING, 5),
        ("", "{total: 1000}", Usage(4, {"usd": 99_600}), 5),
        ("", "{total: 1000}", Usage(2, {"usd": 100, "sek": 9}, 1, {"usd": 50}), 10),
    ],
)
def test_waiting_requests_add_nothing_to_the_risk_by_a_limit_shared_with_others(
    more: str, at_most: str, usage: Usage, points: int
) -> None:
    """THREATS 26: else they could make it critical, and that blocks."""
    decision = decided(limit(more, at_most), refund(5), usage)

    assert points == sum(factor.points for factor in decision.risk.factors if factor.name == "limit_share")


def test_a_shared_limit_blocks_on_what_was_really_spent() -> None:
    spent = Usage(4, {"usd": 99_600}, waiting_count=1, waiting_totals={"usd": 0})

    assert BLOCK is outcome(limit(", then: block"), refund(5), spent)


# -- what a limit counts by ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("per", "given", "bucket"),
    [
        ("", {}, "[]"),
        ("agent", {}, '[["principal","agt_1"]]'),
        ("principal", {"agent": "other-label"}, '[["principal","agt_1"]]'),
        ("customer", {}, '[["customer","cus_1"]]'),
        ("customer", {"customer": NONE, "guest": "fp_1"}, '[["guest","fp_1"]]'),
        ("customer", {"customer": NONE, "guest": NONE}, '[["guest",null]]'),
        ("customer", {"customer": NONE}, '[["guest",null]]'),
        ("customer", {"customer": UNKNOWN}, UNKNOWN_BUCKET),
        ("customer", {"customer": NONE, "guest": UNKNOWN}, UNKNOWN_BUCKET),
        ("customer", {"customer": 7}, UNKNOWN_BUCKET),
        ("[object, customer]", {}, '[["customer","cus_1"],["object","ch_1"]]'),
        ("[customer, agent]", {"customer": UNKNOWN}, UNKNOWN_BUCKET),
        ("customer", {"customer": '"],["x","é'}, '[["customer","\\"],[\\"x\\",\\"\\u00e9"]]'),
    ],
)
def test_requests_count_into_the_bucket_of_their_key(per: str, given: dict[str, FactValue], bucket: str) -> None:
    (found,) = limit(f", per: {per}" if per else "").buckets(refund(5, **given))

    assert bucket == found.bucket


def test_a_guest_is_never_skipped() -> None:
    """THREATS 2: else refunds without a customer would count nowhere."""
    guest = refund(5, customer=NONE, guest=NONE)

    assert ASK is outcome(limit(", per: customer"), guest, Usage(15, {}))


@pytest.mark.parametrize(("more", "expected"), [("", ASK), (", then: block", BLOCK)])
def test_a_key_that_could_not_be_found_out_counts_as_exceeded(more: str, expected: Outcome) -> None:
    policy = limit(", per: customer" + more)

    assert expected is outcome(policy, refund(5, customer=UNKNOWN), Usage())
    assert decided(policy, refund(5, customer=UNKNOWN)).limits[0].share is None


def test_another_label_is_not_another_agent() -> None:
    """THREATS 2, 11: an agent that starts again under another name finds its limit as full as it was."""
    policy = limit(", per: agent")

    assert policy.buckets(refund(5, agent="one")) == policy.buckets(refund(5, agent="two"))


# -- history -------------------------------------------------------------------------------------------------------


def key(text: str, head: str = HEAD) -> str:
    (found,) = compiled("limits:\n  - {" + text + "}\n", head).limits
    return found.key


BEFORE = (
    "id: a, when: {action: [refunds, credits], amount: {over: 10}}, per: [customer, agent], "
    "at_most: {total: 5}, within: 1h"
)


@pytest.mark.parametrize(
    "after",
    [
        BEFORE.replace("id: a", "id: b"),
        BEFORE.replace("total: 5", "total: 50, count: 2"),
        BEFORE.replace("within: 1h", "within: 7d, then: block"),
        BEFORE.replace("[refunds, credits]", "[credits, refunds, credits]"),
        BEFORE.replace("over: 10", "over: 10.00"),
        BEFORE.replace(
            "{action: [refunds, credits], amount: {over: 10}}", "{amount: {over: 10}, action: [refunds, credits]}"
        ),
        BEFORE.replace("[customer, agent]", "[principal, customer]"),
        BEFORE.replace("[refunds, credits]", "{any_in: [refunds, credits]}"),
    ],
)
def test_a_limit_keeps_its_history_while_its_meaning_stays(after: str) -> None:
    assert key(BEFORE) == key(after)


@pytest.mark.parametrize(
    "after",
    [
        BEFORE.replace("over: 10", "over: 11"),
        BEFORE.replace("over: 10", "at_least: 10"),
        BEFORE.replace("[refunds, credits]", "refunds"),
        BEFORE.replace("[customer, agent]", "customer"),
        BEFORE.replace("at_most", "of: mrr_lost, at_most").replace("credits", "cancellations"),
    ],
)
def test_another_meaning_is_another_history(after: str) -> None:
    assert key(BEFORE) != key(after)


def test_an_amount_of_another_currency_is_another_meaning() -> None:
    euros = HEAD.replace("currency: usd", "currency: eur").replace("eur: 1.10, ", "")

    assert key(BEFORE) != key(BEFORE, euros)
