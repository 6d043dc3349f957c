"""What waits for one cause stands together; who asked and what the policy said make a group, and nothing else does.

THREATS row 15: tire the approver.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.card import Card, Cause
from runplane_mcp.core.grouping import FEWEST, CardGroup, group_digest, group_named, grouped
from runplane_mcp.errors import ApprovalError
from tests.cli.test_card import CARD

HOUR = Cause("limit", "refunds-an-hour", "Refunds of an agent over $1,000.00 USD in 1 hour need a person.")
DAY = Cause("limit", "refunds-a-day", "Refunds over $3,000.00 USD in 24 hours need a person.")
LARGE = Cause("rule", "large-refunds", "Large refunds need a person.")
RISK = Cause("risk", "risk.medium", "The risk is medium.")


def card(number: int, *causes: Cause, **changes: object) -> Card:
    base = replace(
        CARD,
        request_id=f"rpr_{number:04}",
        reference=f"RP-{number:04}",
        digest=hashlib.sha256(b"%d" % number).hexdigest(),
        created_at=1_000_000 + number * 1_000,
        votes=(),
        principal="stdio",
        causes=causes or (HOUR,),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def members(groups: Sequence[CardGroup]) -> list[list[str]]:
    return [[each.reference for each in group.cards] for group in groups]


def test_three_of_one_cause_are_a_group_and_two_are_not() -> None:
    two, three = [card(1), card(2)], [card(1), card(2), card(3)]

    assert grouped(two) == ((), tuple(two))
    groups, single = grouped(three)
    assert (members(groups), single) == ([["RP-0001", "RP-0002", "RP-0003"]], ())
    assert groups[0].cause == HOUR
    assert FEWEST == 3


def test_the_cause_that_holds_most_makes_the_group_and_the_rest_stand_by_themselves() -> None:
    cards = [
        *(card(number, HOUR, RISK) for number in range(4)),
        *(card(number, HOUR, DAY, RISK) for number in range(4, 10)),
        *(card(number, LARGE, RISK) for number in range(10, 13)),
        card(13, LARGE, DAY),
        card(14, RISK),
    ]
    groups, single = grouped(cards)

    assert [(group.cause.id, group.count) for group in groups] == [("refunds-an-hour", 10), ("large-refunds", 4)]
    assert single == (cards[14],)


def test_a_limit_tells_more_than_the_risk_of_each() -> None:
    """Of medium risk are many requests that have nothing else in common."""
    cards = [*(card(number, HOUR, RISK) for number in range(3)), *(card(number, RISK) for number in range(3, 7))]
    groups, _ = grouped(cards)

    assert [(group.cause.source, group.count) for group in groups] == [("limit", 3), ("risk", 4)]


def test_what_is_only_of_one_risk_stands_together_only_where_it_does_the_same() -> None:
    actions = ["refund.create", "payout.create", "customer.delete"]
    mixed = [card(number, RISK, action=actions[number % 3]) for number in range(6)]
    groups, single = grouped([*mixed, card(6, RISK), card(7, RISK, action="payout.create")])

    assert [group.actions for group in groups] == [("refund.create",), ("payout.create",)]
    assert {each.action for each in single} == {"customer.delete"}
    assert len({group.handle for group in groups}) == 2


def test_it_says_how_many_how_much_of_what_and_since_when() -> None:
    cards = [
        card(1, amount=23_500, currency="usd", customer="cus_a"),
        card(2, amount=5_000, currency="jpy", customer="cus_b", expires_at=5),
        card(3, amount=1_500, currency="usd", customer="cus_a", action="credit_note.create", frozen=True),
        card(4, amount=None, currency=None, customer=None, facts={"amount": {"missing": "unknown"}}),
        card(5, amount=None, currency=None, customer=None, facts={"amount": {"missing": "none"}}),
    ]
    ((group,), _) = grouped(cards)

    assert group.money == (("jpy", 5_000), ("usd", 25_000))
    assert (group.count, group.unknown_amounts, group.customers, group.frozen) == (5, 1, 2, 1)
    assert group.actions == ("refund.create", "credit_note.create")
    assert (group.oldest, group.newest, group.expires_at) == (1_001_000, 1_005_000, 5)


def test_the_handle_stays_while_requests_come_and_go_and_the_digest_does_not() -> None:
    ((before,), _) = grouped([card(number) for number in range(5)])
    ((after,), _) = grouped([card(number) for number in range(2, 9)])
    ((again,), _) = grouped([*(card(number) for number in range(4)), card(4, digest="f" * 64)])

    assert before.handle == after.handle == again.handle
    assert len({before.digest, after.digest, again.digest}) == 3
    assert before.same_as(before.digest.upper())
    assert not before.same_as(after.digest)


def test_the_digest_of_a_group_can_be_made_with_the_shells_own_tools() -> None:
    digests = ["b" * 64, "A" * 64]

    assert group_digest(digests) == hashlib.sha256(f"{'a' * 64}\n{'b' * 64}\n".encode()).hexdigest()


def test_a_group_is_named_in_any_case() -> None:
    groups, _ = grouped([card(number) for number in range(3)])

    assert group_named(groups, f" {groups[0].handle.lower()} ") is groups[0]
    with pytest.raises(ApprovalError) as missing:
        group_named(groups, "G-NONE")
    assert missing.value.code == "approval.no_group"


def test_what_a_person_lowered_and_what_does_not_wait_is_in_no_group() -> None:
    lowered = [card(number, replaces="rpr_9") for number in range(3)]
    scheduled = [card(number, status="scheduled") for number in range(3, 6)]

    assert grouped([*lowered, *scheduled]) == ((), (*lowered, *scheduled))


def test_one_label_of_two_principals_is_two_agents() -> None:
    cards = [card(number, principal="stdio" if number % 2 else "agent:a1") for number in range(6)]
    groups, _ = grouped(cards)

    assert [{each.principal for each in group.cards} for group in groups] == [{"agent:a1"}, {"stdio"}]
    assert len({group.handle for group in groups}) == 2


# ── properties ────────────────────────────────────────────────────────────────────────────────────────────────────────

FOREIGN = st.text(max_size=12) | st.sampled_from(["support-bot", 'a","limit","x', "a\x00b", "limit", "refunds-an-hour"])
CAUSES = st.lists(st.sampled_from([HOUR, DAY, LARGE, RISK]), max_size=4, unique=True).map(tuple)


@st.composite
def waiting(draw: st.DrawFn) -> list[Card]:
    labels = draw(st.lists(FOREIGN, min_size=1, max_size=3))
    kinds = draw(st.lists(st.tuples(CAUSES, st.sampled_from(labels), st.sampled_from(["stdio", "a"])), max_size=30))
    return [
        replace(card(number), causes=causes, agent=label, principal=principal, justification=label, ticket=label)
        for number, (causes, label, principal) in enumerate(kinds)
    ]


@given(waiting())
def test_every_card_is_in_exactly_one_place(cards: list[Card]) -> None:
    groups, single = grouped(cards)
    placed = Counter(each.request_id for group in groups for each in group.cards) + Counter(
        each.request_id for each in single
    )

    assert placed == Counter(each.request_id for each in cards)


@given(waiting())
def test_a_group_is_of_one_agent_and_each_of_it_has_its_cause(cards: list[Card]) -> None:
    for group in grouped(cards)[0]:
        assert group.count >= FEWEST
        assert {(each.principal, each.agent) for each in group.cards} == {(group.principal, group.agent)}
        assert all(group.cause in each.causes for each in group.cards)
        assert [each.created_at for each in group.cards] == sorted(each.created_at for each in group.cards)


@given(waiting(), st.randoms(use_true_random=False))
def test_the_order_in_which_they_came_makes_no_difference(cards: list[Card], chance: random.Random) -> None:
    shuffled = list(cards)
    chance.shuffle(shuffled)

    assert grouped(shuffled)[0] == grouped(cards)[0]


@given(waiting())
def test_no_two_groups_are_called_the_same(cards: list[Card]) -> None:
    groups, _ = grouped(cards)

    assert len({group.handle for group in groups}) == len(groups)


@given(waiting(), st.text(max_size=30))
def test_words_of_agents_and_of_stripe_move_nothing_into_or_out_of_a_group(cards: list[Card], words: str) -> None:
    """THREATS 13: only who asked and what the policy said make a group."""
    said = [
        replace(each, justification=words, ticket=words, quoted=((words, words),), headline=words, why=(words,))
        for each in cards
    ]

    assert members(grouped(said)[0]) == members(grouped(cards)[0])
    assert [group.cause for group in grouped(said)[0]] == [group.cause for group in grouped(cards)[0]]


def test_agents_whose_short_handles_are_alike_get_longer_ones() -> None:
    """An agent may look for a label until its group is called like another's."""
    one, other = ([card(each, agent=agent) for each in range(3)] for agent in ("bot1038", "bot1192"))
    ((alone,), _), ((alone_too,), _) = grouped(one), grouped(other)
    groups, _ = grouped([*one, *(replace(each, request_id=f"{each.request_id}x") for each in other)])

    assert alone.handle == alone_too.handle
    assert len({group.handle for group in groups}) == 2
    assert all(group.handle.endswith(alone.handle[2:]) for group in groups)
