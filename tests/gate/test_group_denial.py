"""A limit holds a hundred requests, and people say no once: each denial is a vote of its own over what was shown.

THREATS rows 9, 15 and 26.
"""

from __future__ import annotations

import asyncio
import inspect

import pytest

from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.grouping import CardGroup, grouped
from runplane_mcp.core.request import State
from runplane_mcp.errors import ApprovalError, PersonError
from runplane_mcp.gate import group_denial
from runplane_mcp.gate.group_denial import BATCH, GroupDenial, deny_group, find_group
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView
from runplane_mcp.simulator import SEED
from runplane_mcp.store.records import RequestFilter
from runplane_mcp.store.verify import verify
from tests.gate.conftest import SECRET, House, refund, until

#: The shipped policy lets four of $235 pass in an hour and holds the rest for one reason.
PASS = 4
SECRETS = {name: f"{SECRET} {name}" for name in ("maria", "lee")}


async def flood(gate: Gate, held: int) -> list[RequestView]:
    """As many as are held, of one agent, over different customers."""
    views = [await gate.submit(refund(SEED.payment_intents_235[number])) for number in range(PASS + held)]
    assert [view.status for view in views] == [State.SUCCEEDED] * PASS + [State.WAITING] * held
    return views[PASS:]


async def shown(house: House) -> CardGroup:
    async with house.desk() as desk:
        ((group,), single) = grouped(await desk.cards())
    assert single == ()
    return group


async def denied(house: House, group: CardGroup, person: str = "maria", note: str | None = None) -> GroupDenial:
    async with house.desk() as desk:
        return await deny_group(desk, group, person=person, secret=SECRETS[person], note=note)


async def test_all_that_was_shown_is_denied_with_one_note_and_a_vote_for_each(house: House) -> None:
    await house.enrol()
    count = BATCH + 3
    async with house.gate() as gate:
        held = await flood(gate, count)
        group = await shown(house)
        done = await denied(house, group, note="Which order is this about?")
        told = await gate.get("stdio", held[-1].request_id)
        async with house.desk() as desk:
            lives = [await desk.life(view.request_id) for view in held]

    assert (group.count, group.cause.id, group.money) == (count, "refunds-an-hour", (("usd", count * 23_500),))
    assert (set(done.denied), done.left) == ({view.request_id for view in held}, ())
    assert (told.status, told.tell_agent) == (State.DENIED, "Which order is this about?")
    votes = [vote for life in lives for vote in life.votes]
    assert [(vote.person, vote.answer, vote.digest) for vote in votes] == [
        ("maria", Answer.NO, life.request.digest) for life in lives
    ]
    assert len({vote.proof for vote in votes}) == count
    assert verify(house.settings.database).ok


async def test_what_was_answered_or_came_after_the_look_is_left_alone(house: House) -> None:
    """THREATS 9: a no, too, is on what was seen."""
    await house.enrol()
    await house.enrol("lee", by="maria", role=Role.APPROVER)
    async with house.gate() as gate:
        held = await flood(gate, 5)
        group = await shown(house)
        await house.vote(held[1])
        await gate.cancel("stdio", held[2].request_id)
        (new,) = [await gate.submit(refund(SEED.payment_intents_235[PASS + 5]))]
        done = await denied(house, group, "lee")
        approved = await until(gate, held[1], State.SUCCEEDED)
        after = await gate.get("stdio", new.request_id)

    assert {each.reference for each in done.left} == {held[1].reference, held[2].reference}
    assert {each.code for each in done.left} == {"approval.not_waiting"}
    assert len(done.denied) == 3
    assert (approved.status, after.status) == (State.SUCCEEDED, State.WAITING)


async def test_two_people_at_once_deny_each_request_once(house: House) -> None:
    await house.enrol()
    await house.enrol("lee", by="maria", role=Role.APPROVER)
    async with house.gate() as gate:
        held = await flood(gate, BATCH + 5)
        group = await shown(house)
        answers = await asyncio.gather(
            denied(house, group, "maria"), denied(house, group, "lee"), return_exceptions=True
        )
        async with house.desk() as desk:
            lives = [await desk.life(view.request_id) for view in held]

    done = [each for each in answers if isinstance(each, GroupDenial)]
    others = [each for each in answers if not isinstance(each, GroupDenial)]
    assert sorted(id for each in done for id in each.denied) == sorted(view.request_id for view in held)
    assert [len(life.votes) for life in lives] == [1] * len(held)
    assert all(isinstance(each, ApprovalError) and each.code == "approval.none_denied" for each in others)


