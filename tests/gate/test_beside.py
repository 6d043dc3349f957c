"""What is in shadow, and a whole policy tried beside the enforced one: recorded, counted, and never heard."""

from __future__ import annotations

from typing import Final

import pytest

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.request import State
from runplane_mcp.errors import PolicyError
from runplane_mcp.gate import shadowing
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED
from tests.gate.conftest import SECRET, House, refund, until

HEAD: Final = """\
version: 1
currency: usd
timezone: America/New_York
business_hours: {days: mon-fri, open: 09:00, close: 17:00}
approval: {from: finance}
"""
ENFORCED: Final = (
    HEAD
    + """\
rules:
  - {id: large, when: {action: refunds, amount: {over: 500}}, then: require_approval}
  - {id: never, when: {action: refunds, amount: {over: 20}}, then: block, mode: shadow}
limits:
  - {id: one, when: {action: refunds}, at_most: {count: 1}, within: 1h, then: block, mode: shadow}
"""
)
CANDIDATE: Final = (
    HEAD
    + """\
rules:
  - {id: small, when: {action: refunds, amount: {over: 30}}, then: block}
limits:
  - {id: two, when: {action: refunds, livemode: false}, at_most: {count: 2}, within: 1h, then: block}
"""
)


async def enforce(house: House, text: str) -> None:
    async with house.desk() as desk:
        await desk.activate_policy(text, file="policies.yaml", as_person="maria", secret=f"{SECRET} maria")
    house.settings.policy_file.write_text(text)


async def try_beside(house: House, text: str) -> None:
    async with house.desk() as desk:
        await shadowing.start(desk, text, file="candidate.yaml")


async def details(gate: Gate, view: RequestView) -> list[dict[str, Json]]:
    found = await gate.store.read(lambda reader: reader.decisions(view.request_id))
    return [dict(record.detail) for record in found]


async def test_what_is_in_shadow_is_recorded_with_the_decision_and_changes_none(house: House) -> None:
    await house.enrol()
    await enforce(house, ENFORCED)
    async with house.gate() as gate:
        first = await gate.submit(refund(SEED.payment_intents_235[0], 1_000))
        second = await gate.submit(refund(SEED.payment_intents_235[1], 5_000))
        [one], [other] = await details(gate, first), await details(gate, second)
    async with house.desk() as desk:
        report = await shadowing.report(desk, since=0)

    assert (first.status, second.status) == (State.SUCCEEDED, State.SUCCEEDED)
    assert "shadow" not in one
    assert [each["id"] for each in other["shadow"]] == ["one", "never"]  # type: ignore[index, union-attr, call-overload]
    assert [(flip.decided, flip.instead, flip.by, flip.count, flip.money) for flip in report.in_shadow] == [
        (Outcome.ALLOW, Outcome.BLOCK, ("limit one",), 1, {"usd": 5_000}),
        (Outcome.ALLOW, Outcome.BLOCK, ("rule never",), 1, {"usd": 5_000}),
    ]


