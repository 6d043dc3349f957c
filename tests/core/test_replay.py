"""Another policy over what was recorded: what flips, what later limits see, and what nobody can know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.facts import UNKNOWN
from runplane_mcp.core.money import Money
from runplane_mcp.core.outlook import Answer
from runplane_mcp.core.replay import Decided, Moved, Outside, People, Replay, Step
from runplane_mcp.core.request import State
from tests.core.policies import compiled, refund

#: Two in the afternoon in New York, on a Tuesday.
NOON = 1_772_564_400_000
MINUTE = 60_000
HOUR_LIMIT = "limits:\n  - {id: an-hour, when: {action: refunds}, at_most: {total: 1000}, within: 1h}\n"
OVER_100 = "rules:\n  - {id: over-100, when: {action: refunds, amount: {over: 100}}, then: require_approval}\n"
OVER_100_BLOCKED = OVER_100.replace("require_approval", "block")
EASY = "risk_levels: {medium: 98, high: 99, critical: 100}\n"

ALLOWED, ASKED, BLOCKED = Outcome.ALLOW, Outcome.REQUIRE_APPROVAL, Outcome.BLOCK
THEN = {ALLOWED: State.EXECUTING, ASKED: State.WAITING, BLOCKED: State.BLOCKED}


def decided(number: int, dollars: int, was: Outcome, **changes: Any) -> Decided:
    known: dict[str, Any] = {
        "request_id": f"r{number}",
        "reference": f"RP-{number}",
        "agent": "bot",
        "action": "refund.create",
        "at": NOON + number * MINUTE,
        "first": True,
        "then": THEN[was],
        "outcome": was,
        "facts": {**refund(dollars), "customer": f"cus_{number}", "object": f"ch_{number}"},
        "spoke": ("old-rule",),
    }
    return Decided(**{**known, **changes})


def through(policy: CompiledPolicy, steps: Sequence[Step], people: People = People.AT_ONCE, since: int = 0) -> Replay:
    replay = Replay(policy, since=since, people=people)
    for step in steps:
        replay.take(step)
    return replay


def flips(replay: Replay) -> list[tuple[str, Answer, tuple[str, ...]]]:
    return [(flip.decided.request_id, flip.after, flip.by) for flip in replay.flips]


def test_a_stricter_rule_flips_what_it_speaks_of_and_names_itself() -> None:
    replay = through(compiled(OVER_100 + EASY), [decided(1, 50, ALLOWED), decided(2, 150, ALLOWED)])

    assert [("r2", Answer.ASK, ("over-100",))] == flips(replay)
    assert (0, 1) == (replay.before.questions, replay.after.questions)
    assert {"usd": 15_000} == replay.after.sums()[Answer.ASK].money


def test_a_looser_policy_names_what_spoke_before() -> None:
    replay = through(compiled(EASY), [decided(1, 50, ASKED)])

    assert [("r1", Answer.ALLOW, ("old-rule",))] == flips(replay)
    assert not replay.flips[0].stricter


def test_what_would_have_been_blocked_leaves_room_in_later_limits() -> None:
    steps = [decided(1, 900, ALLOWED), decided(2, 90, ALLOWED), decided(3, 80, ALLOWED)]

    assert [("r3", Answer.ASK, ("an-hour",))] == flips(through(compiled(HOUR_LIMIT + EASY), steps))
    assert ["r1"] == [id for id, _, _ in flips(through(compiled(HOUR_LIMIT + OVER_100_BLOCKED + EASY), steps))]


@pytest.mark.parametrize(("people", "later"), [(People.AT_ONCE, 1), (People.NEVER, 0)])
def test_nobody_knows_what_people_would_have_said_so_there_are_two_bounds(people: People, later: int) -> None:
    """A question that is never answered counts until it expires, an hour later here, and gives its money back."""
    head = OVER_100.replace("require_approval}", "require_approval, expires_in: 1h}")
    steps = [decided(1, 990, ALLOWED), decided(2, 90, ALLOWED, at=NOON + 70 * MINUTE)]
    within = HOUR_LIMIT.replace("1h", "2h")

    replay = through(compiled(head + within + EASY), steps, people)

    assert later == sum(id == "r2" for id, _, _ in flips(replay))


def test_what_people_denied_gives_its_money_back_but_not_where_it_would_have_been_allowed() -> None:
    steps: list[Step] = [decided(1, 990, ASKED), Moved("r1", State.DENIED, release=True), decided(2, 90, ALLOWED)]
    asking = OVER_100.replace("over: 100", "over: 900")

    assert [] == flips(through(compiled(asking + HOUR_LIMIT + EASY), steps))
    assert ["r1", "r2"] == [id for id, _, _ in flips(through(compiled(HOUR_LIMIT + EASY), steps))]


def test_what_stripe_refused_gives_its_money_back_either_way() -> None:
    steps: list[Step] = [decided(1, 990, ASKED), Moved("r1", State.FAILED, release=True), decided(2, 90, ALLOWED)]

    assert ["r1"] == [id for id, _, _ in flips(through(compiled(HOUR_LIMIT + EASY), steps))]


def test_what_really_moved_takes_the_place_of_what_was_reserved() -> None:
    steps: list[Step] = [decided(1, 990, ALLOWED), decided(2, 90, ALLOWED)]
    done = Moved("r1", State.SUCCEEDED, spent=Money(10_000, "usd"))

    assert ["r2"] == [id for id, _, _ in flips(through(compiled(HOUR_LIMIT + EASY), steps))]
    assert [] == flips(through(compiled(HOUR_LIMIT + EASY), [steps[0], done, steps[1]]))


def test_what_came_before_stands_as_it_was_and_fills_the_limits() -> None:
    steps = [decided(1, 990, ALLOWED), decided(2, 90, ALLOWED)]

    replay = through(compiled(HOUR_LIMIT + OVER_100_BLOCKED + EASY), steps, since=NOON + 2 * MINUTE)

    assert [("r2", Answer.ASK, ("an-hour",))] == flips(replay)
    assert 1 == replay.decided


def test_a_freeze_stays_a_freeze_and_takes_no_place() -> None:
    steps = [decided(1, 990, BLOCKED, outside=Outside.STOPPED), decided(2, 90, ALLOWED)]

    replay = through(compiled(HOUR_LIMIT + EASY), steps)

    assert [] == flips(replay)
    assert 1 == replay.kept


def test_a_lowered_request_is_asked_about_whatever_the_policy_allows() -> None:
    assert [] == flips(through(compiled(EASY), [decided(1, 10, ASKED, outside=Outside.LOWERED)]))


def test_an_answer_with_a_secret_waits_for_nobody() -> None:
    replay = through(compiled(OVER_100 + EASY), [decided(1, 150, ALLOWED, secret=True)])

    assert [Answer.BLOCK] == [flip.after for flip in replay.flips]


def test_the_clock_is_read_anew_in_the_new_zone() -> None:
    night = "rules:\n  - {id: closed, when: {action: refunds, business_hours: false}, then: block}\n" + EASY

    here = through(compiled(night), [decided(1, 10, ALLOWED)])
    there = Replay(
        compiled(
            night,
            head=(
                "version: 1\ncurrency: usd\ntimezone: Asia/Tokyo\n"
                "business_hours: {days: mon-fri, open: 09:00, close: 17:00}\napproval: {from: finance, expires_in: 24h}\n"
            ),
        ),
        since=0,
    )
    there.take(decided(1, 10, ALLOWED))

    assert [] == flips(here)
    assert [("r1", Answer.BLOCK, ("closed",))] == flips(there)


def test_a_fact_that_was_not_recorded_then_is_unknown_and_said() -> None:
    rule = "rules:\n  - {id: disputed, when: {action: refunds, disputed: true}, then: require_approval}\n" + EASY
    step = decided(1, 10, ALLOWED)
    facts = {name: value for name, value in step.facts.items() if name != "disputed"}

    replay = through(compiled(rule), [decided(1, 10, ALLOWED, facts=facts, lacking=frozenset({"disputed"}))])

    assert [("r1", Answer.ASK, ("disputed",))] == flips(replay)
    assert {"disputed": 1} == replay.lacking


def test_what_was_blocked_before_it_was_looked_up_is_said_to_be_so() -> None:
    facts = {**refund(10), "amount": UNKNOWN}

    replay = through(compiled(EASY), [decided(1, 10, BLOCKED, facts=facts)])

    assert [False] == [flip.looked_up for flip in replay.flips]


def test_an_approved_request_that_a_rule_would_have_stopped_is_a_flip_at_its_execution() -> None:
    at_night = NOON + 12 * 60 * MINUTE
    rule = "rules:\n  - {id: over-100, when: {action: refunds, amount: {over: 100}}, then: require_approval}\n"
    rule += "  - {id: closed, when: {action: refunds, business_hours: false}, then: block}\n"
    run = decided(1, 150, ALLOWED, first=False, at=at_night)

    replay = through(compiled(rule + EASY), [decided(1, 150, ASKED), run])

    assert [("r1", Answer.BLOCK, False)] == [(flip.decided.request_id, flip.after, flip.first) for flip in replay.flips]


def test_money_without_an_amount_is_counted_as_unknown_not_as_nothing() -> None:
    facts = {**refund(10), "amount": UNKNOWN}

    sums = through(compiled(EASY), [decided(1, 10, ASKED, facts=facts)]).before.sums()[Answer.ASK]

    assert (1, {}, 1) == (sums.count, sums.money, sums.unknown)
    assert Money(1, "usd") not in facts.values()
