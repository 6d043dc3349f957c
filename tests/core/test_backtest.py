"""An account's own past under a policy, and thresholds that are moved over it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.backtest import Asked, Backtest, backtest, concerned
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.outlook import Answer
from runplane_mcp.core.policy import PolicyInvalid
from runplane_mcp.core.tune import Trial, Tuned, moved_to, thresholds, tune
from tests.core.policies import HEAD, SHIPPED, compiled, refund

NOON = 1_772_564_400_000
HOUR = 3_600_000
WEEK = 7 * 24 * HOUR
EASY = "risk_levels: {medium: 98, high: 99, critical: 100}\n"
FILE = (
    HEAD
    + EASY
    + """rules:
  - {id: large, when: {action: refunds, amount: {over: 100}}, then: require_approval}   # a remark
  - {id: outside, when: {action: payouts, amount: {over: 70}}, then: require_approval}
limits:
  - {id: a-day, when: {action: refunds}, at_most: {total: 900, count: 20}, within: 24h}
"""
)


def asked(number: int, dollars: int, every: int = HOUR) -> Asked:
    known = {"kind", "action", "amount", "currency", "known", "judged", "reversible", "principal", "agent"}
    facts = {name: value for name, value in refund(dollars).items() if name in known}
    return Asked(
        NOON + number * every,
        f"re_{number}",
        "refund.create",
        {**facts, "customer": f"c{number}", "object": f"o{number}"},
    )


def under(body: str, *history: Asked) -> Backtest:
    return backtest(compiled(body), history, since=NOON, until=NOON + WEEK)


def test_what_is_asked_about_was_done_and_fills_the_limits() -> None:
    body = EASY + "limits:\n  - {id: a, when: {action: refunds}, at_most: {total: 100}, within: 24h}\n"
    body += "rules:\n  - {id: large, when: {action: refunds, amount: {over: 80}}, then: require_approval}\n"

    done = under(body, asked(0, 90), asked(1, 20))

    assert [Answer.ASK, Answer.ASK] == [each.answer for each in done.answers]
    assert [("large",), ("a",)] == [each.by for each in done.answers]
    assert 2.0 == done.questions_per_week


def test_what_is_blocked_or_failed_was_not_done() -> None:
    body = EASY + "limits:\n  - {id: a, when: {action: refunds}, at_most: {total: 100}, within: 24h}\n"
    body += "rules:\n  - {id: large, when: {action: refunds, amount: {over: 80}}, then: block}\n"

    done = under(body, asked(0, 90), replace(asked(1, 60), undone=True), asked(2, 60))

    assert [Answer.BLOCK, Answer.ALLOW, Answer.ALLOW] == [each.answer for each in done.answers]


def test_the_same_again_within_the_repeat_window_is_a_possible_duplicate() -> None:
    one = asked(0, 20)

    done = under(EASY, one, replace(one, at=one.at + 60_000), replace(one, at=one.at + 2 * HOUR))

    assert [(), ("duplicate",), ()] == [each.by if each.answer is Answer.ASK else () for each in done.answers]


def test_the_thresholds_of_a_file_are_found_where_they_stand() -> None:
    found = [(each.owner, each.name, each.written) for each in thresholds(FILE)]

    assert [("large", "amount over", "100"), ("outside", "amount over", "70")] == found[:2]
    assert [("a-day", "total", "900"), ("a-day", "count", "20")] == found[2:]


@given(st.data())
def test_a_moved_threshold_changes_its_number_and_nothing_else(data: st.DataObject) -> None:
    text = SHIPPED.read_text()
    found = thresholds(text)
    moved = {each: str(data.draw(st.integers(1, 99_999))) for each in found if data.draw(st.booleans())}

    after = moved_to(text, moved)

    again = thresholds(after)
    assert [moved.get(each, each.written) for each in found] == [each.written for each in again]
    back = {now: before.written for now, before in zip(again, found, strict=True)}
    assert text == moved_to(after, back)


def tuned(wanted: float, *history: Asked) -> Tuned:
    """With a worst case that is easy to check: all thresholds together."""

    def policy_of(text: str) -> CompiledPolicy | None:
        try:
            return compiled(text, head="")
        except PolicyInvalid:
            return None

    def measure(text: str, worst_too: bool) -> Trial | None:
        policy = policy_of(text)
        if policy is None:
            return None
        done = backtest(policy, history, since=NOON, until=NOON + WEEK)
        worst = int(sum(each.value for each in thresholds(text)) * 100) if worst_too else None
        return Trial(text, done.questions_per_week, worst)

    now = compiled(FILE, head="")
    spoke = frozenset(
        name
        for each in backtest(now, history, since=NOON, until=NOON + WEEK).answers
        if each.answer is Answer.ASK
        for name in each.by
    )
    return tune(FILE, wanted=wanted, spoke=spoke, concerned=concerned(now, history), measure=measure)


def test_a_file_that_asks_too_often_is_loosened_where_it_asks_and_no_more_than_needed() -> None:
    found = tuned(1, *(asked(number, 120, every=25 * HOUR) for number in range(6)))

    assert 6.0 == found.now.questions
    assert found.best.questions <= 1
    assert [("large", "120")] == [
        (each.threshold.owner, each.to) for each in found.changes if each.threshold.owner == "large"
    ]


def test_what_can_be_tightened_without_asking_more_is_but_nothing_that_the_history_knows_nothing_of() -> None:
    found = tuned(0, *(asked(number, 20, every=25 * HOUR) for number in range(6)))

    assert 0.0 == found.best.questions
    assert found.best.worst is not None
    assert found.best.worst < (found.now.worst or 0)
    assert {"large", "a-day"} == {each.threshold.owner for each in found.changes}
    assert "over: 70" in found.best.text


def test_where_no_threshold_can_do_it_the_nearest_is_told_and_nothing_is_claimed() -> None:
    found = tuned(0, asked(0, 20), replace(asked(0, 20), at=NOON + 60_000))

    assert found.best.questions > 0