async def test_a_candidate_counts_in_sums_of_its_own_and_its_differences_are_told(house: House) -> None:
    await house.enrol()
    await enforce(house, ENFORCED)
    await try_beside(house, CANDIDATE)
    async with house.gate() as gate:
        views = [await gate.submit(refund(each, 1_000)) for each in SEED.payment_intents_235[:3]]
        views.append(await gate.submit(refund(SEED.payment_intents_235[3], 4_000)))
        held = await gate.submit(refund(SEED.payment_intent_900, 60_000))
        told = [(await details(gate, view))[0]["candidate"] for view in (*views, held)]
        await house.vote(held)
        done = await until(gate, held, State.SUCCEEDED)
        executed = (await details(gate, held))[-1]["candidate"]
    async with house.desk() as desk:
        report = await shadowing.report(desk, since=0)
        stopped = await shadowing.stop(desk)
        after = await shadowing.report(desk, since=0)

    assert [view.status for view in (*views, held, done)] == [State.SUCCEEDED] * 4 + [State.WAITING, State.SUCCEEDED]
    assert [each["differs"] for each in told] == [False, False, True, True, True]  # type: ignore[index, call-overload]
    assert executed["outcome"] == "block"  # type: ignore[index, call-overload]
    assert (report.decided, report.alike) == (5, 2)
    assert {(flip.decided, flip.instead, flip.by, flip.count) for flip in report.flips} == {
        (Outcome.ALLOW, Outcome.BLOCK, ("limit two",), 1),
        (Outcome.ALLOW, Outcome.BLOCK, ("limit two", "rule small"), 1),
        (Outcome.REQUIRE_APPROVAL, Outcome.BLOCK, ("limit two", "rule small"), 1),
    }
    assert sum(flip.money.get("usd", 0) for flip in report.flips) == 1_000 + 4_000 + 60_000
    assert stopped is not None
    assert (after.candidate, after.flips) == (None, ())


async def test_a_candidate_that_breaks_stops_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.enrol()
    await enforce(house, ENFORCED)
    await try_beside(house, CANDIDATE)
    whole = CompiledPolicy.matching

    def breaks(policy: CompiledPolicy, *given: object) -> object:
        if policy.text == CANDIDATE:
            raise RuntimeError("a fault of the candidate's")
        return whole(policy, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(CompiledPolicy, "matching", breaks)
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intents_235[0], 1_000))
        [detail] = await details(gate, view)

    assert view.status is State.SUCCEEDED
    assert "candidate" not in detail


async def test_a_candidate_that_does_not_load_is_not_tried(house: House) -> None:
    with pytest.raises(PolicyError):
        await try_beside(house, "version: 1\n")
    async with house.desk() as desk:
        assert (await shadowing.report(desk, since=0)).candidate is None


async def test_a_candidate_changes_no_outcome_and_no_sum_of_the_enforced_policy(house: House) -> None:
    """The same requests with and without one: the same decisions, reasons and how full limits are."""
    await house.enrol()
    await enforce(house, ENFORCED.replace(", mode: shadow", ""))
    found = []
    for candidate in (None, CANDIDATE):
        if candidate is not None:
            await try_beside(house, candidate)
        async with house.gate() as gate:
            views = [await gate.submit(refund(each, 1_500)) for each in SEED.payment_intents_235[:3]]
            found.append(
                [
                    (view.status, detail["reasons"], detail["limits"], detail["requirement"])
                    for view in views
                    for detail in await details(gate, view)
                ]
            )
        house.clock.forward(25 * 3_600_000)

    statuses = [[status for status, *_ in each] for each in found]
    assert statuses == [[State.SUCCEEDED, State.BLOCKED, State.BLOCKED]] * 2
    assert [each[2] for each in found[0]] == [each[2] for each in found[1]]


async def test_a_candidate_with_other_hours_fills_no_limit_that_the_enforced_policy_has_too(house: House) -> None:
    """THREATS 26: trying a policy needs nobody's secret, so that it must lock nobody out."""
    limit = "{id: night, when: {action: refunds, business_hours: false}, at_most: {count: 1}, within: 12h, then: block}"
    enforced = HEAD + "rules:\n  - {id: small, when: {action: refunds}, then: allow}\nlimits:\n  - " + limit + "\n"
    await house.enrol()
    await enforce(house, enforced)
    await try_beside(house, enforced.replace("close: 17:00", "close: 10:00"))
    async with house.gate() as gate:
        by_day = await gate.submit(refund(SEED.payment_intents_235[0], 1_000))
        house.clock.forward(5 * 3_600_000)
        at_night = [await gate.submit(refund(each, 1_000)) for each in SEED.payment_intents_235[1:3]]

    assert by_day.status is State.SUCCEEDED
    assert [view.status for view in at_night] == [State.SUCCEEDED, State.BLOCKED]
