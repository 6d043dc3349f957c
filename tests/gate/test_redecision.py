"""What was approved is decided again when it runs: by what is so then, and nothing that nobody saw."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.card import Card
from runplane_mcp.core.request import State
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED
from tests.gate.conftest import SECRET, House, refund, submission, until

HOUR: Final = 3_600_000
SHIPPED = (Path(__file__).parents[2] / "policies.yaml").read_text()
HEAD = """\
version: 1
currency: usd
timezone: America/New_York
business_hours: {days: mon-fri, open: 09:00, close: 17:00}
approval: {from: finance, expires_in: 2d}
"""
ASKS = """\
rules:
  - id: new-customers
    when: {action: [customer.create, customer.update]}
    then: require_approval
  - id: nobody
    when: {action: payouts}
    then: block
limits:
  - id: customers-a-day
    when: {action: customer.create}
    at_most: {count: 500}
    within: 1d
"""
#: The same in other words, under other names, in another order and in two rules for one.
ALIKE = """\
limits:
- {id: a-day-of-customers, within: 24h, at_most: {count: 500}, then: require_approval, when: {action: [customer.create]}}
rules:
- {id: no-payouts, then: block, when: {action: payouts}, why: Payouts are made by people.}
- {id: changed-customers, when: {action: customer.update}, then: require_approval}   # was one rule
- {id: created-customers, when: {action: customer.create}, then: require_approval, from: finance}
"""


async def enforce(house: House, text: str) -> None:
    async with house.desk() as desk:
        people = await desk.people()
        who = ("maria", f"{SECRET} maria") if people else (None, None)
        await desk.activate_policy(text, file="policies.yaml", as_person=who[0], secret=who[1])
    house.settings.policy_file.write_text(text)


async def card_of(house: House, view: RequestView) -> Card:
    async with house.desk() as desk:
        return await desk.card(view.request_id)


@pytest.mark.slow
async def test_a_reload_of_an_equivalent_policy_voids_none_of_a_hundred_waiting_requests(house: House) -> None:
    """THREATS 20: edited while requests wait. The policy's version is evidence, never a reason to ask again."""
    await enforce(house, HEAD + ASKS)
    await house.enrol()
    async with house.gate() as gate:
        views = [await gate.submit(submission("PostCustomers", {"name": f"Customer {n}"})) for n in range(100)]
        assert {view.status for view in views} == {State.WAITING}
    house.settings.policy_file.write_text(HEAD + ALIKE)
    async with house.desk() as desk:
        for view in views:
            card = await desk.card(view.request_id)
            assert card.round == 1
            await desk.vote(
                view.request_id, digest=card.digest, person="maria", secret=f"{SECRET} maria", answer=Answer.YES
            )
    async with house.gate() as gate:
        async with house.desk() as desk:
            enforced = await desk.enforced_policy()
        assert enforced is not None
        assert enforced.text == HEAD + ALIKE
        ended = [await until(gate, view, State.SUCCEEDED, State.WAITING, State.BLOCKED) for view in views]
        async with house.desk() as desk:
            lives = [await desk.life(view.request_id) for view in (views[0], views[99])]

    assert {view.status for view in ended} == {State.SUCCEEDED}
    assert [len(life.votes) for life in lives] == [1, 1]
    assert all(len({record.policy_version for record in life.decisions}) == 2 for life in lives)