async def test_who_is_not_asked_and_a_wrong_secret_deny_nothing(house: House) -> None:
    await house.enrol()
    await house.enrol("lee", "leads", by="maria", role=Role.APPROVER)
    async with house.gate() as gate:
        await flood(gate, 3)
        group = await shown(house)
        with pytest.raises(ApprovalError) as not_asked:
            await denied(house, group, "lee")
        async with house.desk() as desk:
            with pytest.raises(PersonError) as wrong:
                await deny_group(desk, group, person="maria", secret="not the secret")
            waiting = await desk.requests(RequestFilter(states=frozenset({State.WAITING})))

    assert (not_asked.value.code, wrong.value.code) == ("approval.none_denied", "person.secret")
    assert len(waiting) == 3


async def test_a_script_names_the_group_as_it_was_shown(house: House) -> None:
    async with house.gate() as gate:
        await flood(gate, 3)
        group = await shown(house)
        async with house.desk() as desk:
            same = await find_group(desk, group.handle, digest=group.digest)
            await gate.submit(refund(SEED.payment_intents_235[PASS + 3]))
            with pytest.raises(ApprovalError) as changed:
                await find_group(desk, group.handle, digest=group.digest)

    assert same == group
    assert changed.value.code == "approval.changed"


async def test_what_expired_meanwhile_is_said_and_written_down(house: House) -> None:
    """THREATS 12."""
    await house.enrol()
    async with house.gate() as gate:
        held = await flood(gate, 3)
        group = await shown(house)
    house.clock.forward(25 * 3_600_000)
    with pytest.raises(ApprovalError) as over:
        await denied(house, group)
    async with house.desk() as desk:
        states = [(await desk.life(view.request_id)).request.state for view in held]

    assert over.value.code == "approval.none_denied"
    assert states == [State.EXPIRED] * 3


async def test_a_denial_of_the_group_stands_for_each_of_it(house: House) -> None:
    """THREATS 15: the same again is answered with the denial; a little less of it is shown as asked after one."""
    await house.enrol()
    async with house.gate() as gate:
        held = await flood(gate, 3)
        await denied(house, await shown(house), note="Not these.")
        again = await gate.submit(refund(SEED.payment_intents_235[PASS]))
        less = await gate.submit(refund(SEED.payment_intents_235[PASS], 23_400))
        async with house.desk() as desk:
            card = await desk.card(less.request_id)

    assert (again.request_id, again.status, again.tell_agent) == (held[0].request_id, State.DENIED, "Not these.")
    assert less.status is State.WAITING
    assert "Asked again after a denial" in card.denials[0]


async def test_others_write_between_the_batches(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """THREATS 26: a flood does not keep the database from whoever freezes, looks or records what is running."""
    await house.enrol()
    monkeypatch.setattr(group_denial, "BATCH", 2)
    async with house.gate() as gate:
        await flood(gate, 6)
        group = await shown(house)
        async with house.desk() as desk:
            before = desk.store.write
            sizes: list[int] = []

            async def write(work: object) -> object:
                head = await desk.store.read(lambda reader: reader.head().size)
                try:
                    return await before(work)  # type: ignore[arg-type]
                finally:
                    sizes.append(await desk.store.read(lambda reader: reader.head().size) - head)

            monkeypatch.setattr(desk.store, "write", write)
            await deny_group(desk, group, person="maria", secret=SECRETS["maria"])

    assert sizes == [4, 4, 4]


def test_there_is_nothing_to_approve_a_group_with() -> None:
    """No answer can be passed in: a hundred requests that nobody read are not approved by one keystroke."""
    parameters = inspect.signature(deny_group).parameters

    assert set(parameters) == {"desk", "group", "person", "secret", "note"}
    assert not any("approve" in name for name in dir(group_denial))