async def test_what_only_the_clock_blocks_comes_back_and_the_card_says_so_before_the_button(house: House) -> None:
    """Asked in the afternoon, approved in the evening: nothing is thrown away, and in the morning it runs."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(submission("PostPayouts", {"amount": 100_000, "currency": "usd"}))
        assert view.status is State.WAITING
    in_time = await card_of(house, view)
    house.clock.forward(4 * HOUR)
    for round in (2, 3):
        late = await card_of(house, view)
        assert "It would not run now: Payouts are made in business hours (payouts-out-of-hours)." in late.warnings[0]
        assert "would come back for another yes" in late.warnings[0]
        await house.vote(view)
        async with house.gate() as gate:
            again = await until(gate, view, State.WAITING, State.BLOCKED, State.SUCCEEDED, State.FAILED)
        assert again.status is State.WAITING
        card = await card_of(house, view)
        assert card.round == round
        assert card.changed == ("It is blocked as things are now: Payouts are made in business hours.",)
        house.clock.forward(HOUR // 2)
    house.clock.forward(14 * HOUR)
    assert not any("would not run" in each for each in (*in_time.warnings, *(await card_of(house, view)).warnings))
    await house.vote(view)
    async with house.gate() as gate:
        done = await until(gate, view, State.SUCCEEDED, State.WAITING, State.BLOCKED, State.FAILED)

    assert done.status is State.SUCCEEDED


async def test_what_a_rule_blocks_by_now_ends_blocked_and_the_card_says_so(house: House) -> None:
    """THREATS 20: a policy edited while requests wait counts for them too."""
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900, 60_000))
    await enforce(
        house, SHIPPED.replace("rules:\n", "rules:\n  - {id: no-more, when: {action: refunds}, then: block}\n", 1)
    )
    warned = await card_of(house, view)
    house.clock.forward(4 * HOUR)
    await house.vote(view)
    async with house.gate() as gate:
        ended = await until(gate, view, State.BLOCKED, State.WAITING, State.SUCCEEDED)

    assert "(no-more). With a yes now, it would end blocked." in warned.warnings[0]
    assert ended.status is State.BLOCKED


async def test_a_larger_requirement_comes_back_with_the_difference_in_words(house: House) -> None:
    await house.enrol()
    await house.enrol("lee", "finance", role=Role.APPROVER, by="maria")
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900, 60_000))
        await enforce(
            house, SHIPPED.replace("from: finance, expires_in", "from: {group: finance, people: 2}, expires_in", 1)
        )
        await house.vote(view)
        again = await until(gate, view, State.WAITING, State.SUCCEEDED)
        card = await card_of(house, view)
        await house.vote(view)
        await house.vote(view, person="lee")
        done = await until(gate, view, State.SUCCEEDED)

    assert again.status is State.WAITING
    assert card.changed == ("It needs 2 people of finance now; the card asked finance.",)
    assert done.status is State.SUCCEEDED


async def test_more_yeses_than_the_card_asked_for_cover_what_is_asked_by_now(house: House) -> None:
    """A requirement that grew, but not beyond the votes that there are, and nothing new: it runs."""
    two = "from: {group: finance, people: 2}, expires_in"
    await house.enrol()
    await house.enrol("lee", "finance", role=Role.APPROVER, by="maria")
    await enforce(house, SHIPPED.replace("from: finance, expires_in", two, 1))
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900, 60_000))
    await house.vote(view)
    await house.vote(view, person="lee")
    await enforce(house, SHIPPED.replace("from: finance, expires_in", two, 1) + "# the same\n")
    async with house.gate() as gate:
        done = await until(gate, view, State.SUCCEEDED, State.WAITING)

    assert done.status is State.SUCCEEDED


async def test_a_limit_that_was_not_on_the_card_sends_it_back_even_one_that_blocks(house: House) -> None:
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900, 60_000))
        first = re.search(r"^limits:.*\n", SHIPPED, re.MULTILINE)
        assert first is not None
        limit = "  - {id: none, when: {action: refunds}, at_most: {total: 100}, within: 1h, then: block}\n"
        await enforce(house, SHIPPED.replace(first[0], first[0] + limit, 1))
        warned = await card_of(house, view)
        await house.vote(view)
        again = await until(gate, view, State.WAITING, State.BLOCKED, State.SUCCEEDED)
        card = await card_of(house, view)

    assert "(none). With a yes now, it would come back for another yes." in warned.warnings[0]
    assert again.status is State.WAITING
    assert card.changed[0].startswith("It is blocked as things are now: When refunds")
